"""Somebody with a clone of an agent's repository: stock git, edits by hand."""
import hashlib
import json
import os
import subprocess

import kc
from expect import committed, fsck, git


def pretty(document):
    """The bytes that a document has in the repository."""
    text = json.dumps({k: v for k, v in document.items() if k != "sha"},
                      indent=2, sort_keys=True, ensure_ascii=False)
    return (text + "\n").encode("utf-8", "surrogateescape")


def place(task_id):
    h = hashlib.sha256(task_id.encode()).hexdigest()
    return f"tasks/{h[0]}/{h[1]}/{h[2]}/{task_id}.json"


def new_task(task_id, title="by hand", **members):
    return {"id": task_id, "title": title, "request_text": "",
            "source": "git", "state": "pending", "attempt": 1,
            "correlation_id": f"c-{task_id}", "created_by": "ann",
            "created_at": "2026-01-02T03:04:05.000000Z",
            "updated_at": "2026-01-02T03:04:05.000000Z",
            "acceptance_criteria": [{"id": "AC-1", "text": "it is done"}],
            "side_effect_level": "read_only", "allow_external_publish": False,
            "admin_approved": False, "admin_approved_by": None,
            "admin_approved_at": None, "lease": None, "assignee": None,
            "labels": {}, "meta": {}} | members


class Person:
    """A clone in a folder of its own."""

    def __init__(self, agent, name="ann"):
        self.agent, self.name = agent, name
        self.dir = agent.dir / f"clone-{name}"
        self.env = {"PATH": os.environ["PATH"], "HOME": str(agent.dir),
                    "GIT_CONFIG_GLOBAL": "/dev/null", "LC_ALL": "C.UTF-8",
                    "GIT_TERMINAL_PROMPT": "0"} | {
            f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", name),
                                ("EMAIL", f"{name}@example.org"))}
        self.run("clone", "-q", agent.home / "ssot.git", self.dir, where=None)

    def run(self, *args, where="", check=True, stdin=None):
        done = subprocess.run(
            ["git", *(["-C", self.dir] if where is not None else []), *args],
            capture_output=True, env=self.env, input=stdin)
        out = done.stdout.decode("utf-8", "replace")
        if not check:
            return done.returncode, out + done.stderr.decode()
        assert done.returncode == 0, (args, out, done.stderr)
        return out.strip()

    def pull(self):
        """To what is there now, whatever was here."""
        self.run("fetch", "-q", "origin")
        self.run("reset", "-q", "--hard", "origin/main")
        self.run("clean", "-fdq")

    def read(self, task_id):
        return json.loads((self.dir / place(task_id)).read_bytes())

    def write(self, path, data):
        file = self.dir / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.is_symlink() or file.is_dir():
            self.run("rm", "-rfq", path)
        file.write_bytes(data if isinstance(data, bytes) else pretty(data))

    def edit(self, task_id, **members):
        """Changes members of a task's file; its blob id."""
        document = self.read(task_id) | members
        self.write(place(task_id), document)
        data = pretty(document)
        return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()

    def commit(self, message="by hand"):
        self.run("add", "-A")
        self.run("commit", "-q", "-m", message)
        return self.run("rev-parse", "HEAD")

    def push(self, *options):
        self.run("push", "-q", *options, "origin", "HEAD:main")
        return self.run("rev-parse", "HEAD")

    def try_push(self):
        code, _ = self.run("push", "-q", "origin", "HEAD:main", check=False)
        return code == 0


def by_hand(person, task, plain=False, **members):
    """Commits members of a task, not yet pushed; the commit's id. plain: in
    another form than the agent writes."""
    path = place(task["id"])
    document = person.read(task["id"]) | members
    person.write(path, json.dumps(document).encode() if plain else document)
    return person.commit()


def head(agent):
    return git(agent, "rev-parse", "refs/heads/main").strip()


def ssot_row(agent):
    rows = agent.get("/api/health", by="admin").json["components"]
    return next(r for r in rows if r["name"] == "ssot")


def settled(agent, seconds=10):
    """Waits until the repository has every task as the agent has it."""
    def same():
        there = committed(agent)
        return all(there.get(place(t["id"])) == t["sha"] for t in listed(agent))
    kc.wait_for(same, seconds, "the repository to say what the agent says")


def listed(agent):
    cursor, items = None, []
    while True:
        page = agent.get(kc.query("/api/tasks", limit=1000,
                                  cursor=cursor)).json
        items += page["items"]
        cursor = page["next_cursor"]
        if not cursor:
            return items


def blobs_of(agent, path):
    """Every blob that the path had in any commit of main."""
    commits = git(agent, "rev-list", "main").split()
    asked = "".join(f"{c}:{path}\n" for c in commits)
    done = subprocess.run(
        ["git", "--git-dir", agent.home / "ssot.git", "cat-file",
         "--batch-check=%(objectname)"], input=asked, capture_output=True,
        text=True)
    return {line for line in done.stdout.split("\n") if len(line) == 40}


def url(task):
    return f"/api/tasks/{task['id']}"


def wait_ok(agent, seconds=10):
    kc.wait_for(lambda: ssot_row(agent)["status"] == "ok", seconds,
                "the row ssot to be ok")


def sound(agent):
    """Whatever happened: the chain, the repository and the state agree."""
    settled(agent)
    assert agent.chained()
    kc.wait_for(lambda: fsck(agent), 10, "fsck")
