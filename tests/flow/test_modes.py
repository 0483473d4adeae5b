"""The mode: guarded asks before every local write, stopped ends and refuses
everything but reads and decisions."""
import kc
from expect import refused

LASTS = """
import subprocess
child = subprocess.Popen(["sleep", "600"])
open(%r, "w").write(f"{os.getpid()} {child.pid}")
time.sleep(600)
"""


def new_agent():
    agent = kc.Agent(start=False, conf={
        "policy.grace": "0s", "policy.test.grace.grace": "60s"})
    agent.effects = agent.publisher()
    agent.publisher("test.grace")
    agent.tool("test.write", "result(ok=True)")
    agent.tool("test.read", "result(ok=True)", "read_only")
    agent.tool("test.lasts", LASTS % str(agent.dir / "lasts"))
    agent.tool("test.ignores", "import signal\nsignal.signal(signal.SIGTERM, "
               "signal.SIG_IGN)\n" + LASTS % str(agent.dir / "ignores"))
    agent.tool("test.sends", LASTS % str(agent.dir / "sends"),
               "external_publish")
    return agent.start()


def mode(agent, to, reason="because", by="admin"):
    answer = agent.post("/api/mode", {"mode": to, "reason": reason}, by=by)
    assert answer.status == 200 and answer.json["mode"] == to, answer
    return answer.json


def run_of(agent, run_id):
    return agent.get(f"/api/runs/{run_id}").json


def ended(agent, run_id):
    kc.wait_for(lambda: run_of(agent, run_id)["state"] not in (
        "queued", "running", "awaiting_approval"))
    return run_of(agent, run_id)


def pids(agent, name):
    """The tool's process and its child, once they are there."""
    file = agent.dir / name
    return kc.wait_for(lambda: file.exists() and len(
        file.read_text().split()) == 2 and
        [int(x) for x in file.read_text().split()])


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_guarded_asks_before_every_local_write(agent):
    mode(agent, "guarded")
    problem = refused(agent.execute("test.write", "local_write"), 403,
                      "policy_denied", reason="mode_guarded")
    assert agent.journal("policy_denied", reason="mode_guarded",
                         approval_id=problem["approval_id"])
    parked = agent.execute("test.write", "local_write", on_approval="run")
    assert parked.status == 202, parked
    assert parked.json["approval_id"] == problem["approval_id"]
    shown = agent.get(f"/api/approvals/{problem['approval_id']}").json
    assert shown["kind"] == "local_write" and shown["task_id"] is None, shown
    read = agent.execute("test.read", "read_only", wait=20)
    assert read.status == 200 and read.json["state"] == "succeeded", read
    assert not agent.journal("tool_started", tool="test.write")
    assert agent.approve(problem["approval_id"]).status == 200
    assert ended(agent, parked.json["id"])["state"] == "succeeded"
    refused(agent.execute("test.write", "local_write"), 403, "policy_denied",
            reason="mode_guarded")
    task = agent.task("changes go on")
    refused(agent.execute("test.publish", "external_publish", {"text": "a"},
                          task), 403, "policy_denied",
            reason="approval_required")
    mode(agent, "normal")
    done = agent.execute("test.write", "local_write", wait=20)
    assert done.json["state"] == "succeeded", done


def test_the_mode_is_answered_recorded_and_told(agent):
    with agent.events(types="mode_changed") as events:
        set_ = mode(agent, "guarded", "visitors")
        event = events.next()["data"]
    assert event["data"]["from"] == "normal"
    assert event["data"]["to"] == "guarded" and event["actor"] == "admin"
    assert event["data"]["reason"] == "visitors"
    assert set_["by"] == "admin" and set_["since"], set_
    assert agent.get("/api/mode").json == set_
    assert agent.get("/api/health").json["mode"] == "guarded"
    for body in ({"mode": "off"}, {}, {"mode": None}, {"mode": "Normal"},
                 {"mode": "normal", "force": True}):
        refused(agent.post("/api/mode", body, by="admin"), 400,
                "invalid_request")
    mode(agent, "normal")


def stopped_agent(agent):
    """Everything going on at once, then stopped. What there was."""
    task = agent.ack(agent.task("everything", by="admin",
                                allow_external_publish=True))
    runs = {name: agent.execute(f"test.{name}", "local_write").json["id"]
            for name in ("lasts", "ignores")}
    sends = agent.execute("test.sends", "external_publish", {}, task,
                          on_approval="run").json
    assert agent.approve(sends["approval_id"]).status == 200
    grace = agent.execute("test.grace", "external_publish", {"text": "a"},
                          task, on_approval="run").json
    assert agent.approve(grace["approval_id"]).status == 200
    waits = agent.execute("test.publish", "external_publish", {"text": "a"},
                          task, on_approval="run").json
    running = {n: pids(agent, n) for n in ("lasts", "ignores", "sends")}
    mode(agent, "stopped", "something is wrong")
    return task, runs | {"sends": sends["id"], "grace": grace["id"],
                         "waits": waits["id"]}, running


def test_stopped_ends_tools_voids_approvals_and_refuses_changes(fresh):
    task, runs, running = stopped_agent(fresh)
    kc.wait_for(lambda: not any(map(alive, sum(running.values(), []))), 1)
    over = ended(fresh, runs["lasts"])
    assert over["state"] == "cancelled", over
    assert over["error"]["error_code"] == "cancelled", over
    sends = ended(fresh, runs["sends"])
    assert sends["state"] == "outcome_unknown", sends
    for name in ("grace", "waits"):
        over = ended(fresh, runs[name])
        assert over["state"] == "cancelled", over
        shown = fresh.get(f"/api/approvals/{over['approval_id']}").json
        assert shown["state"] == "stale", shown
        refused(fresh.post(f"/api/approvals/{shown['id']}/review",
                           by="admin"), 409, "approval_stale")
    assert fresh.effects.read_text() == ""
    refusals(fresh, task)
    reads(fresh, task, runs)
    assert ended(fresh, runs["ignores"])["state"] == "cancelled"
    fresh.restart()
    assert fresh.get("/api/mode").json["mode"] == "stopped"
    refusals(fresh, task)
    refused(fresh.post("/api/mode", {"mode": "normal"}, by="admin"), 400,
            "invalid_request")
    refused(fresh.post("/api/mode", {"mode": "guarded", "reason": ""},
                       by="admin"), 400, "invalid_request")
    fresh.kill9()
    fresh.start()
    assert fresh.get("/api/mode").json["mode"] == "stopped"
    mode(fresh, "normal", "it was a false alarm")
    changed = fresh.post("/api/tasks", {"title": "again"})
    assert changed.status == 201, changed
    done = fresh.execute("test.write", "local_write", wait=20)
    assert done.json["state"] == "succeeded", done
    assert fresh.effects.read_text() == ""


def refusals(agent, task):
    """Every change and every tool is denied for the mode, and recorded."""
    mine = f"/api/tasks/{task['id']}"
    task = agent.get(mine).json
    for method, route, body, by in (
            ("POST", "/api/tasks", {"title": "t"}, "coordinator"),
            ("POST", "/api/tasks", {"title": "t"}, "admin"),
            ("PATCH", mine, {"title": "t", "base_sha": task["sha"]},
             "coordinator"),
            ("POST", mine + "/heartbeat", {}, "codex"),
            ("POST", mine + "/result", {"attempt": 1, "summary": "s"},
             "codex"),
            ("POST", "/api/tools/execute",
             {"tool": "test.read", "side_effect_level": "read_only"},
             "codex"),
            ("POST", "/api/tools/execute",
             {"tool": "test.write", "side_effect_level": "local_write",
              "on_approval": "run"}, "codex")):
        before = len(agent.journal("policy_denied", reason="mode_stopped"))
        refused(agent.request(method, route, body, by=by), 403,
                "policy_denied", reason="mode_stopped")
        after = agent.journal("policy_denied", reason="mode_stopped")
        assert len(after) == before + 1, route
    refused(agent.request("POST", "/api/evidence?name=a", b"x", by="codex"),
            403, "policy_denied", reason="mode_stopped")
    assert agent.get(mine).json == task


def reads(agent, task, runs):
    for route in ("health", "mode", "tasks", f"tasks/{task['id']}", "runs",
                  f"runs/{runs['lasts']}", "approvals", "tools", "evidence",
                  "audit?limit=5"):
        answer = agent.get("/api/" + route)
        assert answer.status == 200, (route, answer)


def test_decisions_go_on_while_it_is_stopped(fresh):
    task = fresh.task("to be halted")
    mode(fresh, "stopped")
    halted = fresh.post(f"/api/tasks/{task['id']}/halt", {"reason": "r"},
                        by="admin")
    assert halted.status == 200 and halted.json["state"] == "halted", halted
    back = fresh.post(f"/api/tasks/{task['id']}/resume", by="admin")
    assert back.json["state"] == "pending", back
    mode(fresh, "stopped", "still")
    mode(fresh, "guarded", "a little")
    mode(fresh, "normal", "")
    assert [(r["data"]["from"], r["data"]["to"]) for r in
            fresh.journal("mode_changed")] == [
        ("normal", "stopped"), ("stopped", "stopped"),
        ("stopped", "guarded"), ("guarded", "normal")]


kc.main(new_agent=new_agent)
