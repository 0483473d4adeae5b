"""The clock of the machine, set by who may: what was over is not open again,
and what is open is not open for longer."""
import bypass
import clocks
from bypass import attempt
from expect import refused

HOUR = 3600


def new_agent():
    agent = bypass.new_agent()
    agent.stop()
    return clocks.install(agent).start()


def set_clock(t, seconds):
    clocks.set_clock(t.agent, seconds)


def seen(t, name):
    return t.send({}, f"/api/approvals/{name}/review", "admin")


@attempt("approval_expired, policy_denied approval_required")
def clock_set_back_after_asking(t):
    """The seconds that pass count, whatever they are called."""
    name = t.asked("test.brief")
    set_clock(t, -24 * HOUR)
    t.wait_for(lambda: t.state(name) == "expired")
    refused(seen(t, name), 409, "approval_expired")
    assert t.asked("test.brief") != name
    set_clock(t, 0)


@attempt("approval_expired, tool_failed cancelled")
def clock_set_back_after_approving(t):
    run = t.parked("test.late")
    name = run["approval_id"]
    answer = seen(t, name)
    if answer.status == 200:  # else its time was over before it was read
        t.decide(name, answer.json)
    set_clock(t, -24 * HOUR)
    assert t.over(run["id"]) == "cancelled"
    assert t.state(name) == "expired"
    set_clock(t, 0)


@attempt("approval_expired")
def clock_set_back_while_the_agent_is_away(t):
    name = t.asked("test.brief")
    t.agent.kill9()
    set_clock(t, -24 * HOUR)
    t.agent.start()
    t.wait_for(lambda: t.state(name) == "expired")
    set_clock(t, 0)


@attempt("approval_granted, tool_finished")
def clock_set_forward_and_back_after_approving(t):
    """It is good for as long as it was, and once."""
    name = t.asked()
    t.granted(name)
    set_clock(t, 24 * HOUR)
    run = t.ask().json
    assert run["approval_id"] == name, run
    assert t.over(run["id"]) == "succeeded"
    t.may_publish(1)
    set_clock(t, 0)
    assert t.asked() != name


@attempt("approval_granted, tool_failed cancelled")
def clock_set_forward_in_the_grace(t):
    """Which does not start sooner what can still be taken back."""
    run = t.parked("test.grace")
    t.granted(run["approval_id"])
    t.agent.kill9()
    set_clock(t, 24 * HOUR)
    t.agent.start()
    assert t.state(run["id"]) == "queued"
    assert t.state(run["approval_id"]) == "approved"
    answer = t.send({}, f"/api/runs/{run['id']}/cancel", "admin")
    assert answer.json["state"] == "cancelled", answer
    set_clock(t, 0)
