"""What another agent, or somebody at the remote, pushed: taken in as facts of
theirs, with what follows from them here."""
import json

import kc
import remotes
from person import new_task, place, pretty
from sharing import by_hand, converge, row, seen, team, url

WAITS = "open(%r, 'w').write(str(os.getpid()))\ntime.sleep(600)"


def at_remote(peer, folder, good, files, subject, mode=None):
    """Commits on top of what is there the tree that good had, with these
    files; as anybody who may push there."""
    copy = peer.clone(folder)
    remotes.git(copy, "read-tree", "-u", "--reset", good)
    for path, data in files.items():
        file = copy / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        if mode:
            file.chmod(mode)
    remotes.git(copy, "add", "-A")
    remotes.git(copy, "commit", "-q", "-m", subject)
    remotes.git(copy, "push", "-q", "origin", "HEAD:main")


def test_a_task_halted_elsewhere_ends_its_runs_here():
    with remotes.Folder() as peer, team(peer) as (a, b):
        pid = b.dir / "pid"
        b.tool("test.waits", WAITS % str(pid))
        b.reload()
        kc.wait_for(lambda: any(t["name"] == "test.waits" for t in
                                b.get("/api/tools").json["items"]), 10)
        task = a.task("to be halted")
        seen(b, task)
        task = b.ack(task)
        run = b.execute("test.waits", "local_write", {}, task)
        assert run.status == 202, run
        kc.wait_for(pid.exists, 10)
        seen(a, task)
        halted = a.post(url(task, "halt"), {"reason": "stop"}, by="admin")
        assert halted.status == 200, halted
        seen(b, halted.json)
        over = kc.wait_for(lambda: (r := b.get(
            f"/api/runs/{run.json['id']}").json)["state"] == "cancelled" and
            r, 15)
        assert over["error"]["error_code"] == "cancelled", over
        record = b.journal("task_updated", task_id=task["id"])[-1]
        assert record["data"]["git"]["commit"], record
        assert record["correlation_id"] == task["correlation_id"]
        converge(peer, [a, b])


def test_a_task_rejected_elsewhere_voids_its_approvals_here():
    with remotes.Folder() as peer, team(peer) as (a, b):
        b.publisher()
        b.reload()
        kc.wait_for(lambda: any(t["name"] == "test.publish" for t in
                                b.get("/api/tools").json["items"]), 10)
        task = b.ack(seen(b, a.task("to be rejected")))
        run = b.execute("test.publish", "external_publish", {"text": "x"},
                        task, on_approval="run")
        assert run.status == 202, run
        asked = run.json["approval_id"]
        done = b.post(url(task, "result"), {"attempt": 1, "summary": "done"},
                      by="codex")
        assert done.status == 200, done
        seen(a, done.json)
        no = a.post(url(task, "reject"), {"reason": "no"}, by="admin")
        assert no.status == 200, no
        kc.wait_for(lambda: b.get(f"/api/approvals/{asked}").json["state"]
                    == "stale", 15)
        assert b.get(f"/api/runs/{run.json['id']}").json["state"] == \
            "cancelled"
        attempt = [r for r in a.journal("document_taken")
                   if r["data"]["kind"] in ("ack", "result")]
        assert len(attempt) == 2, attempt
        converge(peer, [a, b])


def test_the_lease_of_another_agent_is_stalled_by_it_and_only_then_by_us():
    with remotes.Folder() as peer, team(peer) as (a, b):
        task = a.ack(a.task("leased"), lease_s=1)
        seen(b, task)
        stalled = kc.wait_for(lambda: a.journal(
            "task_stalled", task_id=task["id"]), 10)[0]
        seen(b, task, state="stalled")
        assert not b.journal("task_stalled")
        while True:     # until it ends before the lease does
            gone = a.ack(a.task("left alone"), lease_s=2)
            kc.wait_for(lambda: (t := b.get(url(gone))).status == 200 and
                        t.json["state"] != "pending")
            a.kill9()
            if not a.journal("task_stalled", task_id=gone["id"]):
                break
            a.start()
        mine = kc.wait_for(lambda: b.journal(
            "task_stalled", task_id=gone["id"]), 30)[0]
        ended = gone["lease"]["expires_at"]
        assert mine["ts"][:19] > ended[:19], (mine["ts"], ended)
        assert stalled["data"]["holder"] == "codex"
        a.start()
        converge(peer, [a, b])


def test_what_is_not_an_agents_is_refused_and_the_rest_goes_on():
    with remotes.Folder() as peer, team(peer, 1) as a:
        task = a.task("good")
        kc.wait_for(lambda: peer.main() and not row(a).get("error_code"), 10)
        converge(peer, [a])
        good = peer.main()
        document = {k: v for k, v in task.items() if k != "sha"}
        path = place(task["id"])
        other = new_task("other")
        tried = [
            (path, json.dumps(document).encode(), None, "canonical"),
            (path, b"\x00\xff", None, "column 1"),
            (path, pretty(document | {"state": "won"}), None, "one of"),
            (path, pretty(document | {"x": 1}), None, "no such member"),
            (path, pretty(document | {"lease": {"holder": "x"}}), None,
             "expires_at"),
            (path, pretty(document), 0o755, "executable"),
            (place("else"), pretty(other), None, "path"),
            ("attempts/x.json", b"{}", None, "no document"),
        ]
        for n, (name, data, mode, reason) in enumerate(tried):
            at_remote(peer, peer.dir / f"copy{n}", good, {name: data}, reason,
                      mode)
            a.reload()  # it is looked at now
            bad = kc.wait_for(lambda r=reason: r in row(a).get(
                "detail", "") and row(a), 20, reason)
            assert bad["error_code"] == "ssot_remote_content", bad
            assert a.get(url(task)).json == task
        at_remote(peer, peer.dir / "mended", good, {place("other"):
                                                    pretty(other)}, "mended")
        a.reload()
        seen(a, "other", 20, title=other["title"])
        kc.wait_for(lambda: row(a)["status"] == "ok", 20)
        made = a.task("after it all")
        converge(peer, [a])
        assert a.get(url(made)).status == 200


def test_a_change_of_both_is_a_clash_that_the_remote_wins():
    with remotes.Daemon() as peer, peer.proxy() as net, \
            team(peer, 1, [net.port]) as a:
        task = a.ack(a.task("both"))
        converge(peer, [a])
        net.cut()
        kc.wait_for(lambda: row(a)["status"] != "ok", 15)
        beat = a.post(url(task, "heartbeat"), {"attempt": 1}, by="codex")
        assert beat.status == 200, beat
        by_hand(peer, lambda t: t.update(title="theirs"), task["id"])
        net.heal()
        now = seen(a, task, 30, title="theirs")
        clash = kc.wait_for(lambda: a.journal("write_conflict"), 15)[0]
        assert clash["data"]["winner"] == "theirs", clash
        assert clash["data"]["ours_sha"] == beat.json["sha"], clash
        assert clash["data"]["theirs_sha"] == now["sha"], clash
        assert clash["data"]["git"]["commit"] and clash["data"]["from"] == \
            "remote"
        converge(peer, [a], 30)


kc.main(seconds=120)
