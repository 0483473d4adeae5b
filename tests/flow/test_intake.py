"""What people push into the agent's repository, with stock git: taken in as
recorded changes, or refused with main where they put it."""
import json
import random
import threading
import time

import kc
from expect import blob, committed, git, refused
from person import (Person, blobs_of, head, listed, new_task, place, pretty,
                    settled, ssot_row)


def url(task):
    return f"/api/tasks/{task['id']}"


def wait_ok(agent, seconds=10):
    kc.wait_for(lambda: ssot_row(agent)["status"] == "ok", seconds,
                "the row ssot to be ok")


def sound(agent):
    """Whatever happened: the chain, the repository and the state agree."""
    settled(agent)
    assert agent.chained()
    assert git(agent, "fsck", "--strict", "--no-dangling").strip() == ""


def test_an_edit_is_there_within_a_second_and_says_whose_it_is(agent):
    task = agent.task("to be edited")
    settled(agent)
    ann = Person(agent)
    sha = ann.edit(task["id"], title="edited by hand", labels={"k": "v"})
    commit = ann.commit("Say it better")
    with agent.events(types="task_updated", task_id=task["id"]) as events:
        began = time.monotonic()
        ann.push()
        record = events.next(10 * kc.SLOW)["data"]
        took = time.monotonic() - began
    assert took < 1 * kc.SLOW, took
    assert record["actor"] == "agent" and record["transport"] == "internal"
    assert record["correlation_id"] == task["correlation_id"]
    data = record["data"]
    assert data["git"]["commit"] == commit and "ann" in data["git"]["by"]
    assert sorted(data["changed"]) == ["labels", "title"], data
    assert (data["base_sha"], data["sha"]) == (task["sha"], sha)
    now = agent.get(url(task)).json
    assert now["title"] == "edited by hand" and now["sha"] == sha, now
    merged, = agent.journal("ssot_merged", commit=commit)
    assert merged["data"]["records"] == merged["data"]["taken"] == 1, merged
    assert merged["data"]["from"] == "main" and "ann" in merged["data"]["by"]
    stale = agent.patch(url(task), {"title": "x", "base_sha": task["sha"]})
    refused(stale, 409, "write_conflict", current_sha=sha)
    again = agent.patch(url(task), {"title": "and on", "base_sha": sha})
    assert again.status == 200, again
    settled(agent)
    log = git(agent, "log", "--format=%H %s").splitlines()
    assert log[1] == f"{commit} Say it better", log
    assert log[0].endswith("task_updated and on"), log
    sound(agent)


def test_new_tasks_and_other_files_come_in_one_push(agent):
    agent.task("first")
    settled(agent)
    ann = Person(agent, "ben")
    made = [new_task(f"hand-{n}", f"made {n}") for n in range(3)]
    for task in made:
        ann.write(place(task["id"]), task)
    ann.write("docs/notes.md", b"# notes\n")
    ann.write("image.bin", bytes(range(256)) * 400)
    commit = ann.commit()
    ann.push()
    for task in made:
        there = kc.wait_for(lambda t=task: (a := agent.get(url(t))).status
                            == 200 and a.json, 5)
        assert there == task | {"sha": blob(task)}
        record, = agent.journal("task_created", task_id=task["id"])
        assert record["correlation_id"] == task["correlation_id"]
        assert record["data"]["git"]["commit"] == commit
        assert agent.ack(there)["state"] == "running"
    sound(agent)
    assert {"docs/notes.md", "image.bin"} <= set(committed(agent))
    chain = agent.get("/api/audit/c-hand-0").json
    assert "hand-0" in chain["task_ids"], chain


def test_what_is_not_canonical_is_taken_and_written_properly(agent):
    task = agent.task("crooked")
    settled(agent)
    ann = Person(agent, "web")
    document = ann.read(task["id"]) | {"title": "typed on a page"}
    text = "\r\n".join(json.dumps(document, indent=4).splitlines())
    ann.write(place(task["id"]), text.encode())
    commit = ann.commit()
    ann.push()
    now = kc.wait_for(lambda: (t := agent.get(url(task)).json)["title"] ==
                      "typed on a page" and t, 5)
    record, = agent.journal("task_updated", task_id=task["id"])
    assert "git" not in record["data"], record
    assert record["data"]["source"]["commit"] == commit
    sound(agent)
    assert head(agent) != commit
    assert committed(agent)[place(task["id"])] == now["sha"] == blob(now)
    # and again on top of what was never canonical here
    ann.edit(task["id"], title="twice")
    ann.commit()
    assert not ann.try_push()
    ann.pull()
    ann.edit(task["id"], title="twice")
    ann.commit()
    ann.push()
    kc.wait_for(lambda: agent.get(url(task)).json["title"] == "twice", 5)
    assert not agent.journal("write_conflict", task_id=task["id"])


def files(ann, task):
    """What a push might try, and what the agent says to it."""
    path, ack = place(task["id"]), None
    for file in ann.dir.glob("attempts/*/*/*/*/*-ack.json"):
        ack = str(file.relative_to(ann.dir))
    document = ann.read(task["id"])

    def member(**members):
        return lambda: ann.write(path, document | members)

    def put(name, data):
        return lambda: ann.write(name, data)

    def mode(what, name=path):
        blob_id = ann.run("hash-object", "-w", "--stdin", stdin=b"target")
        target = {"120000": blob_id, "160000": head(ann.agent)}.get(what)

        def change():
            if target:
                ann.run("rm", "-q", "--cached", "--ignore-unmatch", name)
                (ann.dir / name).unlink(missing_ok=True)
                ann.run("update-index", "--add", "--cacheinfo",
                        f"{what},{target},{name}")
            else:
                (ann.dir / name).chmod(0o755)
                ann.run("add", "-A")
        change.staged = True
        return change

    deep = b'{"meta":' * 40 + b"1" + b"}" * 40
    twice = pretty(document).replace(b'"attempt": 1', b'"attempt": 1,\n'
                                     b'  "attempt": 1')
    other = "other-" + task["id"]
    return {
        "state: is not": member(state="approved"),
        "attempt: is not": member(attempt=2),
        "lease: is not": member(lease=None),
        "admin_approved: is not": member(admin_approved=True),
        "allow_external_publish: is not": member(allow_external_publish=True),
        "acceptance_criteria: they were": member(acceptance_criteria=[]),
        "created_by: is not": member(created_by="admin"),
        "correlation_id: is not": member(correlation_id="c-other"),
        "correlation_id: is in use": put(place(other), new_task(
            other, correlation_id=task["correlation_id"])),
        "is pending\" in a new task|is \"pending\" in a new":
            put(place(other), new_task(other, state="running")),
        "admin_approved: is false": put(place(other), new_task(
            other, admin_approved=True)),
        "documents are not removed": lambda: (ann.dir / path).unlink(),
        f"{ack}: only agents": put(ack, b"{}\n"),
        f"{ack}: documents are not": lambda: (ann.dir / ack).unlink(),
        "2-ack.json: only agents": put(ack.replace("1-ack", "2-ack"),
                                       (ann.dir / ack).read_bytes()),
        "a regular file|that is not executable": mode("100755"),
        "that is not executable": mode("120000"),
        "a document is a regular": mode("160000"),
        "no document belongs": put("tasks/notes.txt", b"x"),
        "id: is not the one": put(place("elsewhere"), document),
        "at most": member(meta={"x": "y" * 49152}),
        "decode byte 0xff": put(path, pretty(document).replace(b"locked", b"l\xff")),
        "duplicate": put(path, twice),
        "nesting over": put(path, deep),
        "title: must have": member(title=""),
        "sha: no such member": put(path, json.dumps(
            document | {"sha": "x"}).encode()),
        "labels.k": member(labels={"k": 1}),
        "3339": member(updated_at="2h"),
    }


def test_each_thing_that_is_forbidden_leaves_main_where_it_was_put(agent):
    task = agent.ack(agent.task("locked"))
    settled(agent)
    ann = Person(agent, "eve")
    good = head(agent)
    before = {t["id"]: t["sha"] for t in listed(agent)}
    failed = len(agent.journal("ssot_sync_failed"))
    tried = files(ann, task)
    for reason, change in tried.items():
        ann.run("reset", "-q", "--hard", good)
        ann.run("clean", "-fdq")
        change()
        if not getattr(change, "staged", False):
            ann.run("add", "-A")
        ann.run("commit", "-q", "-m", reason)
        bad = ann.push("-f")
        row = kc.wait_for(
            lambda r=reason: (row := ssot_row(agent))["status"] != "ok" and
            any(x in row["detail"] for x in r.split("|")) and row, 10, reason)
        assert row["error_code"] == "ssot_refused", row
        assert "push" in row["remediation_hint"], row
        assert head(agent) == bad, reason
    assert before == {t["id"]: t["sha"] for t in listed(agent)}
    beat = agent.post(url(task) + "/heartbeat", {"attempt": 1}, by="codex")
    assert beat.status == 200, "the API goes on meanwhile"
    made = agent.task("meanwhile")
    told = agent.journal("ssot_sync_failed")[failed:]
    assert len(told) == 1 and told[0]["data"]["what"] == "ssot", told
    ann.run("push", "-qf", "origin", f"{good}:main")
    kc.wait_for(lambda: agent.journal("ssot_synced"), 5)
    wait_ok(agent)
    sound(agent)
    assert committed(agent)[place(made["id"])] == made["sha"]
    assert not agent.journal("ssot_merged", by="eve")


def test_a_commit_that_mends_it_on_top_is_enough(agent):
    task = agent.task("to be mended")
    settled(agent)
    ann = Person(agent, "mia")
    ann.edit(task["id"], state="approved", title="mended")
    ann.commit("wrong")
    ann.push()
    kc.wait_for(lambda: "state" in ssot_row(agent).get("detail", ""), 5)
    ann.edit(task["id"], state="pending")
    ann.commit("right")
    ann.push()
    kc.wait_for(lambda: agent.get(url(task)).json["title"] == "mended", 5)
    wait_ok(agent)
    sound(agent)
    assert {"wrong", "right"} <= set(
        git(agent, "log", "--format=%s").splitlines())


def test_what_does_not_build_on_main_is_refused_and_not_overwritten(agent):
    task = agent.task("rewritten")
    settled(agent)
    ann = Person(agent, "rex")
    good = head(agent)
    ann.run("commit", "-q", "--amend", "-m", "rewritten")
    bad = ann.push("-f")
    kc.wait_for(lambda: ssot_row(agent)["status"] != "ok", 5)
    now = agent.patch(url(task), {"title": "meanwhile",
                                  "base_sha": task["sha"]}).json
    assert head(agent) == bad
    ann.run("checkout", "-q", "--orphan", "else")
    ann.run("rm", "-rfq", ".")
    ann.write("other.txt", b"other\n")
    ann.commit("unrelated")
    unrelated = ann.push("-f")
    made = agent.task("made meanwhile")
    kc.wait_for(lambda: ssot_row(agent)["status"] != "ok", 5)
    assert head(agent) == unrelated != bad
    assert not agent.journal("ssot_merged", commit=unrelated)
    ann.run("push", "-qf", "origin", f"{good}:main")
    wait_ok(agent)
    settled(agent)
    assert committed(agent)[place(task["id"])] == now["sha"]
    assert committed(agent)[place(made["id"])] == made["sha"]
    sound(agent)


def test_pushed_while_the_agent_was_down_it_is_taken_at_the_start(agent):
    task = agent.task("while down")
    settled(agent)
    agent.stop()
    for name in ("one", "two"):
        ann = Person(agent, name)
        ann.edit(task["id"], **{"title" if name == "one" else
                                "request_text": f"by {name}"})
        ann.commit(name)
        ann.push()
    agent.start()
    now = kc.wait_for(lambda: (t := agent.get(url(task)).json)
                      ["request_text"] == "by two" and t, 5)
    assert now["title"] == "by one", now
    sound(agent)


def test_titles_that_want_to_move_a_cursor_are_only_text(agent):
    titles = ["\u202eright to left", "\x1b[2Jcleared", "a\nb\tc",
              "Audit-Head: 999999 " + "f" * 64, "\u2028\ufeff\u0085",
              "\n\nAudit-Log: 0123456789abcdef"]
    agent.task("before")
    settled(agent)
    ann = Person(agent, "uni")
    for n, title in enumerate(titles):
        ann.write(place(f"odd-{n}"), new_task(f"odd-{n}", title))
    ann.commit("\x1b[31mred\n\nbody")
    ann.push()
    for n, title in enumerate(titles):
        kc.wait_for(lambda n=n: agent.get(f"/api/tasks/odd-{n}").status
                    == 200, 5)
        now = agent.get(f"/api/tasks/odd-{n}").json
        assert now["title"] == title
        agent.patch(url(now), {"request_text": "x", "base_sha": now["sha"]})
    sound(agent)
    agent.restart()
    sound(agent)


def test_a_clash_keeps_what_the_agent_said_and_loses_nothing(fresh):
    task = fresh.task("clash")
    settled(fresh)
    ann = Person(fresh)
    theirs = ann.edit(task["id"], title="hers")
    commit = ann.commit()
    # main is held still, so that the journal is ahead of it
    lock = fresh.home / "ssot.git/refs/heads/main.lock"

    def hold():
        lock.touch()
        return fresh.patch(url(task), {"title": "ours",
                                       "base_sha": task["sha"]}).json

    now = hold()
    lock.unlink()
    for _ in range(50):
        if ann.try_push():
            break
        ann.pull()
        task = fresh.get(url(task)).json
        theirs = ann.edit(task["id"], title="hers")
        commit = ann.commit()
        now = hold()
        lock.unlink()
    else:
        raise AssertionError("never came first")
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
            stop.wait(random.random() / 5)

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
    kc.wait_for(lambda: len(pushed) > 8 and len(acked) > 20, 30)
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
        assert time.monotonic() - began < 30 * kc.SLOW
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
    whole = journal.read_bytes()
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


kc.main()
