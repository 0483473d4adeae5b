"""What follows the record: the repository, and the index."""
import shutil

import kc
from chains import new_agent, whole
from expect import blob, commits, committed, git, task_path, versions


def test_every_change_is_one_commit_that_says_whose_and_why(fresh):
    made = whole(fresh, "c-commits")
    admin = fresh.post(f"/api/tasks/{made['task']}/approve",
                       {"reason": "good"}, by="admin",
                       headers={"X-Correlation-Id": "c-admin"}).json
    path = kc.wait_for(lambda: task_path(fresh, made["task"]), 5)
    kc.wait_for(lambda: committed(fresh)[path] == admin["sha"], 5)
    leaves = {r["seq"]: kc.leaf(line) for r, line in
              zip(fresh.journal(), fresh.lines())}
    by_seq = {r["seq"]: r for r in fresh.journal()}
    history = commits(fresh)
    for commit in history:
        seq, leaf = commit["Audit-Head"].split()
        record = by_seq[int(seq)]
        assert leaf == leaves[int(seq)], commit
        assert commit["Correlation-Id"] == record["correlation_id"]
        assert commit["Actor"] == record["actor"], (commit, record)
        assert commit["Operation"] == record["type"], (commit, record)
    carry = [r["seq"] for r in fresh.journal() if
             {"task", "ack", "result", "package"} & set(
                 r["data"].get("put", {}))]
    assert [int(c["Audit-Head"].split()[0]) for c in history] == carry
    states = [(v["state"], v["admin_approved"])
              for v in versions(fresh, made["task"])]
    assert states == [
        ("pending", False), ("running", False), ("running", True),
        ("running", False), ("needs_review", False), ("approved", False)]
    assert git(fresh, "fsck", "--strict", "--full").strip() == ""
    seen = git(fresh, "log", "--format=%an %ae", "--", path).splitlines()
    assert [s.split()[0] for s in seen] == [
        "admin", "codex", "agent", "admin", "codex", "coordinator"], seen


def test_the_repository_follows_within_a_second_and_after_kill_9(fresh):
    task = fresh.task("followed")
    for n in range(20):
        answer = fresh.patch(f"/api/tasks/{task['id']}", {
            "title": f"followed {n}", "base_sha": task["sha"]})
        task = answer.json
    kc.wait_for(lambda: task_path(fresh, task["id"]) and committed(fresh)[
        task_path(fresh, task["id"])] == task["sha"], 1)
    for n in range(3):
        task = fresh.patch(f"/api/tasks/{task['id']}", {
            "title": f"killed {n}", "base_sha": task["sha"]}).json
        fresh.kill9()
        fresh.start()
        path = task_path(fresh, task["id"])
        # a lock that was left there is taken for dead after two seconds
        kc.wait_for(lambda: committed(fresh)[path] == task["sha"], 10)
    assert len(versions(fresh, task["id"])) == 24
    git(fresh, "fsck", "--strict")
    head = git(fresh, "rev-parse", "HEAD")
    fresh.stop()
    (fresh.home / "index.db").unlink()
    shutil.rmtree(fresh.home / "ssot.git")
    fresh.cli("init")
    fresh.start()
    kc.wait_for(lambda: task_path(fresh, task["id"]) and
                len(versions(fresh, task["id"])) == 24, 5)
    assert git(fresh, "rev-parse", "HEAD") == head, "replay gives the same"


def test_an_index_that_is_lost_or_spoilt_is_made_again(fresh):
    made = whole(fresh, "c-index")
    routes = ("/api/tasks", "/api/runs", "/api/approvals?state=used",
              "/api/evidence", f"/api/tasks/{made['task']}",
              "/api/audit?type=tool_started,tool_finished&limit=1000",
              f"/api/runs/{made['sent']['id']}")
    before = [fresh.get(route).json for route in routes]

    def same():
        after = [fresh.get(route).json for route in routes]
        for x in (before[2]["items"] + after[2]["items"]):
            x.pop("expires_in_s")
            x.update(expires_in_s=0)
        assert after == before

    for spoil in (lambda f: f.unlink(),
                  lambda f: f.write_bytes(b"not a database " * 1000),
                  lambda f: f.write_bytes(b""),
                  lambda f: f.write_bytes(f.read_bytes()[:5000])):
        fresh.stop()
        spoil(fresh.home / "index.db")
        for rest in fresh.home.glob("index.db-*"):
            rest.unlink()
        fresh.start()
        same()
        assert fresh.get("/api/audit/c-index").json["complete"] is True
    assert blob(before[4]) == before[4]["sha"]


def test_a_title_forges_no_trailer_and_no_line_of_a_commit(fresh):
    forged = "Audit-Head: 999999 " + "f" * 64
    made = [fresh.task(title) for title in (
        f"x\n\nTask: t-1\n{forged}\nActor: admin\n\n{forged}",
        f"y\r\n{forged}\u2028{forged}\u0085\x1b[31m", "\n\n", forged,
        "z" * 500)]
    kc.wait_for(lambda: task_path(fresh, made[-1]["id"]), 5)
    for commit in commits(fresh):
        assert commit["Actor"] == "coordinator", commit
        assert commit["Audit-Head"].split()[0] != "999999", commit
    fresh.restart()
    assert fresh.task("after them")["state"] == "pending"
    for task in made:
        one, = fresh.get(f"/api/tasks/{task['id']}/history").json["items"]
        assert one["sha"] == task["sha"], one


def nested(depth):
    value = "the end"
    for _ in range(depth):
        value = {"a": [value]} if depth % 2 else {"a": value}
    return value


def test_whatever_was_accepted_survives_replay_byte_for_byte(fresh):
    kept = {}
    for n, meta in enumerate([
            {"f": [0.1, 1e-7, -0.0, 123456789012345.6, 2**53 - 1, 1 - 2**53]},
            {"": "empty key", "\u00e9\u202e\U0001f3ac": "\x7f\u2028\ufeff"},
            {"quote": '"\\/\b\f\n\r\t', "a" * 500: "b"}]
            + [nested(d) for d in range(10, 40)]):
        answer = fresh.post("/api/tasks", {"title": f"n {n}", "meta": meta},
                            headers={"Idempotency-Key": f"k-{n}"})
        assert answer.status == 201 or n > 3, answer
        if answer.status == 201:
            kept[n] = (meta, answer.json)
    assert len(kept) > 15, len(kept)

    def same():
        for n, (meta, task) in kept.items():
            assert fresh.get(f"/api/tasks/{task['id']}").json == task, n
            assert task["meta"] == meta, n
        there = committed(fresh)
        assert all(there[task_path(fresh, t["id"])] == t["sha"]
                   for t in [kept[n][1] for n in (0, 1, 2, max(kept))])

    kc.wait_for(lambda: task_path(fresh, kept[max(kept)][1]["id"]), 5)
    same()
    fresh.kill9()
    (fresh.home / "index.db").unlink()
    shutil.rmtree(fresh.home / "ssot.git")
    fresh.cli("init")
    fresh.start()
    kc.wait_for(lambda: task_path(fresh, kept[max(kept)][1]["id"]), 5)
    same()
    assert fresh.cli("audit", "verify").returncode == 0
    for n, (meta, task) in kept.items():
        again = fresh.post("/api/tasks", {"title": f"n {n}", "meta": meta},
                           headers={"Idempotency-Key": f"k-{n}"})
        assert again.json == task, n


kc.main(new_agent=new_agent)
