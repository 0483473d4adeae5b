"""Decisions signed by SSH keys, with the real ssh-keygen."""
import os
import subprocess
from pathlib import Path

import kc
from expect import jcs

SPACE = "approval@kircerta"


class Keys:
    """Key pairs in a folder and an allowed-signers file beside them."""

    def __init__(self, folder):
        self.dir = Path(folder) / "keys"
        self.dir.mkdir(mode=0o700)
        self.signers = self.dir / "allowed-signers"
        self.set()

    def make(self, name, kind="ed25519", passphrase=""):
        subprocess.run(["ssh-keygen", "-q", "-t", *kind.split(), "-N",
                        passphrase, "-C", name, "-f", self.dir / name],
                       check=True, stdin=subprocess.DEVNULL)
        return self.dir / name

    def line(self, who, key=None, options=""):
        public = (self.dir / f"{key or who}.pub").read_text().strip()
        return f"{who} {options + ' ' if options else ''}{public}\n"

    def set(self, *lines):
        """Whose keys sign from now on."""
        self.signers.write_text("".join(lines))
        self.signers.chmod(0o644)

    def sign(self, statement, key, space=SPACE, env=None):
        """The armored signature of these bytes by that key's file."""
        done = subprocess.run(
            ["ssh-keygen", "-Y", "sign", "-f", self.dir / key, "-n", space],
            input=statement, capture_output=True, env=os.environ | (env or {}))
        assert done.returncode == 0, done.stderr
        return done.stdout.decode()

    def verify(self, statement, signature, who, space=SPACE):
        """What `ssh-keygen -Y verify` says of it."""
        file = self.dir / "signature"
        file.write_text(signature)
        done = subprocess.run(
            ["ssh-keygen", "-Y", "verify", "-f", self.signers, "-I", who,
             "-n", space, "-s", file], input=statement, capture_output=True)
        return done.returncode == 0


def statement(review, reason="tested", allow=True, **other):
    """The bytes to sign, of a review's answer."""
    return jcs(review["statement"]["fields"] | {
        "reason": reason, "allow_external_publish": allow} | other).encode()


def decide(agent, approval_id, review, by="admin", reason="tested", **members):
    """approval.approve of what was reviewed; the answer as it is."""
    return agent.post(f"/api/approvals/{approval_id}/approve", {
        "request_sha256": review["request_sha256"], "nonce": review["nonce"],
        "reason": reason, "allow_external_publish": True} | members, by=by)


def approve(agent, approval_id, key, by="admin", **members):
    """Reviews, signs and approves; the answer as it is."""
    review = agent.review(approval_id, by)
    signed = agent.keys.sign(statement(review), key)
    return decide(agent, approval_id, review, by, signature=signed, **members)


def asked(agent, title="sign me", text="hello", on="deny", by="codex",
          **members):
    """A publish that waits: (task, approval id) and, with on="run", its
    run's id. members are the task's, which an admin then makes."""
    task = agent.task(title, by="admin" if members else "coordinator",
                      **members)
    answer = agent.execute("test.publish", "external_publish",
                           {"text": text}, task, by, on_approval=on)
    if on == "deny":
        return task, answer.json["approval_id"]
    return task, answer.json["approval_id"], answer.json["id"]


def run_again(agent, task, text="hello"):
    """The same call once more, to its end: the run."""
    answer = agent.execute("test.publish", "external_publish",
                           {"text": text}, task, wait=20)
    assert answer.status in (200, 202), answer
    return answer.json


def new_agent(start=True, required=True):
    agent = kc.Agent(start=False, conf={"policy.grace": "0s"})
    agent.keys = Keys(agent.dir)
    for name in ("admin", "ana", "bob", "eve"):
        agent.keys.make(name)
    agent.keys.set(agent.keys.line("admin"), agent.keys.line("ana"))
    agent.conf("policy.signed-decisions", "true" if required else "false")
    agent.conf("policy.allowed-signers", agent.keys.signers)
    agent.effects = agent.publisher()
    for name in ("ana", "bob"):
        agent.token(name, "admin")
    return agent.start() if start else agent
