"""Stopped: of a tool nothing is alive a second later, whatever it does."""
import os
import signal
import time
from pathlib import Path

import kc
from expect import refused

# What each does after it has read its call; `ready()` says that it is there.
HEAD = """
import signal, subprocess
for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(each, signal.SIG_IGN)
def ready(): open(%r, "a").write("x")
def at_guard(number):
    try: os.kill(os.getppid(), number)
    except PermissionError: pass    # where the kernel scopes signals
def deaf():
    ready()
    while True: time.sleep(600)
def away(then):
    '''then() in a process whose parent is gone, in a session of its own.'''
    if not os.fork():
        os.setsid()
        if not os.fork():
            os.closerange(0, 3)
            then()
        os._exit(0)
"""

HOSTILE = {
    "deaf": "deaf()",
    "grandchildren": "for _ in range(4):\n"
                     "    if not os.fork(): deaf()\ndeaf()",
    "daemon": "for _ in range(4): away(deaf)\ndeaf()",
    "left": "away(deaf)\nwhile not os.path.exists(%(file)r):"
            " time.sleep(0.01)\nready(); ready()\ntime.sleep(600)",
    "bare": "away(lambda: (ready(), os.execve(sys.executable, [sys.executable,"
            " '-c', 'import time; time.sleep(600)', %(file)r], {})))\ndeaf()",
    "killer": "away(deaf)\nat_guard(signal.SIGSTOP)\ndeaf()",
    "murderer": "away(lambda: (os.closerange(3, 9), deaf()))\n"
                "while os.path.getsize(%(file)r) < 1: time.sleep(0.01)\n"
                "open(%(file)r + '.guard', 'w').write(str(os.getppid()))\n"
                "ready()\nat_guard(signal.SIGKILL)\ndeaf()",
    "runner": "def run():\n    ready()\n    while True:\n"
              "        if os.fork(): os._exit(0)\naway(run)\ndeaf()",
}


def new_agent():
    agent = kc.Agent(start=False, conf={"run.max": 16})
    for name, body in HOSTILE.items():
        file = agent.dir / f"{name}.there"
        file.touch()
        agent.tool(f"test.{name}", HEAD % str(file) +
                   body % {"file": str(file)} if "%(" in body else
                   HEAD % str(file) + body, timeout="10m")
    return agent.start()


def processes(agent, name=None):
    """Those of a tool, or of all, known by their command line alone."""
    marks = (f"/test.{name}.py".encode(), f"/{name}.there".encode()) \
        if name else (b"/test.", b".there")
    found = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes()
            if entry.name.isdigit() and str(agent.dir).encode() in line and \
                    any(mark in line for mark in marks):
                found.append(int(entry.name))
        except OSError:
            pass
    return found


def started(agent, name, marks):
    run = agent.execute(f"test.{name}", "local_write")
    assert run.status == 202, run
    file = agent.dir / f"{name}.there"
    kc.wait_for(lambda: file.stat().st_size >= marks, 20, name)
    return run.json["id"]


MARKS = {"grandchildren": 5, "daemon": 5, "left": 3, "bare": 2, "killer": 2,
         "murderer": 2, "runner": 2}


def all_started(agent):
    return {name: started(agent, name, MARKS.get(name, 1))
            for name in HOSTILE if name != "murderer"}


def stop(agent):
    answer = agent.post("/api/mode", {"mode": "stopped", "reason": "now"},
                        by="admin")
    assert answer.status == 200, answer
    return time.monotonic()


def test_nothing_of_a_tool_is_alive_a_second_after_the_answer(fresh):
    runs = all_started(fresh)
    before = {name: len(processes(fresh, name)) for name in runs}
    assert before["daemon"] >= 5 and before["grandchildren"] >= 5, before
    assert all(before.values()), before
    answered = stop(fresh)
    kc.wait_for(lambda: not any(processes(fresh, name) for name in runs), 1)
    print(f"      {sum(before.values())} processes of {len(runs)} tools gone "
          f"after {time.monotonic() - answered:.2f} s")
    for name, run in runs.items():
        kc.wait_for(lambda: fresh.get(f"/api/runs/{run}").json["state"] ==
                    "cancelled", 15, name)
    assert not processes(fresh)
    refused(fresh.execute("test.deaf", "local_write"), 403, "policy_denied",
            reason="mode_stopped")


def test_a_tool_that_kills_its_guard_takes_nobody_to_safety(fresh):
    run = started(fresh, "murderer", MARKS["murderer"])
    guard = int((fresh.dir / "murderer.there.guard").read_text())
    try:
        os.kill(guard, signal.SIGKILL)
    except ProcessLookupError:
        pass                                # its tool was not kept from it
    kc.wait_for(lambda: fresh.get(f"/api/runs/{run}").json["state"] not in
                ("queued", "running"))
    assert not processes(fresh, "murderer")
    over = fresh.get(f"/api/runs/{run}").json
    assert over["state"] == "failed", over


def test_whatever_it_started_ends_with_the_tool(fresh):
    file = str(fresh.dir / "ends.there")
    fresh.tool("test.ends", HEAD % file + "away(deaf)\n"
               f"while not os.path.exists({file!r}): time.sleep(0.01)\n"
               "result(ok=True)")
    fresh.reload()
    kc.wait_for(lambda: fresh.journal("tools_loaded"))
    done = fresh.execute("test.ends", "local_write", wait=20).json
    assert done["state"] == "succeeded", done
    assert not processes(fresh, "ends")


def test_whatever_tools_started_ends_with_a_killed_agent(fresh):
    runs = all_started(fresh)
    os.kill(fresh.proc.pid, signal.SIGKILL)
    fresh.wait()
    kc.wait_for(lambda: not any(processes(fresh, name) for name in runs
                                if name != "killer"), 5)
    fresh.start()
    kc.wait_for(lambda: not processes(fresh), 5)


def test_nothing_is_approved_while_it_is_stopped(fresh):
    effects = fresh.publisher()
    fresh.reload()
    kc.wait_for(lambda: fresh.journal("tools_loaded"))
    task = fresh.ack(fresh.task("a", by="admin", allow_external_publish=True))
    waits = fresh.execute("test.publish", "external_publish", {"text": "a"},
                          task, on_approval="run").json
    seen = fresh.review(waits["approval_id"])
    stop(fresh)
    word = {"request_sha256": seen["request_sha256"], "nonce": seen["nonce"],
            "reason": "r"}
    for verb, body in (("approve", word), ("review", None)):
        answer = fresh.post(f"/api/approvals/{waits['approval_id']}/{verb}",
                            body, by="admin")
        refused(answer, 409, "approval_stale")
    refused(fresh.execute("test.publish", "external_publish", {"text": "a"},
                          task, on_approval="run"), 403, "policy_denied",
            reason="mode_stopped")
    assert fresh.get(f"/api/approvals/{waits['approval_id']}").json[
        "state"] == "stale"
    assert not effects.read_text()


kc.main(new_agent=new_agent)
