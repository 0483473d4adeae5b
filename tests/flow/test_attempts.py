"""Attempts: who holds a task, who takes it over, and what is said of an echo
that is not the criteria."""
import kc
from attempting import TRANSPORTS, echo, no, url, yes
from expect import refused, together


def new_agent():
    """A lease that nobody asks to be longer is over at once."""
    agent = kc.Agent(start=False, conf={"timeouts.lease": "10ms"})
    agent.publisher()
    agent.tool("test.write", "result(ok=True)")
    return agent.start()


def missed(agent, task):
    kc.wait_for(lambda: agent.get(url(task)).json["state"] == "stalled")
    return task


def stalled(agent, task=None):
    """A task whose lease codex has missed."""
    task = task or agent.task()
    yes(agent, task, "ack", **echo(task))
    return missed(agent, task)


def test_a_stalled_task_is_its_holders_until_somebody_opens_the_next(agent):
    for send in TRANSPORTS:
        task = stalled(agent)
        problem = no(agent, task, "ack", 409, "lease_held", "other",
                     **echo(task))
        assert problem["next_attempt"] == 2, problem
        assert "next_attempt" in problem["remediation_hint"], problem
        for attempt in (3, 1000000):
            problem = no(agent, task, "ack", 409, "stale_attempt", "other",
                         **echo(task, attempt=attempt))
            assert problem["attempt"] == 1, problem
        no(agent, task, "ack", 422, "ack_mismatch", "other", attempt=2,
           echoed_acceptance_criteria=[])
        status, taken = send(agent, task, "ack", "other", **echo(
            task, attempt=2, lease_s=600))
        assert status == 200 and taken["attempt"] == 2, taken
        assert taken["state"] == "running"
        assert taken["lease"]["holder"] == "other"
        said = agent.journal("ack_accepted", task_id=task["id"])
        assert [r["data"].get("took_over_from") for r in said] == \
            [None, "codex"], said
        done = {"attempt": 1, "summary": "mine"}
        no(agent, task, "result", 409, "stale_attempt", **done)
        no(agent, task, "heartbeat", 409, "stale_attempt", attempt=1)
        no(agent, task, "heartbeat", 409, "lease_held")
        no(agent, task, "ack", 409, "stale_attempt", **echo(task))
        no(agent, task, "ack", 409, "invalid_transition", **echo(
            task, attempt=2))
        yes(agent, task, "heartbeat", "other", attempt=2, lease_s=600)
        yes(agent, task, "result", "other", attempt=2, summary="done")


def test_its_holder_goes_on_with_a_heartbeat_or_the_same_ack(agent):
    for step, body in (("heartbeat", {"attempt": 1}), ("heartbeat", {}),
                       ("ack", None)):
        task = stalled(agent)
        no(agent, task, "result", 409, "invalid_transition", attempt=1,
           summary="late")
        back = yes(agent, task, step, **(echo(task) if body is None
                                         else body), lease_s=600)
        assert (back["state"], back["attempt"], back["lease"]["holder"]) == \
            ("running", 1, "codex")
        yes(agent, task, "result", attempt=1, summary="in time")


def test_of_many_who_ack_at_once_one_holds_the_task(agent):
    task = agent.task()
    names = [f"executor-{i}" for i in range(4)]
    for name in names:
        agent.token(name)
    answers = together([lambda n=names[i % 4], send=TRANSPORTS[i // 4 % 2]:
                        send(agent, task, "ack", n, **echo(
                            task, lease_s=600)) for i in range(32)])
    won = [a for s, a in answers if s == 200]
    assert len(won) == 1, answers
    lost = [a["error_code"] for s, a in answers if s != 200]
    assert lost == ["invalid_transition"] * 31, lost
    assert agent.get(url(task)).json == won[0]
    assert len(agent.journal("ack_accepted", task_id=task["id"])) == 1


def test_of_many_who_take_over_at_once_one_does(agent):
    task = stalled(agent)
    names = [f"executor-{i}" for i in range(4)] + ["codex"]
    for name in names:
        agent.token(name)
    answers = together([lambda n=n, send=send: send(
        agent, task, "ack", n, **echo(task, attempt=2, lease_s=600))
        for n in names for send in TRANSPORTS])
    assert [s for s, _ in answers].count(200) == 1, answers
    for status, answer in answers:
        if status != 200:
            assert answer["error_code"] == "invalid_transition", answer
            assert answer["from"] == "running", answer
    won = next(a for s, a in answers if s == 200)
    now = agent.get(url(task)).json
    assert now == won and now["attempt"] == 2
    assert len(agent.journal("ack_accepted", task_id=task["id"])) == 2


def test_a_take_over_and_the_holders_return_do_not_both_happen(agent):
    for _ in range(5):
        task = stalled(agent)
        agent.token("other")
        back, over = together([
            lambda: agent.post(url(task, "heartbeat"), {
                "attempt": 1, "lease_s": 600}, by="codex"),
            lambda: agent.post(url(task, "ack"), echo(
                task, attempt=2, lease_s=600), by="other")])
        lost = back if over.status == 200 else over
        refused(lost, 409, "stale_attempt")
        assert {back.status, over.status} == {200, 409}
        holder = agent.get(url(task)).json["lease"]["holder"]
        assert holder == ("other" if over.status == 200 else "codex")


def test_what_was_approved_in_an_attempt_ends_with_it(agent):
    task = agent.task(side_effect_level="external_publish")
    stalled(agent, task)
    asked = agent.execute("test.publish", "external_publish",
                          {"text": "hello"}, task, criterion_ref="AC-1")
    approval = asked.json["approval_id"]
    agent.ack(task, by="other", attempt=2)
    kc.wait_for(lambda: agent.get(f"/api/approvals/{approval}"
                                  ).json["state"] == "stale")
    over, = agent.journal("approval_stale")
    assert over["data"]["approval_id"] == approval


def test_a_run_names_the_attempt_that_it_was_made_in(agent):
    task = stalled(agent)
    for attempt in (1, 2):
        run = agent.execute("test.write", "local_write", {}, task,
                            wait=30).json
        assert run["attempt"] == attempt, run
        if attempt == 1:
            agent.ack(task, by="other", attempt=2)
    assert agent.execute("test.write", "local_write").json["attempt"] is None


def mismatch(agent, task, got):
    return no(agent, task, "ack", 422, "ack_mismatch", attempt=1,
              echoed_acceptance_criteria=got)


def test_an_echo_that_differs_is_told_by_its_code_points(agent):
    text = "the café shows 🎬 here"
    task = agent.task(criteria=(text, "b"))
    cases = [
        ("the cafe\u0301 shows 🎬 here", 7, 7, "U+00E9", "U+0065"),
        ("the саfé shows 🎬 here", 4, 4, "U+0063", "U+0441"),
        ("the caf\u00e8 shows 🎬 here", 7, 7, "U+00E9", "U+00E8"),
        ("the café shows 🎭 here", 16, 15, "U+1F3AC", "U+1F3AD"),
        ("the café shows 🎬\u200b here", 20, 16, "U+0020", "U+200B"),
        ("the café shows 🎬", 20, 16, "U+0020", None),
        (text + " ", 25, 21, None, "U+0020"),
        ("", 0, 0, "U+0074", None),
    ]
    for said, byte, character, expected, got in cases:
        problem = mismatch(agent, task, [
            {"id": "AC-1", "text": said}, task["acceptance_criteria"][1]])
        assert problem["differing"] == [{
            "id": "AC-1", "expected": text, "got": said, "at": {
                "byte": byte, "character": character, "expected": expected,
                "got": got}}], problem
        assert "order" not in problem
        assert "AC-1" in problem["detail"], problem
        assert not expected or expected in problem["detail"], problem
    for entry in ({"id": "AC-1", "text": 7}, {"id": "AC-1"},
                  {"id": "AC-1", "text": text, "met": True}):
        problem = mismatch(agent, task, [
            entry, task["acceptance_criteria"][1]])
        assert problem["differing"][0]["at"] is None, problem


def test_composed_and_decomposed_are_not_the_same_either_way(agent):
    for text, said in (("é", "e\u0301"), ("e\u0301", "é"),
                       ("\u1e9b\u0323", "\u1e61"), ("가", "\u1100\u1161"),
                       ("Å", "\u212b"), ("a", "\u0430"), ("ﬁ", "fi")):
        task = agent.task(criteria=(text,))
        problem = mismatch(agent, task, [{"id": "AC-1", "text": said}])
        assert problem["differing"][0]["got"] == said
        yes(agent, task, "ack", **echo(task, lease_s=600))


def test_order_and_what_is_there_twice_are_told(agent):
    task = agent.task(criteria=("one", "two", "three", "four"))
    one, two, three, four = task["acceptance_criteria"]
    problem = mismatch(agent, task, [one, three, two, four])
    assert problem["order"] == {"at": 1, "expected": "AC-2", "got": "AC-3"}
    assert not (problem["missing"] or problem["unexpected"]
                or problem["differing"])
    problem = mismatch(agent, task, [one, two, three, four, two, two])
    assert problem["unexpected"] == [two, two] and "order" not in problem
    problem = mismatch(agent, task, [one, one | {"text": "x"}, two, three])
    assert problem["unexpected"] == [one | {"text": "x"}]
    assert problem["missing"] == [four]
    problem = mismatch(agent, task, [four | {"text": "Four"}, two, three,
                                     one])
    assert problem["order"] == {"at": 0, "expected": "AC-1", "got": "AC-4"}
    assert [d["id"] for d in problem["differing"]] == ["AC-4"]
    said = agent.journal("ack_mismatch", task_id=task["id"])
    assert said[2]["data"] == {"attempt": 1, "missing": 0, "unexpected": 2,
                               "differing": 0}, said[2]


def test_200_criteria_are_echoed_exactly_or_not_at_all(agent):
    task = agent.task(criteria=[f"part {n:03} is “done”" for n in range(200)])
    want = task["acceptance_criteria"]
    for n in (0, 99, 199):
        spoiled = [dict(c) for c in want]
        spoiled[n]["text"] = spoiled[n]["text"].replace("o", "\u043e")
        problem = mismatch(agent, task, spoiled)
        assert [d["id"] for d in problem["differing"]] == [f"AC-{n + 1}"]
        problem = mismatch(agent, task, want[:n] + want[n + 1:])
        assert problem["missing"] == [want[n]], problem
    problem = mismatch(agent, task, want[:198] + [want[199], want[198]])
    assert problem["order"]["at"] == 198, problem
    problem = mismatch(agent, task, want + want)
    assert len(problem["unexpected"]) == 200
    no(agent, task, "ack", 400, "invalid_request", attempt=1,
       echoed_acceptance_criteria=want * 2 + want[:1])
    assert agent.ack(task)["state"] == "running"


def test_a_heartbeat_tells_how_far_the_work_is(agent):
    task = agent.ack(agent.task())

    def told(by="codex", **body):
        return yes(agent, task, "heartbeat", by, attempt=1, lease_s=600,
                   **body)["lease"]

    assert "progress" not in told() and "message" not in told()
    assert told(progress=0.25, message="looking “at” it")["progress"] == 0.25
    lease = told()
    assert (lease["progress"], lease["message"]) == (0.25, "looking “at” it")
    assert told(progress=0)["progress"] == 0
    lease = told(progress=1, message="")
    assert (lease["progress"], lease["message"]) == (1, "")
    assert told(message="é" * 250)["message"] == "é" * 250
    for wrong in ({"progress": 1.01}, {"progress": -0.1}, {"progress": "0.5"},
                  {"progress": None}, {"progress": True}, {"progress": 2},
                  {"message": "x" * 501}, {"message": 1}, {"percent": 5}):
        no(agent, task, "heartbeat", 400, "invalid_request", **wrong)
    said = agent.journal("heartbeat", task_id=task["id"])
    assert said[2]["data"]["progress"] == 0.25, said[2]
    assert said[2]["data"]["message"] == "looking “at” it"
    assert "progress" not in said[3]["data"]
    done = yes(agent, task, "result", attempt=1, summary="done")
    assert done["lease"] is None


def test_a_fraction_is_sent_and_recorded_as_it_came(agent):
    task = agent.ack(agent.task())
    body = {"attempt": 1, "lease_s": 600, "progress": 0.4}
    answer = agent.post(url(task, "heartbeat"), body, by="codex")
    said, sha = b'"progress":0.4', answer.json["sha"]
    assert said + b"}" in answer.body, answer
    assert said in agent.get(url(task)).body
    line = next(x for x in agent.lines() if b'"heartbeat"' in x and
                task["id"].encode() in x)
    assert line.count(said) == 2 and line.count(b"0.4") == 2, line
    agent.restart()
    assert agent.get(url(task)).json["sha"] == sha


def test_who_takes_over_tells_of_their_own_progress(agent):
    task = stalled(agent)
    yes(agent, task, "heartbeat", progress=0.9, message="nearly")
    missed(agent, task)
    assert agent.get(url(task)).json["lease"]["progress"] == 0.9
    taken = agent.ack(task, by="other", attempt=2)
    assert "progress" not in taken["lease"] and "message" not in taken["lease"]


def test_an_executor_holds_no_more_tasks_than_it_may(fresh):
    fresh.conf("run.max-per-executor", "2")
    fresh.restart()
    held = [fresh.ack(fresh.task(f"{i}")) for i in range(2)]
    third = fresh.task("third")
    problem = no(fresh, third, "ack", 409, "executor_busy", **echo(third))
    assert problem["limit"] == 2 and problem["retryable"]
    assert sorted(problem["running"]) == sorted(t["id"] for t in held)
    fresh.ack(third, by="other")
    yes(fresh, held[0], "result", attempt=1, summary="done")
    late = stalled(fresh)
    fourth = fresh.ack(fresh.task("fourth"))
    no(fresh, late, "heartbeat", 409, "executor_busy")
    no(fresh, late, "ack", 409, "executor_busy", **echo(late))
    yes(fresh, held[1], "heartbeat", lease_s=600)
    yes(fresh, fourth, "result", attempt=1, summary="done")
    assert yes(fresh, late, "heartbeat", lease_s=600)["state"] == "running"


def test_of_many_acks_of_one_executor_only_so_many_come_through(fresh):
    fresh.conf("run.max-per-executor", "3")
    fresh.restart()
    tasks = [fresh.task(f"{i}") for i in range(12)]
    fresh.token("codex")
    answers = together([lambda t=t: fresh.post(
        url(t, "ack"), echo(t, lease_s=600), by="codex") for t in tasks])
    assert [a.status for a in answers].count(200) == 3, answers
    for answer in answers:
        if answer.status != 200:
            assert len(refused(answer, 409, "executor_busy")["running"]) == 3


def test_a_report_has_one_word_on_each_criterion(agent):
    task = agent.ack(agent.task(criteria=("one", "two")))
    claims = [{"criterion_ref": r, "met": m} for r, m in
              (("AC-1", True), ("AC-2", True), ("AC-1", False))]
    problem = no(agent, task, "result", 400, "invalid_request", attempt=1,
                 summary="done", criteria=claims)
    assert "criteria[2]" in problem["detail"], problem
    assert "twice" in problem["detail"], problem
    no(agent, task, "result", 400, "invalid_request", attempt=1,
       summary="done", criteria=[claims[0], claims[0]])
    for wrong in ({"summary": None}, {"summary": "x" * 20001},
                  {"work_log": [1]}, {"work_log": ["x"] * 1001},
                  {"work_log": "did"}, {"criteria": {}}, {"verdict": "pass"},
                  {"attempt": "1"}, {"attempt": 0}):
        no(agent, task, "result", 400, "invalid_request", **{
            "attempt": 1, "summary": "done"} | wrong)
    for attempt in (2, 9):
        no(agent, task, "result", 409, "stale_attempt", attempt=attempt,
           summary="done")
    agent.token("other")
    no(agent, task, "result", 409, "lease_held", "other", attempt=1,
       summary="done")
    yes(agent, task, "result", attempt=1, summary="done",
        criteria=claims[:2])


def test_a_step_that_is_sent_again_with_its_key_has_one_effect(agent):
    task = agent.task()
    issues = [{"criterion_ref": "AC-1", "text": "again"}]
    for n, (step, body) in enumerate((
            ("ack", echo(task, lease_s=600)),
            ("heartbeat", {"attempt": 1, "progress": 0.5, "lease_s": 600}),
            ("result", {"attempt": 1, "summary": "done"}),
            ("verdict", {"attempt": 1, "decision": "fail",
                         "issues": issues}),
            ("redispatch", {"attempt": 2, "issues": issues}))):
        key = {"Idempotency-Key": f"{task['id']}-{n}"}
        first, again = [agent.post(url(task, step), body, by="codex",
                                   headers=key) for _ in range(2)]
        assert first.status == again.status == 200, (step, again)
        assert again.headers["idempotent-replayed"] == "true"
        assert first.json == again.json
    assert agent.get(url(task)).json["attempt"] == 2
    for kind in ("ack_accepted", "heartbeat", "result_submitted",
                 "verdict_submitted", "task_redispatched"):
        assert len(agent.journal(kind, task_id=task["id"])) == 1, kind


kc.main(60, new_agent)
