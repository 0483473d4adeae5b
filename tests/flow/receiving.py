"""Somebody who receives webhooks, on a port of this machine."""
import http.server
import threading

import kc


class Receiver:
    """What came, in order: {"path", "headers", "body"}; and by path what is
    answered next, (status, headers, body), 204 where nothing is said; or a
    function of the handler, for what is no answer."""

    def __init__(self, tls=None):
        self.got, self.answers, self.changed = [], {}, threading.Condition()
        self.open = threading.Event()   # cleared: nobody is answered
        self.open.set()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.take(self.path, dict(self.headers), body)
                receiver.open.wait(100)
                answer = receiver.answer(self.path)
                if callable(answer):
                    self.close_connection = True
                    return answer(self)
                status, headers, body = answer
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

            def handle(self):
                try:
                    super().handle()
                except OSError:
                    pass    # it had enough

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                                      Handler)
        self.server.handle_error = lambda *_: None
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket,
                                                 server_side=True)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever,
                         daemon=True).start()

    def take(self, path, headers, body):
        with self.changed:
            self.got.append({"path": path, "body": body, "headers": {
                k.lower(): v for k, v in headers.items()}})
            self.changed.notify_all()

    def answer(self, path):
        with self.changed:
            later = self.answers.get(path, [])
            return later.pop(0) if later else (204, {}, b"")

    def at(self, path, n=1, seconds=20):
        """All that came to this path, once it is n; waits for that."""
        def here():
            return [g for g in self.got if g["path"] == path]
        with self.changed:
            assert self.changed.wait_for(lambda: len(here()) >= n,
                                         seconds * kc.PATIENCE), (path, n)
            return here()
