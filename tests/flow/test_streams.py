"""Streams: server-sent events and the websocket, with resume, filters,
limits, and what a stop tells them."""
import concurrent.futures
import json
import select
import socket
import struct
import threading
import time

import kc
from wire import Closed, head_bytes


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


def pour(agent, n):
    """n requests, as fast as one websocket takes them."""
    with agent.ws() as w:
        w.note("hello")
        frames = [json.dumps({"jsonrpc": "2.0", "id": i, "method":
                              "system.mode"}) for i in range(n)]
        sender = threading.Thread(target=lambda: [w.send(f) for f in frames])
        sender.start()
        while len(w.answers) < n:
            w.take(time.monotonic() + 30)
        sender.join()


def test_who_falls_far_behind_still_gets_everything(fresh):
    start = json.loads(fresh.lines()[-1])["seq"]
    late = fresh.events("admin", types="request", after_seq=start)
    pour(fresh, 40000 // kc.SLOW)    # more than memory and socket hold
    wanted = [r["seq"] for r in fresh.journal("request") if r["seq"] > start]
    got = []
    while len(got) < len(wanted):
        try:
            got.append(int(late.next(20)["id"]))
        except Closed:               # cut off meanwhile: it comes again
            late.close()
            late = fresh.events("admin", types="request", headers={
                "Last-Event-ID": str(got[-1] if got else start)})
            wanted = [r["seq"] for r in fresh.journal("request")
                      if r["seq"] > start]
    late.close()
    assert got == wanted[:len(got)]


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
    with agent.ws(headers={"X-Correlation-Id": "greeting"}) as w:
        assert w.status == 101
        assert w.headers["x-correlation-id"] == "greeting"
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
    assert len(agent.journal("request", correlation_id="greeting",
                             operation="ws", status=101)) == 1


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
    assert agent.get("/ws").status == 400
    assert agent.get("/ws", by=None).status == 401
    refusals = agent.journal("request", route="/ws")
    assert {401, 403, 400} <= {r["status"] for r in refusals}


def test_a_flood_of_strangers_costs_the_others_little(agent):
    def stranger(_):
        with agent.ws(None) as w:
            return w.status

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        asked = [pool.submit(stranger, n) for n in range(200)]
        assert agent.get("/api/mode", timeout=3).status == 200
        assert {a.result() for a in asked} <= {401, 429}


def is_open(ws):
    """Reads what has come; a ping is not answered."""
    try:
        while True:
            if ws.read_frame(0)[0] == 8:
                return False
    except TimeoutError:
        return True
    except Closed:
        return False


def test_who_sends_is_alive_and_who_is_silent_is_cut(agent):
    call = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "system.mode"})
    with agent.ws() as busy, agent.ws() as silent:
        began = time.monotonic()
        while is_open(silent):
            assert time.monotonic() < began + 60 * kc.SLOW, "not cut"
            busy.send(call)
            select.select([silent.stream], [], [], 1)
        assert time.monotonic() > began + 25, "cut too early"
        for _ in range(6):
            busy.send(call)
            assert is_open(busy), time.monotonic() - began
            select.select([], [], [], 1)


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
        fresh.stop()
        assert e.next(5)["event"] == "agent_stopped"
        assert w.note("event", 5)["type"] == "agent_stopped"
        for ending in (lambda: e.next(5), lambda: w.message(5)):
            try:
                ending()
                raise AssertionError("more after the end")
            except (Closed, TimeoutError) as why:
                assert isinstance(why, Closed), why
        assert w.close_code == 1001


def test_a_revoked_token_is_told_nothing_more(agent):
    agent.token("gone")
    with agent.events(by="gone", types="task_created") as e, \
            agent.ws("gone") as w, agent.events(types="task_created") as kept:
        w.note("hello")
        w.call("events.subscribe", types="task_created")
        before = agent.task("before")["id"]
        assert e.next()["data"]["task_id"] == before
        assert w.note("event")["task_id"] == before
        listed = json.loads(agent.cli("token", "list", "--json").stdout)
        agent.cli("token", "revoke",
                  next(t["id"] for t in listed if t["name"] == "gone"))
        kc.wait_for(lambda: agent.get("/api/tasks", by="gone").status == 401)
        after = agent.task("after")["id"]
        for more in (lambda: e.next(5), lambda: w.note("event", 5)):
            try:
                raise AssertionError(f"it was told: {more()}")
            except Closed:
                pass
        assert kept.next()["data"]["task_id"] == before
        assert kept.next()["data"]["task_id"] == after


def test_the_journal_still_verifies(agent):
    agent.stop()
    assert agent.chained()
    agent.cli("audit", "verify")


kc.main(120)
