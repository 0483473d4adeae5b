"""Exactly one `request` record for every request, whatever its fate: a table
of byte streams, how each connection ends, and the records it has to leave.
Each row comes from an address of its own, so that none is taken for
another's; counted once more when the agent has stopped and all is written."""
import random
import socket
import struct

import kc
from wire import Stream, connect, head_bytes

KEY = {"Connection": "Upgrade", "Upgrade": "websocket",
       "Sec-WebSocket-Version": "13",
       "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
       "Sec-WebSocket-Protocol": "kircerta.v1"}
TLS = bytes.fromhex("16030100f8010000f40303") + bytes(240)
CALL = b'{"jsonrpc":"2.0","id":%d,"method":"system.mode"}'


def frame(data, opcode=1, final=True, length=None):
    """A masked frame of the websocket; length may promise more."""
    n = len(data) if length is None else length
    size = bytes([0x80 | n]) if n < 126 else \
        b"\xfe" + struct.pack(">H", n) if n < 65536 else \
        b"\xff" + struct.pack(">Q", n)
    return bytes([final << 7 | opcode]) + size + bytes(4) + data


class Row:
    """One connection of the table, while it lives."""

    def __init__(self, agent, number, name):
        self.agent, self.name = agent, name
        self.host = f"127.1.{number // 250}.{number % 250 + 1}"
        self.mark = f"row-{number}"
        self.s = Stream.__new__(Stream)
        self.s.timeout, self.s.data = 30 * kc.SLOW, b""
        self.s.sock = connect(agent.address, 30, self.host)

    def head(self, line, by=None, **headers):
        method, _, target = line.partition(" ")
        auth = {"Authorization": "Bearer " + self.agent.token(by)} \
            if by else {}
        return head_bytes(self.agent.address, method, target, {
            "X-Correlation-Id": self.mark} | auth | {
            k.replace("_", "-"): v for k, v in headers.items()})

    def records(self, among=None):
        """What the journal has of it: by its address, its mark or its actor."""
        return [r for r in among or self.agent.journal("request")
                if self.mark in (r["correlation_id"], r["actor"]) or
                str(r["data"].get("peer")).split()[0] == self.host]

    def fates(self, among=None):
        return [(r["status"], r["data"].get("error_code"), r["method"],
                 r["route"]) for r in self.records(among)]

    def send(self, data):
        self.s.send(data)

    def shut(self):
        """Nothing more is sent; reads what comes until the end."""
        self.s.sock.shutdown(socket.SHUT_WR)
        return self.s.to_end()

    def close(self):
        self.s.close()

    def reset(self):
        self.s.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                               struct.pack("ii", 1, 0))
        self.s.close()


def ask(line, by=None, body=b"", **headers):
    """Sends it and waits for its answer."""
    def play(r):
        length = {"Content_Length": str(len(body))} if body else {}
        r.send(r.head(line, by, **(length | headers)) + body)
        r.s.response(line.split()[0])
        r.close()
    return play


def bytes_then(end, data):
    """Raw bytes, then "shut", "close" or "reset"; "wait": for the agent."""
    def play(r):
        text = data(r) if callable(data) else data
        try:
            r.send(text)
            if end == "wait":
                r.s.to_end()
        except OSError:
            pass    # cut while it was still sending
        getattr(r, "shut" if end == "shut" else
                "reset" if end == "reset" else "close")()
        r.close()
    return play


def upgraded(then):
    """A websocket with its hello; then(r) goes on."""
    def play(r):
        r.send(head_bytes(r.agent.address, "GET", "/ws", KEY | {
            "Authorization": "Bearer " + r.agent.token(r.mark),
            "X-Correlation-Id": r.mark}))
        assert r.s.head()[0] == 101
        r.s.until(b'"hello"')
        then(r)
        r.close()
    return play


def calls_and_leaves(r):
    for i in range(3):
        r.send(frame(CALL % i))
        r.s.until(b'"id":%d' % i)


def second(data):
    """One good request, its answer, then this and the end."""
    def play(r):
        r.send(r.head("GET /api/health"))
        assert r.s.response().status == 200
        r.send(data)
        r.shut()
        r.close()
    return play


def events_then(data):
    def play(r):
        r.send(r.head("GET /api/events", "coordinator"))
        assert r.s.head()[0] == 200
        r.send(data)
        if data:
            r.s.to_end()
        r.close()
    return play


def body_then(end, n=100, target="/api/tasks"):
    def play(r):
        r.send(r.head("POST " + target, "coordinator",
                      Content_Length=str(n)) + b"{")
        getattr(r, end)()
        r.close()
    return play


def get(r, target="/api/health"):
    return r.head("GET " + target)


OK = (200, None, "GET", "/api/health")
HEALTH = "/api/health"
TASKS = "/api/tasks"
BAD = (400, "bad_framing", None, None)
LARGE = (431, "headers_too_large", None, None)
WS = (101, None, "GET", "/ws")

ROWS = [
    # Nobody asked for anything.
    ("a scan that connects and leaves", bytes_then("close", b""), []),
    ("a scan that resets", bytes_then("reset", b""), []),
    ("a scan that half closes", bytes_then("shut", b""), []),
    # Answered.
    ("served", ask("GET /api/health"), [OK]),
    ("HEAD", ask("HEAD /api/health"), [(200, None, "HEAD", HEALTH)]),
    ("OPTIONS", ask("OPTIONS /api/tasks"), [(204, None, "OPTIONS", TASKS)]),
    ("created", ask("POST /api/tasks", "coordinator", b'{"title":"x"}'),
     [(201, None, "POST", TASKS)]),
    ("no token", ask("GET /api/tasks"),
     [(401, "unauthenticated", "GET", TASKS)]),
    ("a wrong token", ask("GET /api/tasks", Authorization="Bearer no"),
     [(401, "unauthenticated", "GET", TASKS)]),
    ("no scope", ask("POST /api/tasks", "watcher", b'{"title":"x"}'),
     [(403, "insufficient_scope", "POST", TASKS)]),
    ("another host", ask("GET /api/health", Host="evil.example"),
     [(403, "forbidden_host", "GET", HEALTH)]),
    ("a web page", ask("GET /api/health", Origin="http://evil.example"),
     [(403, "forbidden_host", "GET", HEALTH)]),
    ("no such path", ask("GET /nowhere"),
     [(404, "not_found", "GET", "/nowhere")]),
    ("no such task", ask("GET /api/tasks/t-0000", "coordinator"),
     [(404, "not_found", "GET", "/api/tasks/{id}")]),
    ("a wrong method", ask("DELETE /api/tasks"),
     [(405, "method_not_allowed", "DELETE", TASKS)]),
    ("an unknown method", bytes_then("wait", b"BREW / HTTP/1.1\r\n\r\n"),
     [(405, "method_not_allowed", "BREW", None)]),
    ("CONNECT", bytes_then("wait", b"CONNECT a:1 HTTP/1.1\r\n\r\n"),
     [(405, "method_not_allowed", "CONNECT", None)]),
    ("chunks", ask("POST /api/tasks", Transfer_Encoding="chunked"),
     [(411, "length_required", "POST", TASKS)]),
    ("a body that is too large",
     ask("POST /api/tasks", "coordinator", Content_Length="9999999"),
     [(413, "body_too_large", "POST", TASKS)]),
    ("criteria that are not the task's", lambda r: ask(
        f"POST /api/tasks/{r.agent.task()['id']}/ack", "coordinator",
        b'{"attempt":1,"echoed_acceptance_criteria":[]}')(r),
     [(422, "ack_mismatch", "POST", "/api/tasks/{id}/ack")]),
    ("a long header", ask("GET /api/health", Range="x" * 2000),
     [(431, "headers_too_large", "GET", HEALTH)]),
    ("not JSON", ask("POST /api/tasks", "coordinator", b"{"),
     [(400, "invalid_json", "POST", TASKS)]),
    ("no number for a length",
     ask("POST /api/tasks", Content_Length="2x"),
     [(400, "bad_framing", "POST", TASKS)]),
    ("HTTP/1.0 and then more", bytes_then("wait", lambda r: get(r).replace(
        b"/1.1", b"/1.0") + b"more"), [OK]),
    ("the last one and then more", bytes_then("wait", lambda r: r.head(
        "GET /api/health", Connection="close") + get(r)), [OK]),
    # Not HTTP, or not whole.
    ("nothing but a line", bytes_then("wait", b"hello\r\n\r\n"), [BAD]),
    ("bytes", bytes_then("wait", b"\0\1\2\3\r\n\r\n"), [BAD]),
    ("TLS", bytes_then("wait", TLS), [BAD]),
    ("HTTP/2", bytes_then("wait", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
     [BAD]),
    ("a bad escape", bytes_then("wait", lambda r: get(r, "/%zz")), [BAD]),
    ("a proxy's target", bytes_then("wait", lambda r: get(
        r, "http://other/x")), [BAD]),
    ("an upgrade to h2c", bytes_then("wait", lambda r: r.head(
        "GET /api/health", Connection="Upgrade", Upgrade="h2c")),
     [(400, "bad_framing", "GET", HEALTH)]),
    ("an upgrade to what nobody knows", bytes_then("wait", lambda r: r.head(
        "GET /api/health", Connection="Upgrade", Upgrade="foo")), [BAD]),
    ("a head that is too large", bytes_then("wait", lambda r: r.head(
        "GET /api/health", Cookie="x" * 40000)), [LARGE]),
    ("one byte", bytes_then("close", b"G"), [BAD]),
    ("one byte and a half close", bytes_then("shut", b"G"), [BAD]),
    ("one byte and a reset", bytes_then("reset", b"G"), [BAD]),
    ("half a line", bytes_then("close", b"GET /api/he"), [BAD]),
    ("half a head", bytes_then("close", lambda r: get(r)[:-1]), [BAD]),
    ("half a head and a reset",
     bytes_then("reset", lambda r: get(r)[:-2]), [BAD]),
    ("half a body", body_then("close"), [
        (400, "bad_framing", "POST", TASKS)]),
    ("half a body and a half close", body_then("shut"), [
        (400, "bad_framing", "POST", TASKS)]),
    ("half a file", body_then("close", 1 << 20, "/api/evidence?name=x"), [
        (400, "bad_framing", "POST", "/api/evidence")]),
    ("gone before the answer", bytes_then("close", get), [OK]),
    # More than one on a connection.
    ("three, one after the other", lambda r: [
        (r.send(get(r)), r.s.response()) for _ in range(3)] and r.close(),
     [OK] * 3),
    ("three at once: the rest is one",
     bytes_then("wait", lambda r: get(r) * 3), [OK, BAD]),
    ("a body and more behind it", bytes_then("wait", lambda r: r.head(
        "POST /api/tasks", "coordinator", Content_Length="13")
        + b'{"title":"x"}' + b"GET /api"),
     [(201, None, "POST", TASKS), BAD]),
    ("a second one, one byte of it", second(b"G"), [OK, BAD]),
    ("a second one, half of it", second(b"GET /api/health HTTP/1.1\r\nX"),
     [OK, BAD]),
    ("a second one, no HTTP", second(b"GET /%zz HTTP/1.1\r\n\r\n"),
     [OK, BAD]),
    ("a second one that is large", second(
        b"GET / HTTP/1.1\r\nX: " + b"x" * 30000), [OK, LARGE]),
    ("a good one, then a half close", second(b""), [OK]),
    # Streams.
    ("events", events_then(b""), [(200, None, "GET", "/api/events")]),
    ("a request into events", events_then(b"GET / HTTP/1.1\r\n\r\n"),
     [(200, None, "GET", "/api/events"), BAD]),
    ("a websocket into events", lambda r: events_then(
        r.head("GET /ws", **KEY))(r),
     [(200, None, "GET", "/api/events"), BAD]),
    ("a websocket", upgraded(lambda r: None), [WS]),
    ("a websocket without a token", ask("GET /ws", **KEY),
     [(401, "unauthenticated", "GET", "/ws")]),
    ("a websocket elsewhere", ask("GET /api/health", **KEY),
     [(400, "bad_framing", "GET", HEALTH)]),
    ("no handshake of a websocket", ask("GET /ws", "coordinator", **(
        KEY | {"Sec-WebSocket-Version": "8"})),
     [(400, "bad_framing", "GET", "/ws")]),
    ("calls on a websocket", upgraded(calls_and_leaves), [WS] + [
        (200, None, "WS", "/api/mode")] * 3),
    ("a call that is none", upgraded(lambda r: (
        r.send(frame(b"{")), r.s.until(b'"error"'))),
     [WS, (400, "invalid_json", "WS", "/ws")]),
    ("half a message", upgraded(lambda r: (
        r.send(frame(b"{", length=100)))),
     [WS, (400, "bad_framing", "WS", "/ws")]),
    ("bytes on a websocket", upgraded(lambda r: (
        r.send(frame(b"x", opcode=2)), r.s.to_end())),
     [WS, (400, "bad_framing", "WS", "/ws")]),
    ("a message that is too large", upgraded(lambda r: (
        r.send(frame(b"x", length=1 << 21)), r.s.to_end())),
     [WS, (413, "body_too_large", "WS", "/ws")]),
]

SLOW_ROWS = [
    ("a head that never ends", lambda r: r.send(b"GET /api/health"),
     [(408, "request_timeout", None, None)]),
    ("a body that never comes", lambda r: r.send(r.head(
        "POST /api/tasks", "coordinator", Content_Length="100")),
     [(408, "request_timeout", "POST", TASKS)]),
    ("silence", lambda r: None, []),
]


def wrong(agent, rows):
    """The rows whose records are not those wanted, in whatever order."""
    records = agent.journal("request")
    found = [(row.name, want, row.fates(records)) for row, want in rows]
    return [f for f in found if sorted(map(str, f[1])) !=
            sorted(map(str, f[2]))]


def test_every_request_leaves_exactly_one_record(fresh):
    fresh.token("watcher", "observer")
    fresh.token("coordinator")
    rows = []
    for i, (name, play, want) in enumerate(SLOW_ROWS + ROWS):
        rows.append((Row(fresh, i, name), want))
        play(rows[-1][0])
    for row, _ in rows[:len(SLOW_ROWS)]:
        row.s.to_end(60)
        row.close()
    try:
        kc.wait_for(lambda: not wrong(fresh, rows))
    except TimeoutError:
        pass    # told below
    fresh.stop()
    bad = wrong(fresh, rows)
    assert not bad, "\n".join(map(str, bad))
    assert fresh.chained()
    print(f"{len(rows)} connections, {sum(len(w) for _, w in rows)} records")


def test_no_bytes_are_without_a_record(fresh):
    dice = random.Random(7)
    rows = []
    for i in range(200):
        rows.append(Row(fresh, i, i))
        data = bytearray(rows[-1].head(dice.choice((
            "GET /api/health", "POST /api/tasks", "GET /ws")), **dice.choice((
                {}, KEY, {"Content-Length": "5"}, {"Upgrade": "x"}))))
        for _ in range(dice.choice((0, 1, 3, 30))):
            data[dice.randrange(len(data))] = dice.randrange(256)
        rows[-1].send(data[:dice.randrange(1, len(data) + 20)])
        dice.choice((rows[-1].close, rows[-1].reset))()
    assert fresh.get("/api/mode").status == 200     # all were taken in
    fresh.stop()
    records = fresh.journal("request")
    none = [row.mark for row in rows if not row.records(records)]
    assert not none, none
    assert len(records) < 2 * len(rows), len(records)


def test_a_refusal_says_where_it_came_from_and_why(agent):
    row = Row(agent, 1, "who")
    bytes_then("close", b"GET /api/he")(row)
    found = kc.wait_for(row.records)[0]
    assert found["data"]["peer"] == row.host + " (loopback)", found
    assert "11 bytes" in found["data"]["detail"], found
    assert found["actor"] is None and found["transport"] == "http"
    ask("GET /api/tasks")(row := Row(agent, 2, "token"))
    found = agent.journal("auth_failed", correlation_id=row.mark)[0]
    assert found["data"]["peer"] == row.host + " (loopback)", found


def test_who_is_in_the_middle_of_a_head_when_it_stops_is_recorded(fresh):
    row = Row(fresh, 1, "stopping")
    row.send(b"GET /api/mode HTTP/1.1\r\n")
    assert fresh.get("/api/mode").status == 200
    fresh.stop()
    row.close()
    assert row.fates() == [(503, "stopping", None, None)], row.fates()


kc.main(120)
