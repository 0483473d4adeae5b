"""kill -9 at any moment: what was acknowledged is there, nothing runs twice,
and what was going on is explained."""
import json
import os
import random
import signal
import subprocess
import threading

import kc
from expect import blob, committed, fsck, refused, task_path

# Adds a line to a file, says that it is there, and goes on when told.
STEPS = """
base = %r
open(base + ".effects", "a").write(call["run_id"] + "\\n")
open(base + ".pid", "w").write(f"{os.getpid()} ")
while not os.path.exists(base + ".go"):
    time.sleep(0.005)
result(done=True)
"""
LEAVES = """
import subprocess
children = [subprocess.Popen(["sleep", "600"], start_new_session=s)
            for s in (True, False)]
open(%r, "w").write(" ".join(str(p) for p in [
    os.getppid(), os.getpid(), *(c.pid for c in children)]))
time.sleep(600)
"""
TEXT = {"text": {"type": "string"}}


def new_agent():
    agent = kc.Agent(start=False, conf={
        "policy.grace": "0s", "policy.test.grace.grace": f"{kc.SLOW}s",
        "policy.test.long.grace": "1h"})
    agent.effects = {n: agent.publisher(n, args=TEXT)
                     for n in ("test.publish", "test.grace", "test.long")}
    agent.publisher("test.secret", args=TEXT | {"password": {
        "type": "string", "secret": "true"}})
    agent.tool("test.leaves", LEAVES % str(agent.dir / "test.leaves"))
    for name, level in (("test.local", "local_write"),
                        ("test.sends", "external_publish")):
        agent.tool(name, STEPS % str(agent.dir / name), level, TEXT)
    return agent.start()


def file(agent, name):
    return agent.dir / name


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


def run_of(agent, run_id):
    return agent.get(f"/api/runs/{run_id}").json


def ended(agent, run_id):
    kc.wait_for(lambda: run_of(agent, run_id)["state"] not in (
        "queued", "running", "awaiting_approval"))
    return run_of(agent, run_id)


def crash(agent):
    agent.kill9()
    agent.start()


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def parked(agent, tool, task, **args):
    answer = agent.execute(tool, "external_publish", args, task,
                           on_approval="run")
    assert answer.status == 202, answer
    return answer.json


def allow(agent, run, **members):
    answer = agent.approve(run["approval_id"], allow_external_publish=True,
                           **members)
    assert answer.status == 200, answer


def test_killed_while_it_awaits_approval_the_question_stands(agent):
    task = agent.task("awaits")
    run = parked(agent, "test.publish", task, text="awaits")
    seen = agent.review(run["approval_id"])
    before = agent.get(f"/api/approvals/{run['approval_id']}").json
    crash(agent)
    after = agent.get(f"/api/approvals/{run['approval_id']}").json
    assert after | {"expires_in_s": 0} == before | {"expires_in_s": 0}
    assert run_of(agent, run["id"])["state"] == "awaiting_approval"
    again = parked(agent, "test.publish", task, text="awaits")
    assert again["id"] == run["id"]
    given = agent.post(f"/api/approvals/{run['approval_id']}/approve", {
        "request_sha256": seen["request_sha256"], "nonce": seen["nonce"],
        "allow_external_publish": True}, by="admin")
    assert given.status == 200, given
    assert ended(agent, run["id"])["state"] == "succeeded"
    assert len(lines(agent.effects["test.publish"])) == 1


def cut_after(agent, kind):
    """It was killed when this record was written and nothing after it."""
    journal, = (agent.home / "audit").glob("*.jsonl")
    whole = kc.unfilled(journal).read_bytes().splitlines(keepends=True)
    last = max(i for i, line in enumerate(whole)
               if json.loads(line)["type"] == kind)
    journal.write_bytes(b"".join(whole[:last + 1]))
    for file in agent.home.glob("index.db*"):
        file.unlink()
    agent.start()


def test_killed_between_a_decision_and_its_run_it_is_done_once(fresh):
    task = fresh.task("between")
    run = parked(fresh, "test.grace", task, text="given")
    allow(fresh, run)
    fresh.kill9()
    before = len(lines(fresh.effects["test.grace"]))
    cut_after(fresh, "approval_granted")
    assert ended(fresh, run["id"])["state"] == "succeeded"
    assert len(lines(fresh.effects["test.grace"])) == before + 1
    run = parked(fresh, "test.publish", task, text="refused")
    seen = fresh.review(run["approval_id"])
    no = fresh.post(f"/api/approvals/{run['approval_id']}/reject", {
        "request_sha256": seen["request_sha256"], "reason": "no"}, by="admin")
    assert no.status == 200, no
    fresh.kill9()
    cut_after(fresh, "approval_rejected")
    over = run_of(fresh, run["id"])
    assert over["state"] == "cancelled", over
    assert over["error"]["error_code"] == "policy_denied", over
    assert not lines(fresh.effects["test.publish"])


def test_killed_while_all_is_stopped_nothing_is_sent_for_it(fresh):
    task, stopped = fresh.task("halted"), fresh.task("goes on")
    runs = [parked(fresh, "test.long", t, text="no")
            for t in (task, stopped)]
    later = parked(fresh, "test.publish", task, text="no")
    allow(fresh, runs[0])
    halt = fresh.post(f"/api/tasks/{task['id']}/halt", {"reason": "no"},
                      by="admin")
    assert halt.status == 200, halt
    fresh.kill9()
    before = [len(lines(e)) for e in fresh.effects.values()]
    cut_after(fresh, "task_state")
    assert ended(fresh, runs[0]["id"])["state"] == "cancelled"
    refused(fresh.post(f"/api/approvals/{later['approval_id']}/review",
                       by="admin"), 409, "approval_stale")
    assert ended(fresh, later["id"])["state"] == "cancelled"
    assert run_of(fresh, runs[1]["id"])["state"] == "awaiting_approval"
    stop = fresh.post("/api/mode", {"mode": "stopped", "reason": "no"},
                      by="admin")
    assert stop.status == 200, stop
    fresh.kill9()
    cut_after(fresh, "mode_changed")
    assert ended(fresh, runs[1]["id"])["state"] == "cancelled"
    refused(fresh.post(f"/api/approvals/{runs[1]['approval_id']}/review",
                       by="admin"), 409, "approval_stale")
    assert before == [len(lines(e)) for e in fresh.effects.values()]


def test_killed_in_the_grace_it_starts_once_or_is_taken_back(agent):
    for taken_back in (True, False):
        tool = "test.long" if taken_back else "test.grace"
        before = len(lines(agent.effects[tool]))
        task = agent.task("grace")
        run = parked(agent, tool, task, text="grace")
        allow(agent, run)
        crash(agent)
        if taken_back:
            waiting = run_of(agent, run["id"])
            assert waiting["state"] == "queued", waiting
            back = agent.post(
                f"/api/approvals/{run['approval_id']}/cancel", by="admin")
            assert back.status == 200, back
        over = ended(agent, run["id"])
        assert over["state"] == ("cancelled" if taken_back else "succeeded")
        assert len(lines(agent.effects[tool])) == before + (not taken_back)
        assert len(agent.journal("tool_started", run_id=run["id"])) == \
            (not taken_back)


def test_killed_while_its_folder_is_made_it_runs_all_the_same(agent):
    for parts in ([], ["in"], ["in", "out"], ["out"]):
        while True:     # until it ends before the grace does
            task = agent.task("folder")
            run = parked(agent, "test.grace", task, text="folder")
            allow(agent, run)
            agent.kill9()
            left = agent.home / "spool" / run["id"]
            if not left.exists():
                break
            agent.start()
        left.mkdir()
        for part in parts:
            (left / part).mkdir()
            (left / part / "half a file").write_text("half")
        agent.start()
        over = ended(agent, run["id"])
        assert over["state"] == "succeeded", (parts, over)
    mine = agent.home / "spool" / "notes"
    mine.mkdir()
    (mine / "keep.txt").write_text("kept")
    agent.restart()
    assert (mine / "keep.txt").read_text() == "kept"


def test_killed_while_a_local_tool_runs_it_is_ended_and_said_to_be(agent):
    base = str(file(agent, "test.local"))
    answer = agent.execute("test.local", "local_write", {"text": "a"})
    pid, = kc.wait_for(lambda: "".join(
        lines(file(agent, "test.local.pid"))).split())
    agent.kill9()
    kc.wait_for(lambda: not alive(pid))
    agent.start()
    run = run_of(agent, answer.json["id"])
    assert run["state"] == "failed" and run["finished_at"], run
    assert run["error"]["error_code"] == "agent_restarted", run
    assert run["error"]["remediation_hint"] and run["error"]["retryable"]
    record, = agent.journal("tool_failed", run_id=run["id"])
    assert record["data"]["error_code"] == "agent_restarted"
    open(base + ".go", "w").close()
    again = agent.execute("test.local", "local_write", {"text": "a"}, wait=20)
    assert again.json["state"] == "succeeded", again
    assert lines(file(agent, "test.local.effects")) == \
        [run["id"], again.json["id"]]


def leaves(agent):
    """A run that has started others itself: its guard, it, and they."""
    agent.execute("test.leaves", "local_write")
    return kc.wait_for(lambda: [p for p in "".join(
        lines(file(agent, "test.leaves"))).split() if p] if len("".join(
            lines(file(agent, "test.leaves"))).split()) == 4 else None)


def test_what_a_killed_run_had_started_itself_ends_with_it(fresh):
    """In its group or not: a publish that goes on must not be repeated."""
    pids = leaves(fresh)
    fresh.kill9()
    kc.wait_for(lambda: not any(map(alive, pids)))


def test_what_even_its_guard_left_is_ended_at_the_start(fresh):
    pids = leaves(fresh)
    fresh.freeze()
    os.kill(int(pids[0]), signal.SIGKILL)
    kc.wait_for(lambda: not alive(pids[1]))
    fresh.kill9()
    assert alive(pids[2]) and alive(pids[3])
    bystander = subprocess.Popen(["sleep", "600"], env={
        "TMPDIR": str(fresh.home / "spool")})
    try:
        fresh.start()
        kc.wait_for(lambda: not any(map(alive, pids)))
        assert alive(bystander.pid)
        assert fresh.log.count("left behind") == 2, fresh.log
    finally:
        bystander.kill()
        bystander.wait()


def test_killed_while_it_publishes_nobody_knows_until_an_admin_says(agent):
    task = agent.task("unknown", headers={"X-Correlation-Id": "c-unknown"})
    agent.execute("test.sends", "external_publish", {"text": "once"}, task,
                  headers={"X-Correlation-Id": "c-unknown"})
    run = parked(agent, "test.sends", task, text="once")
    allow(agent, run)
    kc.wait_for(lambda: lines(file(agent, "test.sends.effects")))
    crash(agent)
    open(str(file(agent, "test.sends")) + ".go", "w").close()
    after = run_of(agent, run["id"])
    assert after["state"] == "outcome_unknown", after
    assert after["error"]["error_code"] == "outcome_unknown"
    assert agent.get(f"/api/approvals/{run['approval_id']}"
                     ).json["state"] == "used"
    assert not agent.get(f"/api/tasks/{task['id']}").json["admin_approved"]
    assert len(agent.journal("outcome_unknown", run_id=run["id"])) == 1
    chain = agent.get(f"/api/audit/{after['correlation_id']}").json
    assert chain["complete"] is False
    assert [(m["what"], m["id"]) for m in chain["missing"]] == \
        [("outcome", run["id"])], chain["missing"]
    for on in ("run", "deny"):
        before = len(agent.journal("policy_denied",
                                   reason="outcome_unknown"))
        answer = agent.execute("test.sends", "external_publish",
                               {"text": "once"}, task, on_approval=on)
        refused(answer, 403, "policy_denied", reason="outcome_unknown",
                run_id=run["id"])
        assert len(agent.journal("policy_denied",
                                 reason="outcome_unknown")) == before + 1
    other = agent.execute("test.sends", "external_publish",
                          {"text": "another"}, task)
    refused(other, 403, "policy_denied", reason="approval_required")
    crash(agent)
    assert run_of(agent, run["id"])["state"] == "outcome_unknown"
    name = f"/api/runs/{run['id']}/reconcile"
    for body in ({"outcome": "succeeded"}, {"reason": "r"},
                 {"outcome": "succeeded", "reason": ""},
                 {"outcome": "cancelled", "reason": "r"}):
        refused(agent.post(name, body, by="admin"), 400, "invalid_request")
    settled = agent.post(name, {"outcome": "failed",
                                "reason": "the channel has no such video"},
                         by="admin")
    assert settled.status == 200 and settled.json["state"] == "failed"
    assert settled.json["reconciled"]["by"] == "admin", settled
    refused(agent.post(name, {"outcome": "failed", "reason": "r"},
                       by="admin"), 409, "not_unknown")
    chain = agent.get(f"/api/audit/{after['correlation_id']}").json
    assert chain["complete"] is True, chain["missing"]
    again = parked(agent, "test.sends", task, text="once")
    assert again["approval_id"] != run["approval_id"]
    allow(agent, again)
    assert ended(agent, again["id"])["state"] == "succeeded"
    assert lines(file(agent, "test.sends.effects")) == \
        [run["id"], again["id"]]


def test_secrets_of_a_run_that_waited_are_gone_and_asked_for_again(agent):
    task = agent.task("secret")
    args = {"text": "a", "password": "hunter2"}
    run = parked(agent, "test.secret", task, **args)
    crash(agent)
    allow(agent, run)
    over = ended(agent, run["id"])
    assert over["state"] == "cancelled", over
    assert over["error"]["error_code"] == "agent_restarted", over
    again = agent.execute("test.secret", "external_publish", args, task,
                          wait=20)
    assert again.status == 200 and again.json["state"] == "succeeded", again
    assert again.json["approval_id"] == run["approval_id"]
    assert b"hunter2" not in b"".join(agent.lines())


MOMENTS = ("approval_requested", "approval_granted", "run_queued",
           "tool_started", "approval_used", "evidence_added",
           "tool_finished")


def test_killed_at_any_step_of_a_publish_it_ran_once_or_is_unknown(fresh):
    effects = file(fresh, "test.sends.effects")
    open(str(file(fresh, "test.sends")) + ".go", "w").close()
    told = []
    for moment in MOMENTS:
        task = fresh.task(moment, by="admin", allow_external_publish=True)
        seen = len(fresh.lines())

        def there():
            return any(f'"type":"{moment}"'.encode() in line
                       for line in fresh.lines()[seen:])

        run = parked(fresh, "test.sends", task, text=moment)
        if moment != "approval_requested":
            allow(fresh, run)
            kc.wait_for(there, what=moment)
        crash(fresh)
        if moment == "approval_requested":
            allow(fresh, run)
        over = ended(fresh, run["id"])
        ran = lines(effects).count(run["id"])
        started = len(fresh.journal("tool_started", run_id=run["id"]))
        told.append((moment, over["state"], ran))
        assert ran <= started <= 1, told
        assert over["state"] in ("succeeded", "outcome_unknown"), told
        assert ran == 1 or over["state"] == "outcome_unknown", told
        again = fresh.execute("test.sends", "external_publish",
                              {"text": moment}, task)
        refused(again, 403, "policy_denied", reason="outcome_unknown"
                if over["state"] == "outcome_unknown"
                else "approval_required")
    assert fresh.chained()
    print("     ", told)


def test_stopping_ends_runs_and_says_how_before_it_is_gone(fresh):
    local = fresh.execute("test.local", "local_write", {"text": "a"}).json
    task = fresh.task("stopping", by="admin", allow_external_publish=True)
    sends = parked(fresh, "test.sends", task, text="a")
    allow(fresh, sends)
    kc.wait_for(lambda: file(fresh, "test.sends.pid").exists() and
                file(fresh, "test.local.pid").exists())
    fresh.stop()
    records = fresh.journal()
    assert records[-1]["type"] == "agent_stopped", records[-1]
    kinds = {r["run_id"]: r["data"]["state"] for r in records
             if r["type"] in ("tool_failed", "outcome_unknown")}
    assert kinds == {local["id"]: "cancelled",
                     sends["id"]: "outcome_unknown"}, kinds
    fresh.start()
    assert run_of(fresh, sends["id"])["state"] == "outcome_unknown"
    assert run_of(fresh, local["id"])["state"] == "cancelled"


class Writer(threading.Thread):
    """Counts its task up by compare-and-swap until the agent is gone."""

    def __init__(self, agent, task):
        super().__init__()
        self.agent, self.task = agent, task
        self.acknowledged, self.wrong = [], None

    def run(self):
        while True:
            n = self.task["meta"]["n"]
            try:
                answer = self.agent.patch(
                    f"/api/tasks/{self.task['id']}",
                    {"base_sha": self.task["sha"], "meta": {"n": n + 1}},
                    timeout=10)
            except (kc.Closed, OSError):
                return
            if answer.status != 200:
                self.wrong = answer
                return
            self.task = answer.json
            self.acknowledged.append(answer.json)


def holds(agent, writer):
    """The agent has all it acknowledged, and at most one step more."""
    task = agent.get(f"/api/tasks/{writer.task['id']}").json
    n, last = task["meta"]["n"], writer.task["meta"]["n"]
    assert writer.wrong is None, writer.wrong
    assert last <= n <= last + 1, (last, n)
    assert n > last or task == writer.task, (task, writer.task)
    return task


def test_in_30_kills_under_8_writers_nothing_acknowledged_is_lost(fresh):
    cycles, total, rng = 30, 0, random.Random(2)
    fresh.token("coordinator")
    tasks = [fresh.task(f"writer {i}", meta={"n": 0}) for i in range(8)]
    for cycle in range(cycles):
        writers = [Writer(fresh, t) for t in tasks]
        for w in writers:
            w.start()
        enough = rng.randrange(1, 40)
        kc.wait_for(lambda: sum(len(w.acknowledged) for w in writers)
                    >= enough or any(w.wrong for w in writers))
        fresh.kill9()
        for w in writers:
            w.join()
        if cycle % 10 == 4:
            (fresh.home / "index.db").unlink()
        fresh.start()
        tasks = [holds(fresh, w) for w in writers]
        total += sum(len(w.acknowledged) for w in writers)
    print(f"      {cycles} kills, {total} acknowledged writes")
    updates = fresh.journal("task_updated")
    for t in tasks:
        counted = [r["data"]["put"]["task"]["meta"]["n"] for r in updates
                   if r["task_id"] == t["id"]]
        assert counted == list(range(1, t["meta"]["n"] + 1)), t["id"]
    assert len(updates) >= total and fresh.chained()
    verified = fresh.cli("audit", "verify")
    assert verified.returncode == 0, verified.stdout
    kc.wait_for(lambda: all(
        committed(fresh)[task_path(fresh, t["id"])] == t["sha"] == blob(t)
        for t in tasks), 5, "the repository")
    kc.wait_for(lambda: fsck(fresh), 10, "fsck")


kc.main(seconds=90, new_agent=new_agent)
