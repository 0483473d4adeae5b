"""An agent that mirrors its tasks to a peer of remotes.py, and what is looked
at again and again."""
import json
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import kc
import remotes
from expect import git, task_path


@contextmanager
def mirror(peer, port=None, start=True, **conf):
    agent = kc.Agent(start=start, conf=peer.conf(port, **conf))
    try:
        yield agent
    finally:
        agent.close()


def side_by_side(work, cases):
    """Most of it is waiting. What one of them fails with is raised."""
    with ThreadPoolExecutor(len(cases)) as pool:
        for _ in pool.map(work, cases):
            pass


def local(agent):
    """Main, or "" if there is none yet."""
    return git(agent, "for-each-ref", "--format=%(objectname)",
               "refs/heads/main").strip()


def row(agent, health=None):
    health = health or agent.get("/api/health", by="admin").json
    return next((r for r in health["components"]
                 if r["name"] == "ssot_remote"), None)


def settled(agent, task):
    """Local main once it has this version of the task."""
    kc.wait_for(lambda: task_path(agent, task["id"]) and
                git(agent, "rev-parse", "main:" + task_path(
                    agent, task["id"])).strip() == task["sha"], 10)
    return local(agent)


def arrives(agent, peer, task, seconds=15):
    """The remote's main is ours and has the task."""
    settled(agent, task)
    kc.wait_for(lambda: peer.main() == local(agent), seconds,
                "the remote having main")


def fault(agent, code, seconds=15):
    """Waits for this error_code in the row of health; the row."""
    def told():
        health = agent.get("/api/health", by="admin").json
        found = row(agent, health)
        return found and found.get("error_code") == code and (health, found)

    health, found = kc.wait_for(told, seconds, code)
    assert found["status"] in ("degraded", "down"), found
    assert found["effect"] and found["remediation_hint"], found
    assert found["detail"] and found["since"], found
    assert health["status"] == "degraded", health
    failed = kc.wait_for(lambda: agent.journal("ssot_sync_failed",
                                               what="ssot_remote"))
    assert failed[-1]["data"]["detail"], failed
    return found


def well(agent, seconds=15):
    kc.wait_for(lambda: row(agent)["status"] == "ok", seconds, "ok")


def works(agent, n=3):
    """Local work goes on, whatever the remote does."""
    return [agent.task(f"meanwhile {i}") for i in range(n)][-1]


def nowhere(agent, peer, secret):
    """The secret is in no file of ours but its own, and not there either."""
    for folder, _, files in os.walk(agent.dir):
        for name in files:
            path = Path(folder, name)
            assert not path.is_file() or \
                secret.encode() not in path.read_bytes(), path
    health = json.dumps(agent.get("/api/health", by="admin").json)
    assert secret not in health
    for repo in (agent.home / "ssot.git", peer.repo):
        text = remotes.git(repo, "log", "--all", "--format=raw", "-p")
        assert secret not in text
