"""The network as clients use it: connections, bodies, files, events, the
websocket, and how it all ends."""
import hashlib
import json
import os
import socket
import struct
import threading
import time

import kc
from wire import Closed, Events, head_bytes, http


def ask(agent, method, target, body=b"", by="coordinator", **headers):
    """Bytes of a request, to be sent by hand."""
    h = {"Authorization": "Bearer " + agent.token(by)} if by else {}
    h |= {k.replace("_", "-"): v for k, v in headers.items()}
    if body or method in ("POST", "PATCH"):
        h = {"Content-Length": str(len(body))} | h
    return head_bytes(agent.address, method, target, h) + body


def refused(call, code):
    try:
        got = call()
    except kc.RpcError as e:
        assert e.problem["error_code"] == code, e
        return e
    raise AssertionError(f"not refused: {got}")


# HTTP.

def test_one_connection_serves_many_requests(agent):
    body = b'{"title":"kept alive"}'
    with agent.raw() as s:
        for i in range(200):
            s.send(ask(agent, "GET", "/api/tasks?limit=1",
                       X_Correlation_Id=f"many-{i}"))
            got = s.response()
            assert got.status == 200
            assert got.headers["x-correlation-id"] == f"many-{i}"
            assert "connection" not in got.headers
            if i % 10 == 0:
                s.send(ask(agent, "POST", "/api/tasks", body,
                           Content_Type="application/json"))
                assert s.response().status == 201
    for i in range(200):
        assert len(agent.journal("request", correlation_id=f"many-{i}")) == 1


def test_http_1_0_and_connection_close_end_with_the_answer(agent):
    for data in (b"GET /api/health HTTP/1.0\r\nHost: localhost:%d\r\n\r\n"
                 % agent.port, ask(agent, "GET", "/api/health",
                                   Connection="close")):
        with agent.raw(data) as s:
            got = s.response()
            assert got.status == 200
            assert got.headers["connection"] == "close"
            assert s.to_end() == b""


def test_head_options_and_wrong_methods(agent):
    get = agent.get("/api/tasks?limit=1")
    head = agent.request("HEAD", "/api/tasks?limit=1")
    assert head.status == 200 and head.body == b""
    assert head.headers["content-length"] == get.headers["content-length"]
    for target, allow in (("/api/tasks", "GET, HEAD, POST, OPTIONS"),
                          ("/api/mode", "GET, HEAD, POST, OPTIONS"),
                          ("/api/tasks/x", "GET, HEAD, PATCH, OPTIONS"),
                          ("/api/tasks/x/ack", "POST, OPTIONS")):
        for by in ("coordinator", None):
            got = agent.request("OPTIONS", target, by=by)
            assert got.status == 204 and got.headers["allow"] == allow, got
            assert "content-length" not in got.headers
        got = agent.request("DELETE", target)
        assert got.status == 405 and got.headers["allow"] == allow, got
        assert got.json["error_code"] == "method_not_allowed"
    assert agent.journal("request", method="OPTIONS", status=204)
    for target in ("/", "/api", "/api/tasks/", "/api/tasks/a/b/c", "/ap",
                   "/api/tasks/x/ack/", "/api/taskss"):
        got = agent.get(target)
        assert got.status == 404, (target, got)
        assert got.json["error_code"] == "not_found"


def test_paths_and_queries_are_decoded_once(agent):
    task = agent.task("decoded")
    slashes = "/api//./x/../tasks/" + task["id"]
    assert agent.get(slashes).json["id"] == task["id"]
    got = agent.get("/api/tasks?q=%64eco%64ed&&limit=5")
    assert [t["id"] for t in got.json["items"]] == [task["id"]]
    assert agent.get("/api/tasks?q=%2564ecoded").json["items"] == []
    assert agent.get("/api/tasks?nosuch=1").status == 400


def test_a_body_that_is_not_json_is_refused(agent):
    for kind, status in (("text/plain", 400), ("application/json", 201),
                         ("application/x-www-form-urlencoded", 400),
                         ("application/json; charset=utf-8", 201),
                         (None, 201)):
        got = agent.post("/api/tasks", b'{"title":"typed"}',
                         headers={"Content-Type": kind})
        assert got.status == status, (kind, got)


def test_correlation_comes_from_the_caller(agent):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    parent = f"00-{trace}-00f067aa0ba902b7-01"
    for headers, want in (
            ({"X-Correlation-Id": "mine:1"}, "mine:1"),
            ({"traceparent": parent}, trace),
            ({"traceparent": parent, "X-Correlation-Id": "both"}, "both")):
        got = agent.get("/api/mode", headers=headers)
        assert got.headers["x-correlation-id"] == want, got.headers
    for headers in ({}, {"traceparent": "00-zz"},
                    {"traceparent": f"00-{'0' * 32}-00f067aa0ba902b7-01"}):
        got = agent.get("/api/mode", headers=headers)
        assert got.headers["x-correlation-id"].startswith("c-")
    got = agent.get("/api/mode", headers={"X-Correlation-Id": "no spaces"})
    assert got.status == 400
    assert got.json["error_code"] == "invalid_request"


def test_expect_100_is_answered_before_the_body(agent):
    body = json.dumps({"title": "expected"}).encode()
    head = ask(agent, "POST", "/api/tasks", Expect="100-continue",
               Content_Length=str(len(body)))
    with agent.raw(head) as s:
        assert s.head()[0] == 100
        s.send(body)
        assert s.response().status == 201
    with agent.raw(ask(agent, "POST", "/api/tasks", Expect="100-continue",
                       Content_Length="9999999")) as s:
        assert s.response().status == 413


def test_answers_larger_than_any_buffer_arrive_whole(agent):
    for i in range(60):
        agent.task(f"large {i}", request_text="x" * 39000)
    plain = agent.get("/api/tasks?limit=1000&q=large")
    assert len(plain.body) > 2000000
    with agent.raw(ask(agent, "GET", "/api/tasks?limit=1000&q=large")) as s:
        s.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        assert s.response().body == plain.body
        s.send(ask(agent, "GET", "/api/mode"))
        assert s.response().status == 200


# Files.

def add(agent, data, name="f.bin", by="coordinator", **headers):
    headers = {"Content-Type": "application/octet-stream"} | headers
    return agent.post(f"/api/evidence?name={name}", data, by=by,
                      headers=headers)


def test_files_go_in_and_come_out_whole(agent):
    for size in (0, 1, 65536, 300000, 262144, 20 << 20):
        data = os.urandom(size)
        got = add(agent, data)
        assert got.status == 201, got
        sha = hashlib.sha256(data).hexdigest()
        assert got.json["sha256"] == sha and got.json["size"] == size
        out = agent.get(f"/api/evidence/{sha}")
        assert out.status == 200 and out.body == data
        assert out.headers["etag"] == f'"{sha}"'
        assert out.headers["accept-ranges"] == "bytes"


def test_parts_of_a_file_can_be_asked_for(agent):
    data = os.urandom(1 << 20)
    path = "/api/evidence/" + add(agent, data).json["sha256"]
    for text, a, b in (("0-0", 0, 1), ("0-", 0, 1 << 20),
                       ("500000-700000", 500000, 700001),
                       ("-5", (1 << 20) - 5, 1 << 20),
                       ("1048570-9999999", 1048570, 1 << 20)):
        got = agent.get(path, headers={"Range": "bytes=" + text})
        assert got.status == 206 and got.body == data[a:b], text
        assert got.headers["content-range"] == \
            f"bytes {a}-{b - 1}/{len(data)}"
    got = agent.get(path, headers={"Range": "bytes=1048576-"})
    assert got.status == 416, got
    assert got.headers["content-range"] == "bytes */1048576"
    head = agent.request("HEAD", path)
    assert head.headers["content-length"] == "1048576" and not head.body
    same = agent.get(path, headers={"If-None-Match": head.headers["etag"]})
    assert same.status == 304 and not same.body


def test_files_keep_the_connection(agent):
    data = os.urandom(700000)
    path = "/api/evidence/" + add(agent, data).json["sha256"]
    with agent.raw() as s:
        for _ in range(5):
            s.send(ask(agent, "GET", path))
            assert s.response().body == data
            s.send(ask(agent, "GET", "/api/mode"))
            assert s.response().status == 200


def test_a_reader_in_the_middle_of_a_file_may_leave(agent):
    path = "/api/evidence/" + add(agent, os.urandom(8 << 20)).json["sha256"]
    for n in (1, 1000, 100000, 3000000):
        with agent.raw(ask(agent, "GET", path)) as s:
            s.exactly(n)
    assert agent.get("/api/mode").status == 200


def test_a_file_from_somebody_who_may_not_is_not_taken(agent):
    for by, status in ((None, 401), ("watcher", 403)):
        if by:
            agent.token(by, "observer")
        head = ask(agent, "POST", "/api/evidence?name=x", by=by,
                   Content_Length=str(1 << 30))
        with agent.raw(head) as s:
            assert s.response().status == status
    assert agent.journal("request", operation="evidence.add", status=403)


def test_a_file_needs_its_length_and_a_limit(agent):
    with agent.raw(ask(agent, "POST", "/api/evidence?name=x",
                       Content_Length=None)) as s:
        assert s.response().status == 411
    with agent.raw(ask(agent, "POST", "/api/evidence?name=x",
                       Content_Length=str(1 << 40))) as s:
        got = s.response()
        assert got.status == 413
        assert got.json["error_code"] == "body_too_large"


def test_half_a_file_leaves_nothing_but_its_record(agent):
    def files():
        return sorted(p.name for p in (agent.home / "evidence").rglob("*")
                      if p.is_file())
    before = files()
    head = ask(agent, "POST", "/api/evidence?name=x",
               Content_Length=str(4 << 20), X_Correlation_Id="half-a-file")
    with agent.raw(head + os.urandom(1 << 20)) as s:
        kc.wait_for(lambda: files() != before, what="a file being written")
    found = kc.wait_for(lambda: agent.journal(
        "request", correlation_id="half-a-file"))
    assert found[0]["data"]["error_code"] == "bad_framing", found
    kc.wait_for(lambda: files() == before, what="its removal")


# Events.

def test_events_are_the_journals_own_lines(agent):
    agent.task("seen as it happens")
    lines = {json.loads(x)["seq"]: x for x in agent.lines()
             if json.loads(x)["type"] != "request"}
    with agent.raw(ask(agent, "GET", "/api/events?after_seq=0")) as s:
        status, headers = s.head()
        assert status == 200
        assert headers["content-type"] == "text/event-stream"
        for seq, line in sorted(lines.items()):
            got = s.until(b"\n\n").split(b"\n")
            kind = json.loads(line)["type"].encode()
            assert got == [b"id: %d" % seq, b"event: " + kind,
                           b"data: " + line]


def test_events_resume_without_loss_or_repetition(agent):
    seen, stop = [], threading.Event()
    start = json.loads(agent.lines()[-1])["seq"]

    def create():
        for i in range(300):
            agent.task(f"resumed {i}")
        stop.set()

    maker = threading.Thread(target=create)
    maker.start()
    last = start
    while not stop.is_set() or not seen or len(seen) < 300:
        headers = {"Last-Event-ID": str(last)}
        with agent.events(types="task_created", after_seq=start,
                          headers=headers) as e:
            for _ in range(40):
                if len(seen) == 300:
                    break
                got = e.next(10)
                seen.append(got["data"]["data"]["put"]["task"]["title"])
                last = e.last_id
    maker.join()
    assert seen == [f"resumed {i}" for i in range(300)]


def test_a_late_subscriber_gets_all_of_a_long_past(agent):
    sent = [0]

    def many(n):
        for i in range(n):
            assert agent.get("/api/mode").status == 200
        sent[0] += n

    threads = [threading.Thread(target=many, args=(300,)) for _ in range(4)]
    with agent.events(types="request", after_seq=0) as during:
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        last = json.loads(agent.lines()[-1])["seq"]
        wanted = [json.loads(x)["seq"] for x in agent.lines()
                  if json.loads(x)["type"] == "request"]
        wanted = [x for x in wanted if x <= last]
        for e in (during, agent.events(types="request", after_seq=0)):
            got = []
            while not got or got[-1] < last:
                got.append(int(e.next(10)["id"]))
            assert got == wanted


def test_a_restart_does_not_break_a_subscription(fresh):
    fresh.task("before")
    with fresh.events(types="task_created", after_seq=0) as e:
        assert e.until("task_created")
        last = e.last_id
    fresh.restart()
    fresh.task("after")
    with fresh.events(types="task_created",
                      headers={"Last-Event-ID": str(last)}) as e:
        got = e.next(10)["data"]
        assert got["data"]["put"]["task"]["title"] == "after"


def test_events_are_filtered_by_type_and_task(agent):
    one, two = agent.task("one"), agent.task("two")
    start = json.loads(agent.lines()[-1])["seq"]
    with agent.events(task_id=one["id"], after_seq=start) as e, \
            agent.events(types="ack_accepted,task_created",
                         after_seq=start) as f:
        agent.ack(two)
        agent.ack(one)
        third = agent.task("third")
        assert e.next(10)["data"]["task_id"] == one["id"]
        assert f.next(10)["data"]["task_id"] == two["id"]
        assert f.next(10)["data"]["task_id"] == one["id"]
        assert f.next(10)["data"]["task_id"] == third["id"]
    assert agent.get("/api/events?after_seq=x").status == 400
    got = agent.request("HEAD", "/api/events")
    assert got.status == 200 and got.body == b""


def test_an_event_with_a_number_from_the_future_starts_now(agent):
    with agent.events(types="task_created", after_seq=10 ** 12) as e:
        agent.task("now")
        got = e.next(10)["data"]
        assert got["data"]["put"]["task"]["title"] == "now"


def test_silence_is_broken_by_pings_and_the_stream_takes_no_request(agent):
    with agent.events(types="mode_changed") as e, \
            agent.events(types="mode_changed") as f:
        f.stream.send(ask(agent, "GET", "/api/mode"))
        try:
            f.next(10)
            raise AssertionError("a stream answered a request")
        except Closed:
            pass
        while not e.pings:
            try:
                e.next(0.5)
            except TimeoutError:
                pass
            assert e.stream.timeout
            if b"event: ping" in e.text:
                break


# The websocket.

def test_the_websocket_greets_calls_and_tells(agent):
    with agent.ws() as w:
        assert w.status == 101
        hello = w.note("hello")
        assert hello["protocol"] == 1 and hello["actor"] == "coordinator"
        assert {"name", "scope", "summary", "params"} <= \
            set(hello["operations"][0])
        assert w.call("system.mode")["mode"] == "normal"
        task = w.call("task.create", title="over the wire")
        assert w.call("task.get", id=task["id"])["title"] == task["title"]
        refused(lambda: w.call("task.get", id="t-nosuchtask"), "not_found")
        refused(lambda: w.call("nosuch.operation"), "not_found")
        refused(lambda: w.call("task.create", titel="x"), "invalid_request")
    assert agent.journal("request", transport="websocket",
                         operation="task.create")
    assert len(agent.journal("request", operation="ws")) == 1


def test_the_websockets_events_are_the_journals_lines(agent):
    agent.task("something to tell")
    wanted = [json.loads(x) for x in agent.lines()]
    wanted = [r for r in wanted if r["type"] != "request"]
    with agent.ws("admin") as w:
        w.note("hello")
        w.call("events.subscribe", after_seq=0)
        got = [w.note("event", 10) for _ in wanted]
        assert got == wanted
        w.call("events.subscribe", types="task_created")
        task = agent.task("and one more")
        assert w.note("event", 10)["task_id"] == task["id"]


def test_many_calls_at_once_are_all_answered(agent):
    with agent.ws() as w:
        w.note("hello")
        for i in range(500):
            w.send(json.dumps({"jsonrpc": "2.0", "id": f"n{i}",
                               "method": "system.mode"}))
        deadline = time.monotonic() + 30
        while len(w.answers) < 500:
            w.take(deadline)
        assert all(f"n{i}" in w.answers for i in range(500))


def test_large_and_fragmented_messages_are_read_whole(agent):
    text = json.dumps({"jsonrpc": "2.0", "id": "big", "method":
                       "task.list", "params": {"x": "y" * 900000}})
    with agent.ws() as w:
        w.note("hello")
        w.send(text, fragments=37)
        w.take(time.monotonic() + 10)
        problem = w.answers["big"]["error"]["data"]
        assert problem["error_code"] == "invalid_request"
        w.frame(b'{"jsonrpc":"2.0","id":1,', fin=False)
        w.frame(b"between", opcode=9)
        w.frame(b'"method":"system.mode"}', opcode=0)
        while 1 not in w.answers:
            opcode, _, data = w.read_frame(10)
            if opcode == 1:
                w.answers[1] = json.loads(data)
            else:
                assert (opcode, data) == (10, b"between")


def closes_with(w, code):
    try:
        while True:
            w.message(10)
    except Closed:
        assert w.close_code == code, w.close_code


def test_messages_that_cannot_be_are_hung_up_on(agent):
    with agent.ws() as w:
        w.frame(b"x" * (1 << 20) + b"x")
        closes_with(w, 1009)
    with agent.ws() as w:
        for _ in range(20):
            try:
                w.frame(b"x" * 65536, opcode=1 if not _ else 0, fin=False)
            except OSError:
                break
        closes_with(w, 1009)
    with agent.ws() as w:
        w.frame(b"\0\1\2", opcode=2)
        closes_with(w, 1003)
    for garbage in (b"\xff" * 100, b"\x81\x05hello", b"\x83\x80\0\0\0\0",
                    b"\x81\xff" + struct.pack(">Q", 1 << 62) + b"\0" * 99):
        with agent.ws() as w:
            w.note("hello")
            w.stream.send(garbage)
            try:
                assert "error" in w.message(10)
            except Closed:
                pass
    assert agent.get("/api/mode").status == 200


def test_what_is_no_json_rpc_is_answered_as_such(agent):
    with agent.ws() as w:
        w.note("hello")
        for text in ("", "{", "[]", "null", '{"jsonrpc":"1.0"}', "\x00",
                     '{"jsonrpc":"2.0","id":1}', "[" * 1000,
                     '{"jsonrpc":"2.0","method":"system.mode"}'):
            w.send(text)
            got = w.message(10)
            assert "error" in got, (text, got)
        assert w.call("system.mode")


def test_who_may_not_gets_no_websocket(agent):
    for by, status in ((None, 401), ("runner", 403)):
        if by:
            agent.token(by, "tool_runner")
        with agent.ws(by) as w:
            assert w.status == status, w.status
    with agent.ws(headers={"Origin": "http://localhost"}) as w:
        assert w.status == 403
    with agent.ws(headers={"Host": "evil.example"}) as w:
        assert w.status == 403
    for headers in ({"Sec-WebSocket-Protocol": "chat"},
                    {"Sec-WebSocket-Protocol": None},
                    {"Sec-WebSocket-Version": "8"},
                    {"Sec-WebSocket-Key": "short"},
                    {"Connection": "keep-alive"}):
        with agent.ws(headers=headers) as w:
            assert w.status == 400, (headers, w.status)
    refusals = agent.journal("request", route="/ws")
    assert {401, 403, 400} <= {r["status"] for r in refusals}


def test_a_flood_of_strangers_costs_the_others_little(agent):
    closed = 0
    for _ in range(100):
        try:
            agent.ws(None).close()
        except Closed:
            closed += 1
    assert closed >= 50
    assert agent.get("/api/mode", timeout=3).status == 200


def test_a_websocket_that_reads_nothing_is_cut(agent):
    with agent.ws("admin") as w:
        w.note("hello")
        w.stream.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        text = json.dumps({"jsonrpc": "2.0", "id": 1,
                           "method": "audit.query", "params":
                           {"limit": 1000}})
        w.stream.sock.settimeout(0.5)
        end = time.monotonic() + 60 * kc.SLOW
        while w.stream.sock.getsockopt(socket.IPPROTO_TCP,
                                       socket.TCP_INFO, 1)[0] == 1:
            assert time.monotonic() < end, "still connected"
            try:
                w.frame(text.encode())
            except OSError:
                pass
    assert agent.get("/api/mode").status == 200


# How it ends.

def test_the_last_event_is_that_it_stopped(fresh):
    with fresh.events(types="agent_stopped") as e, fresh.ws("admin") as w:
        w.note("hello")
        w.call("events.subscribe", types="agent_stopped")
        idle = fresh.raw(ask(fresh, "GET", "/api/mode"))
        assert idle.response().status == 200
        fresh.stop()
        assert e.next(5)["event"] == "agent_stopped"
        assert w.note("event", 5)["type"] == "agent_stopped"
        for ending in (lambda: e.next(5), lambda: w.message(5),
                       lambda: idle.exactly(1, 5)):
            try:
                ending()
                raise AssertionError("more after the end")
            except (Closed, TimeoutError) as why:
                assert isinstance(why, Closed), why
        assert w.close_code == 1001
    try:
        fresh.raw().close()
        raise AssertionError("still listening")
    except ConnectionRefusedError:
        pass


def test_a_port_in_use_is_said_with_what_to_do(agent):
    fresh = kc.Agent(start=False)
    done = fresh.cli("run", "--listen", "127.0.0.1:%d" % agent.port,
                     check=False)
    assert done.returncode == 1
    assert f"127.0.0.1:{agent.port}" in done.stderr
    assert "--listen" in done.stderr
    for bad in ("8787", "example.org:1", "127.0.0.1:99999", "[::1]:8787"):
        done = fresh.cli("run", "--listen", bad, check=False)
        assert done.returncode == 1 and "HOST:PORT" in done.stderr, done
    fresh.close()


def test_the_journal_still_verifies(agent):
    agent.stop()
    assert agent.chained()
    agent.cli("audit", "verify")


kc.main(120)
