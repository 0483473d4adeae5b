"""Pushes into the agent's repository that meet something: a write, another
push, a crash, or their own size."""
import contextlib
import json
import random
import signal
import threading
import time

import kc
from expect import git, refused
from person import (Person, blobs_of, head, listed, new_task, place, settled,
                    sound, ssot_row, url, wait_ok)


@contextlib.contextmanager
def ahead_of_a_push(agent, person):
    """What the agent is told meanwhile is in its journal and not in main
    when the person's push comes there."""
    lock = agent.home / "ssot.git/refs/heads/main.lock"
    lock.touch(exist_ok=False)
    yield
    agent.freeze()
    lock.unlink()
    person.push()
    agent.signal(signal.SIGCONT)


def test_a_clash_keeps_what_the_agent_said_and_loses_nothing(fresh):
    task = fresh.task("clash")
    settled(fresh)
    ann = Person(fresh)
    theirs = ann.edit(task["id"], title="hers")
    commit = ann.commit()
    with ahead_of_a_push(fresh, ann):
        now = fresh.patch(url(task), {"title": "ours", "base_sha":
                                      task["sha"]}).json
    clash = kc.wait_for(lambda: fresh.journal("write_conflict",
                                              winner="ours"), 5)[0]
    assert clash["data"]["ours_sha"] == now["sha"], clash
    assert clash["data"]["theirs_sha"] == theirs, clash
    assert clash["data"]["from"] == "main"
    settled(fresh)
    assert fresh.get(url(task)).json["title"] == "ours"
    path = place(task["id"])
    assert {now["sha"], theirs} <= blobs_of(fresh, path)
    kept = path.replace("tasks/", "conflicts/")[:-5] + \
        f"/{now['sha'][:12]}.json"
    account = json.loads(git(fresh, "show", f"main:{kept}"))
    assert account["commit"] == commit and account["winner"] == "ours"
    sound(fresh)


def test_an_edit_and_a_heartbeat_are_both_kept(fresh):
    task = fresh.ack(fresh.task("held"))
    settled(fresh)
    ann = Person(fresh)
    theirs = ann.edit(task["id"], title="hers", labels={"n": "1"})
    ann.commit()
    with ahead_of_a_push(fresh, ann):
        beat = fresh.post(url(task) + "/heartbeat", {"attempt": 1},
                          by="codex").json
    now = kc.wait_for(lambda: (t := fresh.get(url(task)).json)["title"] ==
                      "hers" and t, 5)
    assert now["lease"] == beat["lease"] and now["labels"] == {"n": "1"}
    record = fresh.journal("task_updated", theirs_sha=theirs)[0]
    assert record["data"]["ours_sha"] == beat["sha"], record
    assert record["data"]["source"]["by"] == "ann"
    settled(fresh)
    assert {theirs, beat["sha"], now["sha"]} <= blobs_of(fresh,
                                                         place(task["id"]))
    assert not fresh.journal("write_conflict")
    sound(fresh)


def test_pushes_race_with_writes_and_nothing_rolls_back(fresh):
    task = fresh.task("raced")
    settled(fresh)
    acked, pushed, stop = [task["sha"]], [], threading.Event()

    def write():
        last = task
        n = 0
        while not stop.is_set():
            n += 1
            answer = fresh.patch(url(task), {
                "request_text": f"w {n}", "base_sha": last["sha"]})
            if answer.status == 200:
                last = answer.json
                acked.append(last["sha"])
            else:
                refused(answer, 409, "write_conflict")
                last = answer.json["current"]
            stop.wait(random.random() / 2)

    def push(name):
        who = Person(fresh, name)
        n = 0
        while not stop.is_set():
            n += 1
            who.pull()
            sha = who.edit(task["id"], title=f"{name} {n}")
            who.write(place(f"{name}-{n}"), new_task(f"{name}-{n}"))
            who.commit()
            if who.try_push():
                pushed.append((sha, f"{name}-{n}"))

    threads = [threading.Thread(target=write)] + [
        threading.Thread(target=push, args=(n,)) for n in ("pia", "pit")]
    for t in threads:
        t.start()
    kc.wait_for(lambda: len(pushed) > 5 and len(acked) > 20, 60)
    stop.set()
    for t in threads:
        t.join()
    settled(fresh)
    wait_ok(fresh)
    there = blobs_of(fresh, place(task["id"]))
    assert set(acked) <= there, "an acknowledged write is not in history"
    assert {s for s, _ in pushed} <= there
    have = {t["id"] for t in listed(fresh)}
    assert {t for _, t in pushed} <= have
    clashes = fresh.journal("write_conflict", winner="ours")
    taken = fresh.journal("task_updated", task_id=task["id"])
    print(f"     {len(acked)} writes, {len(pushed)} pushes, "
          f"{len(clashes)} clashes, {len(taken)} updates")
    sound(fresh)


def many(fresh, n, name="ann"):
    fresh.task("first")
    settled(fresh)
    ann = Person(fresh, name)
    for i in range(n):
        ann.write(place(f"m-{i:05}"), new_task(f"m-{i:05}", f"number {i}"))
    return ann, ann.commit()


def test_ten_thousand_tasks_come_in_one_push(fresh):
    ann, _ = many(fresh, 10000)
    began = time.monotonic()
    ann.push()
    pushed = time.monotonic() - began
    slowest = 0
    while fresh.get("/api/tasks/m-09999").status != 200:
        asked = time.monotonic()
        assert fresh.task("beside")["state"] == "pending"
        slowest = max(slowest, time.monotonic() - asked)
        assert time.monotonic() - began < 30 * kc.PATIENCE
    print(f"     git push {pushed:.1f} s, there after "
          f"{time.monotonic() - began:.1f} s, a write meanwhile at most "
          f"{slowest:.2f} s")
    merged, = fresh.journal("ssot_merged")
    assert merged["data"]["taken"] == 10000
    settled(fresh, 20)
    wait_ok(fresh)


def test_a_batch_that_a_crash_tore_is_taken_again(fresh):
    ann, commit = many(fresh, 40)
    ann.push()
    kc.wait_for(lambda: fresh.get("/api/tasks/m-00039").status == 200, 5)
    kc.wait_for(lambda: ssot_row(fresh)["status"] == "ok", 5)
    fresh.kill9()
    journal, = (fresh.home / "audit").glob("*.jsonl")
    whole = kc.unfilled(journal).read_bytes()
    lines = whole.splitlines(keepends=True)
    merged = next(i for i, line in enumerate(lines)
                  if b'"type":"ssot_merged"' in line)
    for cut, torn in ((merged + 1, b""), (merged + 17, b""),
                      (merged + 30, lines[merged + 30][:100]),
                      (merged + 40, b"")):
        assert head(fresh) == commit
        journal.write_bytes(b"".join(lines[:cut]) + torn)
        for file in fresh.home.glob("index.db*"):
            file.unlink()
        fresh.start()
        first = json.loads(fresh.lines()[cut])
        assert first["type"] == "ssot_merged", first
        assert len([t for t in listed(fresh) if t["id"][:2] == "m-"]) == 40
        sound(fresh)
        assert not fresh.journal("write_conflict")
        assert len(fresh.journal("task_created")) == 41
        assert fresh.cli("audit", "verify").returncode == 0
        fresh.kill9()
        git(fresh, "update-ref", "refs/heads/main", commit)


def test_killed_at_any_moment_a_push_is_taken_once(fresh):
    ann, _ = many(fresh, 200)
    ann.push()
    for n in range(8):
        time_to_live = random.random() * 0.6
        killer = threading.Timer(time_to_live, fresh.proc.kill)
        killer.start()
        fresh.proc.wait()
        fresh.start()
        ann.pull()
        for i in range(50):
            ann.write(place(f"k-{n}-{i}"), new_task(f"k-{n}-{i}"))
        ann.edit("m-00007", title=f"round {n}")
        ann.commit()
        ann.try_push() or ann.pull()
    kc.wait_for(lambda: not [r for r in [ssot_row(fresh)]
                             if r["status"] != "ok"], 10)
    settled(fresh, 20)
    ids = [r["task_id"] for r in fresh.journal("task_created")]
    assert len(ids) == len(set(ids)), "a task was made twice"
    assert not fresh.journal("write_conflict")
    sound(fresh)


kc.main(seconds=120)
