"""What stands between clients and an agent: it sees all that they say to each
other, and does to it what a network does, when a test wants it."""
import http.client
import http.server
import json
import threading


class Exchange:
    """One request and what was answered."""

    def __init__(self, method, path, headers, body):
        self.method, self.path, self.headers = method, path, headers
        self.said = json.loads(body) if body else None
        self.key = headers.get("Idempotency-Key")
        self.status, self.answer = None, None

    def __repr__(self):
        return f"{self.method} {self.path} {self.said} -> {self.status}"


class Relay:
    """spoil(exchange) says what becomes of a request: None, it is passed on;
    "lose", the agent does it and the answer is lost; a number of seconds, it
    is refused with 503 and Retry-After. Events are sent `times` times."""

    def __init__(self, agent, spoil=lambda exchange: None, times=1):
        self.agent, self.spoil, self.times = agent, spoil, times
        self.seen, self.events = [], []
        relay = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self):
                self.close_connection = True
                relay.pass_on(self)

            do_GET = do_POST = do_PATCH = handle_one

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                                      Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,),
                         daemon=True).start()

    def pass_on(self, to):
        body = to.rfile.read(int(to.headers.get("Content-Length") or 0))
        exchange = Exchange(to.command, to.path, to.headers, body)
        spoiled = self.spoil(exchange)
        self.seen.append(exchange)
        if type(spoiled) is int:
            exchange.status = 503
            return self.answer(to, 503, {"Retry-After": str(spoiled)}, b"")
        peer = http.client.HTTPConnection(*self.agent.address, timeout=60)
        try:
            peer.request(to.command, to.path, body, {
                k: v for k, v in to.headers.items() if k != "Host"})
            answer = peer.getresponse()
            if to.path.startswith("/api/events"):
                return self.stream(to, answer)
            text = answer.read()
        except (OSError, http.client.HTTPException):
            return None     # the connection ends without a word
        finally:
            peer.close()
        exchange.status = answer.status
        exchange.answer = json.loads(text) if text else None
        if spoiled != "lose":
            self.answer(to, answer.status, {
                k: v for k, v in answer.headers.items() if k.lower() not in
                ("content-length", "connection")}, text)

    @staticmethod
    def answer(to, status, headers, text):
        to.send_response_only(status)
        for name, value in (headers | {
                "Content-Length": str(len(text)),
                "Connection": "close"}).items():
            to.send_header(name, value)
        to.end_headers()
        to.wfile.write(text)

    def stream(self, to, answer):
        """Events, until one of the two has enough."""
        to.send_response_only(answer.status)
        to.send_header("Content-Type", answer.headers["Content-Type"])
        to.send_header("Connection", "close")
        to.end_headers()
        event = b""
        try:
            for line in answer:
                event += line
                if line == b"\n":
                    self.heard(event.decode())
                    to.wfile.write(event * self.times)
                    event = b""
        except (OSError, http.client.HTTPException):
            pass

    def heard(self, event):
        fields = dict(line.split(": ", 1) for line in event.splitlines()
                      if ": " in line)
        if fields["event"] != "ping":
            self.events.append((fields["event"], json.loads(fields["data"])))

    def steps(self):
        """The requests that change something, in their order."""
        return [e for e in self.seen if e.method != "GET"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
