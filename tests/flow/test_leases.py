"""Leases: held at one agent, by one executor, for a time."""
import datetime

import kc
from expect import refused


def url(task, step=""):
    return f"/api/tasks/{task['id']}" + (f"/{step}" if step else "")


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")
                                           ).timestamp()


def test_a_missed_lease_stalls_the_task_and_its_holder_revives_it(agent):
    task = agent.ack(agent.task(), lease_s=1)
    with agent.events(types="task_stalled", task_id=task["id"],
                      after_seq=0) as events:
        stalled = events.next(10 * kc.PATIENCE)["data"]
    assert stalled["correlation_id"] == task["correlation_id"]
    assert stalled["data"]["holder"] == "codex"
    assert agent.get(url(task)).json["state"] == "stalled"
    agent.token("other")
    refused(agent.post(url(task, "heartbeat"), by="other"), 409, "lease_held")
    refused(agent.post(url(task, "result"), {
        "attempt": 1, "summary": "late"}, by="codex"), 409,
        "invalid_transition", **{"from": "stalled", "allowed": ["running"]})
    beat = agent.post(url(task, "heartbeat"), {"attempt": 1, "lease_s": 60},
                      by="codex")
    assert beat.status == 200 and beat.json["state"] == "running", beat
    assert beat.json["lease"]["expires_at"] > task["lease"]["expires_at"]


def test_a_stalled_task_goes_to_whoever_acks_its_next_attempt(agent):
    task = agent.ack(agent.task(), lease_s=1)
    kc.wait_for(lambda: agent.get(url(task)).json["state"] == "stalled")
    taken = agent.ack(task, by="other", attempt=2)
    assert (taken["state"], taken["attempt"]) == ("running", 2)
    assert taken["lease"]["holder"] == "other"
    refused(agent.post(url(task, "heartbeat"), by="codex"), 409, "lease_held")


def test_a_lease_is_held_at_the_agent_that_gave_it(fresh):
    fresh.conf("agent.name", "studio-1")
    fresh.restart()
    task = fresh.ack(fresh.task())
    assert task["lease"]["agent"] == "studio-1"
    while True:     # whose lease ended when the giver was gone
        short = fresh.ack(fresh.task("short"), lease_s=1)
        fresh.kill9()
        if not fresh.journal("task_stalled", task_id=short["id"]):
            break
        fresh.start()
    fresh.conf("agent.name", "studio-2")
    fresh.start()
    for step, body in (("heartbeat", {}), ("result", {
            "attempt": 1, "summary": "mine"})):
        problem = refused(fresh.post(url(task, step), body, by="codex"), 409,
                          "lease_held")
        assert "studio-1" in problem["detail"], problem
    ended = short["lease"]["expires_at"]
    stalled = kc.wait_for(lambda: fresh.journal(
        "task_stalled", task_id=short["id"]), 30, "the stall")[0]
    assert seconds(stalled["ts"]) - seconds(ended) >= 10, stalled


def test_heartbeats_keep_a_short_lease_alive(agent):
    task = agent.ack(agent.task(), lease_s=1)
    first = task["lease"]["expires_at"]
    kc.wait_for(lambda: agent.post(
        url(task, "heartbeat"), {"lease_s": 1}, by="codex"
        ).json["lease"]["expires_at"] > first[:20] + "999999Z")
    agent.post(url(task, "heartbeat"), {"lease_s": 600}, by="codex")
    beats = agent.journal("ack_accepted", "heartbeat", task_id=task["id"])
    for stall in agent.journal("task_stalled", task_id=task["id"]):
        last = [r for r in beats if r["seq"] < stall["seq"]][-1]
        ends = last["data"]["put"]["task"]["lease"]["expires_at"]
        assert ends <= stall["ts"], (last, stall)   # a slow heartbeat's


def test_a_lease_that_ended_while_the_agent_was_down_stalls_the_task(fresh):
    task = fresh.ack(fresh.task(), lease_s=1)
    fresh.kill9()
    fresh.start()
    kc.wait_for(lambda: fresh.get(url(task)).json["state"] == "stalled")
    assert len(fresh.journal("task_stalled", task_id=task["id"])) == 1


kc.main()
