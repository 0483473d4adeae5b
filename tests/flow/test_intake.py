"""What people push into the agent's repository, with stock git: taken in as
recorded changes, or refused with main where they put it."""
import json
import time

import kc
from expect import blob, committed, git, refused
from person import (Person, head, listed, new_task, place, pretty, settled,
                    sound, ssot_row, url, wait_ok)


def seconds_to_see(agent, task, person, n):
    settled(agent)
    person.pull()
    person.edit(task["id"], request_text=f"look {n}")
    person.commit()
    with agent.events(types="task_updated", task_id=task["id"]) as events:
        began = time.monotonic()
        person.push()
        events.next(10 * kc.PATIENCE)
        return time.monotonic() - began


def test_an_edit_is_there_within_a_second_and_says_whose_it_is(agent):
    task = agent.task("to be edited")
    settled(agent)
    ann = Person(agent)
    sha = ann.edit(task["id"], title="edited by hand", labels={"k": "v"})
    commit = ann.commit("Say it better")
    with agent.events(types="task_updated", task_id=task["id"]) as events:
        began = time.monotonic()
        ann.push()
        record = events.next(10 * kc.PATIENCE)["data"]
        took = time.monotonic() - began
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
    if took > 1:  # the machine may have been busy, once or twice
        took = min(seconds_to_see(agent, task, ann, n) for n in range(3))
    assert took < 1 * kc.PATIENCE, took
    settled(agent)
    log = git(agent, "log", "--format=%H %s").splitlines()
    at = log.index(f"{commit} Say it better")
    assert log[at - 1].endswith("task_updated and on"), log
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
        "1-verdict.json: only agents": put(
            ack.replace("-ack", "-verdict"), b"{}\n"),
        "2-redispatch.json: only agents": put(
            ack.replace("1-ack", "2-redispatch"), b"{}\n"),
        "issues: is not": member(issues=[]),
        "issues: a new task has": put(place(other), new_task(
            other, issues=[])),
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
        assert row["remediation_hint"].endswith(f"{good[:12]}:main"), row
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


def test_the_way_back_is_what_was_taken_last(agent):
    task = agent.task("back again")
    settled(agent)
    ann = Person(agent, "bea")
    ann.edit(task["id"], title="one step")
    good = ann.commit()
    ann.push()
    kc.wait_for(lambda: agent.get(url(task)).json["title"] == "one step", 5)
    ann.edit(task["id"], state="approved")
    ann.commit()
    ann.push()
    row = kc.wait_for(lambda: (r := ssot_row(agent))["status"] != "ok" and r)
    command = row["remediation_hint"].split(": ")[-1].split()
    assert command[:3] == ["git", "push", "--force"], row
    assert command[3:] == [str(agent.home / "ssot.git"), f"{good[:12]}:main"]
    ann.run(*command[1:])
    wait_ok(agent)
    sound(agent)
    assert good in git(agent, "rev-list", "main").split()


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
    assert agent.journal("ssot_merged")[-1]["data"]["by"] == "two, one"
    sound(agent)


def test_a_push_may_be_the_first_thing_that_is_there(fresh):
    ann = Person(fresh)
    ann.write(place("first"), new_task("first"))
    ann.commit()
    ann.push()
    kc.wait_for(lambda: fresh.get("/api/tasks/first").status == 200, 5)
    fresh.task("second")
    sound(fresh)
    git(fresh, "branch", "other", "main")
    good = head(fresh)
    git(fresh, "update-ref", "-d", "refs/heads/main")
    kc.wait_for(lambda: ssot_row(fresh)["status"] != "ok", 5)
    fresh.task("third")
    git(fresh, "update-ref", "refs/heads/main", good)
    wait_ok(fresh)
    sound(fresh)


def test_trailers_of_ours_on_a_commit_of_theirs_are_refused(fresh):
    task = fresh.task("forged")
    settled(fresh)
    ann = Person(fresh)
    good = head(fresh)
    message = ann.run("log", "-1", "--format=%B")
    forged = message.replace("Audit-Head: ", "Audit-Head: 9")
    for words in (message, forged, "\n".join(
            line for line in forged.splitlines() if "Audit-Log" not in line)):
        ann.run("reset", "-q", "--hard", good)
        ann.edit(task["id"], title="changed")
        bad = ann.commit(words)
        ann.push("-f")
        kc.wait_for(lambda: bad[:12] in ssot_row(fresh).get("detail", ""), 5)
        assert fresh.get(url(task)).json["sha"] == task["sha"]
    ann.run("push", "-qf", "origin", f"{good}:main")
    wait_ok(fresh)
    sound(fresh)


def test_thousands_of_commits_are_one_intake(fresh):
    task = fresh.task("long line")
    settled(fresh)
    ann = Person(fresh)
    document = ann.read(task["id"])
    stream = [f"reset refs/heads/line\nfrom {head(fresh)}\n\n"]
    for n in range(2500):
        data = pretty(document | {"title": f"step {n}"}).decode()
        stream.append(
            f"commit refs/heads/line\ncommitter c <c@d> {1700000000 + n} +0000"
            f"\ndata 4\nstep\nM 100644 inline {place(task['id'])}\n"
            f"data {len(data)}\n{data}\n")
    ann.run("fast-import", "--quiet", stdin="".join(stream).encode())
    ann.run("push", "-q", "origin", "line:main")
    kc.wait_for(lambda: fresh.get(url(task)).json["title"] == "step 2499", 20)
    merged, = fresh.journal("ssot_merged")
    assert merged["data"]["commits"] == 2500, merged
    fresh.task("goes on")
    sound(fresh)
    began = time.monotonic()
    fresh.restart()
    fresh.task("quickly")
    assert time.monotonic() - began < 5 * kc.PATIENCE
    sound(fresh)


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


kc.main()
