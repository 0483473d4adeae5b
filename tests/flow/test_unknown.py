"""Nobody knows whether it happened: the tool looks, or an admin says so."""
import json
import os

import kc
from expect import refused, sha256
from publishing import approved, ask, ended, parked

LOOKS = ["\treconcile = true"]
TEXT = {"text": {"type": "string", "required": "true"}}
# Leaves a line where it publishes, then goes on as BASE.end says; when it is
# asked what came of it, it says what stands in BASE.look, line by line.
SENDS = """
base = %r
if call.get("reconcile"):
    with open(base + ".asked", "a") as f:
        f.write(json.dumps(call) + "\\n")
    n = len(open(base + ".asked").readlines())
    words = open(base + ".look").read().split()
    word = words[min(n, len(words)) - 1]
    if word == "crash":
        os.kill(os.getpid(), 9)
    if word == "hang":
        time.sleep(600)
    if word == "broken":
        say(result={"outcome": "succeeded"})
        sys.exit(3)
    if word == "error":
        fail("tool_failed", "the list cannot be read")
    open("list.txt", "w").write("seen " + call["marker"])
    say(artifact={"name": "list.txt", "media_type": "text/plain"})
    result(outcome=word, detail="looked for " + call["marker"],
           result={"id": "v-1"})
end = open(base + ".end").read()
if end == "early":
    os.kill(os.getpid(), 9)
open("kept", "w").write("a secret session")
with open(base + ".effects", "a") as f:
    f.write(call["marker"] + "\\n")
if end == "crash":
    os.kill(os.getpid(), 9)
if end == "unsent":
    fail("test_unreachable", "no byte was sent")
if end == "cut":
    fail("outcome_unknown", "the connection was cut")
time.sleep(600)
"""


def base(agent, name="test.sends"):
    return str(agent.dir / name)


def told(agent, end, look="unknown", name="test.sends"):
    """How the next publish ends, and what the tool finds out then."""
    for word, text in (("end", end), ("look", look)):
        with open(f"{base(agent, name)}.{word}", "w") as f:
            f.write(text)
    for word in ("asked", "effects"):
        open(f"{base(agent, name)}.{word}", "w").close()


def asked(agent, name="test.sends"):
    with open(base(agent, name) + ".asked") as f:
        return [json.loads(line) for line in f]


def effects(agent, name="test.sends"):
    with open(base(agent, name) + ".effects") as f:
        return f.read().split()


def cmdline(pid):
    """Of a process of this home's tools; empty when it is gone."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return f.read()
    except OSError:
        return b""


def new_agent():
    agent = kc.Agent(start=False, conf={
        "policy.grace": "0s", "run.reconcile-pause": "10ms"})
    for name, more, timeout in (("test.sends", LOOKS, "30s"),
                                ("test.late", LOOKS, "1s"),
                                ("test.blind", (), "30s")):
        agent.tool(name, SENDS % base(agent, name), "external_publish", TEXT,
                   timeout, more)
    return agent.start()


def publish(agent, task, text, tool="test.sends"):
    run = parked(agent, task, tool, {"text": text})
    approved(agent, run["approval_id"])
    return run["id"]


def state(agent, run_id):
    return agent.get(f"/api/runs/{run_id}").json["state"]


def settled(agent, run_id):
    def look():
        run = agent.get(f"/api/runs/{run_id}").json
        return run if "reconciled" in run else None
    return kc.wait_for(look)


def test_what_was_not_sent_has_failed_and_is_not_looked_for(agent):
    told(agent, "unsent", "succeeded")
    task = agent.task("unsent")
    run = ended(agent, publish(agent, task, "unsent"))
    assert run["state"] == "failed", run
    assert run["error"]["error_code"] == "test_unreachable", run
    refused(ask(agent, task, "test.sends", {"text": "unsent"}), 403,
            "policy_denied", reason="approval_required")
    assert not agent.journal("outcome_unknown", run_id=run["id"])
    assert not asked(agent)


def test_after_a_crash_a_cut_or_its_time_the_tool_looks_itself(agent):
    for tool, end in (("test.sends", "crash"), ("test.sends", "cut"),
                      ("test.late", "late")):
        told(agent, end, "unknown unknown succeeded", tool)
        task = agent.task(end)
        run_id = publish(agent, task, end, tool)
        run = settled(agent, run_id)
        assert run["state"] == "succeeded" and run["error"] is None, run
        assert run["result"] == {"id": "v-1"}, run
        assert len(effects(agent, tool)) == 1
        calls = asked(agent, tool)
        assert [c["try"] for c in calls] == [1, 2, 3], calls
        assert all(c["reconcile"] is True and c["run_id"] == run_id and
                   c["args"] == {"text": end} and c["since_s"] >= 0 and
                   c["kept"] == "a secret session" and
                   c["marker"] == run["marker"] == effects(agent, tool)[0]
                   for c in calls), calls
        digest = agent.get(f"/api/approvals/{run['approval_id']}"
                           ).json["request_sha256"]
        assert run["marker"] == "kc-" + digest[:16]
        types = [r["type"] for r in agent.journal(run_id=run_id)
                 if r["type"] != "request"]
        after = types[types.index("outcome_unknown") + 1:]
        assert after == ["reconcile_tried", "reconcile_tried",
                         "evidence_added", "evidence_added",
                         "run_reconciled"], types
        word, = agent.journal("run_reconciled", run_id=run_id)
        assert word["actor"] == "agent", word
        data = word["data"]
        assert (data["outcome"], data["by"], data["tool"]) == \
            ("succeeded", "agent", tool), data
        assert run["marker"] in data["reason"], data
        listed, read_back = data["evidence"]
        assert listed == sha256("seen " + run["marker"])
        kept = agent.get(f"/api/evidence/{read_back}").json
        assert kept["outcome"] == "succeeded", kept
        assert run["reconciled"]["evidence"] == data["evidence"], run
        chain = agent.get(f"/api/audit/{run['correlation_id']}").json
        assert chain["complete"] is True, chain["missing"]
    assert b"a secret session" not in b"".join(agent.lines())
    kc.wait_for(lambda: not list((agent.home / "spool").iterdir()))


def test_that_nothing_was_kept_is_told_and_so_is_that_it_is_lost(fresh):
    task = fresh.task("kept")
    told(fresh, "early", "failed")
    settled(fresh, publish(fresh, task, "early"))
    assert asked(fresh)[0]["kept"] is None
    told(fresh, "hang", "failed")
    run_id = publish(fresh, task, "hang")
    kc.wait_for(lambda: effects(fresh))
    fresh.kill9()
    kept = fresh.home / "spool" / run_id / "out" / "kept"
    kept.unlink()
    kept.symlink_to(fresh.home / "admin.token")
    fresh.start()
    settled(fresh, run_id)
    assert "kept" not in asked(fresh)[0]
    told(fresh, "hang", "failed")
    run_id = publish(fresh, task, "hang again")
    kc.wait_for(lambda: effects(fresh))
    fresh.kill9()
    fresh.start()
    settled(fresh, run_id)
    assert asked(fresh)[0]["kept"] == "a secret session"


def test_until_it_is_settled_the_same_effect_is_refused_to_everybody(agent):
    told(agent, "crash", "unknown", "test.blind")
    task = agent.task("blocked")
    run_id = publish(agent, task, "blocked", "test.blind")
    assert ended(agent, run_id)["state"] == "outcome_unknown"
    other = agent.task("another task")
    agent.token("somebody", "tool_runner", "observer")
    for where, by in ((task, "codex"), (task, "somebody"),
                      (other, "somebody")):
        for on in ("deny", "run"):
            refused(ask(agent, where, "test.blind", {"text": "blocked"},
                        by=by, on_approval=on), 403, "policy_denied",
                    reason="outcome_unknown", run_id=run_id)
    told(agent, "unsent", "unknown", "test.blind")
    refused(ask(agent, task, "test.blind", {"text": "else"}), 403,
            "policy_denied", reason="approval_required")
    for words in (("perhaps", "--reason", "r"), ("failed",),
                  ("failed", "--reason", "")):
        assert agent.console("reconcile", run_id, *words,
                             check=False).returncode == 2
    done = agent.console("reconcile", run_id, "failed", "--reason",
                         "nothing is there")
    assert done.stdout == f"{run_id}\tfailed\n", done
    again = agent.console("reconcile", run_id, "failed", "--reason", "r",
                          check=False)
    assert again.returncode and "it is failed" in again.stderr, again
    run = agent.get(f"/api/runs/{run_id}").json
    assert run["reconciled"]["by"] == "admin", run
    word, = agent.journal("run_reconciled", run_id=run_id)
    assert word["actor"] == "admin" and word["data"]["by"] == "admin", word
    assert not asked(agent, "test.blind")
    refused(ask(agent, task, "test.blind", {"text": "blocked"}), 403,
            "policy_denied", reason="approval_required")


def test_an_approval_given_before_does_not_start_what_is_unknown(agent):
    told(agent, "crash", "unknown")
    task = agent.task("twice")
    first = parked(agent, task, "test.blind", {"text": "twice"})
    agent.token("somebody", "tool_runner", "observer")
    second = parked(agent, task, "test.blind", {"text": "twice"},
                    by="somebody")
    assert first["id"] != second["id"]
    told(agent, "crash", "unknown", "test.blind")
    approved(agent, first["approval_id"])
    assert ended(agent, first["id"])["state"] == "outcome_unknown"
    approved(agent, second["approval_id"])
    over = ended(agent, second["id"])
    assert over["state"] == "cancelled", over
    assert agent.journal("policy_denied", run_id=second["id"],
                         reason="outcome_unknown")
    assert len(effects(agent, "test.blind")) == 1


def test_what_the_tool_is_not_sure_of_stays_unknown(agent):
    told(agent, "crash", "error crash broken perhaps unknown")
    task = agent.task("unsure")
    run_id = publish(agent, task, "unsure")
    kc.wait_for(lambda: len(agent.journal("reconcile_tried",
                                          run_id=run_id)) >= 4)
    tried = agent.journal("reconcile_tried", run_id=run_id)
    assert [r["data"]["tries"] for r in tried[:4]] == [1, 2, 3, 4], tried
    assert tried[0]["data"]["detail"] == "the list cannot be read", tried
    assert "signal 9" in tried[1]["data"]["detail"], tried

    def seen():     # the file is ahead of what is shown
        run = agent.get(f"/api/runs/{run_id}").json
        return run if run["reconcile"]["tries"] >= 4 else None
    assert kc.wait_for(seen)["state"] == "outcome_unknown"
    refused(ask(agent, task, "test.sends", {"text": "unsure"}), 403,
            "policy_denied", reason="outcome_unknown")
    done = agent.post(f"/api/runs/{run_id}/reconcile", {
        "outcome": "succeeded", "reason": "seen with my own eyes"},
        by="admin")
    assert done.status == 200, done


def test_after_kill_9_it_is_looked_for_at_the_start(fresh):
    told(fresh, "hang", "succeeded")
    task = fresh.task("killed")
    run_id = publish(fresh, task, "killed")
    kc.wait_for(lambda: effects(fresh))
    fresh.kill9()
    fresh.start()
    run = settled(fresh, run_id)
    assert run["state"] == "succeeded", run
    assert len(effects(fresh)) == 1
    assert fresh.journal("outcome_unknown", run_id=run_id)
    told(fresh, "crash", "hang")
    other = publish(fresh, task, "hangs")
    kc.wait_for(lambda: asked(fresh))
    fresh.kill9()
    told(fresh, "crash", "failed")
    fresh.start()
    assert settled(fresh, other)["state"] == "failed"
    refused(ask(fresh, task, "test.sends", {"text": "hangs"}), 403,
            "policy_denied", reason="approval_required")


def test_no_tool_looks_while_the_agent_is_stopped(fresh):
    told(fresh, "crash", "hang")
    task = fresh.task("stops")
    run_id = publish(fresh, task, "stops")
    kc.wait_for(lambda: asked(fresh))
    home = str(fresh.home).encode() + b"/tools.d"
    pids = [p for p in os.listdir("/proc") if p.isdigit() and
            home in cmdline(p)]
    assert pids
    told(fresh, "crash", "succeeded")
    stop = fresh.post("/api/mode", {"mode": "stopped", "reason": "test"},
                      by="admin")
    assert stop.status == 200, stop
    kc.wait_for(lambda: not any(home in cmdline(p) for p in pids))
    assert state(fresh, run_id) == "outcome_unknown"
    go = fresh.post("/api/mode", {"mode": "normal", "reason": "test"},
                    by="admin")
    assert go.status == 200, go
    assert settled(fresh, run_id)["state"] == "succeeded"
    assert len(asked(fresh)) == 1, asked(fresh)
    word, = fresh.journal("run_reconciled", run_id=run_id)
    assert word["seq"] > fresh.journal("mode_changed")[-1]["seq"], word


kc.main(new_agent=new_agent)
