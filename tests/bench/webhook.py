#!/usr/bin/env python3
"""Webhooks a second on kept connections: accepted ones, each recorded (and
each made a task of), ones that were seen before, and ones whose signature is
wrong; the agent's processor time for each.

    tests/bench/webhook.py BUILD_DIR [SECONDS]

The load runs beside the agent on the same machine and takes its part of it."""
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "flow"))
import kc  # noqa: E402

SECONDS = float(sys.argv[2]) if len(sys.argv) > 2 else 3
LOAD = Path(sys.argv[1]).resolve() / "tests/bench/webhook_load"
SECRET = "a secret of this bench alone"
CONNECTIONS, ROUNDS = (1, 16, 64), 3


def say(name, value, unit):
    print(f"webhook_{name} {value:.6g} {unit}", flush=True)


def spent(agent):
    stat = Path(f"/proc/{agent.proc.pid}/stat").read_text()
    return sum(map(int, stat.rpartition(")")[2].split()[11:13])) \
        / os.sysconf("SC_CLK_TCK")


class Load:
    def __init__(self, agent, source):
        self.agent = agent
        self.proc = subprocess.Popen(
            [LOAD, str(agent.port), source, SECRET], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def run(self, what, connections, size):
        """The median round: deliveries a second, p50, p99, CPU us."""
        rows = []
        for _ in range(ROUNDS):
            before = spent(self.agent)
            self.proc.stdin.write(f"{what} {connections} {SECONDS} {size}\n")
            self.proc.stdin.flush()
            answer = self.proc.stdout.readline().split()
            assert answer, "the load ended"
            n, seconds, p50, p99 = map(float, answer)
            rows.append((n / seconds, p50 / 1e3, p99 / 1e3,
                         (spent(self.agent) - before) * 1e6 / n))
        return sorted(rows)[ROUNDS // 2]

    def end(self):
        self.proc.stdin.close()
        self.proc.wait()


def report(name, row):
    for suffix, value, unit in zip(("", "_p50", "_p99", "_cpu"), row,
                                   ("1/s", "ms", "ms", "us")):
        say(name + suffix, value, unit)


def source(agent, name, **conf):
    secret = agent.dir / "secret"
    secret.write_text(SECRET + "\n")
    secret.chmod(0o600)
    for key, value in ({"scheme": "github", "secret-file": secret,
                        "max-per-minute": 0} | conf).items():
        agent.conf(f"webhook.{name}.{key.replace('_', '-')}", value)


def main():
    agent = kc.Agent(start=False)
    source(agent, "events", task="false")
    source(agent, "tasks", task="true", criterion="it is seen to",
           title="{/issue/title}")
    agent.start()
    for name in ("events", "tasks"):
        load = Load(agent, name)
        for size in (1024, 10240):
            for connections in CONNECTIONS:
                report(f"{name}_{size >> 10}k_{connections}",
                       load.run("new", connections, size))
        if name == "events":
            report("seen_10k_64", load.run("same", 64, 10240))
            report("refused_10k_64", load.run("bad", 64, 10240))
        load.end()
    agent.close()


main()
