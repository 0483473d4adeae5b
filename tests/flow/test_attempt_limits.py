"""Documents at their limit: what can be made can be taken, reported on,
judged, handed on and decided; a byte more is refused and changes nothing."""
import kc
from attempting import TRANSPORTS, echo, no, url, yes
from expect import committed, refused
from person import pretty

LIMIT = 48 * 1024


def full(agent, more=0, **members):
    """The answer to a task whose document has so many bytes over the
    limit."""
    def create(n):
        return agent.post("/api/tasks", {
            "title": "full", "meta": {"x": "y" * n},
            "acceptance_criteria": [{"id": "AC-1", "text": "é" * 9000}]}
            | members)

    room = LIMIT - len(pretty(create(1).json)) + 1
    return create(room + more)


def test_a_full_task_goes_all_the_way(agent):
    refused(full(agent, 1), 413, "task_too_large")
    for send in TRANSPORTS:
        task = full(agent).json
        assert len(pretty(task)) == LIMIT
        status, taken = send(agent, task, "ack", "codex", **echo(
            task, lease_s=600))
        assert status == 200 and len(pretty(taken)) > LIMIT, taken
        beat = yes(agent, task, "heartbeat", lease_s=600, progress=0.123456,
                   message="\u0001" * 500)
        assert beat["lease"]["message"] == "\u0001" * 500
        yes(agent, task, "result", attempt=1, summary="done")
        problem = no(agent, task, "verdict", 413, "task_too_large",
                     attempt=1, decision="fail", issues=[
                         {"criterion_ref": "AC-1", "text": "no"}])
        assert "bytes" in problem["detail"], problem
        yes(agent, task, "verdict", attempt=1, decision="fail", issues=[])
        opened = yes(agent, task, "redispatch", attempt=2, issues=[])
        assert opened["state"] == "pending" and opened["issues"] == []
        yes(agent, task, "ack", "other", **echo(opened, lease_s=600))
        yes(agent, task, "result", "other", attempt=2, summary="done")
        over = yes(agent, task, "approve", "admin")
        assert over["state"] == "approved"
        kc.wait_for(lambda: over["sha"] in committed(agent).values(), 5)


def test_criteria_that_fill_a_task_can_be_echoed(agent):
    name = "t" + "0" * 127
    token = "by-" + "x" * 125
    texts = [{"id": f"AC-{n}", "text": "z" * 150} for n in range(1, 196)]
    base = agent.post("/api/tasks", {
        "id": name, "title": "t", "acceptance_criteria": texts}).json
    room = LIMIT - len(pretty(base))
    assert room > 0, room
    texts[0]["text"] += "z" * room
    task = agent.post("/api/tasks", {
        "id": name[:-1] + "1", "title": "t",
        "acceptance_criteria": texts}).json
    assert len(pretty(task)) == LIMIT, task
    answer = agent.post(url(task, "ack"), echo(task, lease_s=600), by=token,
                        headers={"X-Correlation-Id": "c" * 128})
    assert answer.status == 200, answer
    kept, = agent.journal("ack_accepted", task_id=task["id"])
    assert len(pretty(kept["data"]["put"]["ack"])) > LIMIT, "by its names"
    assert agent.chained()


def document(agent, task, name, **members):
    """The bytes that an attempt's document with these members has."""
    return len(pretty({
        "id": f"{task['id']}.1.{name}", "task_id": task["id"], "attempt": 1,
        "by": "codex", "at": task["created_at"],
        "correlation_id": "c-" + "0" * 16} | members))


def test_a_report_at_its_limit_is_taken_and_a_byte_more_is_not(agent):
    task = agent.ack(agent.task())
    log = ["x" * 1000] * 45
    members = {"summary": "", "work_log": log, "criteria": []}
    room = LIMIT - document(agent, task, "result", **members)
    assert room > 0
    no(agent, task, "result", 413, "task_too_large", attempt=1,
       summary="s" * (room + 1), work_log=log)
    done = yes(agent, task, "result", attempt=1, summary="s" * room,
               work_log=log)
    assert done["state"] == "needs_review"
    sizes = kc.wait_for(lambda: [r for r in agent.journal(
        "result_submitted", task_id=task["id"])])
    assert len(pretty(sizes[0]["data"]["put"]["result"])) == LIMIT


def test_issues_that_fill_the_next_attempt_are_handed_on(agent):
    task = agent.ack(agent.task())
    task = yes(agent, task, "result", attempt=1, summary="done")

    def issues(n):
        return [{"criterion_ref": "AC-1", "text": "w" * n}]

    there = len(pretty(task | {
        "state": "pending", "issues": issues(1)}))
    room = LIMIT - there + 1
    no(agent, task, "verdict", 413, "task_too_large", attempt=1,
       decision="fail", issues=issues(room + 1))
    yes(agent, task, "verdict", attempt=1, decision="fail",
        issues=issues(room))
    opened = yes(agent, task, "redispatch", attempt=2, issues=issues(room))
    assert len(pretty(opened)) == LIMIT
    taken = agent.ack(opened)
    assert taken["issues"] == issues(room)


kc.main()
