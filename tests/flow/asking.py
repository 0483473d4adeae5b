"""Asking for tools over either transport, and being refused."""
import json

import kc

FILE = {"file": {"type": "file", "required": "true"},
        "note": {"type": "string"}}


def new_agent():
    agent = kc.Agent(start=False, conf={"policy.grace": "0s"})
    agent.effects = agent.publisher()
    agent.file_effects = agent.publisher("test.file", args=FILE)
    agent.tool("test.write", "result(ok=True)")
    agent.tool("test.read", "result(ok=True)", "read_only")
    return agent.start()


def over_http(agent, body, by="codex", headers=None):
    """tool.execute: (status, answer); body may be bytes."""
    answer = agent.post("/api/tools/execute", body, by=by, headers=headers)
    return answer.status, answer.json


def over_ws(agent, body, by="codex", headers=None):
    frame = b'{"jsonrpc":"2.0","id":1,"method":"tool.execute","params":%s}'
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    with agent.ws(by) as ws:
        ws.note("hello")
        ws.send(frame % data)
        answer = ws.message()
    if "error" in answer:
        return answer["error"]["data"]["status"], answer["error"]["data"]
    return 200, answer["result"]


TRANSPORTS = (over_http, over_ws)


def publish(task, **members):
    return {"tool": "test.publish", "side_effect_level": "external_publish",
            "task_id": task["id"], "criterion_ref": "AC-1",
            "args": {"text": "hello"}} | members


def denied(agent, send, body, reason="approval_required", by="codex", **kw):
    """Refused with this reason, recorded once; returns the problem."""
    before = len(agent.journal("policy_denied"))
    status, problem = send(agent, body, by, **kw)
    assert status == 403, (body, status, problem)
    assert problem["error_code"] == "policy_denied", problem
    assert problem["reason"] == reason and problem["remediation_hint"], problem
    records = agent.journal("policy_denied")[before:]
    assert len(records) == 1, (body, records)
    assert records[0]["data"]["reason"] == reason, records
    assert records[0]["status"] == 403 and records[0]["actor"] == by, records
    return problem


def nothing_ran(agent):
    assert agent.effects.read_text() == "", agent.effects.read_text()
    assert agent.file_effects.read_text() == ""
    started = [r for r in agent.journal("tool_started")
               if r["data"]["side_effect_level"] == "external_publish"]
    assert not started, started
