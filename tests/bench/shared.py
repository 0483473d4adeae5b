#!/usr/bin/env python3
"""Shared mode against `git daemon` on loopback: how many task writes a
second are acknowledged, and how long one takes, with 1, 16 and 64 in flight;
and the same agent without a remote, beside it.

    tests/bench/shared.py BUILD_DIR
"""
import http.client
import json
import sys
import threading
import time
from pathlib import Path

SECONDS = 5
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "flow"))
import kc  # noqa: E402
import remotes  # noqa: E402


def writer(agent, end, took):
    """Creates and updates tasks over one connection until the end."""
    link = http.client.HTTPConnection(*agent.address, timeout=60)
    head = {"Authorization": "Bearer " + agent.token("coordinator"),
            "Content-Type": "application/json"}
    task = None
    while time.monotonic() < end:
        began = time.monotonic()
        if task is None:
            link.request("POST", "/api/tasks", json.dumps(
                {"title": "bench"}), head)
        else:
            link.request("PATCH", f"/api/tasks/{task['id']}", json.dumps(
                {"base_sha": task["sha"], "title": str(began)}), head)
        answer = link.getresponse()
        body = answer.read()
        if answer.status not in (200, 201):
            raise SystemExit(body)
        took.append(time.monotonic() - began)
        task = json.loads(body)
    link.close()


def measure(name, agent, flying):
    took = []
    begun = time.monotonic()
    threads = [threading.Thread(target=writer, args=(
        agent, begun + SECONDS, took)) for _ in range(flying)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    seconds = time.monotonic() - begun
    took.sort()
    print(f"{name}_{flying}_in_flight {len(took) / seconds:.0f} writes/s")
    for part, of in (("p50", 0.5), ("p99", 0.99)):
        at = took[min(int(len(took) * of), len(took) - 1)]
        print(f"{name}_{flying}_in_flight_{part} {at * 1000:.1f} ms",
              flush=True)


def main():
    for name, conf in (("local", False), ("shared", True)):
        with remotes.Daemon() as peer:
            agent = kc.Agent(conf=peer.conf(mode="shared", interval="1s")
                             if conf else {})
            agent.task("first")
            for flying in (1, 16, 64):
                measure(name, agent, flying)
            agent.close()


main()
