"""Who is waited for is reminded: at half of an approval's time and two
minutes before its end, once each, whatever happens in between."""
import time

import kc
from publishing import approval, approved, asked


def new_agent():
    # Two minutes before its end they are a second old.
    agent = kc.Agent(start=False, conf={
        "policy.grace": "0s", "policy.test.soon.approval-ttl": "121s",
        "policy.test.brief.approval-ttl": "6s",
        "policy.test.quiet.approval-ttl": "6s",
        "policy.test.quiet.reminders": "false"})
    agent.effects = {name: agent.publisher(name) for name in (
        "test.publish", "test.soon", "test.brief", "test.quiet")}
    return agent.start()


def reminders(agent, name):
    return [r["data"] for r in agent.journal("approval_reminder",
                                             approval_id=name)]


def reminded(agent, name, n=1):
    kc.wait_for(lambda: len(reminders(agent, name)) >= n,
                what=f"reminder {n} of {name}")
    return reminders(agent, name)


def test_a_reminder_says_what_is_left_and_which_it_is(agent):
    task = agent.task("waits")
    with agent.events(types="approval_reminder") as events:
        quiet = asked(agent, task, "test.quiet")
        soon = asked(agent, task, "test.soon")
        name = asked(agent, task, "test.brief")
        first = events.next()["data"]
    assert first["data"]["approval_id"] == soon, first
    assert first["task_id"] == task["id"] and first["actor"] == "agent"
    assert first["correlation_id"] == approval(agent, soon)["correlation_id"]
    assert first["data"]["tool"] == "test.soon" and first["data"]["nth"] == 1
    assert 61 < first["data"]["left_s"] <= 120, first
    assert first["data"]["last"] is False, first  # half comes after it
    half, = reminded(agent, name)
    assert half["left_s"] <= 3 and half["nth"] == 1 and half["last"], half
    assert not reminders(agent, quiet), "it would have been first"
    assert approval(agent, soon)["reminded"] == 1


def test_a_restart_forgets_no_reminder_and_repeats_none(fresh):
    task = fresh.task("waits")
    had = asked(fresh, task, "test.soon")
    decided = asked(fresh, task, "test.soon", {"text": "decided"})
    approved(fresh, decided)
    reminded(fresh, had)
    missed = asked(fresh, task, "test.soon", {"text": "missed"})
    fresh.kill9()
    over = time.time() + 1.1
    kc.wait_for(lambda: time.time() > over)
    fresh.start()
    reminded(fresh, missed)
    fresh.restart()
    assert fresh.get("/api/health", by="admin").status == 200
    assert [len(reminders(fresh, name)) for name in (had, missed, decided)] \
        == [1, 1, 0]


kc.main(new_agent=new_agent)
