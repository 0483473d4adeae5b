"""The clients of contrib/coordinator: what they are there to show, on an
agent that restarts, a network that loses words, and with one another."""
import os
import subprocess
import time

import kc
from clients import (COORDINATOR, PYTHON, REVIEWER, SHELL, WORKER, Client,
                     plan, program)
from hooks import Source
from relay import Relay

BOTH = (PYTHON, "python"), (SHELL, "shell")
CRITERIA = [{"id": "AC-1", "text": "it is d\u043ene, \u201cas asked\u201d"}]


def url(task, step=""):
    return f"/api/tasks/{task['id']}" + (f"/{step}" if step else "")


def state(agent, task):
    return agent.get(url(task)).json["state"]


def alive(pid):
    """What nobody has waited for yet is not."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(") ", 1)[1][0] not in "ZX"
    except OSError:
        return False


def once_each(agent, task, *types):
    """Each of these was recorded exactly once for the task."""
    came = [r["type"] for r in agent.journal(*types, task_id=task["id"])]
    assert sorted(came) == sorted(types), came


def test_two_executors_do_each_of_thirty_tasks_exactly_once(fresh):
    """Each waits in its first task until the other has one, too."""
    tasks = [fresh.task(f"task {n}") for n in range(30)]
    marks = fresh.dir / "marks"
    marks.mkdir()
    work = "\n".join([
        f"cd {marks}", "touch by-${KIRCERTA_TOKEN_FILE##*/}",
        "echo >>did-$KIRCERTA_CORRELATION_ID",
        "until [ -e by-python.token ] && [ -e by-shell.token ]; do",
        "\tsleep 0.05", "done",
        """echo '{"result": {"summary": "done", "criteria": [""",
        """  {"criterion_ref": "AC-1", "met": true}]}}' | tr -d '\\n'"""])
    (fresh.dir / "work").write_text(work)
    with Client(fresh, *BOTH[0], "--once", "--worker",
                f". {fresh.dir}/work") as one, \
            Client(fresh, *BOTH[1], "--once", "--worker",
                   f". {fresh.dir}/work") as other:
        one.ended(seconds=60)
        other.ended(seconds=60)
    came = fresh.journal("ack_accepted", "result_submitted")
    assert sorted((r["task_id"], r["type"]) for r in came) == sorted(
        (task["id"], type_) for task in tasks
        for type_ in ("ack_accepted", "result_submitted"))
    for task in tasks:
        assert state(fresh, task) == "needs_review"
        assert (marks / f"did-{task['correlation_id']}").read_text() == "\n"
    assert {r["actor"] for r in came} == {"python", "shell"}


def reviewed(agent, client, name, **relay):
    """A plan of one task, whose first result is not good enough, through a
    relay; the task when the reviewer has passed it."""
    worker = program(agent, "worker.py", WORKER + """
say(progress=0.5, message="half of it")
said = [i["text"] for i in task.get("issues", [])]
result(log=said or ["did it"])""")
    reviewer = program(agent, "reviewer.py", REVIEWER + """
verdict(*["do it ag\\u0430in"] * (task["attempt"] == 1))""")
    with Relay(agent, **relay) as between, Client(
            agent, COORDINATOR, "coordinator", "--plan",
            plan(agent, {"title": "a plan", "acceptance_criteria": CRITERIA}),
            "--reviewer", reviewer, url=between.url) as coordinator, \
            Client(agent, client, name, "--worker", worker,
                   url=between.url) as executor:
        verdicts = lambda: [r["data"]["put"]["verdict"]["decision"] for r in
                            agent.journal("verdict_submitted")]
        kc.wait_for(lambda: verdicts() == ["fail", "pass"], 60)
        task = agent.get("/api/tasks").json["items"][0]
        agent.post(url(task, "approve"), by="admin")
        coordinator.ended()
        assert "AC-1: no_proof: " in coordinator.text, coordinator.text
        executor.stop()
    return agent.get(url(task)).json, between


def told_in_full(agent, task):
    """The loop left each of its records once an attempt, and the words."""
    assert task["state"] == "approved" and task["attempt"] == 2, task
    once_each(agent, task, "task_created", "task_redispatched")
    for type_ in ("ack_accepted", "result_submitted", "verdict_submitted"):
        each = agent.journal(type_, task_id=task["id"])
        assert [r["data"]["attempt"] for r in each] == [1, 2], (type_, each)
    assert [i["text"] for i in task["issues"]] == ["do it ag\u0430in"]
    last = agent.journal("result_submitted")[-1]["data"]["put"]["result"]
    assert last["work_log"] == ["do it ag\u0430in"]


def test_every_answer_may_be_lost_and_every_event_come_twice(fresh):
    tries = {}

    def first_is_lost(exchange):
        """Each request that changes something; its key is how it is known."""
        tries[exchange.key] = tries.get(exchange.key, 0) + 1
        return "lose" if exchange.key and tries[exchange.key] == 1 else None

    task, between = reviewed(fresh, *BOTH[0], spoil=first_is_lost, times=2)
    told_in_full(fresh, task)
    again = [e for e in between.steps() if tries[e.key] > 1]
    assert len(again) >= 14, again
    assert fresh.chained()


def test_the_shell_executor_loses_nothing_either(fresh):
    tries = {}

    def first_is_lost(exchange):
        """What the executor asks; the Coordinator's way is clear."""
        tries[exchange.key] = tries.get(exchange.key, 0) + 1
        return "lose" if tries[exchange.key] == 1 and exchange.path.endswith(
            ("/ack", "/heartbeat", "/result")) else None

    task, _ = reviewed(fresh, *BOTH[1], spoil=first_is_lost, times=2)
    told_in_full(fresh, task)


def test_retry_after_is_waited_for(agent):
    seen = {}

    def busy(exchange):
        """Each one's first request is refused."""
        who = exchange.headers["Authorization"]
        seen.setdefault(who, []).append((exchange.path, time.monotonic()))
        return 1 if len(seen[who]) == 1 else None

    with Relay(agent, busy) as between:
        clients = [Client(agent, path, name, "--once", "--worker", "exit 1",
                          url=between.url) for path, name in BOTH]
        for client in clients:
            with client:
                client.ended()
            assert "503" in client.text, client.text
    assert len(seen) == 2
    for (first, at), (again, then), *_ in seen.values():
        assert first == again and then - at >= 1


def test_an_executor_outlives_its_agent(fresh):
    """Killed while both work; each goes on with what it has."""
    go = fresh.dir / "go"
    worker = program(fresh, "worker.py", WORKER + f"""
say(progress=0.5)
while not os.path.exists({str(go)!r}): time.sleep(0.02)
result()""")
    tasks = [fresh.task(), fresh.task()]
    with Client(fresh, *BOTH[0], "--once", "--worker", worker) as one, \
            Client(fresh, *BOTH[1], "--once", "--worker", worker) as other:
        for task in tasks:
            kc.wait_for(lambda: state(fresh, task) == "running")
        fresh.kill9()
        go.touch()
        for client in (one, other):
            kc.wait_for(lambda: "no answer" in client.text
                        or "no_answer" in client.text)
        fresh.start()
        one.ended()
        other.ended()
    for task in tasks:
        assert state(fresh, task) == "needs_review"
        once_each(fresh, task, "ack_accepted", "result_submitted")


def each_with_its_own(agent, worker, *options, names=("one", "two")):
    """Both executors, each with a task that only it takes."""
    tasks = [agent.task(f"for {name}", assignee=name) for name in names]
    clients = [Client(agent, path, by, "--worker", worker, "--name", name,
                      *options) for (path, by), name in zip(BOTH, names)]
    for task in tasks:
        kc.wait_for(lambda: state(agent, task) == "running")
    return list(zip(clients, tasks))


def test_who_has_lost_the_lease_stops_its_worker_and_reports_nothing(agent):
    worker = program(agent, "worker.py", WORKER + f"""
open({str(agent.dir)!r} + "/" + task["id"], "w").write(f"{{os.getpid()}}.")
time.sleep(600)""")
    pairs = each_with_its_own(agent, worker, "--once", "--lease", 3)
    pids = []
    for client, task in pairs:
        file = agent.dir / task["id"]
        kc.wait_for(lambda: file.exists() and file.read_text()[-1:] == ".")
        pids.append(int(file.read_text()[:-1]))
        agent.post(url(task, "halt"), by="admin")
    for client, task in pairs:
        with client:
            client.ended()
        assert "invalid_transition" in client.text, client.text
        assert "hint: " in client.text
        assert state(agent, task) == "halted"
        assert not agent.journal("result_submitted", task_id=task["id"])
    for pid in pids:
        kc.wait_for(lambda: not alive(pid))


def test_what_was_left_is_taken_over_in_the_next_attempt(agent):
    """Told to stop, an executor ends its worker and says so; another one
    goes on, if it was told that it may."""
    slow = program(agent, "slow.py", WORKER + "time.sleep(600)")
    fast = program(agent, "fast.py", WORKER + "result()")
    pairs = each_with_its_own(agent, slow)
    for client, task in pairs:
        with client:
            client.stop()
    for client, task in pairs:
        kc.wait_for(lambda: state(agent, task) == "stalled")
    for *options, after in (("stalled",), ("--take-over", "needs_review")):
        others = [Client(agent, path, by, "--worker", fast, "--name", name,
                         "--once", *options) for path, by, name in
                  ((SHELL, "third", "one"), (PYTHON, "fourth", "two"))]
        for other, (client, task) in zip(others, pairs):
            with other:
                other.ended()
            assert state(agent, task) == after, other.text
    for other, (client, task) in zip(others, pairs):
        acked = agent.journal("ack_accepted", task_id=task["id"])
        assert [(r["actor"], r["data"]["attempt"]) for r in acked] == [
            (client.name, 1), (other.name, 2)]


def test_a_killed_executor_goes_on_with_its_own(agent):
    """Its worker ends when nobody listens to it any more."""
    slow = program(agent, "slow.py", WORKER + """
while True:
    say(progress=0.1)
    time.sleep(0.1)""")
    fast = program(agent, "fast.py", WORKER + "result()")
    pairs = each_with_its_own(agent, slow, "--lease", 3600)
    for client, task in pairs:
        client.process.kill()
        client.process.wait()
    again = [Client(agent, path, by, "--worker", fast, "--once")
             for path, by in BOTH]
    for client in again:
        with client:
            client.ended()
    for client, task in pairs:
        assert state(agent, task) == "needs_review"
        once_each(agent, task, "ack_accepted", "result_submitted")


def test_a_worker_that_fails_is_reported_as_that(agent):
    wrong = ("exit 3", "echo nonsense", "echo '[]'", "echo '{}'",
             'echo \'{"result": {"summary": "x", "criteria": '
             '[{"criterion_ref": "AC-7", "met": true}]}}\'')
    worker = "eval \"$(jq -r .request_text)\""
    clients, tasks = [], []
    for path, name in BOTH:
        tasks += [agent.task("fails", request_text=does, assignee=name)
                  for does in wrong]
        clients.append(Client(agent, path, name, "--once", "--worker", worker,
                              "--name", name))
    for client in clients:
        with client:
            client.ended()
    for task in tasks:
        result = agent.journal("result_submitted", task_id=task["id"]
                               )[-1]["data"]["put"]["result"]
        assert result["summary"].startswith("Not done: "), result
        assert result["criteria"] == [{"criterion_ref": "AC-1", "met": False}]


def test_a_result_waits_while_the_agent_is_stopped(agent):
    go = agent.dir / "go"
    worker = program(agent, "worker.py", WORKER + f"""
while not os.path.exists({str(go)!r}): time.sleep(0.02)
result()""")
    tasks = [agent.task(), agent.task()]
    mode = lambda to: agent.post("/api/mode", {"mode": to, "reason": "test"},
                                 by="admin")
    with Client(agent, *BOTH[0], "--once", "--worker", worker) as one, \
            Client(agent, *BOTH[1], "--once", "--worker", worker) as other:
        for task in tasks:
            kc.wait_for(lambda: state(agent, task) == "running")
        mode("stopped")
        go.touch()
        for client in (one, other):
            kc.wait_for(lambda: "mode_stopped" in client.text)
        mode("normal")
        one.ended()
        other.ended()
    for task in tasks:
        assert state(agent, task) == "needs_review"


def test_what_cannot_work_says_so_and_ends(agent):
    for path, more in ((PYTHON, ("--worker", "true")),
                       (SHELL, ("--worker", "true")),
                       (COORDINATOR, ("--reviewer", "true"))):
        said = subprocess.run([path, "--help"], capture_output=True, text=True,
                              check=True).stdout
        assert "--token-file" in said and more[0] in said
        wrong = subprocess.run([path, *more], capture_output=True, text=True,
                               env={"PATH": os.environ["PATH"]})
        assert wrong.returncode == 2 and "token-file" in wrong.stderr
        agent.token("reader", "observer")
        agent.task()
        with Client(agent, path, "reader", *more, *(
                ("--plan", plan(agent, {"title": "a plan"}))
                if path == COORDINATOR else ())) as reader:
            reader.ended(1)
        assert "insufficient_scope" in reader.text, reader.text
        assert "hint: " in reader.text
    nowhere = agent.dir / "no.token"
    for path in PYTHON, SHELL:
        said = subprocess.run([path, "--worker", "true", "--token-file",
                               nowhere], capture_output=True, text=True)
        assert said.returncode and str(nowhere) in said.stderr, said
        assert "unauthenticated" not in said.stderr, said


def test_a_plan_that_is_none_is_not_begun(agent):
    file = agent.dir / "no-plan.json"
    for n, (text, options, status, words) in enumerate((
            ("", (), 2, "--plan or --incoming"),
            ("[]", ("--plan", file), 1, f"{file} is no plan"),
            ('{"tasks": {}}', ("--plan", file), 1, f"{file} is no plan"),
            ('{"tasks": [{}]}', ("--plan", file), 1, f"{file} is no plan"))):
        file.write_text(text)
        with Client(agent, COORDINATOR, f"planner-{n}", "--reviewer", "true",
                    *options) as planner:
            planner.ended(status)
        assert words in planner.text, planner.text


def test_a_coordinator_may_be_killed_after_each_of_its_steps(agent):
    """A plan is not made twice, a result not judged twice, and what was
    judged is sent on in the words that are recorded."""
    count = agent.dir / "reviews"
    reviewer = program(agent, "reviewer.py", REVIEWER + f"""
open({str(count)!r}, "a").write("x")
verdict("not \u00e9 but e\u0301")""")
    options = ("--plan", plan(agent, {
        "title": "lasting", "acceptance_criteria": CRITERIA}),
        "--reviewer", reviewer)
    since = len(agent.lines())
    for path, type_ in (("/tasks", "task_created"),
                        ("/verdict", "verdict_submitted"),
                        ("/redispatch", "task_redispatched")):
        with Relay(agent, lambda e: e.key and e.path.endswith(path) and "lose"
                   ) as between, Client(agent, COORDINATOR, "coordinator",
                                        *options, url=between.url) as one:
            kc.wait_for(lambda: [r for r in agent.journal(type_)
                                 if r["seq"] > since])
            one.process.kill()
            one.process.wait()
        # What is in the journal's file may be on its way to the disk yet.
        task, = kc.wait_for(lambda: [
            t for t in agent.get("/api/tasks?q=lasting").json["items"]
            if t["attempt"] == 1 + (type_ == "task_redispatched")])
        if type_ == "task_created":
            agent.post(url(agent.ack(task), "result"), {
                "attempt": 1, "summary": "done", "work_log": ["x"]},
                by="codex")
    assert task["attempt"] == 2 and task["state"] == "pending"
    assert task["issues"][0]["text"] == "not \u00e9 but e\u0301"
    assert count.read_text() == "x"
    once_each(agent, task, "task_created", "verdict_submitted",
              "task_redispatched")


def test_what_a_webhook_made_into_a_task_goes_through_the_loop(fresh):
    """Delivered twice, it is done once; what others made is theirs."""
    source = Source(fresh, "hub", task="true", title="{/issue/title}",
                    criterion=["the issue is answered"])
    fresh.restart()
    theirs = fresh.task("somebody's")
    worker = program(fresh, "worker.py", WORKER + "result(task['title'])")
    reviewer = program(fresh, "reviewer.py", REVIEWER + "verdict()")
    with Client(fresh, COORDINATOR, "coordinator", "--incoming", "--reviewer",
                reviewer) as coordinator, \
            Client(fresh, *BOTH[0], "--worker", worker) as executor:
        kc.wait_for(lambda: state(fresh, theirs) == "needs_review")
        event = {"action": "opened", "issue": {"title": "It stutters"}}
        first, again = source.send(event), source.send(event)
        assert (first.status, again.status) == (202, 200), (first, again)
        judged = kc.wait_for(lambda: fresh.journal("verdict_submitted"))
        executor.stop()
        coordinator.stop()
    assert [r["task_id"] for r in judged] == [first.json["task_id"]]
    result, = fresh.journal("result_submitted",
                            task_id=first.json["task_id"])
    assert result["data"]["put"]["result"]["summary"] == "It stutters"
    assert len(fresh.get("/api/tasks").json["items"]) == 2


kc.main(120)
