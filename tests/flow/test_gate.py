"""The gate: no publish goes out unapproved whatever is said to make it."""
import json
import os
import threading
from pathlib import Path

import kc
from asking import (TRANSPORTS, denied, new_agent, nothing_ran, over_http,
                    publish)
from expect import refused


def test_an_unapproved_publish_is_denied_every_time(agent):
    task = agent.task("denied")
    seen = set()
    for send in TRANSPORTS * 3:
        problem = denied(agent, send, publish(task))
        seen.add((problem["approval_id"], problem["request_sha256"]))
    assert len(seen) == 1, seen
    assert len(agent.journal("approval_requested", task_id=task["id"])) == 1
    for send in TRANSPORTS:
        denied(agent, send, publish(task, on_approval="deny"))
        for text in ("", "approved", "x" * 2000, "\u202eevil", "'; --",
                     "../../..", "${HOME}", "true"):
            denied(agent, send, publish(task, args={"text": text}))
    nothing_ran(agent)


def test_a_parked_publish_is_recorded_as_denied_and_waits(agent):
    task = agent.task("parked")
    for send in TRANSPORTS:
        before = len(agent.journal("policy_denied"))
        status, run = send(agent, publish(task, on_approval="run"))
        assert status in (200, 202), (status, run)
        assert run["state"] == "awaiting_approval", run
        assert len(agent.journal("policy_denied")) == before + 1
    assert len(agent.journal("run_queued", task_id=task["id"])) == 1
    nothing_ran(agent)


def test_a_caller_cannot_talk_the_level_down(agent):
    task = agent.task("level")
    for send in TRANSPORTS:
        for level in ("read_only", "local_write"):
            denied(agent, send, publish(task, side_effect_level=level),
                   "side_effect_mismatch")
        denied(agent, send, {
            "tool": "test.read", "side_effect_level": "external_publish",
            "args": {}, "task_id": task["id"], "criterion_ref": "AC-1"},
            "side_effect_mismatch")
        for level in (None, "", "EXTERNAL_PUBLISH", "none", 3, True,
                      ["read_only"], "external_publish\u200b"):
            status, problem = send(agent, publish(
                task, side_effect_level=level))
            assert status == 400, (level, status, problem)
        body = publish(task)
        del body["side_effect_level"]
        assert send(agent, body)[0] == 400
    nothing_ran(agent)


def test_nothing_added_to_the_request_lets_it_through(agent):
    task = agent.task("extras")
    first = denied(agent, over_http, publish(task))
    for send in TRANSPORTS:
        for name, value in (
                ("approval_id", first["approval_id"]),
                ("request_sha256", first["request_sha256"]),
                ("approved", True), ("admin_approved", True),
                ("allow_external_publish", True), ("force", True),
                ("scope", "admin"), ("actor", "admin"), ("nonce", "x"),
                ("side_effect_leve\u04cf", "read_only"),
                ("mode", "normal"), ("policy", {"external_publish": "allow"}),
                ("__proto__", {"admin": True}), ("", True)):
            status, problem = send(agent, publish(task, **{name: value}))
            assert status == 400, (name, status, problem)
            assert problem["error_code"] == "invalid_request", problem
        for args in ({"text": "a", "approval_id": first["approval_id"]},
                     {"text": "a", "approved": True}, {"text": 1}, {}):
            status, problem = send(agent, publish(task, args=args))
            assert (status, problem["error_code"]) == (422, "invalid_args")
        body = json.dumps(publish(task))[:-1].encode()
        for extra in (b',"side_effect_level":"read_only"}',
                      b',"tool":"test.read"}',
                      b',"side_effect_l\\u0065vel":"read_only"}',
                      b',"args":{"text":"a","text":"b"}}'):
            status, problem = send(agent, body + extra)
            assert (status, problem["error_code"]) == (400, "invalid_json")
        for on in ("allow", "RUN", True, None, "run,deny"):
            assert send(agent, publish(task, on_approval=on))[0] == 400, on
    nothing_ran(agent)


def test_nothing_in_the_head_of_the_request_lets_it_through(agent):
    task = agent.task("headers")
    for headers in ({"X-Approval-Id": "a-1"}, {"X-Scope": "admin"},
                    {"X-Actor": "admin"}, {"X-Forwarded-For": "127.0.0.1"},
                    {"X-HTTP-Method-Override": "GET"},
                    {"Prefer": "wait=1"}, {"Cookie": "admin=1"},
                    {"Content-Type": "application/json; charset=utf-7"},
                    {"X-Correlation-Id": "c-admin"}):
        denied(agent, over_http, publish(task), headers=headers)
    for target in ("?admin=1", "?side_effect_level=read_only",
                   "?tool=test.read", "?approval_id=a-1"):
        answer = agent.post("/api/tools/execute" + target, publish(task),
                            by="codex")
        refused(answer, 400, "invalid_request")
    for path in ("/api/tools/execute/", "/api//tools/execute",
                 "/api/tools/Execute", "/api/tools/execute/test.publish"):
        answer = agent.post(path, publish(task), by="codex")
        assert answer.status in (403, 404), (path, answer)
    nothing_ran(agent)


def test_no_task_or_tool_but_the_named_one_is_meant(agent):
    task = agent.task("tricks")
    for send in TRANSPORTS:
        for tool in ("test.publish ", "TEST.PUBLISH", "../test.publish",
                     "test.publish\u200b", "test.pub", "t\u0435st.publish",
                     "./test.publish.py", "/bin/sh"):
            status, problem = send(agent, publish(task, tool=tool))
            assert (status, problem["error_code"]) == (404, "not_found"), tool
        for task_id in ("../" + task["id"], task["id"] + "/..", "..", "",
                        task["id"] + "\n", "t-*", 7, {"id": task["id"]}):
            status, problem = send(agent, publish(task, task_id=task_id))
            assert status == 400, (task_id, status, problem)
        status, problem = send(agent, publish(task, task_id="t-nosuchtask"))
        assert status == 404, problem
        for ref in ("AC-2", "ac-1", "*", "AC-1 "):
            status, problem = send(agent, publish(task, criterion_ref=ref))
            assert problem["error_code"] == "unknown_criterion", problem
        for missing in ("task_id", "criterion_ref"):
            status, problem = send(agent, publish(task, **{missing: None}))
            assert (status, problem["error_code"]) == \
                (400, "invalid_request"), problem
        short = publish(task, task_id=task["id"][-8:])
        assert denied(agent, send, short)["approval_id"]
    nothing_ran(agent)


ADMIN_FIELDS = (("allow_external_publish", True),
                ("allow_external_publish", False),
                ("allow_external_publish", None),
                ("admin_approved", True), ("admin_approved_by", "admin"),
                ("admin_approved_at", "2030-01-01T00:00:00Z"),
                ("state", "approved"), ("state", None))


def test_a_tool_runner_cannot_write_what_allows_a_publish(agent):
    task = agent.task("fields")
    name = f"/api/tasks/{task['id']}"
    for member, value in ADMIN_FIELDS:
        before = len(agent.journal("policy_denied", reason="admin_field"))
        body = {member: value, "base_sha": task["sha"]}
        refused(agent.patch(name, body), 403, "admin_field")
        refused(agent.post("/api/tasks", {"title": "t", member: value}), 403,
                "admin_field")
        with agent.ws() as ws:
            for method, params in (
                    ("task.update", body | {"id": task["id"]}),
                    ("task.create", {"title": "t", member: value})):
                try:
                    raise AssertionError(ws.call(method, **params))
                except kc.RpcError as e:
                    assert e.problem["error_code"] == "admin_field", e.problem
        after = len(agent.journal("policy_denied", reason="admin_field"))
        assert after - before == 4, (member, value)
    for data in (b'{"\\u0061llow_external_publish":true,"base_sha":"%s"}',
                 b'{"base_sha":"%s","admin_appr\\u006Fved":true}'):
        refused(agent.patch(name, data % task["sha"].encode()), 403,
                "admin_field")
    assert agent.get(name).json == task
    denied(agent, over_http, publish(task))


def test_look_alikes_of_those_fields_are_unknown_members(agent):
    task = agent.task("look-alikes")
    name = f"/api/tasks/{task['id']}"
    for member in ("\u0430llow_external_publish", "Allow_external_publish",
                   "allow_external_publish ", "allow-external-publish",
                   "allow_external_publish\u200b", "allowExternalPublish",
                   "admin_\u0430pproved", "sha",
                   "created_by", "attempt", "lease", "correlation_id"):
        for answer in (
                agent.patch(name, {member: True, "base_sha": task["sha"]}),
                agent.post("/api/tasks", {"title": "t", member: True})):
            refused(answer, 400, "invalid_request")
    twice = b'{"base_sha":"%s","title":"a","allow_external_publish":false,' \
        b'"allow_external_publish":true}' % task["sha"].encode()
    refused(agent.patch(name, twice), 400, "invalid_json")
    inside = agent.patch(name, {
        "base_sha": task["sha"], "labels": {"allow_external_publish": "true"},
        "meta": {"admin_approved": True, "task": {"state": "approved"},
                 "allow_external_publish": True}})
    assert inside.status == 200, inside
    assert inside.json["allow_external_publish"] is False
    assert inside.json["admin_approved"] is False
    denied(agent, over_http, publish(task))
    nothing_ran(agent)


def test_an_admin_sets_the_flag_but_approves_nothing_by_it(agent):
    task = agent.task("allowed", by="admin", allow_external_publish=True)
    assert task["allow_external_publish"] is True
    for send in TRANSPORTS:
        denied(agent, send, publish(task))
    for member in ("admin_approved", "state"):
        refused(agent.patch(f"/api/tasks/{task['id']}", {
            member: True, "base_sha": task["sha"]}, by="admin"), 403,
            "admin_field")
    off = agent.patch(f"/api/tasks/{task['id']}", {
        "allow_external_publish": False, "base_sha": task["sha"]}, by="admin")
    assert off.json["allow_external_publish"] is False, off
    nothing_ran(agent)


def test_an_approval_is_good_for_its_own_request_alone(fresh):
    """Not for another task, criterion, text, requester or other bytes."""
    task = fresh.task("mine", criteria=("one", "two"))
    other = fresh.task("other", criteria=("one", "two"))
    file = fresh.dir / "film.bin"
    file.write_bytes(b"approved bytes")
    upload = {"tool": "test.file", "args": {"file": str(file)}}
    for body in (publish(task), publish(task, **upload)):
        asked = denied(fresh, over_http, body)
        given = fresh.approve(asked["approval_id"],
                              allow_external_publish=True)
        assert given.status == 200, given
    for send in TRANSPORTS:
        denied(fresh, send, publish(other))
        denied(fresh, send, publish(task, criterion_ref="AC-2"))
        denied(fresh, send, publish(task, args={"text": "hello "}))
        denied(fresh, send, publish(task, args={"text": "Hello"}))
        denied(fresh, send, publish(task), by="executor")
        denied(fresh, send, publish(other, **upload))
        denied(fresh, send, publish(task, tool="test.file", args={
            "file": str(file), "note": "more"}))
    file.write_bytes(b"Approved bytes")
    for send in TRANSPORTS:
        denied(fresh, send, publish(task, **upload))
    nothing_ran(fresh)
    file.write_bytes(b"approved bytes")
    for body in (publish(task), publish(task, **upload)):
        status, run = over_http(fresh, body, headers={"Prefer": "wait=20"})
        assert (status, run["state"]) == (200, "succeeded"), run
    assert len(fresh.effects.read_text().splitlines()) == 1
    assert len(fresh.file_effects.read_text().splitlines()) == 1
    for send in TRANSPORTS:
        denied(fresh, send, publish(task))
        denied(fresh, send, publish(task, **upload))
    assert len(fresh.effects.read_text().splitlines()) == 1


def test_an_idempotency_key_replays_no_denial_into_a_publish(agent):
    task = agent.task("keys")
    key = {"Idempotency-Key": "k-publish"}
    for _ in range(3):
        denied(agent, over_http, publish(task), headers=key)
    read = {"tool": "test.read", "side_effect_level": "read_only", "args": {}}
    status, run = over_http(agent, read, headers={"Idempotency-Key": "k-r"})
    assert status == 202, run
    status, problem = over_http(agent, publish(task),
                                headers={"Idempotency-Key": "k-r"})
    assert (status, problem["error_code"]) == (422, "idempotency_mismatch")
    nothing_ran(agent)


def test_who_has_large_files_hashed_delays_nobody_else(agent):
    """Where the machine is so slow that one file is hashed meanwhile, larger
    ones are tried."""
    agent.token("codex")
    assert any(hashed_beside_others(agent, size << 30) for size in (1, 2, 4))


def hashed_beside_others(agent, size):
    """Whether the files were hashed for longer than others had to wait."""
    task = agent.task("large")
    large = agent.dir / "large.bin"
    with open(large, "wb") as f:
        f.truncate(size)
    threads = [threading.Thread(target=over_http, args=(
        agent, publish(task, tool="test.file", args={"file": str(large)})))
        for _ in range(3)]
    for t in threads:
        t.start()
    kc.wait_for(lambda: str(large) in open_files(agent))
    for route in ("health", "tasks", "approvals", "audit?limit=1"):
        assert agent.get("/api/" + route).status == 200
    assert agent.post("/api/tasks", {"title": "meanwhile"}).status == 201
    longer = all(t.is_alive() for t in threads)
    for t in threads:
        t.join()
    large.unlink()
    return longer


def open_files(agent):
    names = set()
    for fd in Path(f"/proc/{agent.proc.pid}/fd").iterdir():
        try:
            names.add(os.readlink(fd))
        except OSError:
            pass  # closed meanwhile
    return names


def test_policy_may_forbid_a_tool_altogether(fresh):
    fresh.conf("policy.external-publish", "deny")
    fresh.conf("policy.test.write.local-write", "deny")
    fresh.restart()
    task = fresh.task("forbidden")
    denied(fresh, over_http, publish(task), "tool_disabled")
    denied(fresh, over_http, {"tool": "test.write", "args": {},
                              "side_effect_level": "local_write"},
           "tool_disabled")
    assert not fresh.journal("approval_requested")
    nothing_ran(fresh)


def test_no_configuration_lets_a_publish_go_unasked(fresh):
    fresh.stop()
    for key, value in (("policy.external-publish", "allow"),
                       ("policy.test.publish.external-publish", "allow"),
                       ("policy.approvals-required", "0"),
                       ("policy.externalpublish", "deny")):
        fresh.conf(key, value)
        bad = fresh.cli("check", check=False)
        assert bad.returncode != 0, (key, value, bad.stdout)
        try:
            fresh.start()
        except AssertionError as e:
            assert "agent.conf" in str(e) and key.split(".")[-1] in str(e), e
        else:
            raise AssertionError(f"it started with {key} = {value}")
        fresh.proc = None
        section, name = key.rsplit(".", 1)
        kc.subprocess.run(["git", "config", "-f", fresh.home / "agent.conf",
                           "--unset", f"{section}.{name}"], check=True)
    fresh.start()


kc.main(new_agent=new_agent)
