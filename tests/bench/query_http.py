#!/usr/bin/env python3
"""Questions on a long record over HTTP, one client: the index made anew at
the start, a start after a kill -9, then each kind of question (p50, p99), and
a chain with its artifact hashed again and its links looked at.

    tests/bench/query_http.py BUILD_DIR [RECORDS [AUDIT_DIR]]

AUDIT_DIR, a journal that tests/bench/query left with KEEP=1, is taken over
and removed in the end."""
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "flow"))
import kc  # noqa: E402

RECORDS = int(sys.argv[2]) if len(sys.argv) > 2 else 300000
ROUNDS = 200
WORDS = ("record demo export dialog shows upload window title error second "
         "screen review preview publish subtitle capture").split()
kc.SLOW = 40  # a start may take minutes


def say(name, value, unit):
    print(f"query_http_{name} {value:.3f} {unit}", flush=True)


def mixed(x):
    x = (x + 1) * 0x9e3779b97f4a7c15 % 2 ** 64
    return x ^ x >> 29


def chain():
    return random.randrange(RECORDS // 64)


def since(agent):
    seq = random.randrange(RECORDS)
    return agent.get(f"/api/audit?after_seq={seq}&limit=1") \
        .json["items"][0]["ts"]


def measure(agent, what, ask, rounds=ROUNDS):
    times, found = [], 0
    for _ in range(rounds):
        target = ask()
        start = time.perf_counter()
        answer = agent.get(target)
        times.append((time.perf_counter() - start) * 1e3)
        assert answer.status == 200, answer
        found += len(answer.json.get("items") or answer.json.get("events", []))
    times.sort()
    say(what + "_p50", times[rounds // 2], "ms")
    say(what + "_p99", times[rounds * 99 // 100], "ms")
    say(what + "_found", found / rounds, "records")


def start_up(agent):
    start = time.monotonic()
    agent.start()
    return time.monotonic() - start


def questions(agent):
    stamps = [since(agent) for _ in range(20)]
    one = {"X-Correlation-Id": "c-one"}
    task = agent.task("a chain of its own", headers=one)
    for n in range(8):
        agent.post(f"/api/evidence?task_id={task['id']}&name=a{n}",
                   bytes(4096) + bytes([n]), headers=one)
    # What is not there of an old chain is named, which costs as much.
    asks = {
        "correlation": lambda:
            f"/api/audit?correlation_id=c-{mixed(chain()):016x}",
        "task": lambda: "/api/audit?task_id=t-"
            f"{mixed(chain() // 3 + 2 ** 40):016x}",
        "type_actor_since": lambda: "/api/audit?type=policy_denied&"
            f"actor=codex&since={random.choice(stamps)}",
        "status": lambda: "/api/audit?status=500",
        "words_common": lambda: f"/api/audit?q={random.choice(WORDS)}",
        "words_two": lambda:
            f"/api/audit?q={random.choice(WORDS)}+{random.choice(WORDS)}",
        "words_rare": lambda: f"/api/audit?q={chain() // 3}",
        "words_none": lambda: f"/api/audit?q=nowhere{chain()}",
        "chain_of_64": lambda: f"/api/audit/c-{mixed(chain()):016x}",
        "chain_with_artifacts": lambda: "/api/audit/c-one",
    }
    for what, ask in asks.items():
        measure(agent, what, ask)


def main():
    agent = kc.Agent(start=False)
    if len(sys.argv) > 3:
        shutil.rmtree(agent.home / "audit", ignore_errors=True)
        shutil.move(sys.argv[3], agent.home / "audit")
    subprocess.run([kc.BUILD / "tests/bench/query_load", agent.home,
                    str(RECORDS)], check=True)
    say("first_start", start_up(agent), f"s ({RECORDS} records)")
    agent.kill9()
    say("start_after_kill", start_up(agent), "s")
    questions(agent)
    agent.close()


main()
