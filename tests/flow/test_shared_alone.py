"""Mode shared with the remote away: what an agent may do alone, and that it
undoes nothing by it, neither of others nor of its own."""
import threading

import kc
import remotes
from expect import refused
from person import Person
from sharing import (at_peer, conflicts, converge, gate_hook, row, seen, team,
                     url)


def test_what_was_made_from_something_older_is_made_anew():
    with remotes.Daemon() as peer, peer.proxy() as net, \
            team(peer, 1, ports=[net.port], timeout="60s") as a:
        held = a.ack(a.task("held"), lease_s=600)
        a.token("codex")
        converge(peer, [a])
        net.hang()
        answers = []
        beat = threading.Thread(target=lambda: answers.append(a.post(
            url(held, "heartbeat"), {"lease_s": 700}, by="codex")))
        beat.start()
        kc.wait_for(lambda: row(a)["waiting"] == 1)
        ann = Person(a)
        ann.edit(held["id"], title="ann said")
        ann.commit()
        ann.push()
        seen(a, held, title="ann said")
        net.cut()
        beat.join()
        assert answers[0].status == 200, answers
        assert answers[0].json["title"] == "ann said", answers
        net.heal()
        shas = converge(peer, [a], 30)
        assert shas[held["id"]] == answers[0].json["sha"]
        assert not conflicts(peer)


def test_a_push_that_arrived_unheard_does_not_undo_what_went_on_from_it():
    with remotes.Daemon() as peer, peer.proxy() as net, \
            team(peer, 1, ports=[net.port]) as a:
        held = a.ack(a.task("held"), lease_s=600)
        converge(peer, [a])
        came, go = gate_hook(peer, a.dir)
        answers = []
        beat = threading.Thread(target=lambda: answers.append(a.post(
            url(held, "heartbeat"), {"lease_s": 700}, by="codex")))
        beat.start()
        kc.wait_for(came.exists)
        net.cut()
        peer.hook("post-receive")
        go.write_text("go\n")
        beat.join()
        assert answers[0].status == 200, answers
        assert at_peer(peer, held["id"])["lease"] == answers[0].json["lease"]
        done = a.post(url(held, "result"), {
            "attempt": 1, "summary": "done alone", "criteria": [
                {"criterion_ref": "AC-1", "met": True}]}, by="codex")
        assert done.status == 200, done
        net.heal()
        assert converge(peer, [a], 30)[held["id"]] == done.json["sha"]
        assert a.get(url(held)).json["state"] == "needs_review"
        assert not conflicts(peer)


def test_a_missed_lease_is_no_lease_and_nobody_takes_it_up_alone():
    with remotes.Daemon() as peer, peer.proxy() as net, \
            team(peer, 2, ports=[net.port]) as (a, b):
        task = a.ack(a.task("missed"), lease_s=1)
        for agent in (a, b):
            seen(agent, task, state="stalled")
            agent.token("codex")
        net.cut()
        kc.wait_for(lambda: row(a)["status"] != "ok")
        echo = {"attempt": 1, "echoed_acceptance_criteria":
                task["acceptance_criteria"]}
        refused(a.post(url(task, "heartbeat"), by="codex"), 503,
                "remote_unavailable")
        refused(a.post(url(task, "ack"), echo, by="codex"), 503,
                "remote_unavailable")
        taken = b.post(url(task, "ack"), echo | {"attempt": 2}, by="codex")
        assert taken.status == 200, taken
        net.heal()
        shas = converge(peer, (a, b), 30)
        assert shas[task["id"]] == taken.json["sha"]
        assert not conflicts(peer)


kc.main()
