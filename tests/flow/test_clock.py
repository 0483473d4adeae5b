"""Who sets the clock makes no wait shorter or longer; it is on record."""
import json

import kc
from clocks import DAY, HOUR, install, read, set_clock, sleep
from expect import refused
from hooks import Source
from wire import host_of

KEY = {"Idempotency-Key": "the-same"}
TICKS = """
import os, time
while not os.path.exists(%r):
    time.sleep(0.02)
result()
"""


def new_agent(**conf):
    """What waits here waits for an hour, or a day where it is a key's."""
    agent = install(kc.Agent(start=False, conf={
        "timeouts.review": "1h", "timeouts.approval": "1h",
        "timeouts.lease": "1h", "timeouts.grace": "30m",
        "policy.test.publish.max-per-day": "1"} | conf))
    agent.publisher()
    agent.hook = Source(agent, "seen", task="true", title="x", window="1d")
    agent.go = agent.dir / "go"
    agent.tool("test.ticks", TICKS % str(agent.go), timeout="60s")
    return agent.start()


def stepped(agent, seconds):
    """Sets the clock, from what it was; its record."""
    n = len(agent.journal("clock_stepped"))
    set_clock(agent, seconds)
    return kc.wait_for(lambda: agent.journal("clock_stepped")[n:],
                       what="the record of it")[0]


def task_url(task, step=""):
    return f"/api/tasks/{task['id']}" + (f"/{step}" if step else "")


class Waits:
    """One of each, all begun."""

    def __init__(self, agent):
        self.agent = agent
        self.leased = agent.ack(agent.task("leased"), lease_s=3600)
        self.result = agent.ack(agent.task("reviewed"))
        answer = agent.post(task_url(self.result, "result"), {
            "attempt": 1, "summary": "done"}, by="codex")
        assert answer.status == 200, answer
        self.asked = self.publish("asked", "deny").json["approval_id"]
        self.nonce = agent.review(self.asked)
        self.parked = self.publish("parked", "run").json
        agent.approve(self.parked["approval_id"],
                      allow_external_publish=True)
        self.made = agent.task("once", headers=KEY)
        self.event = self.deliver()["task_id"]
        self.run = agent.execute("test.ticks", "local_write").json["id"]
        kc.wait_for(lambda: self.state("runs", self.run) == "running")

    def deliver(self):
        answer = self.agent.hook.send({"n": 1}, event_id="the-same")
        assert answer.status in (200, 202), answer
        return answer.json

    def publish(self, text, on_approval):
        return self.agent.execute(
            "test.publish", "external_publish", {"text": text},
            self.leased, on_approval=on_approval)

    def state(self, kind, name):
        return self.agent.get(f"/api/{kind}/{name}").json["state"]

    def states(self):
        return [self.state("tasks", self.leased["id"]),
                self.state("approvals", self.asked),
                self.state("approvals", self.parked["approval_id"]),
                self.state("runs", self.parked["id"]),
                len(self.agent.journal("review_overdue"))]

    def are_open(self):
        assert self.states() == ["running", "pending", "approved", "queued",
                                 0], self.states()
        assert self.state("runs", self.run) == "running"
        left = self.agent.get(f"/api/approvals/{self.asked}"
                              ).json["expires_in_s"]
        assert HOUR - 60 * kc.SLOW < left <= HOUR, left
        again = self.agent.task("once", headers=KEY)
        assert again["id"] == self.made["id"]
        again = self.deliver()
        assert again["dedup"] and again["task_id"] == self.event, again
        assert not (self.agent.dir / "test.publish.effects").read_text()

    def end_in_order(self):
        """The one that somebody ends, and those that time does."""
        self.agent.go.touch()
        kc.wait_for(lambda: self.state("runs", self.run) == "succeeded")
        sleep(self.agent, 3 * HOUR // 4)
        self.become("running", "pending", "used", "succeeded", 0)
        for day in (1, -1):     # one was sent in this one
            stepped(self.agent, day * 2 * DAY)
            refused(self.publish("more", "deny"), 403, "policy_denied",
                    reason="rate_limited")
        sleep(self.agent, 2 * HOUR)
        self.become("stalled", "expired", "used", "succeeded", 1)

    def become(self, *states):
        kc.wait_for(lambda: self.states() == list(states), what=states)


def all_is_well(agent):
    """Wall time on the record, which never goes back there: it stands."""
    records = [json.loads(line) for line in agent.lines()]
    order = [(r["seq"], r["ts"]) for r in records]
    assert order == sorted(order) and agent.chained()
    for r in (r for r in records if r["type"] == "clock_stepped"):
        data = r["data"]
        moved = read(data["to"]) - read(data["from"])
        assert abs(moved * 1000 - data["by_ms"]) < 2, r
        assert data["by_ms"] < 0 or read(r["ts"]) >= read(data["to"]), r
    agent.cli("audit", "verify")


def check_step(direction):
    agent = new_agent()
    waits = Waits(agent)
    record = stepped(agent, direction * DAY)
    assert abs(record["data"]["by_ms"] - direction * DAY * 1000) < 60000
    waits.are_open()
    record = stepped(agent, direction * (DAY - HOUR))
    assert abs(record["data"]["by_ms"] + direction * HOUR * 1000) < 60000
    waits.are_open()
    assert len(agent.journal("clock_stepped")) == 2
    row = next(r for r in agent.get("/api/health", by="admin"
                                    ).json["components"]
               if r["name"] == "clock")
    assert row["status"] == "ok", row
    assert f"{-direction:+d}"[0] + "3" in row["detail"], row
    return agent, waits


def test_a_clock_set_forward_ends_nothing_early():
    agent, waits = check_step(1)
    agent.kill9()               # and set again while nobody looks
    set_clock(agent, 2 * DAY)
    agent.start()
    assert waits.states()[:4] == ["running", "pending", "approved", "queued"]
    assert agent.task("once", headers=KEY)["id"] == waits.made["id"]
    assert waits.deliver()["dedup"]
    all_is_well(agent)
    agent.stop()


def test_a_clock_set_back_makes_nothing_last():
    agent, waits = check_step(-1)
    waits.end_in_order()        # the hour passes, whatever it is called
    assert len(agent.journal("review_overdue")) == 1
    overdue = agent.journal("review_overdue")[0]
    assert (overdue["task_id"], overdue["data"]["attempt"]) == (
        waits.result["id"], 1)
    refused(agent.post(f"/api/approvals/{waits.asked}/approve", {
        "request_sha256": waits.nonce["request_sha256"],
        "nonce": waits.nonce["nonce"]}, by="admin"), 409, "approval_expired")
    assert agent.task("once", headers=KEY)["id"] == waits.made["id"]
    sleep(agent, 26 * HOUR)     # and the key's day
    assert agent.task("once", headers=KEY)["id"] != waits.made["id"]
    assert not waits.deliver()["dedup"]
    refused(waits.publish("more", "deny"), 403, "policy_denied",
            reason="approval_required")
    assert len(agent.journal("clock_stepped")) == 4, "sleep is no step"
    history = agent.get(task_url(waits.leased, "history")).json
    assert len(history["items"]) > 1, history
    all_is_well(agent)
    agent.kill9()
    agent.start()
    assert len(agent.journal("review_overdue")) == 1
    agent.stop()


def test_a_lease_gets_no_longer_by_a_clock_set_back_and_a_restart():
    agent = new_agent()
    task = agent.ack(agent.task(), lease_s=3600)
    stepped(agent, -DAY)        # a change of the task has that time
    title = agent.patch(task_url(task), {"title": "x",
                                         "base_sha": task["sha"]})
    assert title.status == 200, title
    later = agent.ack(agent.task(), lease_s=3600)
    agent.kill9()
    agent.start()
    for each in (task, later):
        assert agent.get(task_url(each)).json["state"] == "running"
    sleep(agent, 2 * HOUR)
    for each in (task, later):
        kc.wait_for(lambda t=each: agent.get(task_url(t)).json["state"]
                    == "stalled")
    agent.stop()


def head(agent, length):
    return (f"POST /api/tasks HTTP/1.1\r\nHost: {host_of(agent.address)}\r\n"
            f"Authorization: Bearer {agent.token('coordinator')}\r\n"
            "Content-Type: application/json\r\n"
            f"Content-Length: {length}\r\n\r\n").encode()


def test_a_body_has_its_time_whatever_the_clock_says():
    agent = new_agent()
    body = json.dumps({"title": "slow", "acceptance_criteria": [
        {"id": "AC-1", "text": "x"}]}).encode()
    with agent.raw(head(agent, len(body)) + body[:5]) as late:
        stepped(agent, DAY)
        late.send(body[5:])
        answer = late.response("POST")
        assert answer.status == 201, answer
    agent.stop()
    agent.conf("timeouts.body", "500ms")
    agent.start()
    with agent.raw(head(agent, len(body)) + body[:5]) as never:
        set_clock(agent, 0)
        assert never.response("POST").status == 408
    agent.stop()


if __name__ == "__main__":
    if kc.SLOW == 1:  # the sanitizers want to be loaded first
        kc.main()
    else:
        print("1 passed, 0 failed")
