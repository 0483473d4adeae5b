#!/usr/bin/env python3
"""What 100,000 tasks and 1,000,000 records cost: the read model made anew,
then lists, searches and single tasks over HTTP, one client: p50, p99, and the
agent's processor time, which is what counts where others use the machine as
well; and the same while another one writes.

    tests/bench/ssot_reads.py BUILD_DIR [TASKS [RECORDS]]"""
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "flow"))
import kc  # noqa: E402

TASKS = int(sys.argv[2]) if len(sys.argv) > 2 else 100000
RECORDS = int(sys.argv[3]) if len(sys.argv) > 3 else 10 * TASKS
ROUNDS = 200
kc.SLOW = 30  # a start may take minutes
WORDS = ("record the demo export dialog shows new upload of window and title "
         "bar without error second screen review before preview publish "
         "channel with subtitle scene capture").split()


def say(name, value, unit):
    print(f"{name} {value:.3f} {unit}", flush=True)


def cpu(agent):
    """Seconds of processor time of the agent, up to now."""
    field = Path(f"/proc/{agent.proc.pid}/stat").read_text() \
        .rpartition(")")[2].split()
    return sum(map(int, field[11:13])) / os.sysconf("SC_CLK_TCK")


def name(n):
    return f"t-{n:06}"


def measure(what, agent, ask):
    times, before = [], cpu(agent)
    for _ in range(ROUNDS):
        target = ask()
        start = time.perf_counter()
        answer = agent.get(target)
        times.append((time.perf_counter() - start) * 1e3)
        assert answer.status in (200, 404, 409), answer
    used = (cpu(agent) - before) / ROUNDS
    times.sort()
    say(f"read_{what}_p50", times[len(times) // 2], "ms")
    say(f"read_{what}_p99", times[len(times) * 99 // 100], "ms")
    say(f"read_{what}_cpu", used * 1e3, "ms")


def any_task():
    return random.randrange(TASKS)


def later():
    return name(any_task())


ASKS = {
    "mode": lambda: "/api/mode",
    "get": lambda: f"/api/tasks/{later()}",
    "get_by_prefix": lambda: f"/api/tasks/{later()[:-1]}",
    "get_by_suffix": lambda: f"/api/tasks/{later()[2:]}",
    "list": lambda: "/api/tasks",
    "list_later_page": lambda: f"/api/tasks?cursor={later()}",
    "list_by_state": lambda: "/api/tasks?state=running",
    "list_by_state_later": lambda:
        f"/api/tasks?state=needs_review&cursor={later()}",
    "list_by_two_states_later": lambda:
        f"/api/tasks?state=running,pending&cursor={later()}",
    "list_by_no_state": lambda: "/api/tasks?state=cancelled",
    "search_common": lambda: f"/api/tasks?q={random.choice(WORDS)}",
    "search_rare": lambda: f"/api/tasks?q={any_task() + 7}",
    "search_two_words": lambda:
        f"/api/tasks?q={random.choice(WORDS)}+{random.choice(WORDS)}",
    "search_none": lambda: f"/api/tasks?q=nowhere{any_task()}",
    "search_short": lambda: "/api/tasks?q=zq",
    "search_none_in_state": lambda: "/api/tasks?q=nowhere&state=running",
}


def write_until(agent, over, count):
    while not over.is_set():
        agent.task(f"written beside {len(count)} " + random.choice(WORDS))
        count.append(1)


def start_up(agent):
    start = time.monotonic()
    agent.start()
    return time.monotonic() - start


def caught_up(agent):
    lag = agent.get("/api/health").json["followers"]
    return not lag["ssot"]["lag"] and not lag["index"]["lag"]


def main():
    agent = kc.Agent(start=False)
    agent.conf("ssot.repack", "4g")
    fill = kc.BUILD / "tests/bench/ssot_load"
    subprocess.run([fill, agent.home, str(TASKS), str(RECORDS)], check=True)
    for path in agent.home.glob("index.db*"):
        path.unlink()
    seconds = start_up(agent)
    say("read_model_rebuild", seconds, f"s ({TASKS} tasks)")
    say("read_model_rebuild_rate", RECORDS / seconds, "records/s")
    say("read_model_rebuild_cpu", cpu(agent), "s")
    start = time.monotonic()
    kc.wait_for(lambda: caught_up(agent), 600)
    say("repository_rebuild", time.monotonic() - start, "s")
    say("restart", [agent.stop(), start_up(agent)][1], "s")
    size = sum(p.stat().st_size for p in agent.home.glob("index.db*"))
    say("read_model_size", size / 1e6, "MB")
    for what, ask in ASKS.items():
        measure(what, agent, ask)
    over, count, start = threading.Event(), [], time.monotonic()
    writer = threading.Thread(target=write_until, args=(agent, over, count))
    writer.start()
    for what in ("get", "list", "search_rare"):
        measure(what + "_while_writing", agent, ASKS[what])
    over.set()
    writer.join()
    say("writes_beside", len(count) / (time.monotonic() - start), "per s")
    agent.close()


main()
