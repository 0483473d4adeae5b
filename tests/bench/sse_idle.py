#!/usr/bin/env python3
"""How fast the API answers beside 2,000 idle event streams, and with none,
in turns; then how long one event takes to reach all of them.

    tests/bench/sse_idle.py BUILD_DIR [STREAMS]"""
import multiprocessing
import resource
import selectors
import socket
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "flow"))
import kc  # noqa: E402

STREAMS = int(sys.argv[2]) if len(sys.argv) > 2 else 2000
CLIENTS, SECONDS, ROUNDS = 16, 3.0, 3


def say(name, value, unit):
    print(f"{name} {value:.3f} {unit}", flush=True)


def ask(agent, target):
    return (f"GET {target} HTTP/1.1\r\nHost: localhost:{agent.port}\r\n"
            f"Authorization: Bearer {agent.token('admin')}\r\n\r\n").encode()


def load(agent):
    """Answers a second over CLIENTS connections, and their times."""
    request = ask(agent, "/api/mode")
    loop, times, count = selectors.DefaultSelector(), [], 0
    for _ in range(CLIENTS):
        s = socket.create_connection(agent.address)
        s.sendall(request)
        loop.register(s, selectors.EVENT_READ, [time.perf_counter(), 0])
    begun = time.perf_counter()
    while (now := time.perf_counter()) < begun + SECONDS:
        for key, _ in loop.select(1):
            # The answer is small and arrives in one piece.
            got = key.fileobj.recv(4096)
            assert got.startswith(b"HTTP/1.1 200 ") and got[-1:] == b"}", got
            now = time.perf_counter()
            times.append(now - key.data[0])
            key.data[0] = now
            key.fileobj.sendall(request)
            count += 1
    for key in list(loop.get_map().values()):
        key.fileobj.close()
    return count / SECONDS, times


def hold(agent, pipe):
    """Opens the streams, says so, and tells when all have seen an event."""
    request = ask(agent, "/api/events?types=task_created")
    loop, seen = selectors.DefaultSelector(), 0
    for _ in range(STREAMS):
        s = socket.create_connection(agent.address)
        s.sendall(request)
        assert s.recv(4096).startswith(b"HTTP/1.1 200 ")
        loop.register(s, selectors.EVENT_READ)
    pipe.send("open")
    loop.register(pipe, selectors.EVENT_READ)
    while True:
        for key, _ in loop.select():
            if key.fileobj is pipe:
                return
            got = key.fileobj.recv(65536)
            assert got, "a stream was cut"
            seen += got.count(b"event: task_created")
            if seen == STREAMS:
                pipe.send(time.monotonic())
                seen = 0


def beside_streams(agent):
    """A round of load, and the time of one event to everybody."""
    mine, theirs = multiprocessing.Pipe()
    child = multiprocessing.Process(target=hold, args=(agent, theirs))
    child.start()
    assert mine.recv() == "open"
    rate, times = load(agent)
    begun = time.monotonic()
    agent.task("told to everybody")
    fanout = mine.recv() - begun
    memory = int(open(f"/proc/{agent.proc.pid}/statm").read().split()[1]) * \
        resource.getpagesize()
    mine.send("close")
    child.join()
    return rate, times, fanout, memory


def main():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    agent = kc.Agent()
    agent.token("coordinator")
    alone, beside, fanouts, memory = [], [], [], 0
    for _ in range(ROUNDS):
        alone.append(load(agent))
        *one, fanout, memory = beside_streams(agent)
        beside.append(one)
        fanouts.append(fanout)
    for name, rounds in (("alone", alone), (f"beside_{STREAMS}", beside)):
        times = sorted(t for r in rounds for t in r[1])
        say(f"api_{name}", statistics.median(r[0] for r in rounds), "1/s")
        say(f"api_{name}_p50", times[len(times) // 2] * 1e3, "ms")
        say(f"api_{name}_p99", times[len(times) * 99 // 100] * 1e3, "ms")
    say(f"event_to_{STREAMS}", statistics.median(fanouts) * 1e3, "ms")
    say("resident", memory / 1e6, "MB")
    agent.close()


main()
