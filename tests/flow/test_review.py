"""What a hostile reader of the code tried: publishing twice past an unknown
outcome, stopping at the wrong moment, filling what is shared."""
from pathlib import Path

import kc
from expect import jcs, refused, sha256, together


def new_agent():
    agent = kc.Agent(start=False, conf={"policy.grace": "0s"})
    agent.go = agent.dir / "go"
    agent.effects = agent.publisher(before=f"""
while args["text"] == "slow" and not os.path.exists({str(agent.go)!r}):
    time.sleep(0.01)""")
    agent.tool("test.wait", f"""
while not os.path.exists({str(agent.go)!r}):
    time.sleep(0.01)
result()""", args={"n": {"type": "integer"}})
    agent.tool("test.quick", "result()", args={"n": {"type": "integer"}})
    agent.tool("test.pin", "result()", args={
        "pin": {"type": "string", "secret": "true"}})
    return agent.start()


def ask(agent, task, text="hello", by="codex", **members):
    return agent.execute("test.publish", "external_publish", {"text": text},
                         task, by=by, **members)


def approval_for(agent, task, text="hello", by="codex"):
    problem = refused(ask(agent, task, text, by), 403, "policy_denied",
                      reason="approval_required")
    return problem["approval_id"]


def approve(agent, approval):
    answer = agent.approve(approval, allow_external_publish=True)
    assert answer.status == 200, answer
    return answer.json


def over(agent, run_id):
    def look():
        run = agent.get(f"/api/runs/{run_id}").json
        return run["state"] not in ("queued", "running",
                                    "awaiting_approval") and run
    return kc.wait_for(look, what=f"the end of {run_id}")


def test_an_unknown_outcome_blocks_whatever_was_asked_meanwhile(fresh):
    task = fresh.task()
    approve(fresh, approval_for(fresh, task, "slow"))
    run = ask(fresh, task, "slow").json["id"]
    kc.wait_for(lambda: fresh.journal("tool_started", run_id=run))
    fresh.token("another", "tool_runner", "observer")
    second = approval_for(fresh, task, "slow", "another")
    parked = ask(fresh, task, "slow", "another",
                 on_approval="run").json["id"]
    fresh.kill9()
    fresh.start()
    assert over(fresh, run)["state"] == "outcome_unknown"
    refused(ask(fresh, task, "slow"), 403, "policy_denied",
            reason="outcome_unknown", run_id=run)
    fresh.approve(second, allow_external_publish=True)
    fresh.go.touch()
    assert over(fresh, parked)["state"] != "succeeded"
    assert fresh.effects.read_text() == ""
    fresh.post(f"/api/runs/{run}/reconcile", {
        "outcome": "failed", "reason": "looked"}, by="admin")
    approve(fresh, approval_for(fresh, task, "slow"))
    assert over(fresh, ask(fresh, task, "slow").json["id"])["state"] == \
        "succeeded"


def test_criteria_stay_locked_whatever_the_length_of_an_id(fresh):
    task = fresh.task(id="x" * 128)
    acked = fresh.ack(task)
    for _ in range(2):
        refused(fresh.patch(f"/api/tasks/{task['id']}", {
            "base_sha": acked["sha"], "acceptance_criteria": []}), 409,
            "criteria_locked")
        fresh.restart()


def test_the_least_number_is_beyond_2_to_the_53(agent):
    refused(agent.post("/api/tasks", b'{"title":"n","meta":{"n":'
                       b'-9223372036854775808}}'), 400, "invalid_json")


def test_another_file_under_the_same_key_is_another_request(agent):
    key = {"Idempotency-Key": "file-1"}
    first = agent.request("POST", "/api/evidence?name=a.txt", b"one",
                          headers=key)
    assert first.status == 201 and first.json["sha256"] == sha256("one")
    again = agent.request("POST", "/api/evidence?name=a.txt", b"one",
                          headers=key)
    assert again.headers["idempotent-replayed"] == "true", again
    refused(agent.request("POST", "/api/evidence?name=a.txt", b"two",
                          headers=key), 422, "idempotency_mismatch")


def test_a_key_tells_no_secret_to_who_guesses(agent):
    key = {"Idempotency-Key": "pin-1"}
    answer = agent.execute("test.pin", "local_write", {"pin": "1234"},
                           headers=key)
    assert answer.status == 202, answer
    asked = {"args": {"pin": "1234"}, "side_effect_level": "local_write",
             "tool": "test.pin"}
    guess = sha256(f"tool.execute\0{jcs(asked)}\0")
    kept, = agent.journal("answer_kept")[-1:]
    assert kept["data"]["put"]["idem"]["body_sha256"] != guess
    again = agent.execute("test.pin", "local_write", {"pin": "1234"},
                          headers=key)
    assert again.headers["idempotent-replayed"] == "true", again


def test_a_reason_cut_within_a_character_leaves_a_whole_record(agent):
    task = agent.task()
    approval = approval_for(agent, task, "reason")
    run = ask(agent, task, "reason", on_approval="run").json["id"]
    answer = agent.post(f"/api/approvals/{approval}/reject",
                        {"reason": "x" + "é" * 300}, by="admin")
    assert answer.status == 200, answer
    failed = agent.journal("tool_failed", run_id=run)[0]["data"]
    assert failed["state"] == "cancelled" and failed["error_code"]
    assert "é" in failed["detail"] and "é" in over(
        agent, run)["error"]["detail"]


def test_a_chain_that_is_cut_is_not_complete(agent):
    same = {"X-Correlation-Id": "c-long"}
    for _ in range(11):
        together([lambda: [agent.get("/api/mode", headers=same)
                           for _ in range(25)] for _ in range(4)])
    chain = agent.get("/api/audit/c-long").json
    assert not chain["complete"], len(chain["events"])
    assert chain["missing"][0]["what"] == "events", chain["missing"]
    assert chain["missing"][0]["id"] == str(chain["events"][-1]["seq"])


def test_an_answer_of_long_records_comes_in_pieces(agent):
    same = {"X-Correlation-Id": "c-wide"}
    for n in range(150):
        agent.task(str(n), headers=same, request_text="\x01" * 7800)
    seen, cursor = [], None
    while True:
        page = agent.get(kc.query("/api/audit", limit=1000, cursor=cursor,
                                  correlation_id="c-wide",
                                  type="task_created")).json
        seen += [r["data"]["put"]["task"]["title"] for r in page["items"]]
        cursor = page["next_cursor"]
        assert page["items"] and len(page["items"]) < 150, len(page["items"])
        if not cursor:
            break
    assert seen == [str(n) for n in range(150)], len(seen)
    assert not agent.get("/api/audit/c-wide").json["complete"]


def test_those_who_wait_leave_room_for_the_operator(fresh):
    held = []
    for n in range(1010):
        body = b'{"tool":"test.wait","side_effect_level":"local_write",' \
               b'"args":{"n":%d}}' % n
        held.append(fresh.raw(
            b"POST /api/tools/execute HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
            b"Authorization: Bearer %s\r\nPrefer: wait=60\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (
                fresh.port, fresh.token("codex").encode(), len(body), body)))
    kc.wait_for(lambda: len(fresh.journal("run_queued")) >= 900)
    fds = len(list(Path(f"/proc/{fresh.proc.pid}/fd").iterdir()))
    assert fds < 1010 + 300, fds    # a run that waits holds none

    def full():     # the last of them may still be on their way
        answer = fresh.execute("test.quick", "local_write")
        return answer if answer.status != 202 else None
    refused(kc.wait_for(full), 503, "overloaded")
    answer = fresh.post("/api/mode", {"mode": "stopped"}, by="admin")
    assert answer.status == 200, answer
    for each in held:
        each.close()


def test_large_documents_do_not_fill_the_memory(fresh):
    """A document of 4,500 empty lists takes 0.7 MiB once it is parsed."""
    def resident():
        status = Path(f"/proc/{fresh.proc.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) >> 10

    body = {"title": "x", "meta": {"a": [[] for _ in range(4500)]}}
    before = resident()
    together([lambda: [fresh.post("/api/tasks", body) for _ in range(200)]
              for _ in range(6)])
    assert resident() - before < 450 * kc.SLOW, (before, resident())


def test_a_criterion_too_long_to_approve_is_said_to_be_so(agent):
    task = agent.task(criteria=["x" * 40000])
    problem = refused(ask(agent, task, "y" * 5000), 422, "invalid_args")
    assert "criterion" in problem["detail"], problem


def test_a_range_of_an_empty_file_is_outside(agent):
    sha = agent.request("POST", "/api/evidence?name=e", b"").json["sha256"]
    answer = agent.get(f"/api/evidence/{sha}", headers={"Range": "bytes=-5"})
    assert answer.status == 416, answer
    assert answer.headers["content-range"] == "bytes */0", answer


kc.main(new_agent=new_agent)
