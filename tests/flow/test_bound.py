"""What an approval is bound to: as soon as it changes, by whatever way, the
approval is worth nothing, and so is the run that waits for it."""
import hashlib
import json

import kc
import remotes
from expect import jcs, refused, together
from person import Person, settled
from publishing import (approval, approved, ask, asked, count, decide, ended,
                        parked)
from sharing import by_hand, seen, team, url

SAYS = ("id", "title", "request_text", "acceptance_criteria",
        "side_effect_level", "attempt")
LONG = "600s"  # a grace that is never over


def new_agent(conf=None):
    agent = kc.Agent(start=False, conf={
        "policy.grace": "0s", "policy.test.late.grace": LONG} | (conf or {}))
    agent.effects = {name: agent.publisher(name)
                     for name in ("test.publish", "test.late")}
    return agent.start()


def task_digest(task):
    return hashlib.sha256(jcs({k: task[k] for k in SAYS}).encode()).hexdigest()


def promised(agent, title):
    """A task with one approval pending and one given, each with its run."""
    task = agent.task(title)
    waiting = parked(agent, task, args={"text": "pending"})
    given = parked(agent, task, "test.late")
    approved(agent, given["approval_id"])
    return agent.get(url(task)).json, (waiting, given)


def voided(agent, runs, why="the task has changed"):
    for run in runs:
        kc.wait_for(lambda: approval(agent, run["approval_id"])["state"] ==
                    "stale", what=f"{run['approval_id']} stale")
        over = ended(agent, run["id"])
        assert over["state"] == "cancelled", over
        assert over["error"]["error_code"] == "approval_stale", over
        assert why in over["error"]["detail"], over
        one, = agent.journal("approval_stale", approval_id=run["approval_id"])
        assert why in one["data"]["reason"], one
        assert agent.journal("policy_denied", run_id=run["id"],
                             reason="approval_stale")
        assert not agent.journal("tool_started", run_id=run["id"])


def test_the_approval_says_which_task_it_is_for(agent):
    task = agent.task("digest", request_text="tell \u00e9verybody")
    name = asked(agent, task)
    shown = approval(agent, name)
    assert shown["task_sha256"] == task_digest(task)
    assert "policy.external-publish = approve" in shown["rule"], shown
    assert agent.review(name)["approval"]["rule"] == shown["rule"]


def test_an_edit_of_what_is_to_be_done_voids_what_was_approved(agent):
    changes = ({"title": "another"}, {"request_text": "something else"},
               {"side_effect_level": "external_publish"},
               {"acceptance_criteria": [{"id": "AC-1", "text": "other"}]})
    for n, change in enumerate(changes):
        task, runs = promised(agent, f"edited {n}")
        seen_one = agent.review(runs[0]["approval_id"])
        answer = agent.patch(url(task), {"base_sha": task["sha"]} | change)
        assert answer.status == 200, answer
        voided(agent, runs)
        refused(decide(agent, runs[0]["approval_id"], seen_one), 409,
                "approval_stale")
        again = asked(agent, task, args={"text": "pending"})
        assert again != runs[0]["approval_id"]
        assert not agent.get(url(task)).json["admin_approved"]
    assert count(agent) == 0 and count(agent, "test.late") == 0


def test_notes_on_a_task_are_no_change_of_what_is_to_be_done(agent):
    task, runs = promised(agent, "noted")
    answer = agent.patch(url(task), {"base_sha": task["sha"], "meta": {
        "approval": runs[0]["approval_id"]}, "labels": {"k": "v"}})
    assert answer.status == 200, answer
    assert [approval(agent, r["approval_id"])["state"] for r in runs] == [
        "pending", "approved"]


def test_a_pushed_edit_voids_what_was_approved(agent):
    task, runs = promised(agent, "pushed to")
    other, kept = promised(agent, "left alone")
    settled(agent)
    ann = Person(agent)
    ann.pull()
    ann.edit(task["id"], request_text="by hand")
    ann.commit()
    ann.push()
    voided(agent, runs)
    assert [approval(agent, r["approval_id"])["state"] for r in kept] == [
        "pending", "approved"]
    assert other["state"] == "pending"


def test_of_an_edit_and_an_approval_at_once_both_are_never_had(agent):
    for n in range(8):
        task = agent.task(f"race {n}")
        run = parked(agent, task, "test.late")
        read = agent.review(run["approval_id"])
        given, edited = together([
            lambda: decide(agent, run["approval_id"], read),
            lambda: agent.patch(url(task), {"base_sha": task["sha"],
                                            "title": "changed"})])
        if edited.status == 200:  # before it, or after it
            assert given.status in (200, 409), given
            voided(agent, [run])
        else:
            refused(edited, 409, "write_conflict")
            assert given.status == 200, given
    assert count(agent, "test.late") == 0


def test_a_change_of_mode_voids_what_was_given_at_once(fresh):
    task, (waiting, given) = promised(fresh, "modes")
    answer = fresh.post("/api/mode", {"mode": "guarded", "reason": "careful"},
                        by="admin")
    assert answer.status == 200, answer
    assert approval(fresh, given["approval_id"])["state"] == "stale"
    voided(fresh, [given], "the mode")
    assert approval(fresh, waiting["approval_id"])["state"] == "pending"


def test_a_tool_that_is_another_by_now_is_not_the_one_approved(fresh):
    task, runs = promised(fresh, "tools")
    shown = approval(fresh, runs[0]["approval_id"])
    assert shown["reversibility"] == "irreversible", shown
    manifest = fresh.home / "tools.d" / "test.late.conf"
    manifest.write_text(manifest.read_text().replace(
        "[tool]", "[tool]\n\treversibility = reversible", 1))
    fresh.reload()
    voided(fresh, runs[1:], "the tool has changed")
    assert approval(fresh, runs[0]["approval_id"])["state"] == "pending"
    tools = {t["name"]: t["reversibility"]
             for t in fresh.get("/api/tools").json["items"]}
    assert tools["test.late"] == "reversible", tools
    assert tools["test.publish"] == "irreversible", tools
    again = asked(fresh, task, "test.late")
    assert approval(fresh, again)["reversibility"] == "reversible"
    answer = ask(fresh, task, "test.late", reversibility="reversible")
    refused(answer, 400, "invalid_request")  # nobody claims it


def rename(agent, was, name):
    """The same credential under another name."""
    file = agent.home / "tokens"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    one, = [line for line in lines if line["name"] == was]
    one["name"] = name
    file.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n"
                            for line in lines))
    agent.tokens[name] = agent.token(was)


def test_four_eyes_are_not_two_names_for_one_credential(fresh):
    fresh.conf("policy.test.publish.approvals-required", 2)
    fresh.restart()
    fresh.token("both", "admin", "tool_runner", "observer")
    fresh.token("ana", "admin")
    fresh.token("Ana", "admin")
    fresh.token("bob", "admin")
    name = asked(fresh, fresh.task("eyes"), by="both")
    first = fresh.approve(name, by="ana", allow_external_publish=True)
    assert first.status == 200 and first.json["state"] == "pending", first
    refused(fresh.approve(name, by="Ana", allow_external_publish=True), 403,
            "self_approval")
    for was, now in (("both", "carla"), ("ana", "dora")):
        rename(fresh, was, now)
        refused(fresh.approve(name, by=now, allow_external_publish=True),
                403, "self_approval")
    last = fresh.approve(name, by="bob", allow_external_publish=True)
    assert last.status == 200 and last.json["state"] == "approved", last


def token_id(agent, name):
    listed = json.loads(agent.cli("token", "list", "--json").stdout)
    return [t["id"] for t in listed if t["name"] == name][-1]


def test_a_token_that_is_taken_away_takes_what_it_asked_for_along(fresh):
    task, kept = promised(fresh, "asked")
    for change in (["revoke"], ["narrow", "--scope", "observer"]):
        fresh.tokens.pop("stolen", None)
        waiting = parked(fresh, task, by="stolen", args={"text": change[0]})
        given = parked(fresh, task, "test.late", by="stolen",
                       args={"text": change[0]})
        approved(fresh, given["approval_id"])
        fresh.cli("token", *change, token_id(fresh, "stolen"))
        voided(fresh, (waiting, given), "was taken away")
    for run, state in zip(kept, ("pending", "approved")):
        assert approval(fresh, run["approval_id"])["state"] == state
    assert count(fresh) == count(fresh, "test.late") == 0


def test_a_token_that_is_taken_away_takes_its_decisions_along(fresh):
    fresh.token("second", "admin")
    task = fresh.task("decided")
    waiting = parked(fresh, task, args={"text": "pending"})
    run = parked(fresh, task, "test.late")
    approved(fresh, run["approval_id"], by="admin")
    other = parked(fresh, task, "test.late", args={"text": "second"})
    seen = fresh.review(other["approval_id"], by="second")
    answer = decide(fresh, other["approval_id"], seen, by="second")
    assert answer.status == 200, answer
    fresh.cli("token", "revoke", token_id(fresh, "second"))
    voided(fresh, [other], "was taken away")
    assert approval(fresh, run["approval_id"])["state"] == "approved"
    assert approval(fresh, waiting["approval_id"])["state"] == "pending"


def test_a_token_that_is_rotated_or_runs_out_leaves_what_it_asked_for(fresh):
    fresh.token("turned", "tool_runner", "observer")
    run = parked(fresh, fresh.task("rotated"), by="turned")
    old = token_id(fresh, "turned")
    fresh.cli("token", "rotate", old, "--overlap", "0")
    kc.wait_for(lambda: fresh.journal("token_changed", token_id=old))
    approved(fresh, run["approval_id"])
    assert ended(fresh, run["id"])["state"] == "succeeded"


def test_who_asks_again_is_told_why_it_was_rejected(fresh):
    fresh.conf("policy.approval-ttl", "1h")
    fresh.restart()
    task = fresh.task("no")
    name = asked(fresh, task)
    no = fresh.post(f"/api/approvals/{name}/reject", {
        "reason": "the title is wrong"}, by="admin")
    assert no.status == 200, no
    for _ in range(2):  # it opens another approval; and joins that
        problem = refused(ask(fresh, task), 403, "policy_denied",
                          reason="approval_required")
        assert problem["approval_id"] != name
        said = problem["last_decision"]
        assert said.pop("at") == no.json["decisions"][0]["at"]
        assert said == {"approval_id": name, "by": "admin",
                        "decision": "reject", "reason": "the title is wrong"}
    shown = approval(fresh, problem["approval_id"])
    assert shown["last_decision"]["reason"] == "the title is wrong"
    assert "last_decision" not in refused(
        ask(fresh, task, args={"text": "another"}), 403, "policy_denied")


def again_by_hand(peer, task):
    """Another agent's next attempt; False where ours has pushed meanwhile."""
    try:
        by_hand(peer, lambda t: t.update(attempt=2), task["id"])
        return True
    except AssertionError:
        return False


def test_a_version_from_the_remote_voids_what_was_approved():
    with remotes.Daemon() as peer, team(peer, 1, new_agent=new_agent) as a:
        task, runs = promised(a, "everybody's")
        answer = a.patch(url(task), {"base_sha": task["sha"],
                                     "title": "agreed with the remote"})
        assert answer.status == 200, answer
        voided(a, runs)
        task, runs = promised(a, "dispatched again there")
        kc.wait_for(lambda: again_by_hand(peer, task))
        seen(a, task, attempt=2)
        voided(a, runs)


kc.main(new_agent=new_agent)
