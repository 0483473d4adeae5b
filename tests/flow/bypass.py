"""Attempts to cause a publish that nobody meant, and who judges them.

An attempt is a function, or a row of a table, with a name and the records
that it has to leave. The canary is a tool that adds a line to a file outside:
after each attempt nothing may be under way, the file may have grown by
exactly what was approved, and the journal must not say that more started."""
import contextlib
import json
import os
import sys

import kc
import runner
from expect import refused

CANARY = """#!/bin/sh
cat >> %s
echo '{"result":{"published":true}}'
"""
BLOCKS = """#!/bin/sh
cat %s >/dev/null
echo '{"result":{}}'
"""
SENDS_FILE = """
import hashlib
call["sha256"] = hashlib.sha256(open(args["file"]["path"], "rb").read()
                                ).hexdigest()
open(%r, "a").write(json.dumps(call) + "\\n")
result(published=True)
"""
HOLDS = """
open(%r + "." + args["text"], "w").close()
while not os.path.exists(%r):
    time.sleep(0.01)
open(%r, "a").write(json.dumps(call) + "\\n")
result(published=True)
"""
TEXT = {"text": {"type": "string", "required": "true"},
        "note": {"type": "string"}}
FILE = {"file": {"type": "file", "required": "true"}}
SECRET = TEXT | {"password": {"type": "string", "secret": "true"}}
BRIEF = f"{150 * kc.SLOW}ms"
PUBLISHES = {"test.canary": TEXT, "test.grace": TEXT, "test.brief": TEXT,
             "test.two": TEXT, "test.never": TEXT, "test.late": TEXT,
             "test.secret": SECRET, "test.moves": TEXT}
CONF = {"run.max": "1", "agent.auth-failures": "6000",
        "policy.grace": "0s", "policy.test.grace.grace": "1h",
        "policy.test.brief.approval-ttl": BRIEF,
        "policy.test.late.approval-ttl": BRIEF,
        "policy.test.late.grace": "1h",
        "policy.test.two.approvals-required": "2",
        "policy.test.never.external-publish": "deny"}
PEOPLE = {"codex": ("tool_runner", "observer"),
          "coordinator": ("tool_runner", "observer"),
          "watcher": ("observer",), "second": ("admin",),
          "both": ("admin", "tool_runner", "observer")}
ATTEMPTS = {}


def attempt(left, published=0, started=None):
    """left: "TYPE WORD...", several separated by commas. A word is what the
    record says as status, reason, error_code or state."""
    def mark(fn):
        add(fn.__name__, fn, left, published, started)
        return fn
    return mark


def add(name, fn, left, published=0, started=None):
    assert name not in ATTEMPTS, name
    ATTEMPTS[name] = (fn, [w.split() for w in left.split(",")], published,
                      published if started is None else started)


def rows(prefix, left, table):
    """Attempts from {name: value}; value may be (value, left). The function
    gets both the attempt and its value."""
    def mark(fn):
        for name, value in table.items():
            own = left
            if left is None:
                value, own = value
            add(f"{prefix}_{name}", lambda t, v=value: fn(t, v), own)
        return fn
    return mark


def program(agent, name, text, level="local_write", args=None):
    """A tool without an interpreter that takes long to start."""
    agent.tool(name, "", level, args).write_text(text)


def new_agent(**conf):
    agent = kc.Agent(start=False, conf=CONF | conf)
    agent.canary = agent.dir / "published"
    agent.canary.touch()
    agent.go, agent.held = agent.dir / "go", agent.dir / "held"
    for name, args in PUBLISHES.items():
        program(agent, name, CANARY % agent.canary, "external_publish", args)
    agent.tool("test.file", SENDS_FILE % str(agent.canary),
               "external_publish", FILE)
    agent.fifo = agent.dir / "fifo"
    os.mkfifo(agent.fifo)
    program(agent, "test.block", BLOCKS % agent.fifo)
    agent.tool("test.holds", HOLDS % (str(agent.held), str(agent.go),
                                      str(agent.canary)),
               "external_publish", TEXT)
    agent.tool("test.read", "result()", "read_only")
    agent.tool("test.write", "result()", args=TEXT)
    for name, scopes in PEOPLE.items():
        agent.token(name, *scopes)
    agent.seen, agent.sent = 0, 0
    return agent.start()


class Try:
    """One attempt: an agent, a task of its own and what happened since."""

    def __init__(self, agent, name):
        self.agent, self.name = agent, name
        self.since = len(agent.lines())
        self.lines_before = len(self.published())
        self.more = (0, 0)
        self.task = agent.task(name)

    def body(self, tool="test.canary", args=None, **members):
        return {"tool": tool, "side_effect_level": "external_publish",
                "task_id": self.task["id"], "criterion_ref": "AC-1",
                "args": {"text": self.name} if args is None else args
                } | members

    def ask(self, tool="test.canary", args=None, by="codex", wait=None,
            headers=None, **members):
        prefer = {"Prefer": f"wait={wait}"} if wait else {}
        return self.agent.post("/api/tools/execute",
                               self.body(tool, args, **members), by=by,
                               headers=prefer | (headers or {}))

    def asked(self, *args, **members):
        """Refused for want of an approval; the approval's id."""
        return refused(self.ask(*args, **members), 403, "policy_denied",
                       reason="approval_required")["approval_id"]

    def parked(self, *args, **members):
        answer = self.ask(*args, on_approval="run", **members)
        assert answer.status == 202, answer
        assert answer.json["state"] == "awaiting_approval", answer
        return answer.json

    def send(self, data, target="/api/tools/execute", by="codex",
             method="POST", **kw):
        return self.agent.request(method, target, data, by=by, **kw)

    def rpc(self, method, params, by="codex"):
        """The problem that a websocket's call ends with."""
        with self.agent.ws(by) as ws:
            try:
                raise AssertionError(ws.call(method, **params))
            except kc.RpcError as e:
                return e.problem

    def review(self, name, by="admin"):
        return self.agent.review(name, by)

    def decide(self, name, seen=None, by="admin", step="approve", **members):
        """Members that are None are left out."""
        seen = seen or self.review(name, by)
        body = {"request_sha256": seen["request_sha256"],
                "nonce": seen["nonce"], "reason": "read it",
                "allow_external_publish": True} | members
        if step != "approve":
            body.pop("allow_external_publish")
        return self.agent.post(f"/api/approvals/{name}/{step}", {
            k: v for k, v in body.items() if v is not None}, by=by)

    def granted(self, name, **members):
        answer = self.decide(name, **members)
        assert answer.status == 200, answer
        assert answer.json["state"] == "approved", answer
        return answer.json

    def patch(self, by="coordinator", **members):
        answer = self.agent.patch(f"/api/tasks/{self.task['id']}", members,
                                  by=by)
        return answer

    def now(self):
        return self.agent.get(f"/api/tasks/{self.task['id']}").json

    def state(self, name):
        kind = "approvals" if name[0] == "a" else "runs"
        return self.agent.get(f"/api/{kind}/{name}").json["state"]

    def over(self, run_id, seconds=15):
        """The run's state when it has ended."""
        return kc.wait_for(lambda: (s := self.state(run_id)) not in (
            "queued", "running", "awaiting_approval") and s, seconds)

    @contextlib.contextmanager
    def blocked(self):
        """What is approved meanwhile is given no place to run."""
        run = self.agent.execute("test.block", "local_write").json["id"]
        kc.wait_for(lambda: self.state(run) == "running")
        yield
        kc.wait_for(lambda: self.let_go(run))

    def let_go(self, run):
        """Ends the tool that blocks, once it waits; false: not yet."""
        try:
            os.close(os.open(self.agent.fifo, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            return self.state(run) != "running"
        return True

    @staticmethod
    def wait_for(predicate, what="it"):
        return kc.wait_for(predicate, what=what)

    def mode(self, to, reason="because", by="admin"):
        answer = self.agent.post("/api/mode", {"mode": to, "reason": reason},
                                 by=by)
        assert answer.status == 200, answer

    parse = staticmethod(json.loads)

    def may_publish(self, more, started=None):
        """As many besides; what they were has been looked at."""
        self.more = (more, more if started is None else started)

    def records(self, *types):
        return [r for r in map(json.loads, self.agent.lines()[self.since:])
                if not types or r["type"] in types]

    def published(self):
        return self.agent.canary.read_text().splitlines()


def says(record, words):
    data = record["data"] or {}
    said = {str(record["status"])} | {str(data.get(k)) for k in (
        "reason", "error_code", "state", "outcome")}
    return record["type"] == words[0] and set(words[1:]) <= said


def under_way(agent):
    return agent.get("/api/runs?state=queued,running").json["items"]


def judge(t, left, published, started):
    agent = t.agent
    published, started = published + t.more[0], started + t.more[1]
    if not agent.running:
        agent.start()
    kc.wait_for(lambda: not under_way(agent), 10, "everything to end")
    before, agent.sent = agent.sent, len(t.published())
    sent = t.published()[t.lines_before:]
    assert len(sent) == published, (t.name, sent)
    assert agent.sent == before + published, "of another attempt"
    records = t.records()
    began = [r for r in records if r["type"] == "tool_started" and
             r["data"]["side_effect_level"] == "external_publish"]
    assert len(began) == started, (t.name, began)
    for words in left:
        assert any(says(r, words) for r in records), (
            t.name, words, [(r["type"], r["status"], r["data"].get("reason"),
                             r["data"].get("error_code")) for r in records])


def as_test(name, fn, left, published, started):
    def test(agent):
        t = Try(agent, name)
        fn(t)
        judge(t, left, published, started)
    return test


def main(seconds=60, make=new_agent):
    """The attempts of the modules that were imported, each a test."""
    program = sys.modules["__main__"]
    for name, row in ATTEMPTS.items():
        setattr(program, "test_" + name, as_test(name, *row))
    print(f"{len(ATTEMPTS)} attempts", flush=True)
    runner.main(make, kc._agents, seconds * kc.PATIENCE)
