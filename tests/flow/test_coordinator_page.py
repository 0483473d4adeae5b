"""The page about the loop shows what is really said: each of its messages is
compared with a run of the clients. Ids, times and hashes may be others.

KIRCERTA_WRITE=1 writes what was said into the page instead."""
import json
import os
import re
import sys

import kc
from clients import (COORDINATOR, FOLDER, PYTHON, REVIEWER, WORKER, Client,
                     plan, program)
from relay import Exchange, Relay

PAGE = FOLDER / "README.md"
BLOCK = re.compile(r"^```http\n(.*?)^```$", re.M | re.S)
VALUES = (("TIME", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"),
          ("SHA256", r"\b[0-9a-f]{64}\b"), ("SHA1", r"\b[0-9a-f]{40}\b"),
          ("ID", r"\b[atcrk]-[0-9a-z]{16}\b"))
TASK = {"title": "Say what 2.4 brings", "acceptance_criteria": [
    {"id": "AC-1", "text": "the export dialog is named"}]}


def without_values(text):
    for name, pattern in VALUES:
        text = re.sub(pattern, name, text)
    return text


def shaped(shape, real):
    """Of what is real as much as the page shows."""
    if isinstance(shape, dict) and isinstance(real, dict):
        return {k: shaped(v, real[k]) for k, v in shape.items()}
    if isinstance(shape, list) and isinstance(real, list) and \
            len(shape) == len(real):
        return [shaped(*pair) for pair in zip(shape, real)]
    return real


def pretty(value):
    """JSON as one reads it: what fits is on a line."""
    def put(value, indent):
        line = json.dumps(value, ensure_ascii=False)
        if len(line) + len(indent) < 76 or not value or \
                not isinstance(value, (dict, list)):
            return line
        more = indent + "  "
        if isinstance(value, dict):
            parts = [f"{json.dumps(k)}: {put(v, more)}"
                     for k, v in value.items()]
            return "{\n" + ",\n".join(more + p for p in parts) + f"\n{indent}}}"
        return "[\n" + ",\n".join(more + put(v, more) for v in value) + \
            f"\n{indent}]"
    return put(value, "")


class Block:
    def __init__(self, text):
        self.parts = [p.strip() for p in text.split("\n\n")]
        self.head, self.shape = self.parts[0], json.loads(self.parts[-1])
        self.status = int(self.parts[-2]) if len(self.parts) > 2 else None

    def like(self, said):
        """Whether this is what it shows, going by its first line."""
        if isinstance(said, tuple):
            return self.head == f"event: {said[0]}"
        path = re.sub(r"/[pt]-[0-9a-z]*/", "/*/", self.head)
        return self.status == said.status and path == re.sub(
            r"/[pt]-[0-9a-z]*/", "/*/", f"{said.method} {said.path}")

    def text(self, said):
        if isinstance(said, tuple):
            return "\n\n".join((self.head, pretty(shaped(self.shape, said[1])
                                                  ))) + "\n"
        parts = [f"{said.method} {said.path}"]
        if said.said:
            parts.append(pretty(said.said))
        return "\n\n".join(parts + [str(said.status), pretty(
            shaped(self.shape, said.answer))]) + "\n"


def loop(agent, relay):
    """What the page tells of, with nothing left out."""
    beaten = agent.dir / "beaten"
    agent.tool("notes.read", "result(text='2.4: export dialog')", "read_only",
               {"version": {"type": "string", "required": "true"}})
    agent.conf("agent.name", "studio-1")
    agent.restart()
    worker = program(agent, "worker.py", WORKER + f"""
import uuid
sys.path.insert(0, {str(FOLDER)!r})
from client import Agent
say(progress=0.5, message="reading the notes")
while not os.path.exists({str(beaten)!r}): time.sleep(0.02)
run = Agent(os.environ["KIRCERTA_URL"], os.environ["KIRCERTA_TOKEN_FILE"]
            ).call("POST", "/api/tools/execute", {{
    "tool": "notes.read", "side_effect_level": "read_only",
    "task_id": task["id"], "criterion_ref": "AC-1",
    "args": {{"version": "2.4"}}}}, Prefer="wait=30",
    chain=os.environ["KIRCERTA_CORRELATION_ID"])
log = ["read the notes", "wrote that 2.4 is better"]
if "issues" in task:
    log[1] = "wrote that 2.4 has an export dialog"
say(result={{"summary": "The text is written.", "work_log": log,
    "criteria": [{{"criterion_ref": "AC-1", "met": True,
                   "evidence": [run["evidence_sha256"]]}}]}})""")
    reviewer = program(agent, "reviewer.py", REVIEWER + """
print(json.dumps({"decision": "pass"} if task["attempt"] == 2 else {
    "decision": "fail", "issues": [{
        "criterion_ref": "AC-1", "text": "\\u201cbetter\\u201d names nothing",
        "evidence": {"work_log_index": 1}}]}))""")
    with Client(agent, COORDINATOR, "coordinator", "--reviewer", reviewer,
                "--plan", plan(agent, TASK), url=relay.url) as coordinator:
        kc.wait_for(lambda: "pending" in coordinator.text)
        with Client(agent, PYTHON, "codex", "--worker", worker, "--lease", 3,
                    url=relay.url) as executor:
            kc.wait_for(lambda: [e for e in relay.steps() if e.status == 200
                                 and "progress" in (e.said or {})])
            beaten.touch()
            kc.wait_for(lambda: "waits for an admin" in coordinator.text, 60)
            task, = agent.get("/api/tasks").json["items"]
            relay.seen.append(asked(agent, task, "approve", {}, "admin"))
            coordinator.ended()
            executor.stop()


def asked(agent, task, step, body, by):
    exchange = Exchange("POST", f"/api/tasks/{task['id']}/{step}", {},
                        json.dumps(body))
    answer = agent.post(exchange.path, body, by=by)
    exchange.status, exchange.answer = answer.status, answer.json
    return exchange


def refusals(agent):
    """What the page shows of them, in its order."""
    task, late, judged = (agent.task(
        name, ["the export dialog is named"]) for name in "abc")
    alike = [{"id": "AC-1", "text": "the exp\u043ert dialog is named"}]
    said = [asked(agent, task, "ack", {
        "attempt": 1, "echoed_acceptance_criteria": alike}, "codex")]
    agent.ack(late, lease_s=1)
    agent.ack(judged)
    asked(agent, judged, "result", {"attempt": 1, "summary": "done",
                                    "work_log": ["x"]}, "codex")
    issue = {"criterion_ref": "AC-1", "text": "\u201cbetter\u201d is no name"}
    asked(agent, judged, "verdict", {
        "attempt": 1, "decision": "fail", "issues": [issue]}, "coordinator")
    kc.wait_for(lambda: agent.get(f"/api/tasks/{late['id']}").json["state"]
                == "stalled")
    agent.token("other")
    said.append(asked(agent, late, "ack", {
        "attempt": 1, "echoed_acceptance_criteria":
        late["acceptance_criteria"]}, "other"))
    said.append(asked(agent, judged, "redispatch", {
        "attempt": 2, "issues": [issue | {
            "text": "\u201cbetter\u201d is a name"}]}, "coordinator"))
    return said


def test_the_page_shows_the_messages_as_they_are(fresh):
    page = PAGE.read_text("utf-8")
    with Relay(fresh) as relay:
        loop(fresh, relay)
        sys.path.insert(0, str(FOLDER))
        from client import Agent
        Agent(relay.url, fresh.dir / "coordinator.token").happens(
            ["result_submitted"], 0)
        said = [e for e in relay.seen if not e.path.endswith("/heartbeat")
                or "progress" in e.said] + refusals(fresh) + relay.events
    for text in BLOCK.findall(page):
        block = Block(text)
        fits = [s for s in said if block.like(s)]
        assert fits, (block.head, block.status, said)
        said.remove(fits[0])
        real = block.text(fits[0])
        if os.environ.get("KIRCERTA_WRITE"):
            page = page.replace(text, real, 1)
            PAGE.write_text(page, "utf-8")
        else:
            assert without_values(real) == without_values(text), real


kc.main(120)
