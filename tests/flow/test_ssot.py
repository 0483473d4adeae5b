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
        kc.wait_for(lambda: committed(fresh)[path] == task["sha"], 2)
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


kc.main(new_agent=new_agent)
