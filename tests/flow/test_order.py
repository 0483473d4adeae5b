"""The record comes first: no byte of an answer, no event and no effect before
its record is durable; and nothing at all once it cannot be. The kernel's
answer to the journal's fdatasync is delayed or spoilt by strace."""
import datetime
import json
import select
import shutil
import time

import kc
from expect import refused, together
from wire import head_bytes

DELAY = 0.4


def new_agent():
    """Stopped again: each test starts it under strace. Leaks cannot be
    looked for in a traced process."""
    agent = kc.Agent(env={"ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1"})
    agent.effects = agent.publisher()
    agent.conf("policy.grace", "0s")
    agent.tool("test.mark", f"open({str(agent.dir / 'marked')!r}, 'w')"
               ".close(); result(ok=True)")
    for name in ("coordinator", "codex"):
        agent.token(name)
    agent.stop()
    return agent


def traced(agent, inject):
    """Starts it with this done to every fdatasync of the journal."""
    journal, = (agent.home / "audit").glob("*.jsonl")
    return agent.start(wrap=[
        "strace", "-D", "-f", "-o", agent.dir / "trace", "-P", journal,
        "-e", "trace=fdatasync", "-e", f"inject=fdatasync:{inject}"])


def slowly(agent, delay=DELAY):
    return traced(agent, f"delay_enter={int(delay * 1e6)}")


def request(agent, method, target, body=None, by="coordinator", mark="c-1"):
    data = b"" if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json",
               "Content-Length": str(len(data)), "X-Correlation-Id": mark}
    if by:
        headers["Authorization"] = "Bearer " + agent.token(by)
    return head_bytes(agent.address, method, target, headers) + data


def written(agent, mark):
    """Waits until the file has the request record of this correlation id;
    the record."""
    def look():
        return next((json.loads(line) for line in agent.lines() if
                     f'"correlation_id":"{mark}"'.encode() in line
                     and b'"type":"request"' in line), None)
    return kc.wait_for(look, what=mark)


def age(record, now=None):
    """How old it is; before it is DELAY, it cannot be durable."""
    made = datetime.datetime.fromisoformat(record["ts"]).timestamp()
    return (time.time() if now is None else now) - made


def held(record, *streams):
    """Nothing is to be read on any of them before this can be durable. By
    its own time, however late we look."""
    if not any(s.data for s in streams):
        select.select(streams, [], [], 30 * kc.SLOW)
    return age(record) >= DELAY


def test_no_byte_of_an_answer_precedes_its_record(fresh):
    task = slowly(fresh).task()
    cases = [
        (201, "POST", "/api/tasks", {"title": "t"}, "coordinator"),
        (200, "PATCH", f"/api/tasks/{task['id']}",
         {"title": "u", "base_sha": task["sha"]}, "coordinator"),
        (200, "GET", "/api/tasks", None, "coordinator"),
        (401, "GET", "/api/tasks", None, None),
        (403, "POST", "/api/mode", {"mode": "stopped"}, "coordinator"),
        (404, "GET", "/nowhere", None, "coordinator"),
        (405, "DELETE", "/api/tasks", None, "coordinator"),
        (400, "POST", "/api/tasks", {"titel": "t"}, "coordinator")]
    for n, (status, method, target, body, by) in enumerate(cases):
        mark = f"c-order-{n}"
        with fresh.raw(request(fresh, method, target, body, by, mark)) as s:
            assert held(written(fresh, mark), s), (mark, s.data)
            answer = s.response(method)
            assert answer.status == status, (mark, answer)


def test_no_event_and_no_websocket_answer_precedes_its_record(fresh):
    slowly(fresh)
    began = time.monotonic()
    with fresh.ws() as ws, fresh.events(types="task_created") as events:
        assert ws.status == 101, ws.status
        assert time.monotonic() - began > DELAY
        with fresh.ws(by=None) as refused_one:
            assert refused_one.status == 401
        ws.note("hello")
        ws.send(json.dumps({
            "jsonrpc": "2.0", "id": 1, "method": "task.create",
            "params": {"title": "over the websocket"}}))
        made, = kc.wait_for(lambda: fresh.journal("task_created",
                                                  transport="websocket"))
        assert held(made, ws.stream, events.stream)
        assert not events.text
        assert ws.message()["result"]["title"] == "over the websocket"
        event = events.until("task_created")
        assert event["data"]["data"]["put"]["task"]["title"] == \
            "over the websocket"


def test_no_tool_starts_before_its_intent_is_durable(fresh):
    delay = 1.5     # longer than a tool takes to start
    slowly(fresh, delay)
    marked = fresh.dir / "marked"
    answer = fresh.execute("test.mark", "local_write", by="codex")
    assert answer.status == 202, answer
    kc.wait_for(marked.exists)
    started, = fresh.journal("tool_started")
    # the clock of files may be a tick behind
    assert age(started, marked.stat().st_mtime + 0.02) >= delay
    run = fresh.get(f"/api/runs/{answer.json['id']}").json
    assert run["started_at"] <= started["ts"], (run, started)


def test_killed_before_the_sync_ended_it_has_answered_nothing(fresh):
    task = fresh.start().task("before")
    for n in range(2):
        fresh.stop()
        slowly(fresh)
        mark = f"c-killed-{n}"
        with fresh.raw(request(fresh, "POST", "/api/tasks",
                               {"title": mark}, mark=mark)) as s:
            record = written(fresh, mark)
            fresh.kill9()
            assert s.to_end() == b"" or age(record) >= DELAY
        fresh.start()
        assert fresh.chained()
        assert fresh.get(f"/api/tasks/{task['id']}").json == task
        made = [t for t in fresh.get("/api/tasks").json["items"]
                if t["title"] == mark]
        assert len(made) == len(fresh.journal("task_created",
                                              correlation_id=mark)) == 1
    assert fresh.cli("audit", "verify").returncode == 0


MARKED = ("health", "mode", "tasks", "tasks/{task}", "runs", "runs/{run}",
          "approvals", "approvals/{approval}", "audit", "audit/c-sealed",
          "evidence", "evidence/{sha}")


def sealed(agent, inject="error=EIO:when=4"):
    """An agent whose journal cannot be written any more, and the ids of
    what it had before."""
    agent.start()
    task = agent.task(headers={"X-Correlation-Id": "c-sealed"})
    done = agent.execute("test.mark", "local_write", wait=20)
    assert done.json["state"] == "succeeded", done
    asked = agent.execute("test.publish", "external_publish",
                          {"text": "x"}, task)
    names = {"task": task["id"], "run": done.json["id"],
             "approval": asked.json["approval_id"],
             "sha": done.json["evidence_sha256"]}
    agent.stop()
    traced(agent, inject)
    acknowledged = []

    def until_it_fails():
        answer = agent.post("/api/tasks", {"title": "more"})
        if answer.status == 201:
            acknowledged.append(answer.json["id"])
            return None
        return answer

    refused(kc.wait_for(until_it_fails), 503, "audit_unavailable",
            retryable=True)
    return names, acknowledged


def test_a_sync_that_fails_once_stops_everything_but_marked_reads(fresh):
    names, acknowledged = sealed(fresh)
    for again in range(2):
        for route in MARKED:
            answer = fresh.get("/api/" + route.format(**names))
            assert answer.status == 200, (route, answer)
            assert answer.headers["kircerta-audit"] == "unavailable", route
        assert fresh.get("/api/health").json["status"] == "failing"
        head = fresh.request("HEAD", "/api/tasks")
        assert head.headers.get("kircerta-audit") == "unavailable", head
        task, run = f"/api/tasks/{names['task']}", f"/api/runs/{names['run']}"
        approval = f"/api/approvals/{names['approval']}"
        for method, route, body, by in (
                ("POST", "/api/tasks", {"title": "t"}, "coordinator"),
                ("PATCH", task, {"title": "t", "base_sha": "0" * 40},
                 "coordinator"),
                ("POST", task + "/heartbeat", {}, "codex"),
                ("POST", task + "/halt", {}, "admin"),
                ("POST", "/api/mode", {"mode": "guarded"}, "admin"),
                ("POST", "/api/mode", {"mode": "stopped"}, "codex"),
                ("POST", approval + "/review", {}, "admin"),
                ("POST", approval + "/reject", {}, "admin"),
                ("POST", approval + "/cancel", {}, "admin"),
                ("POST", run + "/cancel", {}, "codex"),
                ("POST", "/api/tools/execute",
                 {"tool": "test.mark", "side_effect_level": "local_write"},
                 "codex"),
                ("GET", "/api/tools", None, "coordinator"),
                ("GET", task + "/history", None, "coordinator"),
                ("GET", "/api/events", None, "coordinator"),
                ("GET", "/nowhere", None, "coordinator"),
                ("GET", "/api/tasks?limit=x", None, "coordinator"),
                ("DELETE", "/api/tasks", None, "coordinator"),
                ("GET", "/api/tasks", None, None),
                ("POST", "/api/tasks", {"titel": "t"}, "observer-only")):
            answer = fresh.request(method, route, body, by=by)
            refused(answer, 503, "audit_unavailable")
        upload = fresh.request("POST", "/api/evidence?name=a", b"x",
                               by="codex")
        refused(upload, 503, "audit_unavailable")
        assert fresh.ws().status == 503
    assert not fresh.journal("mode_changed", "approval_rejected")
    assert fresh.log.count("the journal is sealed") == 1, fresh.log
    fresh.kill9()
    fresh.start()
    for task_id in acknowledged:
        assert fresh.get(f"/api/tasks/{task_id}").status == 200
    assert fresh.post("/api/tasks", {"title": "again"}).status == 201
    assert fresh.get("/api/mode").json["mode"] == "normal"
    assert "kircerta-audit" not in fresh.get("/api/tasks").headers
    assert fresh.chained()


def test_all_of_a_batch_that_cannot_be_synced_are_told_so(fresh):
    slow = f"delay_enter={int(DELAY * 1e6)}"
    fresh.start()
    fresh.stop()
    traced(fresh, f"error=EIO:when=2+:{slow}")

    def create(n):
        return lambda: fresh.post("/api/tasks", {"title": f"batch {n}"})

    # the first batch may have taken them all: then the second has not
    answers = together([create(n) for n in range(12)]) + \
        together([create(n) for n in range(12, 24)])
    made = [a for a in answers if a.status == 201]
    lost = [a for a in answers if a.status == 503]
    assert len(made) + len(lost) == 24 and len(lost) >= 12, answers
    shown = fresh.get("/api/tasks").json["items"]
    assert {t["id"] for t in shown} == {a.json["id"] for a in made}
    fresh.kill9()
    fresh.start()
    there = {t["id"] for t in fresh.get("/api/tasks").json["items"]}
    assert there >= {a.json["id"] for a in made}


def test_a_websocket_open_before_it_failed_is_refused_the_same_way(fresh):
    fresh.start()
    fresh.stop()
    traced(fresh, "error=EIO:when=6")
    with fresh.ws() as ws:
        ws.note("hello")

        def fails():
            try:
                ws.call("task.create", title="t")
            except kc.RpcError as e:
                return e.problem
            return None

        assert kc.wait_for(fails)["error_code"] == "audit_unavailable"
        for method, params in (("tool.list", {}), ("no.such", {}),
                               ("task.create", {"title": "t"})):
            try:
                raise AssertionError(ws.call(method, **params))
            except kc.RpcError as e:
                assert e.problem["error_code"] == "audit_unavailable"
        assert isinstance(ws.call("task.list")["items"], list)
    fresh.stop(expect=1)


def test_it_stops_cleanly_between_an_intent_and_its_effect(fresh):
    """The go is given after the sync; by then nobody is left to take it."""
    marked = fresh.dir / "marked"
    for _ in range(5):      # until we are in time
        slowly(fresh)
        marked.unlink(missing_ok=True)
        run = fresh.execute("test.mark", "local_write", by="codex").json["id"]
        started = kc.wait_for(lambda: fresh.journal("tool_started",
                                                    run_id=run))[0]
        before = age(started)
        fresh.stop()
        if before < DELAY / 2:
            break
    assert not marked.exists(), before
    assert fresh.journal("tool_failed", run_id=run, state="cancelled")
    assert fresh.journal("agent_stopped")[-1]["seq"] == len(fresh.lines())


def test_a_file_whose_record_fails_is_refused_with_its_reason(fresh):
    slowly(fresh)
    stored = fresh.request("POST", "/api/evidence?name=a", b"abc").json
    fresh.stop()
    traced(fresh, "error=EIO:when=2+")  # counted in each thread
    assert fresh.get("/api/mode").status == 200
    problem = refused(fresh.get(stored["link"]), 503, "audit_unavailable")
    assert problem["detail"], problem
    fresh.stop(expect=1)        # nor is its own end on the record
    assert "not on the record" in fresh.log


if not shutil.which("strace"):
    raise SystemExit("test_order needs strace: contrib/bootstrap.sh has it")
kc.main(new_agent=new_agent)
