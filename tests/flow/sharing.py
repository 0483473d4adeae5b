"""Several agents with one remote, in shared mode."""
import json
import os
import subprocess
import tempfile
import threading
from contextlib import ExitStack, contextmanager
from pathlib import Path

import kc
import remotes
from expect import git


@contextmanager
def team(peer, n=2, ports=(), new_agent=kc.Agent, **conf):
    """n agents named a0, a1... that share their tasks at the peer; ports
    are those of the proxies that they go through."""
    conf = {"interval": "100ms", "timeout": "3s", "mode": "shared"} | conf
    with ExitStack() as stack:
        agents = []
        for i in range(n):
            port = ports[i] if i < len(ports) else None
            agent = new_agent(conf={"agent.name": f"a{i}"} | peer.conf(
                port, **conf))
            stack.callback(agent.close)
            agents.append(agent)
        yield agents if n > 1 else agents[0]


def url(task, step=""):
    task = task if isinstance(task, str) else task["id"]
    return f"/api/tasks/{task}" + (f"/{step}" if step else "")


def main(agent):
    return git(agent, "rev-parse", "-q", "--verify", "main").strip() \
        if git(agent, "for-each-ref", "refs/heads") else ""


def row(agent):
    rows = agent.get("/api/health", by="admin").json["components"]
    return next(r for r in rows if r["name"] == "ssot_remote")


def seen(agent, task, seconds=15, **members):
    """Waits until the agent has this version of the task (its sha, or these
    members); the task."""
    def there():
        answer = agent.get(url(task))
        if answer.status != 200:
            return None
        found = answer.json
        same = all(found[k] == v for k, v in members.items()) if members \
            else found["sha"] == task["sha"]
        return found if same else None
    return kc.wait_for(there, seconds, f"{task} at {agent.home}")


def at_peer(peer, task_id):
    """The task as the remote's main has it, or None."""
    found = [line.split("\t")[1] for line in
             peer.git("ls-tree", "-r", "main").splitlines()
             if line.endswith(f"/{task_id}.json") and "\ttasks/" in line] \
        if peer.main() else []
    return json.loads(peer.git("show", f"main:{found[0]}")) if found else None


def conflicts(peer):
    """The accounts of clashes in the remote's main."""
    paths = [p for p in peer.git("ls-tree", "-r", "--name-only",
                                 "main").splitlines()
             if p.startswith("conflicts/")]
    return [json.loads(peer.git("show", f"main:{p}")) for p in paths]


def shas_at(peer):
    """{task id: blob id} of the remote's main."""
    tasks = peer.git("ls-tree", "-r", "main").splitlines() \
        if peer.main() else []
    return {line.split("/")[-1][:-5]: line.split()[2] for line in tasks
            if "\ttasks/" in line}


def alike(peer, agents):
    """Whether main is the same commit everywhere and the documents are those
    of the answers; {task id: sha} then."""
    there = peer.main()
    if {main(a) for a in agents} != {there} or \
            any(row(a)["status"] != "ok" for a in agents):
        return None
    shas = shas_at(peer)
    if any(a.get(url(task)).json.get("sha") != sha for a in agents
           for task, sha in shas.items()):
        return None
    return shas if peer.main() == there else None


def sound(repo):
    """Whether fsck finds nothing; it may trip over packs that are just then
    put together, and is asked again."""
    return subprocess.run(["git", "-C", repo, "fsck", "--strict",
                           "--no-dangling"], capture_output=True,
                          env=remotes.CLEAN).returncode == 0


def converge(peer, agents, seconds=20):
    """Waits until all are alike, and nothing is wrong with any repository or
    journal."""
    shas = kc.wait_for(lambda: alike(peer, agents), seconds, "one history")
    for repo in [peer.repo] + [a.home / "ssot.git" for a in agents]:
        kc.wait_for(lambda r=repo: sound(r), 10, f"fsck of {repo}")
    assert all(a.chained() for a in agents)
    return shas


def in_history(peer, sha):
    """Is this version of anything in the history of main?"""
    return sha in peer.git("rev-list", "--objects", "--no-object-names",
                           "main").split()


def by_hand(peer, change, task_id, subject="by a peer"):
    """A commit of another agent: the task as change(task) leaves it, in the
    canonical form."""
    with tempfile.TemporaryDirectory() as folder:
        copy = peer.clone(Path(folder) / "copy")
        file = next(copy.glob(f"tasks/*/*/*/{task_id}.json"))
        task = json.loads(file.read_text())
        change(task)
        file.write_text(json.dumps(task, indent=2, sort_keys=True,
                                   ensure_ascii=False) + "\n")
        remotes.git(copy, "commit", "-q", "-a", "-m", subject)
        remotes.git(copy, "push", "-q", "origin", "HEAD:main")


def gate_hook(peer, folder):
    """A post-receive hook that waits: (came, go), two paths. The ref has
    moved when `came` is there; the push ends when `go` is."""
    came, go = Path(folder) / "came", Path(folder) / "go"
    os.mkfifo(go)
    peer.hook("post-receive", f"cat >/dev/null; touch {came}; read x < {go}")
    return came, go


def quietly(call):
    """What it returns; None if the agent went meanwhile."""
    try:
        return call()
    except (OSError, kc.Closed):
        return None


def killed_while_it_pushes(peer, agent, call):
    """kill -9 once the remote has taken what call() asks for, and before the
    agent hears of it."""
    came, go = gate_hook(peer, agent.dir)
    sent = threading.Thread(target=lambda: quietly(call))
    sent.start()
    kc.wait_for(came.exists)
    agent.kill9()
    peer.hook("post-receive")
    go.write_text("go\n")
    sent.join()
