"""HTTP/1.1 with one request a connection, and server-sent events, spoken
plainly so that tests see every byte. Standard library only."""
import json
import select
import socket
import ssl
import time

TIMEOUT = 30.0


class Closed(Exception):
    """The peer ended the connection."""


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.body[:600]!r}>"


def deadline_of(timeout):
    return time.monotonic() + timeout


class Tls(tuple):
    """(host, port) that speaks TLS; context is the client's."""

    def __new__(cls, host, port, context):
        self = super().__new__(cls, (host, port))
        self.context = context
        return self


def connect(address, timeout=TIMEOUT, source=""):
    """A connected socket. address: (host, port), Tls, or a path."""
    if isinstance(address, str):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(timeout)
        try:
            sock.connect(address)
        except OSError:
            sock.close()
            raise
        return sock
    sock = socket.create_connection(address, timeout,
                                    (source, 0) if source else None)
    if isinstance(address, Tls):    # what is sent leaves before a reset
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return address.context.wrap_socket(sock, server_hostname=address[0])
    return sock


def host_of(address):
    return "localhost" if isinstance(address, str) else "%s:%d" % address


class Stream:
    """A socket that is read in whole pieces, each until a deadline. A piece
    that is not all there when the time is over stays for the next try."""

    def __init__(self, address, timeout=TIMEOUT, source=""):
        self.timeout = timeout
        self.data = b""
        self.sock = connect(address, timeout, source)

    def fileno(self):
        return self.sock.fileno()

    def send(self, data):
        self.sock.sendall(data)

    def more(self, deadline):
        left = max(deadline - time.monotonic(), 0)
        stashed = isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()
        if not stashed and not select.select([self.sock], [], [], left)[0]:
            raise TimeoutError(f"silence; so far {self.data[-300:]!r}")
        try:
            got = self.sock.recv(1 << 16)
        except (ConnectionError, ssl.SSLError) as e:
            raise Closed(str(e)) from e
        if not got:
            raise Closed(f"end of stream; so far {self.data[-300:]!r}")
        self.data += got

    def piece(self, parse, timeout=None):
        """parse(data) gives (value, bytes used), or None for not yet."""
        deadline = deadline_of(self.timeout if timeout is None else timeout)
        while (found := parse(self.data)) is None:
            self.more(deadline)
        value, used = found
        self.data = self.data[used:]
        return value

    def until(self, mark, timeout=None):
        def parse(data):
            i = data.find(mark)
            return None if i < 0 else (data[:i], i + len(mark))
        return self.piece(parse, timeout)

    def exactly(self, n, timeout=None):
        return self.piece(lambda data: None if len(data) < n
                          else (data[:n], n), timeout)

    def chunk(self, timeout=None):
        """One chunk of a chunked body; b"" is the last."""
        def parse(data):
            line, mark, rest = data.partition(b"\r\n")
            size = int(line.split(b";")[0], 16) if mark else 0
            if not mark or len(rest) < size + 2:
                return None
            return rest[:size], len(line) + 2 + size + 2
        return self.piece(parse, timeout)

    def to_end(self, timeout=None):
        deadline = deadline_of(self.timeout if timeout is None else timeout)
        try:
            while True:
                self.more(deadline)
        except Closed:
            return self.exactly(len(self.data))

    def head(self, timeout=None):
        """Status and headers (lower-case names) of an answer."""
        lines = self.until(b"\r\n\r\n", timeout).decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        return int(lines[0].split()[1]), headers

    def response(self, method="GET", timeout=None):
        status, headers = self.head(timeout)
        if method == "HEAD" or status in (204, 304) or status < 200:
            body = b""
        elif headers.get("transfer-encoding", "").lower() == "chunked":
            body = b"".join(iter(lambda: self.chunk(timeout), b""))
        elif "content-length" in headers:
            body = self.exactly(int(headers["content-length"]), timeout)
        else:
            body = self.to_end(timeout)
        return Response(status, headers, body)

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def head_bytes(address, method, target, headers):
    lines = [f"{method} {target} HTTP/1.1"]
    lines += [f"{k}: {v}" for k, v in
              ({"Host": host_of(address)} | headers).items()
              if v is not None]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")


def http(address, method, target, body=None, headers=None, timeout=TIMEOUT):
    """One request, one answer. A body that is not bytes is sent as JSON; a
    header whose value is None is left out, Host too."""
    headers = {"Connection": "close"} | (headers or {})
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} | headers
    if body is not None or method in ("POST", "PATCH", "PUT"):
        headers = {"Content-Length": str(len(body or b""))} | headers
    with Stream(address, timeout) as s:
        try:
            s.send(head_bytes(address, method, target, headers)
                   + (body or b""))
        except ConnectionError:
            pass  # refused early: the answer may be there all the same
        return s.response(method)


class Events:
    """GET /api/events. next() gives {"id", "event", "data"} (data parsed);
    pings are counted, not returned."""

    def __init__(self, address, target, headers, timeout=TIMEOUT):
        self.stream = Stream(address, timeout)
        self.stream.send(head_bytes(address, "GET", target,
                                    {"Accept": "text/event-stream"} | headers))
        self.status, self.headers = self.stream.head()
        self.chunked = "chunked" in self.headers.get("transfer-encoding", "")
        self.text = b""
        self.pings = 0
        self.last_id = None

    def more(self, deadline):
        if self.chunked:
            got = self.stream.chunk(max(deadline - time.monotonic(), 0))
            if not got:
                raise Closed("last chunk")
            self.text += got
        else:
            if not self.stream.data:
                self.stream.more(deadline)
            self.text += self.stream.exactly(len(self.stream.data))

    def next(self, timeout=TIMEOUT):
        deadline = deadline_of(timeout)
        while True:
            while b"\n\n" not in self.text:
                self.more(deadline)
            block, self.text = self.text.split(b"\n\n", 1)
            event = self.parse(block.decode("utf-8"))
            if event.get("event") == "ping":
                self.pings += 1
            elif event:
                return event

    def parse(self, block):
        event = {}
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            value = value[1:] if value.startswith(" ") else value
            if name == "data" and "data" in event:
                value = event["data"] + "\n" + value
            if name:
                event[name] = value
        if "id" in event:
            self.last_id = int(event["id"])
        if event.get("data"):
            event["data"] = json.loads(event["data"])
        return event

    def until(self, want, timeout=TIMEOUT):
        """The first event that is of this type, or that want(event) likes."""
        deadline = deadline_of(timeout)
        like = want if callable(want) else lambda e: e.get("event") == want
        while True:
            event = self.next(max(deadline - time.monotonic(), 0))
            if like(event):
                return event

    def close(self):
        self.stream.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
