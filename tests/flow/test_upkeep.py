"""The repository is kept small while it is written and read."""
import os
import subprocess
import threading
import time

import kc
from expect import committed, git, task_path


def new_agent(**more):
    env = more.pop("env", None)
    return kc.Agent(conf={"ssot.repack": "64k"}, env=env, **more)


def state(agent):
    """What health says of the repository's packs."""
    answer = agent.get("/api/health", by="admin").json
    return answer["followers"]["ssot"], next(
        row for row in answer["components"] if row["name"] == "ssot")


def repacked(agent):
    return state(agent)[0].get("repack", {})


def run(*args, **more):
    done = subprocess.run(args, capture_output=True, text=True, **more)
    assert done.returncode == 0, (args, done.stdout, done.stderr)
    return done.stdout.strip()


def check(repo):
    """git fsck; once more where packs went while it read the list of them,
    which it alone of all the gits does not look at again."""
    while True:
        done = subprocess.run(
            ["git", "-C", repo, "fsck", "--full", "--strict",
             "--no-dangling"], capture_output=True, text=True)
        said = (done.stdout + done.stderr).splitlines()
        if all(line.startswith("error: packfile ") and
               not os.path.exists(os.path.join(repo, line.split()[2]))
               for line in said) and said:
            continue
        assert done.returncode == 0 and not said, (done.returncode, said)
        return


class Loop(threading.Thread):
    """Does it again and again until end(); any error of it fails there."""

    def __init__(self, work):
        super().__init__(daemon=True)
        self.work, self.count, self.over, self.error = work, 0, False, None
        self.start()

    def run(self):
        try:
            while not self.over:
                self.work(self.count)
                self.count += 1
        except BaseException as error:  # told by end()
            self.error = error

    def end(self):
        self.over = True
        self.join()
        if self.error:
            raise self.error
        return self.count


def write(agent):
    tasks = {}

    def one(n):
        key = n % 40
        if key not in tasks:
            tasks[key] = agent.task(f"task {key} " + "with words " * 20)
            return
        answer = agent.patch(f"/api/tasks/{tasks[key]['id']}", {
            "title": f"task {key} changed {n} " + "with words " * 20,
            "base_sha": tasks[key]["sha"]})
        assert answer.status == 200, answer
        tasks[key] = answer.json
    return one


def test_writes_repacks_clones_and_checks_go_on_together_without_error():
    agent = new_agent()
    repo = agent.home / "ssot.git"
    packs = repo / "objects" / "pack"
    old = packs / "tmp_pack_killed"
    old.write_bytes(b"PACK")
    os.utime(old, (1, 1))
    # what nobody refers to (yet), loose and in a pack; and somebody's pack
    blobs = [run("git", "-C", repo, "hash-object", "-w", "--stdin",
                 input=f"blob {n}") for n in range(3)]
    names = [run("git", "-C", repo, "pack-objects", "-q",
                 "objects/pack/pack", input=blob) for blob in blobs[1:]]
    run("git", "-C", repo, "prune-packed")
    kept = packs / f"pack-{names[1]}"
    kept.with_suffix(".keep").touch()
    clone = agent.dir / "clone"

    def look(n):
        run("git", "clone", "-q", "--bare", "--no-local", repo,
            f"{clone}-{n}")
        run("git", "-C", f"{clone}-{n}", "fsck", "--strict")

    def history(n):
        some = agent.get("/api/tasks?limit=1").json["items"]
        if some:
            answer = agent.get(f"/api/tasks/{some[0]['id']}/history")
            assert answer.status in (200, 404), answer

    loops = [Loop(write(agent)) for _ in range(2)]
    kc.wait_for(lambda: git(agent, "for-each-ref"), 10)
    loops += [Loop(look), Loop(history), Loop(lambda n: check(repo))]
    seen = set()
    kc.wait_for(lambda: seen.add(repacked(agent).get("at")) or
                len(seen - {None}) >= 2, 40, "two repacks")
    writes, more, clones, reads, checks = [loop.end() for loop in loops]
    last = repacked(agent)
    print(f"{writes + more} writes, {clones} clones, {checks} checks, "
          f"{reads} histories beside {len(seen - {None})} repacks; {last}")
    assert clones and checks and reads and writes + more > 100
    assert last["bytes_after"] < last["bytes_before"], last
    assert last["packs_after"] < last["packs_before"], last
    assert git(agent, "fsck", "--full", "--strict", "--no-dangling") == ""
    assert {git(agent, "cat-file", "-t", b).strip() for b in blobs} == \
        {"blob"}
    assert git(agent, "count-objects").startswith("0 objects")
    assert kept.with_suffix(".pack").exists() and not old.exists()
    head = git(agent, "rev-parse", "main").strip()
    some = agent.task("the last one")
    kc.wait_for(lambda: git(agent, "rev-parse", "main").strip() != head, 5)
    agent.restart()
    path = kc.wait_for(lambda: task_path(agent, some["id"]), 5)
    assert committed(agent)[path] == some["sha"]
    agent.close()


def fake_git(agent, script):
    """Another git, for the agent only."""
    folder = agent.dir / "bin"
    folder.mkdir(exist_ok=True)
    program = folder / "git"
    program.write_text("#!/bin/sh\n" + script)
    program.chmod(0o700)
    agent.env["PATH"] = f"{folder}:{os.environ['PATH']}"


def fill(agent, count=200):
    """Ten packs at least: what comes at once goes into one."""
    one = write(agent)
    for n in range(count):
        one(n)
        if n % 20 == 19:
            kc.wait_for(lambda: state(agent)[0]["lag"] == 0)


def test_without_git_packs_are_kept_few_and_health_says_what_is_missing():
    agent = new_agent(start=False)
    agent.env["PATH"] = str(agent.dir)
    agent.start()
    fill(agent)
    row = kc.wait_for(lambda: state(agent)[1]["status"] == "degraded" and
                      state(agent)[1], 20)
    assert row["error_code"] == "ssot_upkeep", row
    assert "git" in row["detail"] and "install git" in \
        row["remediation_hint"], row
    head = git(agent, "rev-parse", "main")
    agent.task("one more")
    kc.wait_for(lambda: git(agent, "rev-parse", "main") != head, 5)
    assert git(agent, "fsck", "--strict") == ""
    agent.close()


def test_a_git_that_lies_or_fails_loses_nothing():
    agent = new_agent(start=False)
    fake_git(agent, 'case "$*" in *pack-objects*) '
             'ls objects/pack/*.pack | head -n 1 | '
             'sed "s/.*pack-//; s/.pack$//" ;; esac\n')
    agent.start()
    fill(agent)
    facts, row = kc.wait_for(
        lambda: "upkeep_error" in state(agent)[0] and state(agent), 20)
    assert "both are kept" in facts["upkeep_error"], facts
    assert row["status"] == "degraded", row
    assert git(agent, "fsck", "--full", "--strict") == ""
    agent.close()


def test_a_repack_is_ended_at_once_when_the_agent_stops():
    agent = new_agent(start=False)
    mark = agent.dir / "at-work"
    fake_git(agent, f'touch {mark}\nexec sleep 1000\n')
    agent.start()
    fill(agent)
    kc.wait_for(mark.exists, 20)
    start = time.monotonic()
    agent.stop()
    assert time.monotonic() - start < 3 * kc.PATIENCE
    assert git(agent, "fsck", "--full", "--strict") == ""
    del agent.env["PATH"]
    agent.env["PATH"] = os.environ["PATH"]
    agent.start()
    kc.wait_for(lambda: repacked(agent), 20)
    assert git(agent, "fsck", "--full", "--strict") == ""
    agent.close()


kc.main()
