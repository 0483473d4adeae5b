"""Who may do what: what each scope, and each person, is kept from."""
import json

import kc
from asking import (TRANSPORTS, denied, new_agent, nothing_ran, over_http,
                    publish)
from expect import refused, sha256


def calls_of_an_admin(agent, approval_id, run_id, task):
    """(websocket name, method, route, body) of all that only admins do."""
    approval, run = f"/api/approvals/{approval_id}", f"/api/runs/{run_id}"
    mine = f"/api/tasks/{task['id']}"
    decision = {"request_sha256": "0" * 64, "nonce": "n"}
    return [
        ("approval.review", "POST", approval + "/review", {}),
        ("approval.approve", "POST", approval + "/approve", decision),
        ("approval.reject", "POST", approval + "/reject", {}),
        ("approval.cancel", "POST", approval + "/cancel", {}),
        ("run.reconcile", "POST", run + "/reconcile",
         {"outcome": "succeeded", "reason": "r"}),
        ("task.approve", "POST", mine + "/approve", {}),
        ("task.reject", "POST", mine + "/reject", {}),
        ("task.halt", "POST", mine + "/halt", {}),
        ("task.resume", "POST", mine + "/resume", {}),
        ("system.mode", "POST", "/api/mode", {"mode": "normal"})]


def test_a_tool_runner_decides_nothing_on_any_route(agent):
    task = agent.task("decides")
    approval = denied(agent, over_http, publish(task))["approval_id"]
    for by in ("codex", "coordinator"):
        for name, method, route, body in calls_of_an_admin(
                agent, approval, "r-0000000000000000", task):
            before = len(agent.journal("policy_denied"))
            refused(agent.request(method, route, body, by=by), 403,
                    "insufficient_scope")
            with agent.ws(by) as ws:
                item = route.split("/")[3:4] if name != "system.mode" else []
                try:
                    raise AssertionError(ws.call(
                        name, **body, **({"id": item[0]} if item else {})))
                except kc.RpcError as e:
                    assert e.problem["error_code"] == "insufficient_scope"
            records = agent.journal("policy_denied")[before:]
            assert [r["data"]["operation"] for r in records] == [name] * 2
    state = agent.get(f"/api/approvals/{approval}").json
    assert state["state"] == "pending" and not state["decisions"], state
    nothing_ran(agent)


def test_an_observer_reads_everything_and_does_nothing(agent):
    task = agent.task("watched")
    approval = denied(agent, over_http, publish(task))["approval_id"]
    agent.token("watcher", "observer")
    for route in ("health", "mode", "tasks", f"tasks/{task['id']}", "tools",
                  "runs", "approvals", f"approvals/{approval}", "audit",
                  f"audit/{task['correlation_id']}", "evidence",
                  f"evidence?task_id={task['id']}"):
        answer = agent.get("/api/" + route, by="watcher")
        assert answer.status == 200, (route, answer)
    mine = f"/api/tasks/{task['id']}"
    for method, route, body in [c[1:] for c in calls_of_an_admin(
            agent, approval, "r-0000000000000000", task)] + [
            ("POST", "/api/tasks", {"title": "t"}),
            ("PATCH", mine, {"title": "t", "base_sha": task["sha"]}),
            ("POST", mine + "/ack", {}), ("POST", mine + "/heartbeat", {}),
            ("POST", mine + "/result", {}),
            ("POST", "/api/tools/execute", publish(task)),
            ("POST", "/api/runs/r-0000000000000000/cancel", {}),
            ("POST", "/api/evidence", {})]:
        before = len(agent.journal("policy_denied"))
        refused(agent.request(method, route, body, by="watcher"), 403,
                "insufficient_scope")
        assert len(agent.journal("policy_denied")) == before + 1, route
    assert agent.get(mine, by="watcher").json == task


def test_an_admin_alone_executes_nothing(agent):
    task = agent.task("by the admin")
    for send in TRANSPORTS:
        for body in (publish(task), {
                "tool": "test.read", "side_effect_level": "read_only",
                "args": {}}):
            status, problem = send(agent, body, "admin")
            assert (status, problem["error_code"]) == \
                (403, "insufficient_scope"), problem
    mine = f"/api/tasks/{task['id']}"
    for step, body in (("ack", {"attempt": 1}), ("heartbeat", {}),
                       ("result", {"attempt": 1})):
        refused(agent.post(f"{mine}/{step}", body, by="admin"), 403,
                "insufficient_scope")
    refused(agent.request("POST", "/api/evidence?name=a", b"x", by="admin"),
            403, "insufficient_scope")


def test_a_runner_without_observer_reads_nothing(agent):
    agent.token("blind", "tool_runner")
    made = agent.post("/api/tasks", {"title": "made blind"}, by="blind")
    assert made.status == 201, made
    for route in ("tasks", f"tasks/{made.json['id']}", "runs", "approvals",
                  "audit", "evidence", "tools", "mode", "events"):
        refused(agent.get("/api/" + route, by="blind"), 403,
                "insufficient_scope")


def test_no_valid_token_is_401_whatever_it_looks_like(agent):
    agent.token("brief", "observer", expires="1s")
    agent.token("gone", "observer")
    listed = json.loads(agent.cli("token", "list", "--json").stdout)
    listed = listed["items"] if isinstance(listed, dict) else listed
    token_id = next(t["id"] for t in listed if t["name"] == "gone")
    assert agent.get("/api/tasks", by="gone").status == 200
    agent.cli("token", "revoke", token_id)
    kc.wait_for(lambda: agent.get("/api/tasks", by="gone").status == 401)
    kc.wait_for(lambda: agent.get("/api/tasks", by="brief").status == 401)
    good = agent.token("admin")
    for value in ("Bearer", "Bearer ", "Bearer x", "Basic " + good,
                  "Bearer " + good[:-1], "Bearer " + good + "x", good,
                  "Bearer " + good.swapcase(), "Bearer " + good + " x",
                  "Bearer " + good.replace("kca_", "kcr_")):
        before = len(agent.journal("auth_failed"))
        answer = agent.get("/api/tasks", by=None,
                           headers={"Authorization": value})
        refused(answer, 401, "unauthenticated")
        assert len(agent.journal("auth_failed")) == before + 1, value
    refused(agent.get("/api/tasks", by=None), 401, "unauthenticated")
    answer = agent.get(f"/api/tasks?token={good}", by=None)
    refused(answer, 401, "unauthenticated")
    assert agent.get("/api/health", by=None).json == {"status": "ok"}
    assert agent.ws(by=None).status == 401


def test_tokens_are_seen_by_nobody(agent):
    for name in ("codex", "coordinator"):
        agent.token(name)
    secrets = [agent.token(n) for n in ("admin", "codex", "coordinator")]
    for route in ("/api/tokens", "/tokens", "/api/token", "/admin.token",
                  "/api/evidence/../../tokens", "/api/evidence/admin.token"):
        for by in ("codex", "admin"):
            refused(agent.get(route, by=by), 404, "not_found")
    said = b"".join(agent.get(f"/api/audit?limit=1000&type={t}").body for t in
                    ("token_created", "token_revoked", "request"))
    kept = b"".join(p.read_bytes() for p in agent.home.rglob("*")
                    if p.is_file() and p.name != "admin.token")
    for secret in secrets:
        for hidden in (secret, secret[4:]):
            assert hidden.encode() not in said + kept
        assert secret not in agent.log
        assert sha256(secret).encode() not in said


def test_who_asked_cannot_approve_even_with_both_scopes(fresh):
    fresh.token("both", "admin", "tool_runner", "observer")
    task = fresh.task("selfish")
    asked = denied(fresh, over_http, publish(task), by="both")
    answer = fresh.approve(asked["approval_id"], by="both",
                           allow_external_publish=True)
    refused(answer, 403, "self_approval")
    fresh.tokens["twin"] = fresh.cli(
        "token", "create", "--name", "both", "--scope", "admin").stdout.strip()
    answer = fresh.approve(asked["approval_id"], by="twin",
                           allow_external_publish=True)
    refused(answer, 403, "self_approval")
    assert len(fresh.journal("policy_denied", reason="self_approval")) == 2
    seen = fresh.get(f"/api/approvals/{asked['approval_id']}").json
    assert seen["state"] == "pending" and seen["decisions"] == []
    denied(fresh, over_http, publish(task), by="both")
    nothing_ran(fresh)
    assert fresh.approve(asked["approval_id"],
                         allow_external_publish=True).status == 200


def test_two_people_approve_where_two_are_required(fresh):
    fresh.conf("policy.test.publish.approvals-required", 2)
    fresh.restart()
    fresh.token("second", "admin")
    fresh.token("both", "admin", "tool_runner", "observer")
    task = fresh.task("two keys")
    asked = denied(fresh, over_http, publish(task), by="both")
    name = asked["approval_id"]
    one = fresh.approve(name, allow_external_publish=True)
    assert one.status == 200 and one.json["state"] == "pending", one
    assert one.json["required"] == 2 and len(one.json["decisions"]) == 1
    assert not fresh.get(f"/api/tasks/{task['id']}").json["admin_approved"]
    denied(fresh, over_http, publish(task), by="both")
    for by in ("admin", "both"):
        refused(fresh.approve(name, by=by, allow_external_publish=True), 403,
                "self_approval")
    nothing_ran(fresh)
    two = fresh.approve(name, by="second", allow_external_publish=True)
    assert two.status == 200 and two.json["state"] == "approved", two
    assert [d["by"] for d in two.json["decisions"]] == ["admin", "second"]
    status, run = over_http(fresh, publish(task), "both",
                            {"Prefer": "wait=20"})
    assert (status, run["state"]) == (200, "succeeded"), run
    assert len(fresh.effects.read_text().splitlines()) == 1


def test_either_of_two_people_may_refuse(fresh):
    fresh.conf("policy.approvals-required", 2)
    fresh.restart()
    fresh.token("second", "admin")
    task = fresh.task("refused by the second")
    name = denied(fresh, over_http, publish(task))["approval_id"]
    assert fresh.approve(name, allow_external_publish=True).status == 200
    no = fresh.post(f"/api/approvals/{name}/reject", {"reason": "no"},
                    by="second")
    assert no.json["state"] == "rejected", no
    fresh.token("third", "admin")
    answer = fresh.post(f"/api/approvals/{name}/review", by="third")
    refused(answer, 409, "already_decided")
    nothing_ran(fresh)


kc.main(new_agent=new_agent)
