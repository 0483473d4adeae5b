"""A publish from the task to the result, all under one correlation id."""
import kc

SHOT = "open('shot.txt', 'w').write('what was seen')\n" \
    "say(artifact={'name': 'shot.txt', 'media_type': 'text/plain'})\n" \
    "result(shown=True)"


def new_agent():
    agent = kc.Agent(start=False, conf={"policy.grace": "0s"})
    agent.effects = agent.publisher(args={"file": {
        "type": "file", "required": "true"}})
    agent.tool("test.shot", SHOT)
    agent.token("coordinator")
    agent.token("codex")
    return agent.start()


def whole(agent, chain):
    """One publish from the task to the result under one correlation id."""
    by_id = {"X-Correlation-Id": chain}
    task = agent.task(chain, headers=by_id)
    acked = agent.post(f"/api/tasks/{task['id']}/ack", {
        "attempt": 1, "echoed_acceptance_criteria":
        task["acceptance_criteria"]}, by="codex", headers=by_id)
    assert acked.status == 200, acked
    shot = agent.execute("test.shot", "local_write", task=task, wait=20,
                         headers=by_id).json
    sha = shot["artifacts"][0]["sha256"]
    asked = agent.execute("test.publish", "external_publish", {"file": sha},
                          task, headers=by_id)
    given = agent.approve(asked.json["approval_id"],
                          allow_external_publish=True)
    assert given.status == 200, given
    sent = agent.execute("test.publish", "external_publish", {"file": sha},
                         task, wait=20, headers=by_id).json
    assert sent["state"] == "succeeded", sent
    done = agent.post(f"/api/tasks/{task['id']}/result", {
        "attempt": 1, "summary": "published", "criteria": [
            {"criterion_ref": "AC-1", "met": True, "evidence": [sha]}]},
        by="codex", headers=by_id)
    assert done.status == 200, done
    return {"task": task["id"], "shot": shot, "sent": sent,
            "approval": asked.json["approval_id"], "sha": sha}
