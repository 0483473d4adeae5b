"""Publishes asked for, decided and waited for."""
import json

import kc
from expect import refused

FILE = {"file": {"type": "file", "required": "true"}}
HASH_IT = """
import hashlib
data = open(args["file"]["path"], "rb").read()
wait = %r
open(wait + ".started", "w").close()
while not os.path.exists(wait):
    time.sleep(0.01)
again = open(args["file"]["path"], "rb").read()
result(sha256=hashlib.sha256(data).hexdigest(), same=data == again)
"""
MUCH = """
for n in range(64):
    name = '"' * 90 + str(n)
    open(name, "w").write(str(n))
    say(artifact={"name": name, "media_type": "text/" + "x" * 50})
result(said="r" * 16000)
"""


def new_agent():
    agent = kc.Agent(start=False, conf={
        "policy.grace": "0s", "policy.test.grace.grace": f"{800 * kc.SLOW}ms",
        "policy.test.brief.approval-ttl": "2s"})
    agent.effects = {name: agent.publisher(name) for name in (
        "test.publish", "test.grace", "test.brief")}
    agent.effects["test.file"] = agent.publisher("test.file", args=FILE)
    agent.go = str(agent.dir / "go")
    agent.tool("test.hash", HASH_IT % agent.go, "external_publish", FILE)
    agent.tool("test.much", MUCH, args={"text": {
        "type": "string", "max-length": "20000"}})
    agent.effects["test.secret"] = agent.publisher("test.secret", args={
        "text": {"type": "string", "required": "true"},
        "password": {"type": "string", "secret": "true"}})
    return agent.start()


def ask(agent, task, tool="test.publish", args=None, by="codex", **kw):
    return agent.execute(tool, "external_publish",
                         {"text": "hello"} if args is None else args, task,
                         by=by, **kw)


def asked(agent, task, tool="test.publish", args=None, **kw):
    """Asks, is denied; the approval's id."""
    problem = refused(ask(agent, task, tool, args, **kw), 403,
                      "policy_denied", reason="approval_required")
    return problem["approval_id"]


def parked(agent, task, tool="test.publish", args=None, **kw):
    """Asks with on_approval run; the run that waits."""
    answer = ask(agent, task, tool, args, on_approval="run", **kw)
    assert answer.status == 202, answer
    assert answer.headers["location"] == f"/api/runs/{answer.json['id']}"
    assert answer.json["state"] == "awaiting_approval", answer
    return answer.json


def approval(agent, name):
    return agent.get(f"/api/approvals/{name}").json


def decide(agent, name, seen, by="admin", step="approve", **members):
    return agent.post(f"/api/approvals/{name}/{step}", {
        "request_sha256": seen["request_sha256"], "nonce": seen["nonce"],
        "reason": "read it", "allow_external_publish": True} | members, by=by)


def approved(agent, name, **members):
    answer = decide(agent, name, agent.review(name), **members)
    assert answer.status == 200 and answer.json["state"] == "approved", answer
    return answer.json


def ended(agent, run_id, seconds=15):
    """The run when it is over."""
    def look():
        run = agent.get(f"/api/runs/{run_id}").json
        return run if run["state"] not in (
            "queued", "running", "awaiting_approval") else None
    return kc.wait_for(look, seconds, f"the end of {run_id}")


def count(agent, tool="test.publish", of=None):
    lines = agent.effects[tool].read_text().splitlines()
    return len([x for x in lines if of is None or json.loads(x) == of])
