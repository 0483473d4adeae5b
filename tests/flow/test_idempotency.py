"""Idempotency-Key: the first answer again and no second effect, whatever
happens in between."""
import kc
from expect import refused, sha256, together


def new_agent():
    agent = kc.Agent(start=False, conf={"policy.grace": "0s"})
    agent.effects = agent.publisher()
    agent.marks = agent.dir / "marks"
    agent.marks.touch()
    agent.tool("test.mark", f"open({str(agent.marks)!r}, 'a').write('x')\n"
               "result(text=args.get('text'))",
               args={"text": {"type": "string"}})
    return agent.start()


def key(name):
    return {"Idempotency-Key": name}


def same(first, again):
    """again is first, but for saying so and its own times."""
    assert "idempotent-replayed" not in first.headers, first
    assert again.headers["idempotent-replayed"] == "true", again
    assert again.status == first.status, (first, again)
    assert again.json == first.json, (first, again)
    for name in ("location", "etag", "content-type"):
        assert again.headers.get(name) == first.headers.get(name), name


def test_the_first_answer_comes_again_without_a_second_effect(agent):
    body = {"title": "once", "labels": {"a": "1"}}
    first = agent.post("/api/tasks", body, headers=key("k-once"))
    assert first.status == 201, first
    for again in (body, {"labels": {"a": "1"}, "title": "once"},
                  b'{ "title" : "on\\u0063e","labels":{"a":"1"}}'):
        same(first, agent.post("/api/tasks", again, headers=key("k-once")))
    made = agent.get("/api/tasks?q=once").json["items"]
    assert len(made) == 1, made
    changed = agent.patch(f"/api/tasks/{first.json['id']}", {
        "title": "once more", "base_sha": first.json["sha"]})
    assert changed.status == 200
    same(first, agent.post("/api/tasks", body, headers=key("k-once")))


def test_the_same_key_for_something_else_is_refused(agent):
    first = agent.post("/api/tasks", {"title": "a"}, headers=key("k-other"))
    for method, route, body in (
            ("POST", "/api/tasks", {"title": "b"}),
            ("POST", "/api/tasks", {"title": "a", "labels": {}}),
            ("POST", f"/api/tasks/{first.json['id']}/heartbeat", {}),
            ("POST", "/api/tools/execute",
             {"tool": "test.mark", "side_effect_level": "local_write"})):
        problem = refused(agent.request(method, route, body,
                                        headers=key("k-other")), 422,
                          "idempotency_mismatch")
        assert "key" in problem["remediation_hint"], problem
    assert agent.marks.read_text() == ""
    other = agent.post("/api/tasks", {"title": "b"}, by="codex",
                       headers=key("k-other"))
    assert other.status == 201, "a key is its actor's own"


def test_a_run_is_started_once_and_waited_for_again(agent):
    agent.marks.write_text("")
    first = agent.execute("test.mark", "local_write", {"text": "a"}, wait=20,
                          headers=key("k-run"))
    assert first.status == 200 and first.json["state"] == "succeeded", first
    again = agent.execute("test.mark", "local_write", {"text": "a"}, wait=20,
                          headers=key("k-run"))
    same(first, again)
    later = agent.execute("test.mark", "local_write", {"text": "a"},
                          headers=key("k-run"))
    assert later.json["id"] == first.json["id"], later
    assert later.headers["idempotent-replayed"] == "true"
    refused(agent.execute("test.mark", "local_write", {"text": "b"}, wait=20,
                          headers=key("k-run")), 422, "idempotency_mismatch")
    assert agent.marks.read_text() == "x"


def test_of_many_with_one_key_at_once_one_has_an_effect(agent):
    agent.marks.write_text("")
    agent.token("codex")
    answers = together([lambda: agent.execute(
        "test.mark", "local_write", {"text": "b"}, wait=20,
        headers=key("k-many"))] * 16)
    assert {a.status for a in answers} == {200}, answers
    assert len({a.json["id"] for a in answers}) == 1
    assert {a.json["state"] for a in answers} == {"succeeded"}, answers
    replayed = [a for a in answers if "idempotent-replayed" in a.headers]
    assert len(replayed) == 15, answers
    assert agent.marks.read_text() == "x"
    agent.token("coordinator")
    made = together([lambda: agent.post("/api/tasks", {"title": "one of 16"},
                                        headers=key("k-16"))] * 16)
    assert len({a.json["id"] for a in made}) == 1, made
    assert sum("idempotent-replayed" in a.headers for a in made) == 15


def test_a_restart_and_kill_9_forget_no_key(fresh):
    bodies = {f"k-{n}": {"title": f"task {n}"} for n in range(8)}
    first = {k: fresh.post("/api/tasks", b, headers=key(k))
             for k, b in bodies.items()}
    ran = fresh.execute("test.mark", "local_write", {"text": "a"}, wait=20,
                        headers=key("k-run"))
    for end in (fresh.stop, fresh.kill9):
        end()
        (fresh.home / "index.db").unlink()
        fresh.start()
        for k, body in bodies.items():
            same(first[k], fresh.post("/api/tasks", body, headers=key(k)))
        refused(fresh.post("/api/tasks", {"title": "x"},
                           headers=key("k-1")), 422, "idempotency_mismatch")
        same(ran, fresh.execute("test.mark", "local_write", {"text": "a"},
                                wait=20, headers=key("k-run")))
    assert len(fresh.get("/api/tasks").json["items"]) == 8
    assert fresh.marks.read_text() == "x"


def test_an_answer_that_was_lost_on_the_way_is_had_again(fresh):
    """The client is cut off after sending and asks again with its key."""
    for n in range(10):
        body = b'{"title":"lost %d"}' % n
        token = fresh.token("coordinator")
        with fresh.raw(
                b"POST /api/tasks HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                b"Authorization: Bearer %s\r\nIdempotency-Key: lost-%d\r\n"
                b"Content-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n%s" % (
                    fresh.port, token.encode(), n, len(body), body)):
            pass
    answers = [fresh.post("/api/tasks", {"title": f"lost {n}"},
                          headers=key(f"lost-{n}")) for n in range(10)]
    assert {a.status for a in answers} == {201}, answers
    assert len(fresh.get("/api/tasks").json["items"]) == 10


def test_a_refusal_is_not_kept_as_the_answer(agent):
    bad = {"title": "kept?", "meta": {"x": "y" * 50000}}
    refused(agent.post("/api/tasks", bad, headers=key("k-refused")), 413,
            "task_too_large")
    good = agent.post("/api/tasks", {"title": "kept?"},
                      headers=key("k-refused"))
    assert good.status == 201, good
    task = agent.task("asks")
    for _ in range(2):
        answer = agent.execute("test.publish", "external_publish",
                               {"text": "a"}, task, headers=key("k-publish"))
        asked = refused(answer, 403, "policy_denied",
                        reason="approval_required")["approval_id"]
    given = agent.approve(asked, allow_external_publish=True)
    assert given.status == 200, given
    done = agent.execute("test.publish", "external_publish", {"text": "a"},
                         task, wait=20, headers=key("k-publish"))
    assert done.json["state"] == "succeeded", done
    again = agent.execute("test.publish", "external_publish", {"text": "a"},
                          task, wait=20, headers=key("k-publish"))
    same(done, again)
    assert len(agent.effects.read_text().splitlines()) == 1


def test_a_review_is_new_each_time(agent):
    task = agent.task("review")
    name = agent.execute("test.publish", "external_publish", {"text": "r"},
                         task).json["approval_id"]
    seen = [agent.post(f"/api/approvals/{name}/review", by="admin",
                       headers=key("k-review")).json["nonce"]
            for _ in range(2)]
    assert seen[0] != seen[1]
    kept = b"".join(agent.lines())
    assert not any(nonce.encode() in kept for nonce in seen)


def test_long_answers_are_kept_too(agent):
    for n, size in enumerate((30000, 39000)):
        body = {"title": f"long {n}", "request_text": "r" * size}
        first = agent.post("/api/tasks", body, headers=key(f"k-long-{n}"))
        assert first.status == 201, first
        same(first, agent.post("/api/tasks", body,
                               headers=key(f"k-long-{n}")))
    quoted = {"title": "quoted", "request_text": '"' * 23000}
    first = agent.post("/api/tasks", quoted, headers=key("k-quoted"))
    assert first.status == 201, first
    same(first, agent.post("/api/tasks", quoted, headers=key("k-quoted")))
    task = first.json
    acked = agent.post(f"/api/tasks/{task['id']}/ack", {
        "attempt": 1, "echoed_acceptance_criteria": []}, by="codex",
        headers=key("k-ack"))
    assert acked.status == 200, acked


def test_an_upload_is_stored_once(agent):
    answers = [agent.request(
        "POST", "/api/evidence?name=a.txt", b"some bytes", by="codex",
        headers=key("k-upload")) for _ in "12"]
    same(*answers)
    assert answers[0].json["sha256"] == sha256(b"some bytes")
    assert len(agent.journal("evidence_added",
                             sha256=sha256(b"some bytes"))) == 1


def test_a_key_that_is_no_key_is_refused(agent):
    for bad in ("", "k" * 300):
        answer = agent.post("/api/tasks", {"title": "t"}, headers=key(bad))
        assert answer.status in (201, 400, 431), (bad, answer)
    longest = "k" * 200
    first = agent.post("/api/tasks", {"title": "t"}, headers=key(longest))
    assert first.status == 201, first
    same(first, agent.post("/api/tasks", {"title": "t"},
                           headers=key(longest)))


kc.main(new_agent=new_agent)
