"""Mode shared while the remote is away, and when an agent is killed: what goes
on, and that nothing acknowledged is lost."""
import threading
import time

import kc
import remotes
from expect import git, refused, together
from publishing import approved, ended, parked
from sharing import (at_peer, by_hand, conflicts, converge, gate_hook,
                     in_history, killed_while_it_pushes, quietly, row, seen,
                     team, url)


def test_alone_goes_on_what_is_held_here_and_all_of_it_is_reconciled():
    with remotes.Daemon() as peer, peer.proxy() as net, \
            team(peer, 2, ports=[net.port]) as (a, b):
        held = a.ack(a.task("held by a0"), lease_s=600)
        free = a.task("held by nobody")
        clash = a.ack(a.task("changed on both sides"), lease_s=600)
        for task in (held, free, clash):
            seen(b, task)
        net.cut()
        refused(a.patch(url(free), {"base_sha": free["sha"], "title": "no"}),
                503, "remote_unavailable", retryable=True)
        kc.wait_for(lambda: row(a)["status"] != "ok")
        found = row(a)
        assert found["since"] and found["effect"], found
        beat = a.post(url(held, "heartbeat"), {"lease_s": 700}, by="codex")
        assert beat.status == 200, beat
        alone = a.task("made alone")
        refused(a.post("/api/tasks", {"title": "no", "id": "mine"}), 503,
                "remote_unavailable")
        assert a.get(url(free)).json["title"] == free["title"]
        done = a.post(url(held, "result"), {
            "attempt": 1, "summary": "done alone", "criteria": [
                {"criterion_ref": "AC-1", "met": True}]}, by="codex")
        assert done.status == 200, done
        ours = a.patch(url(clash), {"base_sha": clash["sha"],
                                    "title": "a0 said"}, by="coordinator")
        assert ours.status == 200, ours
        theirs = b.patch(url(clash), {"base_sha": clash["sha"],
                                      "title": "a1 said"})
        assert theirs.status == 200, theirs
        kc.wait_for(lambda: row(a)["ahead"] >= 3, 15, "ahead")
        net.heal()
        shas = converge(peer, (a, b), 30)
        assert shas[held["id"]] == done.json["sha"]
        assert shas[alone["id"]] == alone["sha"]
        assert shas[clash["id"]] == theirs.json["sha"]
        assert in_history(peer, ours.json["sha"])
        assert in_history(peer, beat.json["sha"])
        one, = conflicts(peer)
        assert one["task_id"] == clash["id"] and one["winner"] == "theirs"
        assert one["ours_sha"] == ours.json["sha"], one
        assert one["theirs_sha"] == theirs.json["sha"], one
        record, = a.journal("write_conflict", winner="theirs")
        assert record["task_id"] == clash["id"]
        assert b.get(url(alone)).json["sha"] == alone["sha"]
        after = a.patch(url(free), {"base_sha": free["sha"], "title": "yes"})
        assert after.status == 200, after
        seen(b, after.json)


def test_a_remote_that_hangs_is_given_up_after_the_deadline():
    with remotes.Daemon() as peer, peer.proxy() as net, \
            team(peer, 1, ports=[net.port], timeout="1s") as a:
        held = a.ack(a.task("held"), lease_s=600)
        free = a.task("free")
        net.hang()
        answers = together([
            lambda: a.patch(url(free), {"base_sha": free["sha"],
                                        "title": "no"}),
            lambda: a.post(url(held, "heartbeat"), {"lease_s": 700},
                           by="codex")])
        refused(answers[0], 503, "remote_unavailable")
        assert answers[1].status == 200, answers[1]
        net.heal()
        converge(peer, [a], 30)
        assert at_peer(peer, held["id"])["lease"] == answers[1].json["lease"]


def test_what_was_taken_though_the_answer_was_lost_is_no_clash():
    with remotes.Daemon() as peer, peer.proxy() as net, \
            team(peer, 1, ports=[net.port], timeout="20s") as a:
        held = a.ack(a.task("held"), lease_s=600)
        free = a.task("free")
        a.token("codex")
        came, go = gate_hook(peer, a.dir)
        sent = []
        calls = [threading.Thread(target=lambda c=c: sent.append(c()))
                 for c in (
                     lambda: a.post(url(held, "heartbeat"), {"lease_s": 700},
                                    by="codex"),
                     lambda: a.patch(url(free), {"base_sha": free["sha"],
                                                 "title": "taken"}))]
        calls[0].start()
        kc.wait_for(came.exists)
        calls[1].start()
        kc.wait_for(lambda: row(a)["waiting"] == 2)
        net.cut()
        for call in calls:
            call.join()
        peer.hook("post-receive")
        go.write_text("go\n")
        beat = next(x for x in sent if x.status == 200).json
        refused(next(x for x in sent if x.status != 200), 503,
                "remote_unavailable")
        assert at_peer(peer, held["id"])["lease"] == beat["lease"]
        net.heal()
        assert converge(peer, [a], 30)[held["id"]] == beat["sha"]
        assert not a.journal("write_conflict") and not conflicts(peer)


def test_it_ends_in_time_and_answers_while_the_remote_hangs():
    with remotes.Daemon() as peer, peer.proxy() as net, \
            team(peer, 1, ports=[net.port], timeout="60s") as a:
        held = a.ack(a.task("held"), lease_s=600)
        free = a.task("free")
        a.token("codex")
        net.hang()
        answers = []
        calls = [threading.Thread(target=lambda c=c: answers.append(c()))
                 for c in (
                     lambda: a.patch(url(free), {"base_sha": free["sha"],
                                                 "title": "no"}),
                     lambda: a.post(url(held, "heartbeat"), by="codex"))]
        for call in calls:
            call.start()
        kc.wait_for(lambda: row(a)["waiting"] == 2)
        kc.wait_for(lambda: row(a)["status"] == "degraded", 15, "a word")
        assert "has not answered" in row(a)["detail"], row(a)
        a.signal(15)
        for call in calls:
            call.join(20)
        assert a.wait(20) == 0
        assert sorted(x.status for x in answers) == [200, 503], answers
        net.heal()
        a.start()
        beat = next(x for x in answers if x.status == 200).json
        assert converge(peer, [a])[held["id"]] == beat["sha"]


def test_killed_between_push_and_record_it_takes_its_own_words_in():
    with remotes.Daemon() as peer, team(peer, 2) as (a, b):
        task = a.task("before")
        seen(b, task)
        killed_while_it_pushes(peer, a, lambda: a.patch(
            url(task), {"base_sha": task["sha"], "title": "pushed"}))
        assert at_peer(peer, task["id"])["title"] == "pushed"
        assert a.journal("task_proposed", task_id=task["id"])
        assert not [r for r in a.journal("task_updated", task_id=task["id"])]
        a.start()
        seen(a, task, title="pushed")
        seen(b, task, title="pushed")
        converge(peer, (a, b))
        again = a.get(url(task)).json
        assert a.patch(url(task), {"base_sha": again["sha"],
                                   "title": "after"}).status == 200
        converge(peer, (a, b))


def test_killed_again_and_again_every_answer_was_true():
    with remotes.Folder() as peer, team(peer, 2) as (a, b):
        acked, stop = [], threading.Event()

        def write():
            while not stop.is_set():
                answer = quietly(lambda: a.post("/api/tasks", {"title": "t"},
                                                timeout=5))
                if answer is not None and answer.status == 201:
                    acked.append(answer.json)
                else:
                    stop.wait(0.01)

        writers = [threading.Thread(target=write) for _ in range(4)]
        for w in writers:
            w.start()
        for n in range(5):
            had = len(acked)
            kc.wait_for(lambda: len(acked) > had + 3)
            a.kill9()
            a.start()
        stop.set()
        for w in writers:
            w.join()
        shas = converge(peer, (a, b), 30)
        assert len(acked) > 15
        for task in acked:
            assert shas[task["id"]] == task["sha"]


def test_it_ends_in_time_while_its_own_history_is_held_up():
    with remotes.Folder() as peer, team(peer, 1) as a:
        task = a.task("changed there")
        converge(peer, [a])
        lock = a.home / "ssot.git/refs/heads/main.lock"
        lock.touch()
        a.task("not in history yet")
        by_hand(peer, lambda t: t.update(title="there"), task["id"])
        kc.wait_for(lambda: git(a, "rev-parse", "refs/remotes/origin/main")
                    .strip() == peer.main())
        began = time.monotonic()
        a.stop()
        assert time.monotonic() - began < 6 * kc.PATIENCE
        lock.unlink()
        a.start()
        seen(a, task, title="there")
        converge(peer, [a])


def test_a_key_is_one_effect_though_the_agent_was_killed_in_between():
    with remotes.Daemon() as peer, team(peer, 1) as a:
        def create():
            return a.post("/api/tasks", {"title": "once"},
                          headers={"Idempotency-Key": "k-1"})

        a.task("first")
        killed_while_it_pushes(peer, a, create)
        a.start()
        answer, again = create(), create()
        assert answer.status == again.status == 201, (answer, again)
        assert answer.headers["location"] == url(answer.json)
        assert again.headers["idempotent-replayed"] == "true"
        assert again.json == answer.json
        shas = converge(peer, [a])
        assert len(shas) == 2 and shas[answer.json["id"]] == answer.json["sha"]


def test_however_many_wait_for_the_remote_the_agent_is_there_for_others():
    with remotes.Daemon() as peer, peer.proxy() as net, \
            team(peer, 1, ports=[net.port], timeout="60s") as a:
        tasks = [a.task(f"{i}") for i in range(2)]
        a.ack(tasks[0], lease_s=600)
        net.hang()
        head = (f"Host: 127.0.0.1:{a.port}\r\nAuthorization: Bearer "
                f"{{}}\r\nContent-Length: {{}}\r\n\r\n")
        many = []
        for target, body, by in \
                [(url(tasks[0], "heartbeat"), "{}", "codex")] * 320 + \
                [("/api/tasks", '{"title":"x"}', "coordinator")] * 600:
            many.append(a.raw((
                f"POST {target} HTTP/1.1\r\n"
                + head.format(a.token(by), len(body)) + body).encode()))
        kc.wait_for(lambda: len(a.journal("request", operation="task.create"))
                    >= 2 + 600 - 512)
        kc.wait_for(lambda: a.journal("request", error_code="overloaded"))
        assert row(a)["waiting"] <= 512, row(a)
        refused(a.patch(url(tasks[1]), {"base_sha": tasks[1]["sha"],
                                        "title": "no"}), 503,
                "remote_unavailable")
        stopped = a.post("/api/mode", {"mode": "stopped", "reason": "now"},
                         by="admin")
        assert stopped.status == 200, stopped
        net.heal()
        converge(peer, [a], 60)
        for each in many:
            each.close()


def test_a_halt_ends_the_runs_at_once_however_long_the_remote_takes():
    def new_agent(conf):
        agent = kc.Agent(start=False, conf=conf)
        agent.tool("test.forever", "while True: time.sleep(1)")
        return agent.start()

    with remotes.Daemon() as peer, peer.proxy() as net, \
            team(peer, 1, ports=[net.port], timeout="60s",
                 new_agent=new_agent) as a:
        task = a.ack(a.task("to be halted"), lease_s=600)
        run = a.execute("test.forever", "local_write", {}, task).json
        where = f"/api/runs/{run['id']}"
        kc.wait_for(lambda: a.get(where).json["state"] == "running")
        net.hang()
        answers = []
        halt = threading.Thread(target=lambda: answers.append(a.post(
            url(task, "halt"), {"reason": "stop it"}, by="admin")))
        halt.start()
        kc.wait_for(lambda: a.get(where).json["state"] == "cancelled")
        assert row(a)["waiting"] == 1 and not answers
        net.heal()
        halt.join()
        assert answers[0].json["state"] == "halted", answers
        shas = converge(peer, [a], 30)
        assert shas[task["id"]] == answers[0].json["sha"]


def test_what_stops_a_publish_waits_for_no_remote():
    def new_agent(conf):
        agent = kc.Agent(start=False, conf=conf | {
            "policy.test.publish.grace": "600s"})
        agent.publisher("test.publish")
        agent.tool("test.forever", "while True: time.sleep(1)")
        return agent.start()

    with remotes.Daemon() as peer, peer.proxy() as net, \
            team(peer, 1, ports=[net.port], timeout="60s",
                 new_agent=new_agent) as a:
        task = a.ack(a.task("to be stopped"), lease_s=600)
        run = parked(a, task)
        approved(a, run["approval_id"])
        endless = a.execute("test.forever", "local_write", {}, task).json
        where = f"/api/runs/{endless['id']}"
        kc.wait_for(lambda: a.get(where).json["state"] == "running")
        net.hang()
        answers = {}

        def later(step, by, **body):
            def work():
                answers[step] = a.post(url(task, step), body, by=by)
            thread = threading.Thread(target=work)
            thread.start()
            return thread

        beat = later("heartbeat", "codex", lease_s=600)
        kc.wait_for(lambda: row(a).get("waiting") == 1)
        back = a.post(f"/api/approvals/{run['approval_id']}/cancel",
                      {"reason": "a typo"}, by="admin")
        assert back.status == 200 and back.json["state"] == "cancelled", back
        halt = later("halt", "admin", reason="all of it")
        kc.wait_for(lambda: a.get(where).json["state"] == "cancelled")
        assert ended(a, run["id"])["state"] == "cancelled"
        assert not answers, "both wait for the remote"
        net.heal()
        beat.join()
        halt.join()
        assert answers["heartbeat"].status == 200, answers
        assert answers["halt"].json["state"] == "halted", answers
        kc.wait_for(lambda: not a.get(url(task)).json["admin_approved"])
        converge(peer, [a], 30)
        assert not conflicts(peer), conflicts(peer)
        assert not a.journal("tool_started", run_id=run["id"])


kc.main()
