"""Verdicts and redispatches: a reviewer's words reach the executor as they
were written, or not at all."""
import json

import kc
from attempting import TRANSPORTS, echo, no, reported, url, yes
from expect import committed, git, jcs, sha256, together

CAFE = "the café shows"


def issue(text="the sound is missing", ref="AC-1", **more):
    return {"criterion_ref": ref, "text": text} | more


def document(agent, task, name):
    """One of the attempt's documents as the repository has it."""
    def there():
        for path in committed(agent):
            if path.endswith(f"/{task['id']}/{name}.json"):
                return json.loads(git(agent, "show", f"HEAD:{path}"))
        return None
    return kc.wait_for(there, 5, name)


def test_issues_reach_the_next_executor_as_they_were_written(agent):
    for send in TRANSPORTS:
        task = reported(agent)
        issues = [issue(CAFE, evidence={"work_log_index": 1}),
                  issue("e\u0301 is not é; \u2028 <b>", ref="AC-1"),
                  issue(" spaces  stay ")]
        judged = yes(agent, task, "verdict", attempt=1, decision="fail",
                     issues=issues)
        assert judged["state"] == "needs_review" and judged["attempt"] == 1
        assert "issues" not in judged
        status, opened = send(agent, task, "redispatch", "coordinator",
                              attempt=2, issues=issues)
        assert status == 200, opened
        assert (opened["state"], opened["attempt"], opened["lease"]) == \
            ("pending", 2, None)
        taken = agent.ack(opened, by="other")
        assert taken["issues"] == issues and taken["attempt"] == 2
        hashed = sha256(jcs(issues))
        said = agent.journal("verdict_submitted", task_id=task["id"])
        assert len(said) == 1 and said[0]["actor"] == "codex", said
        again = agent.journal("task_redispatched", task_id=task["id"])
        assert len(again) == 1 and again[0]["data"]["attempt"] == 2, again
        verdict = document(agent, task, "1-verdict")
        assert verdict["issues"] == issues, verdict
        assert verdict["issues_sha256"] == hashed, (verdict, hashed)
        assert verdict["decision"] == "fail" and verdict["by"] == "codex"
        result = document(agent, task, "1-result")
        assert result["attempt"] == 1
        kept = document(agent, task, "2-redispatch")
        assert (kept["issues"], kept["issues_sha256"], kept["by"]) == \
            (issues, hashed, "coordinator"), kept


def test_issues_with_anything_else_in_them_do_not_go_out(agent):
    task = reported(agent)
    issues = [issue(CAFE, evidence={"work_log_index": 0}), issue("dark")]
    expected = sha256(jcs(issues))
    none = no(agent, task, "redispatch", 422, "fidelity_mismatch",
              attempt=2, issues=issues)
    assert none["expected_sha256"] is None
    assert none["got_sha256"] == expected
    yes(agent, task, "verdict", attempt=1, decision="fail", issues=issues)
    first, second = issues
    cases = [
        [issue("the cafe shows", evidence=first["evidence"]), second],
        [issue("the café shоws", evidence=first["evidence"]), second],
        [issue("the cafe\u0301 shows", evidence=first["evidence"]), second],
        [issue(CAFE + " ", evidence=first["evidence"]), second],
        [issue(CAFE), second],
        [issue(CAFE, evidence={"work_log_index": 1}), second],
        [issue(CAFE, ref="AC-2", evidence=first["evidence"]), second],
        [second, first], [first], [first, second, second], [],
        [first, second, issue("and more")], [first | {"x": 1}, second],
    ]
    for got in cases:
        problem = no(agent, task, "redispatch", 422, "fidelity_mismatch",
                     attempt=2, issues=got)
        assert problem["expected_sha256"] == expected
        assert problem["got_sha256"] == sha256(jcs(got)) != expected
    said = agent.journal("fidelity_mismatch", task_id=task["id"])
    assert len(said) == 2 * (len(cases) + 1), len(said)
    assert said[-1]["data"]["expected_sha256"] == expected
    assert said[-1]["data"]["got_sha256"] == sha256(jcs(cases[-1]))
    assert said[-1]["status"] == 422 and said[-1]["data"]["attempt"] == 1
    yes(agent, task, "redispatch", attempt=2, issues=[
        dict(reversed(i.items())) for i in issues])


def test_a_verdict_says_what_exists_and_nothing_else(agent):
    task = reported(agent, criteria=("one", "two"))
    stored = agent.request(
        "POST", kc.query("/api/evidence", task_id=task["id"], name="a.txt"),
        b"the proof", by="codex").json["sha256"]

    def bad(status, code, named, *issues, **body):
        problem = no(agent, task, "verdict", status, code, **{
            "attempt": 1, "decision": "fail", "issues": list(issues)} | body)
        assert named in problem["detail"], problem

    for evidence in ({"work_log_index": 2}, {"sha256": "0" * 64},
                     {"sha256": stored.upper()}, {"sha256": "../" + stored}):
        bad(422, "unknown_evidence", "issues[1]", issue(),
            issue(evidence=evidence))
    bad(422, "unknown_criterion", "AC-9", issue(), issue(ref="AC-9"))
    bad(422, "unknown_criterion", "ac-1", issue(ref="ac-1"))
    for wrong in ({"text": "no ref"}, issue(""), issue(7), issue(ref=1),
                  issue(severity="high"), "AC-1", None, ["AC-1"],
                  issue(evidence={}), issue(evidence=[]), issue(evidence=0),
                  issue(evidence=None), issue(evidence={"work_log_index": -1}),
                  issue(evidence={"work_log_index": "0"}),
                  issue(evidence={"work_log_index": 0.5}),
                  issue(evidence={"work_log_index": 0, "sha256": stored})):
        bad(400, "invalid_request", "issues[0]", wrong)
    bad(400, "invalid_request", "token", issue(agent.token("codex")))
    bad(400, "invalid_request", "decision", decision="maybe")
    bad(400, "invalid_request", "decision", decision=None)
    bad(400, "invalid_request", "issues", *[issue()] * 401)
    bad(400, "invalid_request", "summary", summary="fine")
    no(agent, task, "verdict", 400, "invalid_request", attempt=1)
    no(agent, task, "redispatch", 400, "invalid_request", attempt=2)
    assert not agent.journal("verdict_submitted", task_id=task["id"])
    yes(agent, task, "verdict", attempt=1, decision="pass", issues=[
        issue(evidence={"sha256": stored}),
        issue(ref="AC-2", evidence={"work_log_index": 1})])


def test_a_task_without_criteria_has_issues_that_name_none(agent):
    task = reported(agent)
    bare = agent.ack(agent.post("/api/tasks", {"title": "bare"}).json)
    yes(agent, bare, "result", attempt=1, summary="done")
    no(agent, bare, "verdict", 422, "unknown_criterion", attempt=1,
       decision="fail", issues=[issue()])
    words = [{"text": "look again"}]
    no(agent, task, "verdict", 400, "invalid_request", attempt=1,
       decision="fail", issues=words)
    yes(agent, bare, "verdict", attempt=1, decision="fail", issues=words)
    opened = yes(agent, bare, "redispatch", attempt=2, issues=words)
    assert opened["issues"] == words


def test_a_verdict_is_on_the_attempt_in_review_and_the_last_one_counts(agent):
    task = agent.task()
    verdict = {"attempt": 1, "decision": "fail", "issues": [issue("one")]}
    review = {"allowed": ["needs_review"]}
    for state, step in (("pending", None), ("running", "ack")):
        if step:
            yes(agent, task, step, **echo(task))
        for what, body in (("verdict", verdict), ("redispatch", {
                "attempt": 2, "issues": []})):
            problem = no(agent, task, what, 409, "invalid_transition", **body)
            assert problem["from"] == state and problem["allowed"] == \
                review["allowed"], problem
    yes(agent, task, "result", attempt=1, summary="done")
    for attempt in (2, 7):
        problem = no(agent, task, "verdict", 409, "stale_attempt",
                     **verdict | {"attempt": attempt})
        assert problem["attempt"] == 1, problem
    yes(agent, task, "verdict", **verdict)
    second = [issue("two")]
    yes(agent, task, "verdict", "other", attempt=1, decision="fail",
        issues=second)
    for attempt in (1, 3):
        problem = no(agent, task, "redispatch", 409, "stale_attempt",
                     attempt=attempt, issues=second)
        assert problem["next_attempt"] == 2, problem
    no(agent, task, "redispatch", 422, "fidelity_mismatch", attempt=2,
       issues=verdict["issues"])
    yes(agent, task, "redispatch", attempt=2, issues=second)
    no(agent, task, "verdict", 409, "stale_attempt", **verdict)
    no(agent, task, "redispatch", 409, "stale_attempt", attempt=2,
       issues=second)


def test_a_verdict_on_a_result_that_was_replaced_does_not_count(agent):
    task = reported(agent)
    issues = [issue()]
    yes(agent, task, "verdict", attempt=1, decision="fail", issues=issues)
    yes(agent, task, "halt", "admin", reason="again")
    yes(agent, task, "resume", "admin")
    agent.ack(task)
    yes(agent, task, "result", attempt=1, summary="done again")
    problem = no(agent, task, "redispatch", 422, "fidelity_mismatch",
                 attempt=2, issues=issues)
    assert problem["expected_sha256"] is None, problem
    yes(agent, task, "verdict", attempt=1, decision="fail", issues=issues)
    yes(agent, task, "redispatch", attempt=2, issues=issues)


def test_only_one_of_many_redispatches_opens_the_next_attempt(agent):
    task = reported(agent)
    issues = [issue()]
    yes(agent, task, "verdict", attempt=1, decision="fail", issues=issues)
    agent.token("coordinator")
    answers = together([lambda send=TRANSPORTS[n % 2]: send(
        agent, task, "redispatch", "coordinator", attempt=2, issues=issues)
        for n in range(12)])
    assert [s for s, _ in answers].count(200) == 1, answers
    for status, answer in answers:
        if status != 200:
            assert answer["error_code"] == "stale_attempt", answer
    assert len(agent.journal("task_redispatched", task_id=task["id"])) == 1


def test_no_issues_are_handed_on_as_none(agent):
    task = reported(agent)
    yes(agent, task, "verdict", attempt=1, decision="fail")
    opened = yes(agent, task, "redispatch", attempt=2, issues=[])
    assert opened["issues"] == [], opened
    looked = agent.get(url(task, "fidelity")).json
    assert looked["issues_sha256"] == sha256("[]"), looked
    assert "issues_altered" not in [g["kind"] for g in looked["gaps"]]


def test_who_may_not_judge_does_not(agent):
    task = reported(agent)
    agent.token("watcher", "observer")
    body = {"attempt": 1, "decision": "pass"}
    for by in ("watcher", "admin"):
        no(agent, task, "verdict", 403, "insufficient_scope", by, **body)
    yes(agent, task, "verdict", **body)
    no(agent, task, "redispatch", 403, "insufficient_scope", "watcher",
       attempt=2, issues=[])
    yes(agent, task, "redispatch", "admin", attempt=2, issues=[])


kc.main()
