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


def reload(agent, type="policy_loaded"):
    """SIGHUP, and the record that came of it."""
    before = len(agent.journal("policy_loaded", "policy_refused"))
    agent.reload()
    kc.wait_for(lambda: len(agent.journal(
        "policy_loaded", "policy_refused")) > before, what="a reload")
    record = agent.journal("policy_loaded", "policy_refused")[-1]
    assert record["type"] == type, record
    return record["data"]


def conf(agent, **keys):
    for key, value in keys.items():
        agent.conf(key.replace("__", "."), value)
