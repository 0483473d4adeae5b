"""Whatever fails, and wherever the agent is killed while it makes history:
what was acknowledged is in history, once, and with the same commit ids that
an undisturbed replay of the journal gives. A sample of the steps, drawn
from $KIRCERTA_SEED; all of them with KIRCERTA_SOAK=1."""
import collections
import os
import random
import re
import subprocess

import kc
from expect import git
from following import (alternate, follows, inject, settled, sound, traced,
                       troubles, undisturbed, untraceable)
from person import Person, by_hand

SOAK = os.environ.get("KIRCERTA_SOAK")
SEED = int(os.environ.get("KIRCERTA_SEED", 1))
RNG = random.Random(SEED)
CALLS = ("write", "pwrite64", "openat", "fsync", "fdatasync", "rename",
         "renameat2", "link", "linkat", "unlink", "mkdir", "read", "pread64",
         "mmap", "getdents64", "close")


# Nothing can come of a close; a sanitizer ends where it gets no memory.
SPARED = ("close", "mmap") if kc.SLOW > 1 else ("close",)


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
    if untraceable():
        return
    task = fresh.task("first")
    follows(fresh, task)
    cases = [(name, n, e) for name, n in steps(fresh)
             for e in ("ENOSPC", "EIO", "EMFILE" if name == "openat" else
                       "EDQUOT") if name not in SPARED]
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
    if untraceable():
        return
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


def titled(agent, task, title):
    return kc.wait_for(lambda: (now := agent.get(
        f"/api/tasks/{task['id']}").json)["title"] == title and now,
        what=title)


def test_main_that_moves_under_a_batch_is_gone_on_from(fresh):
    """Between the objects and the ref somebody else pushes."""
    if untraceable():
        return
    tasks = [fresh.task(f"n {n}") for n in range(3)]
    follows(fresh, *tasks)
    ann = Person(fresh)
    for n, name in enumerate(("fsync", "rename", "link")):
        ann.pull()
        theirs = by_hand(ann, tasks[0], title=f"by ann {n}")
        with traced(fresh, *inject(name, "delay_enter=700000", 1)) as log:
            mine = tasks[1] = change(fresh, tasks[1], n)
            kc.wait_for(lambda: f"{name}(" in log.read_text(), what=name)
            ann.push()
            tasks[0] = titled(fresh, tasks[0], f"by ann {n}")
            follows(fresh, *tasks)
        settled(fresh)
        merge = git(fresh, "log", "-1", "--merges", "--format=%P").split()
        assert theirs in merge, (name, merge)
        assert mine["title"] == f"step {n}"
    sound(fresh)
    assert fresh.cli("audit", "verify", "--with-ssot").returncode == 0
    assert git(fresh, "rev-parse", "main").strip() == \
        undisturbed(fresh, objects=True)


def test_killed_while_it_takes_in_what_others_did_it_goes_on(fresh):
    if untraceable():
        return
    tasks = [fresh.task(f"n {n}") for n in range(2)]
    follows(fresh, *tasks)
    ann = Person(fresh)
    cases = some([("openat", 1), ("openat", 5), ("openat", 9), ("write", 1),
                  ("write", 2), ("write", 3), ("fsync", 1), ("fsync", 2),
                  ("fsync", 3), ("fsync", 4), ("rename", 1), ("rename", 2),
                  ("rename", 3), ("link", 1), ("unlink", 3), ("read", 1),
                  ("read", 5), ("mmap", 1), ("mmap", 3)], 8)
    for n, (name, when) in enumerate(cases):
        ann.pull()
        by_hand(ann, tasks[0], plain=n % 2, title=f"by ann {n}")
        with traced(fresh, *inject(name, "signal=KILL", when)):
            ann.push()
            try:
                tasks[1] = change(fresh, tasks[1], n)
                told = True
            except (kc.Closed, OSError):
                told = False
            try:
                fresh.wait(2)
            except subprocess.TimeoutExpired:
                fresh.kill9()  # that call was not needed
        fresh.start()
        tasks[0] = titled(fresh, tasks[0], f"by ann {n}")
        now = fresh.get(f"/api/tasks/{tasks[1]['id']}").json
        assert now == tasks[1] or not told, (now, tasks[1])
        tasks[1] = now
        follows(fresh, *tasks)
        settled(fresh)
    print(f"      seed {SEED}: {len(cases)} kills")
    follows(fresh, change(fresh, tasks[1], "last"))
    sound(fresh)
    verified = fresh.cli("audit", "verify", "--with-ssot", check=False)
    assert verified.returncode == 0, verified.stdout
    assert git(fresh, "rev-parse", "main").strip() == \
        undisturbed(fresh, objects=True)


kc.main(seconds=900 if SOAK else 90)
