"""What follows the journal into git: its thread, spoilt by strace, and what
has to be true of the repository whatever happened."""
import contextlib
import os
import re
import shutil
import subprocess

import kc
from expect import blob, committed, fsck, git, task_path


def untraceable():
    """The agent lets nobody but root look into it: said, and not tested."""
    if os.geteuid():
        print("      not tested: only root may trace a running agent")
    return os.geteuid() != 0


def thread(agent):
    """The id of the thread that makes history."""
    folder = f"/proc/{agent.proc.pid}/task"
    for tid in os.listdir(folder):
        with open(f"{folder}/{tid}/comm") as comm:
            if comm.read().strip() == "ssot":
                return tid
    raise AssertionError("no thread is called ssot")


@contextlib.contextmanager
def traced(agent, *options):
    """strace on that thread alone; gives the file it writes to."""
    log = agent.dir / "ssot-trace"
    strace = subprocess.Popen(
        ["strace", "-q", "-o", log, *options, "-p", thread(agent)],
        stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        kc.wait_for(lambda: tracer(agent) or not agent.running or
                    strace.poll() is not None, what="strace")
        assert strace.poll() is None or not agent.running, \
            "strace could not attach to the agent"
        yield log
    finally:
        strace.terminate()
        strace.wait()
        if agent.running:
            kc.wait_for(lambda: not tracer(agent), what="no strace")


def tracer(agent):
    try:
        with open(f"/proc/{agent.proc.pid}/task/{thread(agent)}/status") as f:
            return int(re.search(r"TracerPid:\s*(\d+)", f.read())[1])
    except (OSError, AssertionError, TypeError):
        return 0


def inject(name, what, when):
    return ["-e", f"trace={name}", "-e", f"inject={name}:{what}:when={when}"]


def row(agent, name="ssot"):
    health = agent.get("/api/health")
    assert health.status == 200, health
    found, = [c for c in health.json["components"] if c["name"] == name]
    return found


def troubles(agent):
    """The types of the records on trouble with the repository, in order."""
    return [r["type"] for r in agent.journal("ssot_sync_failed",
                                             "ssot_synced")
            if r["data"].get("what", "ssot") == "ssot"]


def alternate(types):
    return all(t == ("ssot_sync_failed", "ssot_synced")[i % 2]
               for i, t in enumerate(types))


def followed(agent, *tasks):
    """All of these are in history as they are."""
    there = committed(agent)
    for task in tasks:
        assert there.get(task_path(agent, task["id"])) == task["sha"] == \
            blob(task), task["id"]


def follows(agent, *tasks, seconds=15):
    """Waits until they are."""
    def look():
        try:
            followed(agent, *tasks)
        except AssertionError:
            return False
        return True
    kc.wait_for(look, seconds, "the repository")


def settled(agent):
    """Nothing is wrong any more with what follows. (Upkeep, which speaks in
    the same row, takes its time.)"""
    return kc.wait_for(lambda: "error" not in agent.get(
        "/api/health").json["followers"]["ssot"] and
        len(troubles(agent)) % 2 == 0, 15, "settled")


def sound(agent):
    """The repository is whole and holds nothing that was left behind. While
    the agent writes there it has a lock, a pack without index ..."""
    def names(pattern):
        return {p.stem for p in (agent.home / "ssot.git").rglob(pattern)}

    kc.wait_for(lambda: fsck(agent, "--full"), 15, "fsck")
    kc.wait_for(lambda: not names("*.lock") | names("*tmp*"), 15,
                "nothing left behind")
    kc.wait_for(lambda: names("pack-*.pack") == names("pack-*.idx"), 15,
                "an index for each pack")


def undisturbed(agent, objects=False):
    """What main is when this journal is replayed into nothing, or into what
    has the objects of the others whose commits were taken in."""
    again = kc.Agent(start=False)
    try:
        shutil.rmtree(again.home / "audit", ignore_errors=True)
        shutil.copytree(agent.home / "audit", again.home / "audit")
        if objects:
            shutil.rmtree(again.home / "ssot.git")
            shutil.copytree(agent.home / "ssot.git", again.home / "ssot.git")
            tip = git(again, "rev-parse", "main").strip()
            git(again, "update-ref", "refs/remotes/origin/main", tip)
            git(again, "update-ref", "-d", "refs/heads/main")
        count = len(again.lines())
        again.start()
        kc.wait_for(lambda: again.get("/api/health").json["followers"][
            "ssot"]["seq"] >= count, 15, "the replay")
        return git(again, "rev-parse", "main").strip()
    finally:
        again.close()
