"""Whatever fails, and wherever the agent is killed while it makes history:
what was acknowledged is in history, once, and with the same commit ids that
an undisturbed replay of the journal gives. A sample of the steps, drawn anew
from $KIRCERTA_SEED; all of them with KIRCERTA_SOAK=1."""
import collections
import os
import random
import re

import kc
from expect import git
from following import (alternate, follows, inject, settled, sound, traced,
                       troubles, undisturbed)

SOAK = os.environ.get("KIRCERTA_SOAK")
SEED = int(os.environ.get("KIRCERTA_SEED", random.randrange(10000)))
RNG = random.Random(SEED)
CALLS = ("write", "pwrite64", "openat", "fsync", "fdatasync", "rename",
         "renameat2", "link", "linkat", "unlink", "mkdir", "read", "pread64",
         "mmap", "getdents64", "close")


def steps(agent):
    """[(system call, how many-th of its kind)] of one batch."""
    with traced(agent, "-e", "trace=" + ",".join(CALLS)) as log:
        task = agent.task("watched")
        follows(agent, task)
        text = log.read_text()
    counts, found = collections.Counter(), []
    for name in re.findall(r"^(\w+)\(", text, re.M):
        counts[name] += 1
        found.append((name, counts[name]))
    assert {"write", "fsync", "rename"} <= set(counts), text
    return found


def some(cases, count):
    return cases if SOAK else [cases[i] for i in sorted(
        RNG.sample(range(len(cases)), min(count, len(cases))))]


def change(agent, task, n):
    answer = agent.patch(f"/api/tasks/{task['id']}", {
        "title": f"step {n}", "base_sha": task["sha"]})
    assert answer.status == 200, answer
    return answer.json


def test_a_call_that_fails_once_costs_a_second_try_and_nothing_else(fresh):
    task = fresh.task("first")
    follows(fresh, task)
    cases = [(name, n, e) for name, n in steps(fresh)
             for e in ("ENOSPC", "EIO", "EMFILE" if name == "openat" else
                       "EDQUOT") if name not in ("close",)]
    failed = 0
    for i, (name, n, error) in enumerate(cases := some(cases, 40)):
        with traced(fresh, *inject(name, f"error={error}", n)):
            task = change(fresh, task, i)
            follows(fresh, task)
            settled(fresh)
        assert alternate(troubles(fresh)), (name, n, error)
        failed += len(troubles(fresh)) // 2 > failed
    assert len(troubles(fresh)) % 2 == 0
    assert failed > len(cases) // 4, (failed, len(cases))
    print(f"      seed {SEED}: {len(cases)} failures, {failed} noticed")
    follows(fresh, change(fresh, task, len(cases)))
    sound(fresh)
    assert git(fresh, "rev-list", "--count", "main").strip() == \
        str(len(cases) + 3)
    assert git(fresh, "rev-parse", "main").strip() == undisturbed(fresh)


def test_killed_at_any_call_it_goes_on_where_it_was(fresh):
    task = fresh.task("first")
    follows(fresh, task)
    cases = some(steps(fresh), 24)
    for i, (name, n) in enumerate(cases):
        with traced(fresh, *inject(name, "signal=KILL", n)):
            task = change(fresh, task, i)
            fresh.wait()
        fresh.start()
        follows(fresh, task)
        settled(fresh)
        assert fresh.get(f"/api/tasks/{task['id']}").json == task
        assert git(fresh, "fsck", "--strict").strip() == "", (name, n)
    print(f"      seed {SEED}: {len(cases)} kills")
    follows(fresh, change(fresh, task, len(cases)))
    assert git(fresh, "rev-list", "--count", "main").strip() == \
        str(len(cases) + 3)
    sound(fresh)
    assert git(fresh, "rev-parse", "main").strip() == undisturbed(fresh)
    assert fresh.cli("audit", "verify", "--with-ssot").returncode == 0


kc.main(seconds=900 if SOAK else 90)
