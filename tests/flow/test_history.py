"""A task's past: who changed what, and every version as it was."""
import json

import kc
from expect import blob, git, refused, sha256
from person import Person, place, pretty, settled, ssot_row


def url(task, step=""):
    return f"/api/tasks/{task['id']}" + (f"/{step}" if step else "")


def items(agent, task, n, **args):
    """The commits that changed a task, once there are n."""
    path = kc.query(url(task, "history"), **args)
    return kc.wait_for(lambda: len(found := agent.get(path).json["items"])
                       == n and found, 10)


def changes(item, but=("/updated_at",)):
    """{path: (from, to)} of a commit."""
    return {c["path"]: (c.get("from"), c.get("to"))
            for c in item["changes"] if c["path"] not in but}


def result(agent, task, by="codex", **members):
    answer = agent.post(url(task, "result"), {
        "attempt": task["attempt"], "summary": "done", "criteria": [
            {"criterion_ref": c["id"], "met": True}
            for c in task["acceptance_criteria"]]} | members, by=by)
    assert answer.status == 200, answer
    return answer.json


def lived(agent):
    """A task with a life; the documents that the answers had, in order."""
    docs = [agent.task("first", labels={"a/b": "1", "c": "2"})]
    docs.append(agent.patch(url(docs[0]), {
        "title": "second", "labels": {"a/b": "3", "c": None},
        "request_text": "x" * 3000, "base_sha": docs[0]["sha"]}).json)
    docs.append(agent.ack(docs[1]))
    docs.append(result(agent, docs[2]))
    done = agent.post(url(docs[0], "approve"), {"reason": "fine"}, by="admin")
    return docs + [done.json]


def test_each_commit_says_who_did_what_to_which_member(agent):
    docs = lived(agent)
    found = items(agent, docs[0], 5)
    assert [i["sha"] for i in found] == [d["sha"] for d in docs]
    made, edited, acked, done, approved = found
    assert changes(made)["/title"] == (None, "first")
    assert all("from" not in c for c in made["changes"]), made
    assert {c["path"][1:] for c in made["changes"]} == set(docs[0]) - {"sha"}
    assert made["documents"] == edited["documents"] == []
    long = json.dumps(docs[1]["request_text"])
    assert changes(edited) == {
        "/title": ("first", "second"), "/labels/a~1b": ("1", "3"),
        "/labels/c": ("2", None), "/request_text": ("", {
            "sha256": sha256(long),
            "bytes": len(long)})}, edited
    gone, = [c for c in edited["changes"] if c["path"] == "/labels/c"]
    assert "to" not in gone
    assert changes(acked)["/state"] == ("pending", "running")
    assert changes(acked)["/lease"][1]["holder"] == "codex"
    ack, = acked["documents"]
    assert (ack["document"], ack["from"]) == ("attempts/1-ack", None)
    kept = json.loads(git(agent, "cat-file", "blob", ack["to"]))
    assert kept["by"] == acked["by"] == "codex"
    assert changes(done)["/lease"][1] is None
    assert [d["document"] for d in done["documents"]] == ["attempts/1-result"]
    assert changes(approved) == {"/state": ("needs_review", "approved")}
    assert (approved["by"], approved["operation"]) == ("admin", "task_state")
    assert approved["subject"].startswith("task_state second")
    assert [i["reason"] for i in found] == [None] * 4 + ["fine"]
    with agent.ws() as ws:
        assert ws.call("task.history", id=docs[0]["id"])["items"] == found


def test_what_a_reviewer_said_is_in_it_and_opens_the_next_attempt(agent):
    task = result(agent, agent.ack(agent.task("to be mended")))
    issues = [{"criterion_ref": "AC-1", "text": "mend it"}]
    for decision in ("pass", "fail"):
        answer = agent.post(url(task, "verdict"), {
            "attempt": 1, "decision": decision, "issues": issues})
        assert answer.status == 200, answer
    opened = agent.post(url(task, "redispatch"), {"attempt": 2,
                                                  "issues": issues}).json
    agent.post(url(task, "halt"), {"reason": "wait for the light"},
               by="admin")
    found = items(agent, task, 7)
    first, second, sent, halted = found[3:]
    assert [d["document"] for i in (first, second, sent)
            for d in i["documents"]] == \
        ["attempts/1-verdict", "attempts/1-verdict", "attempts/2-redispatch"]
    assert first["documents"][0]["to"] == second["documents"][0]["from"]
    assert changes(first) == changes(second) == {}
    assert changes(sent) == {"/attempt": (1, 2), "/issues": (None, issues),
                             "/state": ("needs_review", "pending")}
    assert halted["reason"] == "wait for the light", halted
    assert agent.get(url(task) + f"?rev={sent['sha']}").json == opened


def test_every_version_can_be_read_by_commit_and_by_sha(agent):
    docs = lived(agent)
    found = items(agent, docs[0], 5)
    for item, doc in zip(found, docs):
        for rev in (item["commit"], item["sha"], item["commit"][:12],
                    item["sha"][:12]):
            answer = agent.get(url(docs[0]) + f"?rev={rev}")
            assert answer.status == 200 and answer.json == doc, (rev, answer)
            assert answer.headers["etag"] == f'"{doc["sha"]}"', answer
            assert blob(answer.json) == doc["sha"]
            with agent.ws() as ws:
                assert ws.call("task.get", id=docs[0]["id"], rev=rev) == doc
    assert agent.get(url(docs[0])).json == docs[-1]
    halted = agent.task("to be halted")
    agent.post(url(halted, "halt"), {"reason": "wait"}, by="admin")
    answer = agent.get(url(halted) + f"?rev={halted['sha']}")
    assert answer.json["state"] == "pending", answer


def test_what_never_was_the_tasks_is_not_found(agent):
    task, other = agent.task("mine"), agent.task("another's")
    mine, theirs = items(agent, task, 1)[0], items(agent, other, 1)[0]
    before = git(agent, "rev-list", "--max-parents=0", "main").split()[0]
    tree = git(agent, "rev-parse", "main^{tree}").strip()
    ack = agent.ack(other)
    acked = items(agent, other, 2)[1]
    readme = git(agent, "rev-parse", "main:README.md").strip()
    if mine["commit"] != before:
        refused(agent.get(url(task) + f"?rev={before}"), 404, "not_found")
    for rev in (theirs["sha"], ack["sha"], acked["documents"][0]["to"], tree,
                readme, "0" * 40, "0" * 7, "f" * 39):
        refused(agent.get(url(task) + f"?rev={rev}"), 404, "not_found")
    refused(agent.get(url(other) + f"?rev={mine['commit']}"), 404,
            "not_found")
    assert agent.get(url(task) + f"?rev={theirs['commit']}").json == task, \
        "as it was when the other one was made"
    refused(agent.get("/api/tasks/nothing-such?rev=" + mine["sha"]), 404,
            "not_found")


def test_what_was_refused_never_was_a_version(fresh):
    task = fresh.task("honest")
    settled(fresh)
    ann = Person(fresh)
    good = git(fresh, "rev-parse", "main").strip()
    sha = ann.edit(task["id"], title="pushed", admin_approved=True)
    commit = ann.commit("Approve myself")
    ann.push()
    kc.wait_for(lambda: ssot_row(fresh)["status"] != "ok", 10)
    for rev in (sha, commit):
        refused(fresh.get(url(task) + f"?rev={rev}"), 404, "not_found")
    assert [i["sha"] for i in items(fresh, task, 1)] == [task["sha"]]
    for cursor in (commit, good):
        refused(fresh.get(kc.query(url(task, "history"), cursor=cursor)), 400,
                "invalid_request")
    ann.run("push", "-qf", "origin", f"{good}:main")
    kc.wait_for(lambda: ssot_row(fresh)["status"] == "ok", 10)


def test_a_history_goes_on_only_where_one_of_its_pages_ended(agent):
    docs, other = lived(agent), agent.task("another's")
    items(agent, docs[0], 5)
    path, seen, cursor = url(docs[0], "history"), [], None
    while not seen or cursor:
        page = agent.get(kc.query(path, limit=2, cursor=cursor)).json
        seen = [i["sha"] for i in page["items"]] + seen
        last, cursor = cursor, page["next_cursor"]
    assert seen == [d["sha"] for d in docs]
    assert agent.get(kc.query(path, cursor=last)).json["items"]
    refused(agent.get(kc.query(url(other, "history"), cursor=last)), 400,
            "invalid_request")
    for wrong in (last[:40], last[:-1], last + "0", last.upper(),
                  last.replace(".", ""), "f" * 40 + last[40:], "0" * 57):
        refused(agent.get(kc.query(path, cursor=wrong)), 400,
                "invalid_request")


def test_hostile_revisions_are_refused_before_anything_is_read(agent):
    task = agent.task("target")
    sha = items(agent, task, 1)[0]["sha"]
    for rev in ("main", "HEAD", "HEAD~1", sha[:6], sha.upper(), sha + "0",
                "..%2f..%2f..", "-" * 8,
                "refs%2fheads%2fmain", "@%7b-1%7d",
                "%e2%80%ae" + sha[:8], "%ff%fe%fd%fc%fb%fa%f9",
                sha[:8] + "%ff", "%c0%af" * 5):
        answer = agent.get(url(task) + f"?rev={rev}")
        refused(answer, 400, answer.json["error_code"])
        assert answer.json["error_code"] in ("invalid_request",
                                             "invalid_json"), (rev, answer)
    with agent.ws() as ws:
        for rev in (7, None, True, ["0" * 40], {"a": 1}, "0" * 41, "'; --"):
            try:
                raise AssertionError(ws.call("task.get", id=task["id"],
                                             rev=rev))
            except kc.RpcError as e:
                assert e.problem["error_code"] == "invalid_request", rev


def test_a_version_in_between_that_is_no_document_is_said_to_be_none(fresh):
    task = fresh.task("pushed to")
    settled(fresh)
    ann = Person(fresh)
    path, good = place(task["id"]), ann.read(task["id"])
    for text in (b"\xff\xfe not UTF-8 \0", b'{"a":1,"a":2}', b"[" * 5000,
                 b'{"id":"x"' + b" " * 60000 + b"}"):
        ann.write(path, text)
        ann.commit("in between")
    ann.write(path, good | {"title": "good \x1b[31m\u202e again"})
    ann.commit("in order")
    ann.push()
    kc.wait_for(lambda: fresh.get(url(task)).json["title"] != "pushed to", 10)
    found = items(fresh, task, 7)   # the last in the form that agents write
    assert [i["changes"] is None for i in found] == \
        [False] + [True] * 5 + [False]
    assert found[6]["changes"] == []
    for item in found[1:5]:
        refused(fresh.get(url(task) + f"?rev={item['commit']}"), 404,
                "not_found")
    last = fresh.get(url(task) + f"?rev={found[6]['commit']}").json
    assert last["title"] == "good \x1b[31m\u202e again"
    said = fresh.console("history", task["id"]).stdout
    assert said.count("no document") == 5 and "\x1b" not in said, said


def test_the_command_prints_rows_and_the_bytes_that_git_has(agent):
    docs = lived(agent)
    found = items(agent, docs[0], 5)
    rows = [line.split("\t") for line in agent.console(
        "history", docs[0]["id"]).stdout.splitlines()]
    assert rows[0][1:4] == [found[0]["commit"][:12], "coordinator",
                            "task_created"]
    assert ["/title", "first", "second"] in [r[4:] for r in rows], rows
    assert ["attempts/1-ack", "", found[2]["documents"][0]["to"]] in \
        [r[4:] for r in rows], rows
    assert rows[-1][2:] == ["admin", "task_state", "/state", "needs_review",
                            "approved"], rows[-1]
    assert not any(r[4] in ("/updated_at", "/lease") for r in rows[:10])
    assert ["reason", "", "fine"] in [r[4:] for r in rows], rows
    said = json.loads(agent.console("history", docs[0]["id"], "--json"
                                    ).stdout)
    assert said["schema"] == "kircerta.v1" and said["items"] == found
    for doc, item in zip(docs, found):
        text = agent.console("history", docs[0]["id"], "--rev",
                             item["commit"]).stdout
        assert text.encode() == pretty(doc)
    old = json.loads(agent.console("history", docs[0]["id"], "--json",
                                   "--rev", docs[1]["sha"]).stdout)
    assert old["title"] == "second" and old["sha"] == docs[1]["sha"]
    for rev, code in (("0" * 40, 1), ("main", 2)):
        done = agent.console("history", docs[0]["id"], "--rev", rev,
                             check=False)
        assert done.returncode == code, done
    assert agent.console("history", "no-such-task",
                         check=False).returncode == 1


def test_many_pages_are_one_history_oldest_first(fresh):
    task = fresh.task("long")
    settled(fresh)
    ann = Person(fresh)
    doc = ann.read(task["id"])
    stream = [f"reset refs/heads/line\nfrom "
              f"{git(fresh, 'rev-parse', 'main').strip()}\n\n"]
    for n in range(450):
        data = pretty(doc | {"title": f"step {n}"}).decode()
        stream.append(
            f"commit refs/heads/line\ncommitter c <c@d> {1700000000 + n} +0000"
            f"\ndata 4\nstep\nM 100644 inline {place(task['id'])}\n"
            f"data {len(data)}\n{data}\n")
    ann.run("fast-import", "--quiet", stdin="".join(stream).encode())
    ann.run("push", "-q", "origin", "line:main")
    kc.wait_for(lambda: fresh.get(url(task)).json["title"] == "step 449", 20)
    said = json.loads(fresh.console("history", task["id"], "--json").stdout)
    titles = [changes(i)["/title"][1] for i in said["items"]]
    assert titles == ["long"] + [f"step {n}" for n in range(450)]


kc.main()
