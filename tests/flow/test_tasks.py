"""Tasks: the optimistic lock, the echo, leases, results, states."""
import json
import urllib.parse

import kc
from expect import (blob, committed, git, refused, task_path, together,
                    versions)


def url(task, step=""):
    return f"/api/tasks/{task['id']}" + (f"/{step}" if step else "")


def update(agent, task, by="coordinator", **members):
    return agent.patch(url(task), {"base_sha": task["sha"]} | members, by=by)


def test_a_new_task_is_answered_whole_with_its_place_and_its_blob_id(agent):
    answer = agent.post("/api/tasks", {
        "title": "Record “the demo” 日本 \U0001f3ac", "labels": {"team": "a"},
        "acceptance_criteria": [{"id": "AC-1", "text": "it\u2028is\tdone"}],
        "meta": {"n": 3, "list": [], "deep": {"x": None}}},
        headers={"X-Correlation-Id": "c-new"})
    task = answer.json
    assert answer.status == 201, answer
    assert answer.headers["location"] == url(task)
    assert answer.headers["etag"] == f'"{task["sha"]}"'
    assert answer.headers["x-correlation-id"] == "c-new"
    assert task["correlation_id"] == "c-new"
    assert task["state"] == "pending" and task["attempt"] == 1
    assert task["created_by"] == "coordinator"
    assert not task["allow_external_publish"] and not task["admin_approved"]
    assert task["sha"] == blob(task)
    again = agent.get(url(task))
    assert again.json == task
    assert again.headers["etag"] == answer.headers["etag"]
    path = kc.wait_for(lambda: task_path(agent, task["id"]), 5)
    assert committed(agent)[path] == task["sha"]
    assert json.loads(git(agent, "show", f"HEAD:{path}")) == \
        {k: v for k, v in task.items() if k != "sha"}


def test_what_does_not_make_a_task_is_refused_and_named(agent):
    before = len(agent.journal("task_created"))
    criteria = [{"id": "AC-1", "text": "x"}]
    cases = [
        ({"title": ""}, "title"), ({}, "title"), ({"title": 3}, "title"),
        ({"title": "a" * 501}, "title"),
        ({"title": "a", "titel": "b"}, "titel"),
        ({"title": "a", "id": "../../etc"}, "id"),
        ({"title": "a", "id": ".hidden"}, "id"),
        ({"title": "a", "labels": {"a": 1}}, "labels"),
        ({"title": "a", "labels": []}, "labels"),
        ({"title": "a", "side_effect_level": "root"}, "side_effect_level"),
        ({"title": "a", "acceptance_criteria": criteria * 2}, "AC-1"),
        ({"title": "a", "acceptance_criteria": [{"id": "AC-1"}]}, "[0]"),
        ({"title": "a", "acceptance_criteria":
          [{"id": "AC-1", "text": "x", "met": True}]}, "[0]"),
        ({"title": "a", "acceptance_criteria": None}, "acceptance_criteria"),
    ]
    for body, named in cases:
        problem = refused(agent.post("/api/tasks", body), 400,
                          "invalid_request")
        assert named in problem["detail"], (body, problem)
    assert len(agent.journal("task_created")) == before


def test_a_body_that_is_not_one_json_object_is_refused(agent):
    deep = b'{"title":"a","meta":' + b'{"a":' * 40 + b"1" + b"}" * 41
    for body in (b'{"title":"a","title":"b"}', b'{"title":"\xff"}', b"[]",
                 b'{"title":"a\\u0000b"}', b'{"title":"a"', b"nonsense",
                 b'{"title":"a","meta":{"n":9007199254740993}}', deep,
                 b'{"title":"a"}{}', b'"title"',
                 b'{"title":"a","ti\\u0074le":"b"}'):
        refused(agent.post("/api/tasks", body), 400, "invalid_json")


def test_a_document_over_48_kib_is_refused_and_changes_nothing(agent):
    problem = refused(agent.post("/api/tasks", {
        "title": "big", "meta": {"x": "y" * 50000}}), 413, "task_too_large")
    assert "evidence" in problem["remediation_hint"]
    task = agent.task("small", meta={"keep": "this"})
    refused(update(agent, task, meta={"x": "y" * 50000}), 413,
            "task_too_large")
    assert agent.get(url(task)).json == task
    ok = update(agent, task, meta={"x": "y" * 40000})
    assert ok.status == 200, ok


def test_an_update_without_the_sha_it_read_is_refused(agent):
    task = agent.task()
    refused(agent.patch(url(task), {"title": "b"}), 428, "base_sha_required")
    for sha in ("", "0" * 39, "G" * 40, task["sha"].upper() + "0"):
        refused(agent.patch(url(task), {"title": "b", "base_sha": sha}), 400,
                "invalid_request")
    ok = agent.patch(url(task), {"title": "b"},
                     headers={"If-Match": f'"{task["sha"]}"'})
    assert ok.status == 200 and ok.json["title"] == "b", ok
    assert ok.headers["etag"] == f'"{ok.json["sha"]}"' != f'"{task["sha"]}"'
    stale = agent.patch(url(task), {"title": "c"},
                        headers={"If-Match": f'"{task["sha"]}"'})
    refused(stale, 409, "write_conflict", current_sha=ok.json["sha"])


def test_a_merge_patch_keeps_replaces_and_removes(agent):
    task = agent.task("old", request_text="why", labels={"a": "1", "b": "2"},
                      meta={"x": {"y": 1, "z": 2}}, assignee="codex")
    new = update(agent, task, labels={"b": None, "c": "3"},
                 meta={"x": {"y": None}}, assignee=None, title="new")
    assert new.status == 200, new
    new = new.json
    assert new["labels"] == {"a": "1", "c": "3"}
    assert new["meta"] == {"x": {"z": 2}}
    assert new["assignee"] is None and new["title"] == "new"
    assert new["request_text"] == "why" and new["sha"] == blob(new)
    gone = update(agent, new, labels=None, meta=None, request_text=None,
                  acceptance_criteria=None).json
    assert (gone["labels"], gone["meta"], gone["request_text"],
            gone["acceptance_criteria"]) == ({}, {}, "", [])
    for member, value in (("title", None), ("side_effect_level", None),
                          ("labels", {"a": 1}), ("attempt", 2),
                          ("correlation_id", "c-x"), ("lease", None)):
        refused(update(agent, gone, **{member: value}), 400,
                "invalid_request")
    assert agent.get(url(task)).json == gone


def test_of_32_writers_with_one_base_exactly_one_wins(agent):
    task = agent.task("round 0", meta={"round": 0})
    base, tokens = task["sha"], agent.token("coordinator")
    assert tokens
    answers = together([
        lambda i=i: update(agent, task, title=f"writer {i}", meta={"by": i})
        for i in range(32)])
    won = [a for a in answers if a.status == 200]
    assert len(won) == 1, [a.status for a in answers]
    for lost in answers:
        if lost is not won[0]:
            problem = refused(lost, 409, "write_conflict", base_sha=base,
                              current_sha=won[0].json["sha"])
            assert problem["current"] == won[0].json
            assert problem["retry"]["after_ms"] == 0
            assert problem["retry"]["hint"]
    assert len(agent.journal("write_conflict", task_id=task["id"])) == 31
    assert agent.get(url(task)).json == won[0].json
    kc.wait_for(lambda: len(versions(agent, task["id"])) == 2, 5)
    last = versions(agent, task["id"])[-1]
    assert last["title"] == won[0].json["title"]
    assert blob(last) == won[0].json["sha"]
    assert committed(agent)[task_path(agent, task["id"])] == \
        won[0].json["sha"]


def test_writers_that_retry_lose_no_update_and_roll_nothing_back(agent):
    task = agent.task("a counter", meta={"n": 0})
    agent.token("coordinator")

    def add():
        mine = task
        while True:
            answer = update(agent, mine, meta={"n": mine["meta"]["n"] + 1})
            if answer.status == 200:
                return answer.json
            mine = refused(answer, 409, "write_conflict")["current"]

    done = together([add] * 32)
    assert sorted(d["meta"]["n"] for d in done) == list(range(1, 33))
    assert agent.get(url(task)).json["meta"]["n"] == 32
    kc.wait_for(lambda: len(versions(agent, task["id"])) == 33, 5)
    history = versions(agent, task["id"])
    assert [v["meta"]["n"] for v in history] == list(range(33))
    by_n = {d["meta"]["n"]: d["sha"] for d in done}
    assert all(blob(v) == by_n[v["meta"]["n"]] for v in history[1:])
    told = agent.get(url(task, "history")).json["items"]
    assert len(told) == 33, told


def test_an_echo_that_differs_in_anything_is_refused_and_told_apart(agent):
    texts = ("the café shows", "sign-off", "naïve   spaces")
    task = agent.task(criteria=texts)
    want = task["acceptance_criteria"]

    def echo(*edits):
        return [e if isinstance(e, dict) else want[e] for e in edits]

    def crit(i, text):
        return {"id": f"AC-{i}", "text": text}

    look_alikes = ["the cafe\u0301 shows", "the саfé shows",
                   "the café shows\u200b", "the café shows ",
                   "The café shows", "the café\u00a0shows"]
    cases = [(echo(crit(1, t), 1, 2), [], [], ["AC-1"]) for t in look_alikes]
    cases += [
        (echo(1, 0, 2), [], [], []),
        (echo(0, 1), ["AC-3"], [], []),
        ([], ["AC-1", "AC-2", "AC-3"], [], []),
        (echo(0, 1, 2, crit(4, "more")), [], ["AC-4"], []),
        (echo(0, 1, 2, 2), [], ["AC-3"], []),
        (echo(0, 1, {"id": "ac-3", "text": texts[2]}), ["AC-3"], ["ac-3"],
         []),
        (echo(0, 1, want[2] | {"met": True}), [], [], ["AC-3"]),
        (echo(0, 1, crit(3, 3)), [], [], ["AC-3"]),
    ]
    for got, missing, unexpected, differing in cases:
        answer = agent.post(url(task, "ack"), {
            "attempt": 1, "echoed_acceptance_criteria": got}, by="codex")
        problem = refused(answer, 422, "ack_mismatch")
        assert [m["id"] for m in problem["missing"]] == missing, problem
        assert [m["id"] for m in problem["unexpected"]] == unexpected, problem
        assert [m["id"] for m in problem["differing"]] == differing, problem
        for d in problem["differing"]:
            assert d["expected"] == next(c["text"] for c in want
                                         if c["id"] == d["id"])
    assert len(agent.journal("ack_mismatch", task_id=task["id"])) == len(cases)
    assert agent.get(url(task)).json == task
    acked = agent.ack(task)
    assert acked["state"] == "running" and acked["lease"]["holder"] == "codex"


def test_an_echo_that_is_no_list_of_objects_is_refused(agent):
    task = agent.task()
    for got, status, code in (
            (None, 400, "invalid_request"), ("AC-1", 400, "invalid_request"),
            ({"AC-1": "it is done"}, 400, "invalid_request"),
            (["AC-1"], 422, "ack_mismatch"), ([None], 422, "ack_mismatch"),
            ([{"id": 1, "text": "it is done"}], 422, "ack_mismatch")):
        refused(agent.post(url(task, "ack"), {
            "attempt": 1, "echoed_acceptance_criteria": got}, by="codex"),
            status, code)
    refused(agent.post(url(task, "ack"), {
        "attempt": 2, "echoed_acceptance_criteria":
        task["acceptance_criteria"]}, by="codex"), 409, "stale_attempt",
        attempt=1)
    assert agent.get(url(task)).json["state"] == "pending"


def test_of_many_acks_at_once_one_gets_the_lease(agent):
    task = agent.task()
    names = [f"executor-{i}" for i in range(4)]
    for name in names:
        agent.token(name)
    answers = together([
        lambda n=n: agent.post(url(task, "ack"), {
            "attempt": 1, "echoed_acceptance_criteria":
            task["acceptance_criteria"]}, by=n) for n in names * 2])
    won = [a for a in answers if a.status == 200]
    assert len(won) == 1, answers
    for lost in answers:
        if lost is not won[0]:
            refused(lost, 409, "invalid_transition", **{"from": "running"})
    holder = won[0].json["lease"]["holder"]
    assert agent.get(url(task)).json["lease"]["holder"] == holder
    other = next(n for n in names if n != holder)
    for step, body in (("heartbeat", {}), ("result", {
            "attempt": 1, "summary": "mine"})):
        refused(agent.post(url(task, step), body, by=other), 409,
                "lease_held")


def test_a_result_cites_only_criteria_and_evidence_that_exist(agent):
    task = agent.ack(agent.task(criteria=("one", "two")))
    stored = agent.request(
        "POST", kc.query("/api/evidence", task_id=task["id"], name="a.txt"),
        b"the proof", by="codex")
    assert stored.status == 201, stored
    sha = stored.json["sha256"]

    def result(criteria, status, code, named):
        problem = refused(agent.post(url(task, "result"), {
            "attempt": 1, "summary": "s", "criteria": criteria}, by="codex"),
            status, code)
        assert named in problem["detail"], problem

    def claim(ref="AC-1", **more):
        return {"criterion_ref": ref, "met": True, "evidence": [sha]} | more

    result([claim(), claim("AC-9")], 422, "unknown_criterion", "AC-9")
    result([claim("ac-1")], 422, "unknown_criterion", "ac-1")
    result([claim(evidence=[sha, "0" * 64])], 422, "unknown_evidence", "[1]")
    result([claim(evidence=[sha.upper()])], 422, "unknown_evidence", "[0]")
    result([claim(evidence=["../" + sha[3:]])], 422, "unknown_evidence", "[0]")
    result([claim(evidence=[7])], 422, "unknown_evidence", "[0]")
    result([claim(met="yes")], 400, "invalid_request", "criteria[0]")
    result([claim(judged=True)], 400, "invalid_request", "criteria[0]")
    result(["AC-1"], 400, "invalid_request", "criteria[0]")
    assert agent.get(url(task)).json["state"] == "running"
    done = agent.post(url(task, "result"), {
        "attempt": 1, "summary": "done", "work_log": ["looked", "did"],
        "criteria": [claim(), claim("AC-2", met=False, evidence=[])]},
        by="codex")
    assert done.status == 200 and done.json["state"] == "needs_review", done
    assert done.json["lease"] is None
    kc.wait_for(lambda: any(
        p.startswith("attempts/") and task["id"] in p and "result" in p
        for p in committed(agent)), 5)


def test_a_step_the_machine_does_not_allow_names_from_and_allowed(agent):
    task = agent.task()

    def step(name, by="admin", **body):
        return agent.post(url(task, name), body, by=by)

    def no(name, came_from, allowed, **kw):
        refused(step(name, **kw), 409, "invalid_transition",
                **{"from": came_from, "allowed": allowed})

    ack = {"by": "codex", "attempt": 1,
           "echoed_acceptance_criteria": task["acceptance_criteria"]}
    result = {"by": "codex", "attempt": 1, "summary": "done"}
    review = ["needs_review"]
    no("approve", "pending", review)
    no("reject", "pending", review)
    no("resume", "pending", ["halted"])
    no("heartbeat", "pending", ["running", "stalled"], by="codex")
    no("result", "pending", ["running"], **result)
    assert step("ack", **ack).status == 200
    no("ack", "running", ["pending", "stalled"], **ack)
    no("approve", "running", review)
    assert step("halt", reason="look").json["state"] == "halted"
    no("ack", "halted", ["pending", "stalled"], **ack)
    no("heartbeat", "halted", ["running", "stalled"], by="codex")
    no("result", "halted", ["running"], **result)
    no("halt", "halted", ["pending", "running", "stalled", "needs_review"])
    resumed = step("resume", reason="go on")
    assert resumed.json["state"] == "pending", resumed
    assert resumed.json["lease"] is None
    assert step("ack", **ack).status == 200
    assert step("result", **result).status == 200
    no("result", "needs_review", ["running"], **result)
    assert step("approve", reason="good").json["state"] == "approved"
    no("reject", "approved", review)
    moves = [(r["data"]["from"], r["data"]["to"], r["actor"]) for r in
             agent.journal("task_state", task_id=task["id"])]
    assert moves == [("running", "halted", "admin"),
                     ("halted", "pending", "admin"),
                     ("needs_review", "approved", "admin")], moves


def test_a_stale_base_stops_any_step_that_carries_one(agent):
    task = agent.task()
    newer = update(agent, task, title="newer").json
    for step, by, body in (
            ("ack", "codex", {"attempt": 1, "echoed_acceptance_criteria":
                              task["acceptance_criteria"]}),
            ("halt", "admin", {"reason": "r"})):
        refused(agent.post(url(task, step), body | {"base_sha": task["sha"]},
                           by=by), 409, "write_conflict",
                current_sha=newer["sha"], current=newer)
    ok = agent.post(url(task, "ack"), {
        "attempt": 1, "echoed_acceptance_criteria":
        task["acceptance_criteria"], "base_sha": newer["sha"]}, by="codex")
    assert ok.status == 200, ok


def test_criteria_are_locked_once_they_were_acknowledged(agent):
    task = agent.task()
    task = update(agent, task, acceptance_criteria=[
        {"id": "AC-1", "text": "better"}]).json
    acked = agent.ack(task)
    for criteria in ([], None, [{"id": "AC-1", "text": "easier"}]):
        refused(update(agent, acked, acceptance_criteria=criteria), 409,
                "criteria_locked")
    halted = agent.post(url(task, "halt"), by="admin").json
    back = agent.post(url(task, "resume"), by="admin").json
    assert halted and back["state"] == "pending"
    refused(update(agent, back, acceptance_criteria=[]), 409,
            "criteria_locked")
    ok = update(agent, back, title="the title may change")
    assert ok.status == 200, ok


def test_lists_filter_and_page_in_a_stable_order(fresh):
    made = [fresh.task(f"page {i}") for i in range(7)]
    fresh.ack(made[3])
    want = [t["id"] for t in made]
    got, cursor, pages = [], None, 0
    while True:
        page = fresh.get(kc.query("/api/tasks", limit=3, cursor=cursor)).json
        got += [t["id"] for t in page["items"]]
        cursor, pages = page["next_cursor"], pages + 1
        if cursor is None:
            break
    assert sorted(got) == sorted(want) and pages == 3, (got, pages)
    assert len(set(got)) == 7
    running = fresh.get("/api/tasks?state=running").json["items"]
    assert [t["id"] for t in running] == [made[3]["id"]]
    assert len(fresh.get("/api/tasks?state=running,pending"
                         ).json["items"]) == 7
    named = fresh.get("/api/tasks?q=" + urllib.parse.quote("page 5"))
    assert [t["id"] for t in named.json["items"]] == [made[5]["id"]]
    assert named.json["items"][0]["sha"] == made[5]["sha"]
    for bad in ("limit=0", "limit=1001", "limit=x", "sort=title",
                "limit=1&limit=2"):
        refused(fresh.get("/api/tasks?" + bad), 400, "invalid_request")


def test_an_id_may_be_shortened_but_not_guessed(agent):
    a = agent.task("a", id="demo-alpha-one")
    agent.task("b", id="demo-alpha-two")
    for short in ("demo-alpha-o", "-one", "pha-one", "alpha-one"):
        answer = agent.get(f"/api/tasks/{short}")
        if short.startswith("-"):
            refused(answer, 400, "invalid_request")
        else:
            assert answer.json["id"] == a["id"], answer
    refused(agent.get("/api/tasks/demo-alpha"), 409, "ambiguous_id")
    refused(agent.get("/api/tasks/two"), 404, "not_found")
    refused(agent.get("/api/tasks/nothing-like-it"), 404, "not_found")
    for trick in ("..%2f..%2fetc", "%2e%2e", "../..", "a%2fb",
                  "demo-alpha-one%0a"):
        answer = agent.get(f"/api/tasks/{trick}")
        assert answer.status in (400, 404), (trick, answer)
    refused(agent.post("/api/tasks", {"title": "again",
                                      "id": "demo-alpha-one"}), 409,
            "already_exists")


def test_a_history_is_read_in_pages_from_its_newest_end(agent):
    task = agent.task("paged")
    for n in range(6):
        task = agent.patch(url(task), {"meta": {"n": n},
                                       "base_sha": task["sha"]}).json
    history = url(task, "history")
    kc.wait_for(lambda: len(agent.get(history).json["items"]) == 7, 5)
    whole = agent.get(history).json
    assert whole["next_cursor"] is None
    pages, cursor = [], ""
    while cursor is not None:
        page = agent.get(f"{history}?limit=3{cursor}").json
        pages.insert(0, page["items"])
        cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
    assert [len(p) for p in pages] == [1, 3, 3]
    assert sum(pages, []) == whole["items"]
    answer = agent.get(f"{history}?cursor={'0' * 40}")
    assert answer.status == 400, answer
    assert answer.json["error_code"] == "invalid_request", answer


def test_the_history_of_a_task_names_who_did_what(agent):
    task = agent.task("told")
    agent.ack(task)
    agent.post(url(task, "halt"), {"reason": "wait"}, by="admin")
    kc.wait_for(lambda: len(agent.get(url(task, "history")
                                      ).json["items"]) == 3, 5)
    items = agent.get(url(task, "history")).json["items"]
    assert [(i["by"], i["operation"]) for i in items] == [
        ("coordinator", "task_created"), ("codex", "ack_accepted"),
        ("admin", "task_state")]
    assert items[-1]["sha"] == agent.get(url(task)).json["sha"]


def test_long_documents_fit_wherever_each_is_within_its_limit(agent):
    task = agent.task("long", request_text="r" * 40000)
    acked = agent.ack(task)
    done = agent.post(url(task, "result"), {
        "attempt": 1, "summary": "s" * 20000, "work_log": ["w" * 20000],
        "criteria": []}, by="codex")
    assert done.status == 200 and done.json["state"] == "needs_review", done
    assert acked["request_text"] == done.json["request_text"] == "r" * 40000
    kc.wait_for(lambda: any(task["id"] in p and p.endswith("result.json")
                            for p in committed(agent)), 5)
    path = next(p for p in committed(agent)
                if task["id"] in p and p.endswith("result.json"))
    kept = json.loads(git(agent, "show", f"HEAD:{path}"))
    assert kept["work_log"] == ["w" * 20000]


kc.main()
