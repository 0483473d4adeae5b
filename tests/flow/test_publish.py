"""An approved publish: reviewed, decided once, used once."""
import json

import kc
from expect import jcs, refused, sha256, together, versions
from publishing import (approval, approved, ask, asked, count, decide, ended,
                        new_agent, parked)


def test_a_review_shows_exactly_the_bytes_that_are_hashed(agent):
    task = agent.task("révue", criteria=("it is “done”",))
    film = agent.dir / "film.mp4"
    film.write_bytes(b"moving pictures")
    name = asked(agent, task, "test.file", {"file": str(film)})
    seen = agent.review(name)
    assert sha256(seen["canonical"]) == seen["request_sha256"]
    request = json.loads(seen["canonical"])
    assert jcs(request) == seen["canonical"]
    started = agent.journal("agent_started")[-1]["data"]
    assert request == {
        "v": 1, "agent": started["agent"], "tool": "test.file",
        "args": {"file": str(film)}, "task_id": task["id"],
        "criterion_ref": "AC-1", "requester": "codex", "approval_id": name,
        "policy_sha256": started["policy_sha256"], "artifacts": [
            {"name": "film.mp4", "sha256": sha256(b"moving pictures"),
             "size": 15}]}
    shown = seen["approval"]
    assert shown["request"] == request and shown["state"] == "pending"
    assert shown["criterion_text"] == "it is “done”"
    assert shown["required"] == 1 and shown["decisions"] == []
    assert 800 < seen["expires_in_s"] <= 900
    assert approval(agent, name) | {"expires_in_s": 0} == \
        shown | {"expires_in_s": 0}
    again = agent.review(name)
    assert again["canonical"] == seen["canonical"]
    assert again["nonce"] != seen["nonce"]
    listed = agent.get("/api/approvals?state=pending").json["items"]
    assert name in [a["id"] for a in listed]
    assert seen["nonce"].encode() not in b"".join(agent.lines())


def test_an_approved_publish_runs_once_and_is_recorded_whole(agent):
    task = agent.task("whole", headers={"X-Correlation-Id": "c-whole"})
    name = asked(agent, task, headers={"X-Correlation-Id": "c-whole"})
    given = approved(agent, name)
    assert [d["by"] for d in given["decisions"]] == ["admin"]
    held = agent.get(f"/api/tasks/{task['id']}").json
    assert held["admin_approved"] is True and held["allow_external_publish"]
    assert held["admin_approved_by"] == "admin" and held["admin_approved_at"]
    before = count(agent)
    answer = ask(agent, task, wait=20, headers={"X-Correlation-Id": "c-whole"})
    assert answer.status == 200 and answer.json["state"] == "succeeded", answer
    run = answer.json
    assert run["result"] == {"published": True} and run["progress"] == 1
    assert count(agent) == before + 1
    assert approval(agent, name)["state"] == "used"
    used = agent.get(f"/api/tasks/{task['id']}").json
    assert (used["admin_approved"], used["admin_approved_by"],
            used["admin_approved_at"]) == (False, None, None)
    records = agent.journal("tool_started", "approval_used",
                            run_id=run["id"])
    assert [r["type"] for r in records] == ["tool_started", "approval_used"]
    assert all(r["data"]["approval_id"] == name for r in records)
    kc.wait_for(lambda: len(versions(agent, task["id"])) == 3, 5)
    assert [v["admin_approved"] for v in versions(agent, task["id"])] == \
        [False, True, False]
    chain = agent.get("/api/audit/c-whole").json
    assert chain["complete"] is True, chain["missing"]
    assert {e["type"] for e in chain["events"]} >= {
        "task_created", "policy_denied", "approval_requested",
        "approval_reviewed", "approval_granted", "tool_started",
        "approval_used", "tool_finished", "evidence_added", "request"}
    assert refused(ask(agent, task), 403, "policy_denied")["approval_id"] != \
        name


def test_a_decision_that_is_not_about_what_was_read_is_refused(agent):
    task = agent.task("decisions")
    agent.token("second", "admin")
    name = asked(agent, task)
    other = asked(agent, agent.task("another"))
    seen, theirs = agent.review(name), agent.review(name, "second")
    elsewhere = agent.review(other)

    def no(code, **members):
        refused(decide(agent, name, seen, **members), 409, code)

    no("approval_stale", request_sha256="0" * 64)
    no("approval_stale", request_sha256=elsewhere["request_sha256"])
    for nonce in ("wrong", theirs["nonce"], elsewhere["nonce"],
                  seen["nonce"] + "x", seen["nonce"].swapcase()):
        no("nonce_used", nonce=nonce)
    refused(decide(agent, name, seen, nonce=""), 400, "invalid_request")
    refused(decide(agent, name, seen, request_sha256="x"), 400,
            "invalid_request")
    assert approval(agent, name)["state"] == "pending"
    assert not agent.journal("approval_granted", approval_id=name)
    assert decide(agent, name, seen).status == 200
    no("nonce_used")
    no("already_decided", nonce=theirs["nonce"], by="second")
    assert len(agent.journal("approval_granted", approval_id=name)) == 1


def test_of_many_decisions_at_once_one_counts(agent):
    task = agent.task("at once")
    name = asked(agent, task)
    seen = agent.review(name)
    calls = [lambda: decide(agent, name, seen)] * 6
    calls += [lambda: agent.post(f"/api/approvals/{name}/reject",
                                 {"reason": "no"}, by="admin")] * 2
    answers = together(calls)
    assert sorted(a.status for a in answers) == [200] + [409] * 7, answers
    assert len(approval(agent, name)["decisions"]) == 1


def test_publishing_needs_the_task_to_allow_it_or_the_decision(agent):
    task = agent.task("not allowed")
    name = asked(agent, task)
    seen = agent.review(name)
    for members in ({"allow_external_publish": False}, ):
        problem = refused(decide(agent, name, seen, **members), 403,
                          "policy_denied", reason="publish_not_allowed")
        assert "allow_external_publish" in problem["remediation_hint"]
    assert len(agent.journal("policy_denied", task_id=task["id"],
                             reason="publish_not_allowed")) == 1
    assert approval(agent, name)["state"] == "pending"
    assert decide(agent, name, seen).status == 200
    assert agent.get(f"/api/tasks/{task['id']}"
                     ).json["allow_external_publish"] is True


def test_allowance_taken_away_in_the_grace_stops_the_publish(agent):
    task = agent.task("taken away")
    run = parked(agent, task, "test.grace")
    approved(agent, run["approval_id"])
    held = agent.get(f"/api/tasks/{task['id']}").json
    off = agent.patch(f"/api/tasks/{task['id']}", {
        "allow_external_publish": False, "base_sha": held["sha"]}, by="admin")
    assert off.status == 200, off
    over = ended(agent, run["id"])
    assert over["state"] == "cancelled", over
    assert agent.journal("policy_denied", run_id=run["id"],
                         reason="publish_not_allowed")
    assert count(agent, "test.grace") == 0


def test_repeats_join_the_one_open_approval(agent):
    task = agent.task("joined")
    agent.token("codex")
    answers = together([lambda: ask(agent, task)] * 8 +
                       [lambda: ask(agent, task, on_approval="run")] * 8)
    denied = [a.json for a in answers if a.status == 403]
    runs = [a.json for a in answers if a.status == 202]
    assert len(denied) == len(runs) == 8, answers
    assert len({d["approval_id"] for d in denied}
               | {r["approval_id"] for r in runs}) == 1
    assert len({r["id"] for r in runs}) == 1
    assert len(agent.journal("policy_denied", task_id=task["id"])) == 16
    assert len(agent.journal("approval_requested", task_id=task["id"])) == 1
    before = count(agent)
    approved(agent, denied[0]["approval_id"])
    assert ended(agent, runs[0]["id"])["state"] == "succeeded"
    assert count(agent) == before + 1


def test_executes_racing_for_one_approval_give_one_run(agent):
    agent.token("codex")
    for tool, wait in (("test.grace", None), ("test.publish", 20)):
        task = agent.task("race")
        name = asked(agent, task, tool)
        before = count(agent, tool)
        approved(agent, name)
        answers = together([lambda: ask(agent, task, tool, wait=wait)] * 16)
        runs = {a.json["id"] for a in answers if a.status in (200, 202)}
        assert len(runs) == 1, answers
        assert {a.status for a in answers} <= {200, 202, 403}, answers
        assert ended(agent, runs.pop())["state"] == "succeeded"
        assert count(agent, tool) == before + 1
        assert len(agent.journal("tool_started", task_id=task["id"])) == 1
        assert approval(agent, name)["state"] == "used"


def test_a_rejection_ends_the_run_and_its_reason_is_told(agent):
    task = agent.task("no")
    run = parked(agent, task)
    no = agent.post(f"/api/approvals/{run['approval_id']}/reject",
                    {"reason": "the title is wrong"}, by="admin")
    assert no.status == 200 and no.json["state"] == "rejected", no
    assert no.json["decisions"][0]["reason"] == "the title is wrong"
    over = ended(agent, run["id"])
    assert over["state"] == "cancelled"
    assert over["error"]["error_code"] == "policy_denied"
    assert "the title is wrong" in over["error"]["detail"], over
    assert "admin" in over["error"]["detail"]
    record, = agent.journal("approval_rejected",
                            approval_id=run["approval_id"])
    assert record["data"]["reason"] == "the title is wrong"
    for step in ("review", "reject", "cancel"):
        refused(agent.post(f"/api/approvals/{run['approval_id']}/{step}",
                           by="admin"), 409, "already_decided",
                state="rejected")
    again = asked(agent, task)
    assert again != run["approval_id"]


def test_a_wait_ends_with_the_decision(agent):
    task = agent.task("waits")
    agent.token("codex")
    name = asked(agent, task)

    def wait():
        return ask(agent, task, on_approval="run", wait=20)

    def give():
        kc.wait_for(lambda: approval(agent, name)["run_id"])
        return approved(agent, name)

    answer, _ = together([wait, give])
    assert answer.status == 200 and answer.json["state"] == "succeeded", answer
    short = ask(agent, agent.task("impatient"), on_approval="run", wait=1)
    assert short.status == 202, short
    assert short.json["state"] == "awaiting_approval"


def test_the_grace_lets_it_be_taken_back(agent):
    task = agent.task("grace")
    run = parked(agent, task, "test.grace")
    approved(agent, run["approval_id"])
    waiting = agent.get(f"/api/runs/{run['id']}").json
    assert waiting["state"] == "queued" and waiting["starts_at"], waiting
    back = agent.post(f"/api/approvals/{run['approval_id']}/cancel",
                      {"reason": "a typo"}, by="admin")
    assert back.status == 200 and back.json["state"] == "cancelled", back
    over = ended(agent, run["id"])
    assert over["state"] == "cancelled" and over["error"]["detail"] == "a typo"
    cleared = agent.get(f"/api/tasks/{task['id']}").json
    assert cleared["admin_approved"] is False
    again = parked(agent, task, "test.grace")
    assert again["approval_id"] != run["approval_id"]
    before = count(agent, "test.grace")
    approved(agent, again["approval_id"])
    assert ended(agent, again["id"])["state"] == "succeeded"
    assert count(agent, "test.grace") == before + 1
    assert not agent.journal("tool_started", run_id=run["id"])
    refused(agent.post(f"/api/approvals/{again['approval_id']}/cancel",
                       by="admin"), 409, "already_decided", state="used")


def test_the_one_who_asked_may_end_its_run_in_the_grace(agent):
    task = agent.task("changed my mind")
    for decided in (False, True):
        run = parked(agent, task, "test.grace")
        if decided:
            approved(agent, run["approval_id"])
        answer = agent.post(f"/api/runs/{run['id']}/cancel", by="codex")
        assert answer.status == 200, answer
        assert answer.json["state"] == "cancelled"
        assert approval(agent, run["approval_id"])["state"] == "cancelled"
        refused(agent.post(f"/api/runs/{run['id']}/cancel", by="codex"), 409,
                "not_running")
    assert not agent.journal("tool_started", task_id=task["id"])


def test_an_approval_that_nobody_gives_in_time_expires(agent):
    task = agent.task("too late")
    run = parked(agent, task, "test.brief")
    name = run["approval_id"]
    seen = agent.review(name)
    assert seen["expires_in_s"] <= 2
    over = ended(agent, run["id"])
    assert over["state"] == "cancelled"
    assert over["error"]["error_code"] == "approval_expired"
    assert approval(agent, name)["state"] == "expired"
    assert agent.journal("approval_expired", approval_id=name)
    refused(decide(agent, name, seen), 409, "approval_expired")
    refused(agent.post(f"/api/approvals/{name}/review", by="admin"), 409,
            "approval_expired")
    again = parked(agent, task, "test.brief")
    assert again["approval_id"] != name
    approved(agent, again["approval_id"])
    assert ended(agent, again["id"])["state"] == "succeeded"
    assert count(agent, "test.brief") == 1


def test_an_approval_that_is_not_used_in_time_expires(agent):
    task = agent.task("unused")
    name = asked(agent, task, "test.brief")
    approved(agent, name)
    kc.wait_for(lambda: approval(agent, name)["state"] == "expired")
    assert agent.get(f"/api/tasks/{task['id']}").json["admin_approved"] is \
        False
    assert asked(agent, task, "test.brief") != name
    assert not agent.journal("tool_started", task_id=task["id"])

def test_a_long_task_is_approved_like_any_other(agent):
    task = agent.task("long", request_text="r" * 40000)
    name = asked(agent, task)
    given = approved(agent, name)
    assert given["state"] == "approved"
    held = agent.get(f"/api/tasks/{task['id']}").json
    assert held["admin_approved"] is True, held
    done = ask(agent, task, wait=20)
    assert done.status == 200 and done.json["state"] == "succeeded", done
    used = agent.get(f"/api/tasks/{task['id']}").json
    assert used["admin_approved"] is False and used["request_text"][-1] == "r"


def test_the_end_of_a_run_is_recorded_however_much_it_says(agent):
    args = {"text": "t" * 12000}
    run = agent.execute("test.much", "local_write", args, wait=30)
    assert run.status == 200 and run.json["state"] == "succeeded", run
    assert run.json["result"] == {"said": "r" * 16000}
    kept = agent.get(kc.query("/api/evidence", run_id=run.json["id"]))
    assert len(kept.json["items"]) == 65, len(kept.json["items"])
    ended_by, = agent.journal("tool_finished", run_id=run.json["id"])
    assert len(ended_by["data"]["artifacts"]) == 64
    problem = refused(agent.execute("test.much", "local_write",
                                    {"text": "t" * 13000}), 422,
                      "invalid_args")
    assert "file" in problem["detail"], problem


def test_who_asks_again_while_it_is_sent_gets_the_run_that_sends(agent):
    film = agent.dir / "sent.mp4"
    film.write_bytes(b"moving pictures")
    task = agent.task("again")
    args = {"file": str(film)}
    run = parked(agent, task, "test.hash", args)
    approved(agent, run["approval_id"])
    kc.wait_for(lambda: agent.get(f"/api/runs/{run['id']}").json["state"] ==
                "running")
    for on in ("deny", "run"):
        again = ask(agent, task, "test.hash", args, on_approval=on)
        assert again.status == 202 and again.json["id"] == run["id"], again
    agent.token("another", "tool_runner", "observer")
    asked(agent, task, "test.hash", args, by="another")
    open(agent.go, "w").close()
    assert ended(agent, run["id"])["state"] == "succeeded"
    asked(agent, task, "test.hash", args)


kc.main(new_agent=new_agent)
