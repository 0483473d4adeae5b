"""What a hostile peer tries. After each attack somebody well-behaved is
answered at once, and at the end the journal verifies."""
import os
import random
import re
import select
import socket
import time

import kc
from wire import Closed, http

HOST = b"Host: localhost:%d\r\n"


def alive(agent):
    """A good client gets its answer, and soon."""
    begun = time.monotonic()
    answer = agent.get("/api/mode", timeout=5)
    assert answer.status == 200, answer
    assert time.monotonic() - begun < 3 * kc.PATIENCE


def host(agent):
    return HOST % agent.port


def auth(agent, by="coordinator"):
    return b"Authorization: Bearer " + agent.token(by).encode() + b"\r\n"


def request(agent, line, *headers, body=b""):
    """Bytes of one request; headers as bytes without line ends."""
    lines = b"".join(h + b"\r\n" for h in headers)
    return line + b" HTTP/1.1\r\n" + host(agent) + lines + b"\r\n" + body


def answers(agent, data, source=""):
    """Everything that comes back until the agent hangs up."""
    with agent.raw(data, source=source) as s:
        return s.to_end()


def statuses(data):
    return len(re.findall(rb"HTTP/1\.1 \d\d\d [A-Z]", data))


def error_code(stream):
    return stream.response().json["error_code"]


def spent(agent):
    """Seconds of processor time the agent has used."""
    fields = open(f"/proc/{agent.proc.pid}/stat").read().rsplit(")")[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def requests(agent):
    return len(agent.journal("request"))


def refused_from(agent, source):
    """How many requests of this address were refused."""
    return sum(r["data"].get("folded", {"count": 1})["count"]
               for r in agent.journal("request")
               if r["data"].get("peer", "").split(" ")[0] == source)


def test_three_requests_in_one_packet_do_not_hang_it(agent):
    get = request(agent, b"GET /api/health")
    post = request(agent, b"POST /api/mode", b"Content-Length: 2", body=b"{}")
    for data in (get + post + get, post + get + get, get * 50, post * 50,
                 post + b"x" * 1000, get + b"\0" * 1000):
        before = spent(agent)
        got = answers(agent, data)
        assert statuses(got) == 1, got[:400]
        assert b"Connection: close" in got
        alive(agent)
        assert spent(agent) - before < 0.5 * kc.SLOW
    assert agent.journal("request", route="/api/mode", status=401)


def test_a_request_behind_one_that_waits_is_never_run(agent):
    before = requests(agent)
    with agent.raw(request(agent, b"GET /api/health")) as s:
        s.send(request(agent, b"GET /api/health") * 3)
        try:
            while True:
                assert s.response().status == 200
        except Closed:
            pass
    alive(agent)
    assert 2 <= requests(agent) - before <= 5


def test_requests_cut_at_every_byte_leave_it_well(agent):
    whole = request(agent, b"POST /api/tasks", auth(agent)[:-2],
                    b"Content-Type: application/json", b"Content-Length: 13",
                    body=b'{"title":"x"}')
    head = len(whole) - 13

    def cut():
        return len(agent.journal("request", error_code="bad_framing",
                                 route="/api/tasks"))

    for n in range(1, len(whole)):
        with agent.raw(whole[:n]):
            pass
    alive(agent)
    kc.wait_for(lambda: cut() >= len(whole) - head)
    assert cut() == len(whole) - head, cut()


def test_requests_in_two_packets_at_every_byte_are_answered(agent):
    whole = request(agent, b"GET /api/health", b"X-Correlation-Id: split")
    for n in range(1, len(whole), 3):
        with agent.raw(whole[:n]) as s:
            s.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            s.send(whole[n:])
            status, headers = s.head()
            assert status == 200
            assert headers["x-correlation-id"] == "split"


FRAMINGS = [
    (400, b"POST /api/tasks", b"Content-Length: 2x"),
    (400, b"POST /api/tasks", b"Content-Length: -5"),
    (400, b"POST /api/tasks", b"Content-Length: +2"),
    (400, b"POST /api/tasks", b"Content-Length: 0x2"),
    (400, b"POST /api/tasks", b"Content-Length: 2, 2"),
    (400, b"POST /api/tasks", b"Content-Length: 2\r\nContent-Length: 2"),
    (400, b"POST /api/tasks", b"Content-Length: 99999999999999999999"),
    (400, b"POST /api/tasks",
     b"Content-Length: 2\r\nTransfer-Encoding: chunked"),
    (411, b"POST /api/tasks", b"Transfer-Encoding: chunked"),
    (411, b"GET /api/tasks", b"Transfer-Encoding: chunked"),
    (411, b"PATCH /api/tasks/x", b"Transfer-Encoding: identity"),
    (411, b"DELETE /api/tasks/x", b"Transfer-Encoding: gzip, chunked"),
    (400, b"GET /api/tasks", b"Content-Length: 2"),
    (400, b"HEAD /api/tasks", b"Content-Length: 2"),
    (413, b"POST /api/tasks", b"Content-Length: 99999999"),
]


def test_framing_that_could_hide_a_request_is_refused(agent):
    inner = request(agent, b"GET /api/health")
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(inner), inner)
    for n, (status, line, header) in enumerate(FRAMINGS, 1):
        source = f"127.0.1.{n}"
        for body in (b"", b"{}", chunked):
            got = answers(agent, request(agent, line, header, body=body),
                          source)
            assert got.startswith(b"HTTP/1.1 %d " % status), (header, got)
            assert statuses(got) == 1, (header, got)
            assert b"Connection: close" in got
        assert refused_from(agent, source) == 3, (line, header)
    alive(agent)


def test_a_refused_body_is_answered_while_it_is_still_sent(agent):
    with agent.raw(request(agent, b"POST /api/tasks",
                           b"Content-Length: 4000000")) as s:
        for _ in range(8):
            try:
                s.send(b"x" * 500000)
            except OSError:
                break
        assert error_code(s) == "body_too_large"
    alive(agent)


def test_only_known_hosts_and_no_origin_are_served(agent):
    port = agent.port
    good = [f"localhost:{port}", f"127.0.0.1:{port}", f"LOCALHOST:{port}"]
    bad = ["localhost", "evil.example", f"evil.example:{port}",
           f"localhost:{port}.evil.example", f"localhost:{port}0", None, "",
           f"[::1]:{port}", f"localhost:{port}, localhost:{port}"]
    for name in good:
        assert http(agent.address, "GET", "/api/health",
                    headers={"Host": name}).status == 200, name
    for name in bad:
        got = http(agent.address, "GET", "/api/health",
                   headers={"Host": name})
        assert got.status == 403, (name, got)
        assert got.json["error_code"] == "forbidden_host"
    for target in ("/api/health", "/api/tasks", "/nowhere", "/ws"):
        got = agent.get(target, headers={"Origin": "http://localhost"})
        assert got.status == 403, (target, got)


def test_hosts_of_the_configuration_are_served(fresh):
    fresh.stop()
    fresh.conf("agent.host", "studio.lan box:8443")
    fresh.start()
    for name, status in (("studio.lan", 200), ("studio.lan:1234", 200),
                         ("box:8443", 200), ("box", 403), ("box:1", 403),
                         ("studio.lan.evil", 403)):
        got = http(fresh.address, "GET", "/api/health",
                   headers={"Host": name})
        assert got.status == status, (name, got)


def test_other_protocols_are_refused(agent):
    connection = b"Connection: Upgrade, HTTP2-Settings"
    settings = b"HTTP2-Settings: AAMAAABkAAQAAP__"
    for name in (b"h2c", b"foo", b"TLS/1.0", b"websocket, h2c"):
        got = answers(agent, request(agent, b"GET /api/health", connection,
                                     b"Upgrade: " + name, settings))
        assert b"101" not in got[:20] and b"<html" not in got, got
        alive(agent)
    got = answers(agent, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 30)
    assert not got or got.startswith(b"HTTP/1.1 4"), got
    got = answers(agent, b"CONNECT example.org:80 HTTP/1.1\r\n"
                  + host(agent) + b"\r\n")
    assert got.startswith(b"HTTP/1.1 405 "), got
    assert agent.journal("request", status=405, method="CONNECT")
    alive(agent)


def test_no_page_comes_from_the_library(agent):
    for line in (b"FOO /", b"GET http://other/x", b"GET *", b"GET /%00",
                 b"GET /%zz", b"GET", b"\x16\x03\x01\x02\x00", b"get /"):
        got = answers(agent, line + b" HTTP/1.1\r\n" + host(agent)
                      + b"Connection: close\r\n\r\n")
        assert b"<html" not in got, (line, got)
        assert not got or got.startswith(b"HTTP/1.1 4"), (line, got)
        alive(agent)


def test_it_listens_on_loopback_alone(agent):
    wanted = f"{agent.port:04X}"
    found = []
    for table in ("tcp", "tcp6"):
        for row in open(f"/proc/net/{table}").read().splitlines()[1:]:
            fields = row.split()
            address, port = fields[1].split(":")
            if port == wanted and fields[3] == "0A":
                found.append((table, address))
    assert found == [("tcp", "0100007F")], found


def test_headers_that_are_too_large_are_refused(agent):
    for name in (b"Idempotency-Key", b"Authorization", b"If-Match",
                 b"X-Correlation-Id", b"Range"):
        with agent.raw(request(agent, b"GET /api/tasks",
                               name + b": " + b"k" * 2000)) as s:
            assert error_code(s) == "headers_too_large", name
    for big in (b"X: " + b"k" * 20000, b"Cookie: " + b"k" * 100000,
                b"\r\n".join(b"X-%d: y" % i for i in range(3000))):
        got = answers(agent, request(agent, b"GET /api/tasks", big))
        assert b"<html" not in got and b"HTTP/1.1 200" not in got
    query = b"&".join(b"a%d=%d" % (i, i) for i in range(400))
    answers(agent, request(agent, b"GET /api/tasks?" + query))
    answers(agent, request(agent, b"GET /" + b"a" * 15000,
                           b"Connection: close"))
    alive(agent)


def test_bytes_that_are_not_text_are_refused(agent):
    for line, headers in ((b"GET /api/tasks/%ff%fe", ()),
                          (b"GET /api/tasks?q=%ff", ()),
                          (b"GET /%01%02%1b[2J", ()),
                          (b"GET /api/tasks", (b"If-Match: \xff\xfe",)),
                          (b"GET /api/tasks", (b"X-Correlation-Id: a b",)),
                          (b"GET /api/tasks", (b"Last-Event-ID: \x01",))):
        got = answers(agent, request(agent, line, auth(agent)[:-2],
                                     b"Connection: close", *headers))
        assert re.match(rb"HTTP/1.1 (4\d\d|200) ", got), (line, got)
        assert b"\x1b" not in got
    alive(agent)


METHODS = [b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"HEAD", b"OPTIONS",
           b"CONNECT", b"PRI", b"get", b""]
PATHS = [b"/", b"/api/health", b"/api/tasks", b"/api/events", b"/ws",
         b"/api/evidence?name=x", b"/api/tasks/x/ack", b"/../..",
         b"/a%2f%2e%2e/b", b"//", b"*", b"http://h/x", b"/%", b"",
         b"/x?" + b"&".join(b"a=%d" % i for i in range(30)),
         b"/x?%3d=1&=&&"]
HEADERS = [b"Host: a", b"Connection: keep-alive", b"Connection: Upgrade",
           b"Upgrade: websocket", b"Upgrade: h2c", b"Upgrade: foo",
           b"HTTP2-Settings: AAMAAABkAAQAAP__", b"Sec-WebSocket-Version: 13",
           b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
           b"Sec-WebSocket-Protocol: kircerta.v1", b"Content-Length: 5",
           b"Content-Length: 0", b"Content-Length: -1",
           b"Transfer-Encoding: chunked", b"Expect: 100-continue",
           b"Range: bytes=0-", b"If: x", b"X-Forwarded: y", b"Cookie: a=b",
           b"Idempotency-Key: " + b"k" * 300, b"X" * 200 + b": y", b": empty",
           b"noColon", b"A:", b"traceparent: 00-x", b"Prefer: wait=x"]
BODIES = [b"", b"hello", b"5\r\nhello\r\n0\r\n\r\n", bytes(range(256))]


def mutated(dice, agent):
    pool = HEADERS + [host(agent)[:-2], auth(agent)[:-2]] * 4
    out = b""
    for _ in range(dice.choice([1, 1, 1, 2, 3])):
        lines = dice.sample(pool, dice.randint(1, 9))
        data = bytearray(
            dice.choice(METHODS) + b" " + dice.choice(PATHS) + b" "
            + dice.choice([b"HTTP/1.1"] * 4 + [b"HTTP/1.0", b"HTTP/2.0", b""])
            + b"\r\n" + b"".join(h + dice.choice([b"\r\n"] * 4 + [b"\n"])
                                 for h in lines)
            + b"\r\n" + dice.choice(BODIES))
        for _ in range(dice.choice([0, 0, 1, 3])):
            data[dice.randrange(len(data))] = dice.randrange(256)
        out += bytes(data)
    return out


def test_mutated_requests_do_not_harm_it(agent):
    dice = random.Random(20)
    for _ in range(500):
        data = mutated(dice, agent)
        cut = dice.randrange(len(data)) if dice.random() < .4 else len(data)
        with agent.raw() as s:
            try:
                s.send(data[:cut])
                s.send(data[cut:])
                if dice.random() < .7:
                    select.select([s.sock], [], [], 0.02)
            except OSError:
                pass
    alive(agent)


def test_more_connections_than_files_do_not_spin_it(fresh):
    fresh.stop()
    fresh.start(wrap=["prlimit", "--nofile=160:160"])
    held = []
    for _ in range(200):
        s = socket.create_connection(fresh.address, timeout=5)
        held.append(s)
    before = spent(fresh)
    select.select([], [], [], 1.0)   # it must idle, whoever knocks
    assert spent(fresh) - before < 0.5
    for s in held[:150]:
        s.close()
    alive(fresh)
    for s in held:
        s.close()
    alive(fresh)


def receive_little(agent, data):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.connect(agent.address)
    s.sendall(data)
    return s


def cut_after(socks, seconds, poke=lambda: None):
    """Which of the named sockets end, and after how long."""
    begun, ended = time.monotonic(), {}
    while len(ended) < len(socks):
        left = begun + seconds - time.monotonic()
        assert left > 0, f"still open: {set(socks) - set(ended)}"
        for name, s in socks.items():
            if name not in ended and gone(s):
                ended[name] = time.monotonic() - begun
        poke()
        select.select([], [], [], 0.1)
    return ended


def gone(s):
    """Has the peer reset or ended it? Without taking what was sent."""
    state = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    return state != 1


def test_whoever_is_slow_is_cut_and_delays_nobody(agent):
    # It takes the agent 30 s to be sure about a file.
    bearer = auth(agent)[:-2]
    big = agent.post("/api/evidence?name=big.bin", os.urandom(16 << 20),
                     by="coordinator",
                     headers={"Content-Type": "application/octet-stream"})
    assert big.status == 201, big
    socks = {
        "headers": receive_little(agent, b"GET /api/health HTTP/1.1\r\nX"),
        "body": receive_little(agent, request(
            agent, b"POST /api/tasks", bearer, b"Content-Length: 100",
            body=b"{")),
        "upload": receive_little(agent, request(
            agent, b"POST /api/evidence?name=x", bearer,
            b"Content-Length: 100000", body=b"{")),
        "file": receive_little(agent, request(
            agent, b"GET /api/evidence/" + big.json["sha256"].encode(),
            bearer)),
        "nothing": receive_little(agent, b""),
    }
    events = receive_little(agent, request(
        agent, b"GET /api/events?types=request,task_created", bearer))
    socks["events"] = events
    for i in range(300):
        agent.post("/api/tasks", {"title": "x" * 400, "request_text":
                                  "y" * 30000})

    def trickle():
        alive(agent)
        try:
            socks["headers"].send(b"x")
        except OSError:
            pass

    ended = cut_after(socks, 60 * kc.SLOW, trickle)
    assert ended["headers"] < 20 and ended["body"] < 20, ended
    assert b"request_timeout" in socks["body"].recv(4096)
    assert agent.journal("request", error_code="request_timeout",
                         route="/api/tasks")
    for s in socks.values():
        s.close()
    alive(agent)


def test_a_body_that_never_comes_leaves_a_record(agent):
    mark = "gone-" + os.urandom(4).hex()
    with agent.raw(request(agent, b"POST /api/tasks", auth(agent)[:-2],
                           b"Content-Length: 100",
                           b"X-Correlation-Id: " + mark.encode(),
                           body=b"{")):
        pass
    found = kc.wait_for(lambda: agent.journal("request",
                                              correlation_id=mark))
    assert len(found) == 1
    assert found[0]["data"]["error_code"] == "bad_framing"


def test_the_journal_still_verifies(agent):
    alive(agent)
    assert agent.chained()
    agent.stop()
    agent.cli("audit", "verify")
    assert "error" not in agent.log, agent.log[-2000:]


kc.main(120)
