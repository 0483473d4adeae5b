"""Mode shared: several agents, one remote that has the last word; what is
agreed, and what is refused."""
import threading

import kc
import remotes
from expect import refused, together
from person import Person
from sharing import (by_hand, conflicts, converge, gate_hook, in_history,
                     row, seen, team, url)


def echo(task, **members):
    return {"attempt": task["attempt"], "echoed_acceptance_criteria":
            task["acceptance_criteria"]} | members


def test_of_two_agents_that_ack_one_attempt_exactly_one_gets_it():
    with remotes.Daemon() as peer, team(peer, 2) as (a, b):
        tasks = [a.task(f"round {i}") for i in range(20)]
        for agent in (a, b):
            agent.token("codex")
        for task in tasks:
            seen(b, task)
        held = []
        for task in tasks:
            answers = together([
                lambda g=g: g.post(url(task, "ack"), echo(task), by="codex")
                for g in (a, b)])
            won = [x for x in answers if x.status == 200]
            lost = [x for x in answers if x.status == 409]
            assert len(won) == len(lost) == 1, answers
            refused(lost[0], 409, "invalid_transition", **{"from": "running"})
            held.append((task, won[0].json))
            assert held[-1][1]["lease"]["agent"] == \
                ("a0", "a1")[answers.index(won[0])]
        shas = converge(peer, (a, b))
        for task, acked in held:
            assert shas[task["id"]] == acked["sha"]
        loser = b if held[0][1]["lease"]["agent"] == "a0" else a
        refused(loser.post(url(held[0][0], "heartbeat"), by="codex"), 409,
                "lease_held")


def test_concurrent_writers_lose_nothing_and_end_with_one_history():
    with remotes.Daemon() as peer, team(peer, 3) as agents:
        shared = agents[0].task("everybody's")
        own = [g.task(f"{i}'s") for i, g in enumerate(agents)]
        for agent in agents:
            seen(agent, shared)
        acked = []

        def everybodys(i, g):
            done = tries = 0
            while done < 6:
                task, tries = g.get(url(shared)).json, tries + 1
                answer = g.patch(url(shared), {
                    "base_sha": task["sha"], "labels": {f"{i}.{done}": "x"}})
                if answer.status == 200:
                    done += 1
                    acked.append((shared["id"], answer.json["sha"]))
                else:
                    refused(answer, 409, "write_conflict")
                    assert answer.json["current"]["id"] == shared["id"]

        def ones_own(i, g):
            task = own[i]
            for n in range(6):
                task = g.patch(url(task), {
                    "base_sha": task["sha"], "title": f"{i}: {n}"}).json
                acked.append((task["id"], task["sha"]))
                made = g.task(f"{i} made {n}")
                acked.append((made["id"], made["sha"]))

        together([lambda f=f, i=i, g=g: f(i, g) for i, g in enumerate(agents)
                  for f in (everybodys, ones_own)])
        shas = converge(peer, agents)
        assert len(acked) == 3 * 18
        for task, sha in acked:
            assert task in shas and in_history(peer, sha), task
        labels = agents[1].get(url(shared)).json["labels"]
        assert len(labels) == 18, labels
        assert not any(g.journal("write_conflict", winner="theirs")
                       for g in agents)
        lines = peer.git("log", "--format=%P", "main").splitlines()
        assert not [p for p in lines if len(p.split()) > 1], "merges"
        for agent in agents:
            agent.stop()
            agent.cli("audit", "verify", "--with-ssot")


def test_the_life_of_a_task_is_one_line_that_says_who_did_what():
    with remotes.Daemon() as peer, team(peer, 2) as (a, b):
        task = seen(b, a.task("a life", headers={
            "X-Correlation-Id": "c-life"}))
        task = b.ack(task)
        refused(a.patch(url(task), {"base_sha": "0" * 40, "title": "x"}), 409,
                "write_conflict")
        beat = b.post(url(task, "heartbeat"), by="codex")
        assert beat.status == 200, beat
        halted = b.post(url(task, "halt"), {"reason": "wait"}, by="admin")
        assert halted.json["state"] == "halted", halted
        seen(a, halted.json)
        resumed = a.post(url(task, "resume"), by="admin")
        assert resumed.json["state"] == "pending", resumed
        task = a.ack(resumed.json, by="other")
        assert task["lease"]["agent"] == "a0"
        done = a.post(url(task, "result"), {"attempt": 1, "summary": "s"},
                      by="other")
        assert done.status == 200, done
        seen(b, done.json)
        end = b.post(url(task, "reject"), {"reason": "no"}, by="admin")
        assert end.json["state"] == "rejected", end
        refused(b.post(url(task, "approve"), by="admin"), 409,
                "invalid_transition", **{"from": "rejected"})
        assert converge(peer, (a, b))[task["id"]] == end.json["sha"]
        log = peer.git("log", "--reverse", "--format=%an %(trailers:"
                       "key=Operation,valueonly,separator=)", "main")
        assert log.splitlines() == [
            "coordinator task_created", "codex ack_accepted",
            "codex heartbeat", "admin task_state", "admin task_state",
            "other ack_accepted", "other result_submitted",
            "admin task_state"], log
        log = peer.git("log", "--format=%(trailers:key=Audit-Log,valueonly,"
                       "separator=)", "main").split()
        assert len(log) == 8 and len(set(log)) == 2, log
        items = a.get(url(task, "history")).json["items"]
        assert len(items) == 8, items


def test_what_no_agent_would_write_is_not_taken_and_said():
    with remotes.Daemon() as peer, team(peer, 1) as a:
        task = a.task("good")
        converge(peer, [a])
        by_hand(peer, lambda t: t.update(title=7), task["id"])
        kc.wait_for(lambda: row(a).get("error_code") ==
                    "ssot_remote_content", 15)
        assert task["id"] in row(a)["detail"], row(a)
        refused(a.patch(url(task), {"base_sha": task["sha"], "title": "no"}),
                503, "remote_unavailable")
        assert a.get(url(task)).json["sha"] == task["sha"]
        by_hand(peer, lambda t: t.update(title="mended"), task["id"])
        seen(a, task, title="mended")
        converge(peer, [a])


def test_a_hook_refuses_one_of_many_in_its_own_words():
    with remotes.Daemon() as peer, team(peer, 1) as a:
        a.task("first")
        peer.hook("pre-receive", """
while read old new ref; do
	if git log -p "$old..$new" | grep -q '^+.*bad words'; then
		echo "mind your language" >&2
		exit 1
	fi
done""")
        for name in ("coordinator", "codex"):
            a.token(name)
        titles = ["fine 1", "fine 2", "bad words", "fine 3", "fine 4"]
        answers = together([lambda t=t: a.post("/api/tasks", {"title": t})
                            for t in titles])
        problem = refused(answers.pop(2), 503, "remote_unavailable")
        assert "mind your language" in problem["detail"] or \
            "pre-receive hook declined" in problem["detail"], problem
        assert [x.status for x in answers] == [201] * 4, answers
        peer.hook("pre-receive")
        assert a.task("bad words")
        converge(peer, [a])


def test_one_key_is_one_effect_however_often_it_is_sent_at_once():
    with remotes.Daemon() as peer, team(peer, 1) as a:
        a.token("coordinator")
        answers = together([lambda: a.post("/api/tasks", {"title": "once"},
                            headers={"Idempotency-Key": "k-1"})] * 6)
        assert {x.status for x in answers} == {201}, answers
        assert len({x.json["id"] for x in answers}) == 1
        replayed = [x.headers.get("idempotent-replayed") for x in answers]
        assert replayed.count("true") == 5, replayed
        assert len(a.journal("task_created")) == 1
        again = a.post("/api/tasks", {"title": "other"},
                       headers={"Idempotency-Key": "k-1"})
        refused(again, 422, "idempotency_mismatch")


def test_calls_on_one_task_wait_for_each_other_in_order():
    with remotes.Daemon() as peer, team(peer, 1) as a:
        task = a.task("busy")
        a.token("coordinator")
        answers = together([lambda i=i: a.patch(url(task), {
            "base_sha": task["sha"], "title": f"title {i}"})
            for i in range(6)])
        won = [x for x in answers if x.status == 200]
        assert len(won) == 1, answers
        for x in answers:
            if x is not won[0]:
                refused(x, 409, "write_conflict",
                        current_sha=won[0].json["sha"])
        converge(peer, [a])


def test_what_does_not_go_on_from_here_is_refused_until_it_is_accepted():
    with remotes.Daemon() as peer, team(peer, 1) as a:
        task = a.task("one")
        kept = a.task("two")
        converge(peer, [a])
        peer.rewrite()
        kc.wait_for(lambda: row(a).get("error_code") ==
                    "ssot_remote_rewritten", 15)
        refused(a.patch(url(task), {"base_sha": task["sha"], "title": "no"}),
                503, "remote_unavailable")
        a.stop()
        a.start("--accept-remote")
        shas = converge(peer, [a], 20)
        assert shas[task["id"]] == task["sha"]
        assert shas[kept["id"]] == kept["sha"]
        assert a.patch(url(task), {"base_sha": task["sha"],
                                   "title": "yes"}).status == 200


def test_another_project_is_no_place_for_tasks_and_other_tasks_are_adopted():
    with remotes.Folder() as peer, remotes.Folder() as other:
        other.hook("pre-receive", "exit 0")
        remotes.git(other.repo, "symbolic-ref", "HEAD", "refs/heads/main")
        tree = other.git("hash-object", "-t", "tree", "-w", "/dev/null")
        made = other.git("commit-tree", tree, "-m", "a project")
        other.git("update-ref", "refs/heads/main", made)
        with team(other, 1) as lost:
            kc.wait_for(lambda: row(lost).get("error_code") ==
                        "ssot_remote_diverged", 15, "a refusal")
            refused(lost.post("/api/tasks", {"title": "no"}), 503,
                    "remote_unavailable")
        assert other.main() == made
        with team(peer, 1) as first:
            task = first.task("from the first")
            with team(peer, 1, interval="50ms") as second:
                seen(second, task)
                converge(peer, (first, second))


def publisher(conf):
    """An agent with a tool that publishes, after a grace of a second."""
    agent = kc.Agent(start=False, conf={"policy.grace": "1s"} | conf)
    agent.effects = agent.publisher()
    return agent.start()


def test_a_publish_while_its_task_is_under_way_leaves_no_clash():
    with remotes.Daemon() as peer, team(
            peer, 1, new_agent=publisher, timeout="30s") as a:
        task = a.task("to publish", side_effect_level="external_publish")
        a.ack(task)
        run = a.execute("test.publish", "external_publish",
                        {"text": "hello"}, task, on_approval="run").json
        asked, = a.journal("approval_requested")
        assert a.approve(asked["data"]["approval_id"],
                         allow_external_publish=True).status == 200
        approved = a.get(url(task)).json
        assert approved["admin_approved"], approved
        came, go = gate_hook(peer, a.dir)
        answers = []
        sent = threading.Thread(target=lambda: answers.append(a.patch(
            url(task), {"base_sha": approved["sha"], "title": "pushed"})))
        sent.start()
        kc.wait_for(came.exists)
        peer.hook("post-receive")
        kc.wait_for(lambda: a.get(f"/api/runs/{run['id']}").json["state"] ==
                    "succeeded", 20, "the run")
        go.write_text("go\n")
        sent.join()
        assert answers[0].status == 200, answers
        kc.wait_for(lambda: not a.get(url(task)).json["admin_approved"])
        assert a.get(url(task)).json["title"] == "pushed"
        converge(peer, [a])
        assert in_history(peer, answers[0].json["sha"])
        assert not conflicts(peer), conflicts(peer)
        assert len(a.effects.read_text().splitlines()) == 1


def test_a_call_that_waits_is_worth_what_its_token_is_when_it_is_done():
    with remotes.Daemon() as peer, team(peer, 1, timeout="30s") as a:
        task, ids = a.task("waited for"), {}
        for name in ("gone", "less"):
            a.token(name, "tool_runner", "observer")
            assert a.get("/api/tasks", by=name).status == 200
            used, = a.journal("token_created", name=name)
            ids[name] = used["data"]["token_id"]
        came, go = gate_hook(peer, a.dir)
        answers = {}

        def patch(by):
            answers[by] = a.patch(url(task), {
                "base_sha": task["sha"], "title": by}, by=by)
        first = threading.Thread(target=patch, args=("coordinator",))
        first.start()
        kc.wait_for(came.exists)
        peer.hook("post-receive")
        waiting = [threading.Thread(target=patch, args=(name,))
                   for name in ids]
        for thread in waiting:
            thread.start()
        for _ in range(50):     # so that they are let in, most likely
            assert a.get("/api/tasks").status == 200
        a.cli("token", "revoke", ids["gone"])
        a.cli("token", "narrow", ids["less"], "--scope", "observer")
        go.write_text("go\n")
        for thread in [first, *waiting]:
            thread.join()
        assert answers["coordinator"].status == 200, answers
        refused(answers["gone"], 401, "unauthenticated")
        refused(answers["less"], 403, "insufficient_scope")
        assert a.journal("auth_failed", token_id=ids["gone"],
                         reason="revoked")
        assert a.get(url(task)).json["title"] == "coordinator"


def test_an_edit_by_hand_meanwhile_is_a_clash_that_is_kept():
    with remotes.Daemon() as peer, team(peer, 1, timeout="30s") as a:
        task = a.task("to be edited")
        ann = Person(a)
        came, go = gate_hook(peer, a.dir)
        answers = []
        sent = threading.Thread(target=lambda: answers.append(a.patch(
            url(task), {"base_sha": task["sha"], "title": "pushed"})))
        sent.start()
        kc.wait_for(came.exists)
        peer.hook("post-receive")
        ann.pull()
        ann.edit(task["id"], title="by hand")
        ann.commit()
        ann.push()
        ours = seen(a, task, title="by hand")
        go.write_text("go\n")
        sent.join()
        assert answers[0].status == 200, answers
        assert converge(peer, [a])[task["id"]] == answers[0].json["sha"]
        one, = conflicts(peer)
        assert one["ours_sha"] == ours["sha"], one
        assert one["theirs_sha"] == answers[0].json["sha"], one
        assert in_history(peer, ours["sha"])
        record, = a.journal("write_conflict", winner="theirs")
        assert record["task_id"] == task["id"]


def test_what_a_peer_allows_is_not_allowed_here():
    def granted(task):
        task |= {"allow_external_publish": True, "admin_approved": True,
                 "admin_approved_by": "admin", "admin_approved_at":
                 task["created_at"]}

    with remotes.Daemon() as peer, \
            team(peer, 1, new_agent=publisher) as a:
        task = a.task("to publish", side_effect_level="external_publish")
        a.ack(task)
        by_hand(peer, granted, task["id"])
        seen(a, task, allow_external_publish=True, admin_approved=True)

        def ask():
            return a.execute("test.publish", "external_publish",
                             {"text": "hello"}, task, wait=20)

        problem = refused(ask(), 403, "policy_denied",
                          reason="approval_required")
        refused(a.approve(problem["approval_id"]), 403, "policy_denied",
                reason="publish_not_allowed")
        assert a.effects.read_text() == ""
        answer = a.approve(problem["approval_id"],
                           allow_external_publish=True)
        assert answer.status == 200, answer
        done = ask()
        assert done.status == 200 and done.json["state"] == "succeeded", done
        assert len(a.effects.read_text().splitlines()) == 1
        converge(peer, [a])


kc.main()
