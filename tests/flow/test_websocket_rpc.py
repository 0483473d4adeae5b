"""The websocket: the same operations by the same names through the same gate,
and the events of the journal."""
import json
import threading

import kc
from expect import refused, together


def new_agent():
    agent = kc.Agent(start=False, conf={"policy.grace": "0s"})
    agent.effects = agent.publisher()
    agent.tool("test.write", "result(ok=True)")
    for name in ("coordinator", "codex"):
        agent.token(name)
    return agent.start()


def problem(ws, method, **params):
    """The problem that a call is refused with."""
    try:
        raise AssertionError(f"{method}: {ws.call(method, **params)}")
    except kc.RpcError as e:
        assert e.problem["remediation_hint"], e.problem
        assert isinstance(e.code, int) and e.code < 0
        return e.problem


def test_the_first_frame_says_who_where_and_what_can_be_called(agent):
    with agent.ws() as ws:
        assert ws.status == 101
        assert ws.headers["sec-websocket-protocol"] == "kircerta.v1"
        first = ws.message()
    hello = first["params"]
    assert first["jsonrpc"] == "2.0" and first["method"] == "hello"
    assert "id" not in first
    assert hello["protocol"] == 1 and hello["actor"] == "coordinator"
    assert set(hello["scopes"]) == {"tool_runner", "observer"}
    assert hello["mode"] == "normal" and hello["seq"] > 0
    health = agent.get("/api/health").json
    assert (hello["agent"], hello["version"]) == \
        (health["agent"], health["version"])
    names = {o["name"] for o in hello["operations"]}
    assert names >= {
        "system.health", "system.mode", "task.list", "task.create",
        "task.get", "task.update", "task.history", "task.ack",
        "task.heartbeat", "task.result", "task.verdict", "task.redispatch",
        "task.approve", "task.reject", "task.halt", "task.resume", "tool.list",
        "tool.execute", "run.list",
        "run.get", "run.cancel", "run.reconcile", "approval.list",
        "approval.get", "approval.review", "approval.approve",
        "approval.reject", "approval.cancel", "audit.query", "audit.chain",
        "evidence.list", "evidence.get", "events.subscribe"}, names
    assert not names & {"clock", "recover", "run.ready", "run.report",
                        "service", "tokens.changed"}
    for o in hello["operations"]:
        assert o["scope"] and o["summary"] and isinstance(o["params"], list)
    told = {f"{o['name']} {p['name']}": p["type"]
            for o in hello["operations"] for p in o["params"]}
    for param, kind in {
            "task.ack id": "id", "task.ack attempt": "integer",
            "task.ack echoed_acceptance_criteria": "array",
            "task.heartbeat progress": "number",
            "task.heartbeat message": "string",
            "task.update base_sha": "sha1", "task.create meta": "object",
            "task.verdict decision": "enum", "audit.query since": "time",
            "approval.approve request_sha256": "sha256",
            "approval.approve allow_external_publish": "boolean"}.items():
        assert told[param] == kind, (param, told[param])


def test_both_transports_give_the_same_answers(agent):
    with agent.ws() as ws:
        made = ws.call("task.create", title="both", acceptance_criteria=[
            {"id": "AC-1", "text": "it is done"}])
        assert made == agent.get(f"/api/tasks/{made['id']}").json
        for method, params, route in (
                ("task.get", {"id": made["id"]}, f"/api/tasks/{made['id']}"),
                ("task.list", {"q": "both"}, "/api/tasks?q=both"),
                ("tool.list", {}, "/api/tools"),
                ("run.list", {}, "/api/runs"),
                ("system.mode", {}, "/api/mode"),
                ("evidence.list", {}, "/api/evidence"),
                ("audit.query", {"type": "task_created"},
                 "/api/audit?type=task_created")):
            assert ws.call(method, **params) == agent.get(route).json, method
        new = ws.call("task.update", id=made["id"], title="changed",
                      base_sha=made["sha"])
        stale = problem(ws, "task.update", id=made["id"], title="again",
                        base_sha=made["sha"])
        over_http = refused(agent.patch(f"/api/tasks/{made['id']}", {
            "title": "again", "base_sha": made["sha"]}), 409,
            "write_conflict")
        assert stale["current"] == over_http["current"] == new
        assert {k: v for k, v in stale.items() if k != "correlation_id"} == \
            {k: v for k, v in over_http.items() if k != "correlation_id"}
    with agent.ws("codex") as ws:
        acked = ws.call("task.ack", id=made["id"], attempt=1,
                        echoed_acceptance_criteria=made[
                            "acceptance_criteria"])
        assert acked["state"] == "running"
        done = ws.call("task.result", id=made["id"], attempt=1, summary="s")
        assert done["state"] == "needs_review"
    with agent.ws("admin") as ws:
        assert ws.call("task.approve", id=made["id"])["state"] == "approved"


def test_a_publish_is_decided_over_the_websocket_alone(agent):
    task = agent.task("ws publish", headers={"X-Correlation-Id": "c-ws"})
    with agent.ws("codex") as codex, agent.ws("admin") as admin:
        admin.call("events.subscribe", types="approval_requested")
        run = codex.call("tool.execute", tool="test.publish",
                         side_effect_level="external_publish",
                         task_id=task["id"], criterion_ref="AC-1",
                         args={"text": "ws"}, on_approval="run")
        assert run["state"] == "awaiting_approval"
        asked = admin.note("event")
        assert asked["data"]["approval_id"] == run["approval_id"]
        seen = admin.call("approval.review", id=run["approval_id"])
        assert problem(codex, "approval.approve", id=run["approval_id"],
                       request_sha256=seen["request_sha256"],
                       nonce=seen["nonce"])["error_code"] == \
            "insufficient_scope"
        given = admin.call("approval.approve", id=run["approval_id"],
                           request_sha256=seen["request_sha256"],
                           nonce=seen["nonce"], allow_external_publish=True)
        assert given["state"] == "approved"
        kc.wait_for(lambda: codex.call("run.get", id=run["id"])["state"]
                    == "succeeded")
    assert len(agent.effects.read_text().splitlines()) == 1


def test_what_happens_inside_is_not_callable_from_outside(agent):
    with agent.ws("admin") as ws:
        for method in ("clock", "recover", "run.ready", "run.report",
                       "service", "tokens.changed", "tools.changed", "",
                       "TASK.LIST", "task.list ", "task", "*"):
            assert problem(ws, method)["error_code"] in (
                "not_found", "invalid_request"), method
        assert problem(ws, "service", type="agent_stopped",
                       data={})["error_code"] == "not_found"
    assert not agent.journal("agent_stopped")


def test_frames_that_are_no_requests_are_refused_and_the_next_served(agent):
    with agent.ws() as ws:
        ws.note("hello")
        for frame, code in (
                ("", -32700), ("{", -32700), ("nonsense", -32700),
                ("[]", -32700), ('"text"', -32700), ("null", -32700),
                ('{"jsonrpc":"2.0","jsonrpc":"2.0","id":1,"method":"a"}',
                 -32700),
                ("{}", -32602), ('{"id":1,"method":"task.list"}', -32602),
                ('{"jsonrpc":"1.0","id":1,"method":"task.list"}', -32602),
                ('{"jsonrpc":"2.0","method":"task.list"}', -32602),
                ('{"jsonrpc":"2.0","id":null,"method":"task.list"}', -32602),
                ('{"jsonrpc":"2.0","id":{},"method":"task.list"}', -32602),
                ('{"jsonrpc":"2.0","id":1,"method":7}', -32602),
                ('{"jsonrpc":"2.0","id":1,"method":"task.list",'
                 '"params":[]}', -32602),
                ('{"jsonrpc":"2.0","id":1,"method":"task.list",'
                 '"params":{"nosuch":1}}', -32602),
                ('{"jsonrpc":"2.0","id":1,"method":"no.such"}', -32601)):
            ws.send(frame)
            answer = ws.message()
            assert answer["error"]["code"] == code, (frame, answer)
            assert answer["error"]["data"]["error_code"], answer
            ws.send('{"jsonrpc":"2.0","id":"next","method":"task.list"}')
            assert ws.message()["id"] == "next"


def test_every_call_is_answered_once_by_its_own_id(agent):
    with agent.ws() as ws:
        ws.note("hello")
        ids = [n if n % 2 else f"text {n} “ü”" for n in range(100)]
        sender = threading.Thread(target=lambda: [ws.send(json.dumps({
            "jsonrpc": "2.0", "id": i, "method": "task.list",
            "params": {"limit": 1}})) for i in ids])
        sender.start()
        got = [ws.message() for _ in ids]
        sender.join()
    assert sorted(map(str, (g["id"] for g in got))) == sorted(map(str, ids))
    assert all("items" in g["result"] for g in got)


def test_long_messages_in_any_number_of_fragments_are_read(agent):
    with agent.ws() as ws:
        ws.note("hello")
        for fragments, size in ((1, 40000), (2, 40000), (50, 40000),
                                (300, 299)):
            ws.send(json.dumps({
                "jsonrpc": "2.0", "id": fragments, "method": "task.create",
                "params": {"title": "f", "request_text": "é" * (size // 2)}}),
                fragments)
            answer = ws.message()
            assert answer["id"] == fragments, answer
            assert answer["result"]["request_text"] == "é" * (size // 2)
        ws.frame(b"are you there", opcode=9)
        opcode, _, data = ws.read_frame(30)
        assert (opcode, data) == (10, b"are you there")


def test_a_message_over_1_mib_or_of_bytes_ends_the_connection(agent):
    for send, codes in (
            (lambda ws: ws.send("x" * ((1 << 20) + 1)), (1009,)),
            (lambda ws: ws.frame(b"{}", opcode=2), (1003,)),
            (lambda ws: ws.frame(b'{"a":"\xff"}'), (None, 1007, -32700))):
        with agent.ws() as ws:
            ws.note("hello")
            try:
                send(ws)
                answer = ws.message()
                assert answer["error"]["code"] in codes, answer
            except (kc.Closed, OSError):
                assert ws.close_code in codes + (None,), ws.close_code
    with agent.ws() as ws:
        assert ws.call("task.list", limit=1)


def test_a_handshake_that_is_not_ours_is_refused(agent):
    for headers in ({"Origin": "http://evil.example"},
                    {"Host": "evil.example"},
                    {"Sec-WebSocket-Protocol": "chat"},
                    {"Authorization": "Bearer x"}):
        with agent.ws(headers=headers) as ws:
            assert ws.status in (400, 401, 403), (headers, ws.status)
    agent.token("blind", "tool_runner")
    with agent.ws("blind") as ws:
        assert ws.status == 403, ws.status
    with kc.WebSocket(agent.address, "/api/health") as ws:
        assert ws.status == 400, ws.status


def test_a_subscription_goes_on_where_it_was_without_loss(fresh):
    first = fresh.task("before")
    with fresh.ws() as ws:
        seq = ws.note("hello")["seq"]
        told = ws.call("events.subscribe", after_seq=0, types="task_created")
        assert told["after_seq"] == 0
        assert ws.note("event")["task_id"] == first["id"]
        made = [fresh.task(f"live {n}")["id"] for n in range(5)]
        events = [ws.note("event") for _ in made]
    assert [e["task_id"] for e in events] == made
    assert events[0]["seq"] > seq
    on_disk = {r["seq"]: r for r in fresh.journal()}
    assert all(on_disk[e["seq"]] == e for e in events)
    missed = [fresh.task(f"missed {n}")["id"] for n in range(3)]
    fresh.kill9()
    fresh.start()
    with fresh.ws() as ws:
        ws.call("events.subscribe", after_seq=events[2]["seq"],
                types="task_created,agent_started")
        again = [ws.note("event") for _ in range(2 + 3 + 1)]
    assert [e["task_id"] for e in again[:5]] == made[3:] + missed
    assert again[5]["type"] == "agent_started"


def test_a_subscription_gives_what_was_asked_for_alone(agent):
    one, two = agent.task("one"), agent.task("two")
    with agent.ws() as ws:
        ws.call("events.subscribe", after_seq=0, task_id=two["id"])
        agent.post(f"/api/tasks/{one['id']}/halt", by="admin")
        agent.post(f"/api/tasks/{two['id']}/halt", by="admin")
        got = [ws.note("event") for _ in range(2)]
        assert [(e["type"], e["task_id"]) for e in got] == [
            ("task_created", two["id"]), ("task_state", two["id"])], got
        ws.call("events.subscribe", types="request", after_seq=0)
        assert ws.note("event")["type"] == "request"
        for bad in ({"after_seq": -1}, {"after_seq": "1"}, {"types": 7},
                    {"task_id": "../x"}, {"after": 1}):
            assert problem(ws, "events.subscribe", **bad)["status"] == 400


def test_both_streams_tell_the_same_story_in_the_same_order(agent):
    with agent.ws() as ws, agent.events() as sse:
        ws.call("events.subscribe")
        answers = together([lambda n=n: agent.task(f"story {n}")
                            for n in range(20)])
        ids = {a["id"] for a in answers}

        def created(next_record):
            out = []
            while len(out) < 20:
                record = next_record()
                if record["type"] == "task_created" and \
                        record["task_id"] in ids:
                    out.append(record)
            return out

        over_ws = created(lambda: ws.note("event"))
        over_sse = created(lambda: sse.next()["data"])
    assert over_ws == over_sse
    assert [r["seq"] for r in over_ws] == sorted(r["seq"] for r in over_ws)


def test_a_revoked_token_is_of_no_use_on_an_open_connection(fresh):
    fresh.token("gone")
    with fresh.ws("gone") as ws:
        assert ws.call("task.list")
        listed = json.loads(fresh.cli("token", "list", "--json").stdout)
        listed = listed["items"] if isinstance(listed, dict) else listed
        name = next(t["id"] for t in listed if t["name"] == "gone")
        fresh.cli("token", "revoke", name)

        def refused_now():
            try:
                ws.call("task.list")
                return False
            except kc.RpcError as e:
                return e.problem["error_code"] == "unauthenticated"
            except kc.Closed:
                return True

        kc.wait_for(refused_now)


def test_wherever_a_stale_write_comes_from_one_wins(agent):
    task = agent.task("both ways")
    sockets = [agent.ws() for _ in range(8)]

    def over_ws(ws, n):
        try:
            return ws.call("task.update", id=task["id"], title=f"ws {n}",
                           base_sha=task["sha"])
        except kc.RpcError as e:
            return e.problem

    def over_http(n):
        return agent.patch(f"/api/tasks/{task['id']}", {
            "title": f"http {n}", "base_sha": task["sha"]}).json

    try:
        answers = together(
            [lambda ws=ws, n=n: over_ws(ws, n)
             for n, ws in enumerate(sockets)]
            + [lambda n=n: over_http(n) for n in range(8)])
    finally:
        for ws in sockets:
            ws.close()
    won = [a for a in answers if "error_code" not in a]
    assert len(won) == 1, answers
    assert {a["error_code"] for a in answers if a is not won[0]} == \
        {"write_conflict"}
    assert all(a["current"] == won[0] for a in answers if a is not won[0])


kc.main(new_agent=new_agent)
