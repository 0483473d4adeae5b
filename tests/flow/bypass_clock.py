"""The clock of the machine, set by who may: what was over is not open again,
and what is open is not open for longer."""
import subprocess

import bypass
from bypass import attempt
from expect import refused

SHIM = """
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t id, struct timespec *ts)
{
	char text[32] = "";
	int rc = (int)syscall(SYS_clock_gettime, id, ts), fd;
	if (!rc && id == CLOCK_REALTIME && (fd = open("%s", O_RDONLY)) >= 0) {
		if (read(fd, text, sizeof(text) - 1) > 0)
			ts->tv_sec += atol(text);
		close(fd);
	}
	return rc;
}
"""
HOUR = 3600


def new_agent():
    agent = bypass.new_agent()
    agent.offset = agent.dir / "offset"
    source, shim = agent.dir / "clock.c", agent.dir / "clock.so"
    source.write_text(SHIM % agent.offset)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", shim, source], check=True)
    agent.stop()
    agent.env["LD_PRELOAD"] = str(shim)
    return agent.start()


def set_clock(t, seconds):
    """By so much from what it is; writes whole, so nobody reads a half."""
    new = t.agent.offset.with_suffix(".new")
    new.write_text(str(seconds))
    new.rename(t.agent.offset)


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
