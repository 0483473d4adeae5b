"""A policy that changes under an agent at work."""
import kc

TEXT = {"text": {"type": "string", "required": "true"}}
PRIVACY = {"text": {"type": "string"},
           "privacy": {"type": "enum", "values": "private unlisted public"},
           "number": {"type": "integer"}, "sure": {"type": "boolean"},
           "part": {"type": "number"}}


def line_of(agent, text):
    """FILE:LINE of the only line of agent.conf that sets this key."""
    lines = (agent.home / "agent.conf").read_text().splitlines()
    found = [n for n, line in enumerate(lines, 1)
             if line.startswith(f"\t{text} =")]
    assert len(found) == 1, (text, found)
    return f"{agent.home / 'agent.conf'}:{found[0]}"


def loads(agent):
    """What came of each reading of the policy. The agent is asked: what it
    answers is durable, with all that came of it."""
    return agent.get("/api/audit?type=policy_loaded,policy_refused"
                     "&limit=1000").json["items"]


def reload(agent, type="policy_loaded"):
    """SIGHUP, and the record that came of it."""
    before = len(loads(agent))
    agent.reload()
    kc.wait_for(lambda: len(loads(agent)) > before, what="a reload")
    record = loads(agent)[-1]
    assert record["type"] == type, record
    return record["data"]


def conf(agent, **keys):
    for key, value in keys.items():
        agent.conf(key.replace("__", "."), value)
