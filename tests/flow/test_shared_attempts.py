"""Mode shared: a task that one agent's executor missed is taken over at
another, judged at one and handed on at the other; the remote decides who."""
import kc
import remotes
from attempting import echo, yes
from expect import refused, together
from sharing import converge, row, seen, team, url


def short(conf):
    """A lease that nobody asks to be longer is over at once."""
    return kc.Agent(conf=conf | {"timeouts.lease": "10ms",
                                 "run.max-per-executor": "2"})


def issues(text):
    return [{"criterion_ref": "AC-1", "text": text}]


def stalled(agent, others, title):
    task = agent.task(title)
    yes(agent, task, "ack", **echo(task))
    for each in (agent, *others):
        seen(each, task, state="stalled")
    return task


def test_a_missed_task_goes_to_one_of_those_who_want_it_at_any_agent():
    with remotes.Daemon() as peer, team(peer, 2, new_agent=short) as (a, b):
        for name in ("codex", "other", "third"):
            a.token(name), b.token(name)
        for n in range(2):
            task = stalled(a, [b], f"round {n}")
            over = echo(task, attempt=2, lease_s=600)
            answers = together([
                lambda: a.post(url(task, "heartbeat"),
                               {"attempt": 1, "lease_s": 600}, by="codex"),
                lambda: a.post(url(task, "ack"), over, by="third"),
                lambda: b.post(url(task, "ack"), over, by="other")])
            won = [x for x in answers if x.status == 200]
            assert len(won) == 1, answers
            for lost in answers:
                if lost is not won[0]:
                    assert lost.status == 409 and lost.json["error_code"] in \
                        ("stale_attempt", "invalid_transition"), lost
            now = won[0].json
            assert now["attempt"] == (1 if won[0] is answers[0] else 2)
            for agent in (a, b):
                seen(agent, now)
                refused(agent.post(url(task, "result"), {
                    "attempt": 3 - now["attempt"], "summary": "not mine"},
                    by="codex"), 409, "stale_attempt")
            holder = a if now["lease"]["agent"] == "a0" else b
            yes(holder, now, "result", now["lease"]["holder"],
                attempt=now["attempt"], summary="done")
        converge(peer, (a, b))


def test_who_lost_the_lease_elsewhere_is_told_of_the_next_attempt():
    with remotes.Daemon() as peer, team(peer, 2, new_agent=short) as (a, b):
        task = stalled(a, [b], "missed")
        b.token("codex")
        for name in ("codex", "other"):
            problem = refused(b.post(url(task, "ack"), echo(task), by=name),
                              409, "lease_held", next_attempt=2)
            assert "a0" in problem["detail"], problem
        taken = yes(b, task, "ack", **echo(task, attempt=2, lease_s=600))
        assert taken["lease"]["agent"] == "a1"
        seen(a, taken)
        refused(a.post(url(task, "heartbeat"), {"attempt": 1}, by="codex"),
                409, "stale_attempt")
        refused(a.post(url(task, "heartbeat"), by="codex"), 409,
                "lease_held")
        assert converge(peer, (a, b))[task["id"]] == taken["sha"]


def test_the_last_verdict_of_all_agents_is_the_one_that_is_handed_on():
    with remotes.Daemon() as peer, team(peer, 2, new_agent=short) as (a, b):
        task = a.ack(a.task("judged"))
        task = yes(a, task, "result", attempt=1, summary="done")
        seen(b, task)
        b.token("codex")
        bodies = [{"attempt": 1, "decision": "fail", "issues": issues(t)}
                  for t in ("at a", "at b")]
        answers = together([
            lambda g=g, body=body: g.post(url(task, "verdict"), body,
                                          by="codex")
            for g, body in zip((a, b), bodies)])
        assert [x.status for x in answers] == [200, 200], answers
        shas = converge(peer, (a, b))
        last = next(i for i, x in enumerate(answers)
                    if x.json["sha"] == shas[task["id"]])
        for agent in (a, b):
            refused(agent.post(url(task, "redispatch"), {
                "attempt": 2, "issues": bodies[1 - last]["issues"]}), 422,
                "fidelity_mismatch")
        answers = together([
            lambda g=g: g.post(url(task, "redispatch"), {
                "attempt": 2, "issues": bodies[last]["issues"]})
            for g in (a, b)])
        assert sorted(x.status for x in answers) == [200, 409], answers
        refused(next(x for x in answers if x.status == 409), 409,
                "stale_attempt")
        opened = next(x for x in answers if x.status == 200).json
        for agent in (a, b):
            seen(agent, opened)
            refused(agent.post(url(task, "verdict"), bodies[last],
                               by="codex"), 409, "stale_attempt")
        taken = b.ack(opened, by="other")
        assert taken["issues"] == bodies[last]["issues"]
        converge(peer, (a, b))
        files = peer.git("ls-tree", "-r", "--name-only", "main").split()
        assert sorted(f.split("/")[-1] for f in files
                      if f.startswith("attempts/")) == [
            "1-ack.json", "1-result.json", "1-verdict.json", "2-ack.json",
            "2-redispatch.json"], files
        for agent in (a, b):
            agent.stop()
            agent.cli("audit", "verify", "--with-ssot")


def test_an_executor_takes_no_more_at_once_than_it_may():
    with remotes.Daemon() as peer, team(peer, 1, new_agent=short) as a:
        tasks = [a.task(f"{n}") for n in range(6)]
        a.token("codex")
        answers = together([lambda t=t: a.post(
            url(t, "ack"), echo(t, lease_s=600), by="codex") for t in tasks])
        assert sorted(x.status for x in answers) == [200] * 2 + [409] * 4
        for lost in answers:
            if lost.status == 409:
                assert len(refused(lost, 409, "executor_busy")["running"]) \
                    == 2


def test_who_comes_back_to_one_task_takes_no_other_at_that_moment():
    with remotes.Daemon() as peer, team(peer, 1, new_agent=short) as a:
        tasks = [stalled(a, [], f"missed {n}") for n in range(4)]
        fresh = [a.task(f"{n}") for n in range(2)]
        answers = together(
            [lambda t=t: a.post(url(t, "heartbeat"), {"lease_s": 600},
                                by="codex") for t in tasks] +
            [lambda t=t: a.post(url(t, "ack"), echo(t, lease_s=600),
                                by="codex") for t in fresh])
        assert sorted(x.status for x in answers) == [200] * 2 + [409] * 4
        for lost in answers:
            if lost.status == 409:
                assert len(refused(lost, 409, "executor_busy")["running"]) \
                    == 2


def test_who_asks_at_two_agents_gets_no_more_for_it():
    with remotes.Daemon() as peer, team(peer, 2, new_agent=short) as (a, b):
        for agent in (a, b):
            agent.token("codex")
        for n in range(2):
            tasks = [a.task(f"round {n}: {i}") for i in range(6)]
            for task in tasks:
                seen(b, task)
            answers = together([lambda t=t, g=(a, b)[i % 2]: g.post(
                url(t, "ack"), echo(t, lease_s=600), by="codex")
                for i, t in enumerate(tasks)])
            assert sorted(x.status for x in answers) == [200] * 2 + [409] * 4
            for answer in answers:
                if answer.status == 409:
                    refused(answer, 409, "executor_busy")
                else:
                    done = a.post(url(answer.json, "halt"), {}, by="admin")
                    seen(b, done.json)
        converge(peer, (a, b))


def test_nothing_is_judged_or_handed_on_while_the_remote_is_away():
    with remotes.Daemon() as peer, peer.proxy() as net, \
            team(peer, 1, ports=[net.port]) as a:
        task = a.ack(a.task("judged"))
        task = yes(a, task, "result", attempt=1, summary="done")
        words = {"issues": issues("no")}
        task = yes(a, task, "verdict", attempt=1, decision="fail", **words)
        net.cut()
        kc.wait_for(lambda: row(a)["status"] != "ok")
        refused(a.post(url(task, "verdict"), {
            "attempt": 1, "decision": "pass"}, by="codex"), 503,
            "remote_unavailable")
        refused(a.post(url(task, "redispatch"), {"attempt": 2} | words), 503,
                "remote_unavailable")
        net.heal()
        kc.wait_for(lambda: row(a)["status"] == "ok")
        opened = yes(a, task, "redispatch", attempt=2, **words)
        assert converge(peer, [a])[task["id"]] == opened["sha"]


kc.main()
