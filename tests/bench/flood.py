#!/usr/bin/env python3
"""What a flood of refused requests costs a good client: its latencies on one
connection, in quiet and beside 100, 500 and 2,000 connections that ask
without a token, each again as soon as it is answered; and what the flood
leaves in the journal.

    tests/bench/flood.py BUILD_DIR [SECONDS]"""
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "flow"))
import kc  # noqa: E402
from flooding import Flood, counted  # noqa: E402
from wire import head_bytes  # noqa: E402

SECONDS = float(sys.argv[2]) if len(sys.argv) > 2 else 4


def say(name, value, unit):
    print(f"{name} {value:.6g} {unit}", flush=True)


def flood(port, connections, source):
    """In a process of its own: floods for some seconds, says how often."""
    address = ("127.0.0.1", port)
    with Flood(address, head_bytes(address, "GET", "/api/tasks", {}),
               connections, source) as f:
        print("begun", flush=True)
        end = time.monotonic() + SECONDS + 1
        while time.monotonic() < end:
            f.turn(1 << 60)
        f.run(f.sent)
        print(f.sent)


def spent(agent):
    stat = Path(f"/proc/{agent.proc.pid}/stat").read_text()
    return sum(map(int, stat.rpartition(")")[2].split()[11:13])) \
        / os.sysconf("SC_CLK_TCK")


def client(agent, what):
    """Asks one thing after the other and says how long each took."""
    data = head_bytes(agent.address, "GET", "/api/mode", {
        "Authorization": "Bearer " + agent.token("good")})
    took, begun, before = [], time.monotonic(), spent(agent)
    with agent.raw() as s:
        while (now := time.monotonic()) < begun + SECONDS:
            s.send(data)
            assert s.response().status == 200
            took.append(time.monotonic() - now)
    took.sort()
    for name, part in (("p50", .5), ("p99", .99), ("max", 1)):
        at = min(int(len(took) * part), len(took) - 1)
        say(f"{what}_{name}", took[at] * 1e3, "ms")
    say(f"{what}_cpu", 100 * (spent(agent) - before) / SECONDS, "%")


def main():
    agent = kc.Agent()
    client(agent, "quiet")
    for i, n in enumerate((100, 500, 2000)):
        source = f"127.9.8.{i + 1}"
        with subprocess.Popen([sys.executable, __file__, sys.argv[1],
                               str(SECONDS), str(agent.port), str(n),
                               source],
                              stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout.readline() == "begun\n"
            client(agent, f"flood_{n}")
            sent = int(other.stdout.readline())
        single, folded, records = counted(agent.journal(
            "request", peer=source + " (loopback)"))
        assert single + folded == sent, (single, folded, sent)
        say(f"flood_{n}_requests", sent, "requests")
        say(f"flood_{n}_records", single + records, "records")
    client(agent, "quiet_again")
    agent.close()


if len(sys.argv) > 3:
    flood(int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
else:
    main()
