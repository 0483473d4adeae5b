"""Whoever cannot say who they are: why is on record and in no answer, and
who fails too often waits, while a good token never does."""
import json

import kc
from expect import refused
from flooding import Flood, counted
from wire import head_bytes

A_MINUTE = 1    # so that nothing comes back while a test runs


def new_agent():
    return kc.Agent(conf={"agent.auth-failures": A_MINUTE})


def patient():
    return kc.Agent(conf={"agent.auth-failures": 60000})


def token_id(agent, name):
    listed = json.loads(agent.cli("token", "list", "--json").stdout)
    return [t["id"] for t in listed if t["name"] == name][-1]


def asked(agent, token=None, target="/api/tasks"):
    headers = {"Authorization": "Bearer " + token} if token else {}
    return head_bytes(agent.address, "GET", target, headers)


def ask(agent, source, times, token=None, target="/api/tasks"):
    """The statuses, each with how often it came, from an address."""
    with Flood(agent.address, asked(agent, token, target), 1, source) as f:
        f.run(times)
        return f.statuses


def bad_tokens(agent):
    """(reason, token id or None, text) of all that there are."""
    gone, late = agent.token("gone"), agent.token("late")
    ids = {n: token_id(agent, n) for n in ("gone", "late")}
    agent.cli("token", "revoke", ids["gone"])
    agent.cli("token", "narrow", ids["late"], "--expires", "1ms")
    other = kc.Agent(start=False)
    unknown = other.token("admin")
    other.close()
    return [("missing", None, None), ("malformed", None, "x"),
            ("malformed", None, unknown[:-1] + "01"[unknown[-1] == "0"]),
            ("unknown", None, unknown), ("revoked", ids["gone"], gone),
            ("expired", ids["late"], late)]


def test_why_it_failed_is_on_record_and_in_no_answer():
    agent, bodies = patient(), set()
    cases = bad_tokens(agent)
    for reason, of, token in cases:
        headers = {"Authorization": "Bearer " + token} if token else {}
        answer = agent.get("/api/tasks", by=None, headers=headers)
        refused(answer, 401, "unauthenticated")
        mark = answer.headers["x-correlation-id"]
        record, = agent.journal("auth_failed", correlation_id=mark)
        assert record["actor"] is None and record["status"] == 401, record
        assert record["data"]["reason"] == reason, record
        assert record["data"].get("token_id") == of, record
        bodies.add(answer.body.replace(mark.encode(), b""))
        bad = agent.ws(by=None, headers=headers)
        assert bad.status == 401, bad
        bad.close()
        assert agent.journal("auth_failed")[-1]["data"]["reason"] == reason
    assert len(bodies) == 1, bodies
    for token in filter(None, (t for _, _, t in cases[2:])):
        assert token[4:].encode() not in b"".join(agent.lines())
    agent.close()


def test_who_fails_too_often_waits_and_nobody_else_does(fresh):
    source = "127.9.1.1"
    said = ask(fresh, source, 20)
    assert said == {401: A_MINUTE, 429: 20 - A_MINUTE}, said
    assert ask(fresh, source, 5, "x" * 40) == {429: 5}  # whatever it shows
    assert ask(fresh, "127.9.1.2", 1) == {401: 1}
    good = fresh.token("good")
    assert ask(fresh, source, 50, good) == {200: 50}
    assert ask(fresh, source, 1) == {429: 1}
    records = [r for r in fresh.journal("auth_failed")
               if r["data"]["peer"].startswith(source)]
    single, folded, _ = counted(records, "auth_failed")
    assert single + folded == 26, records
    assert {r["status"] for r in records} == {401, 429}
    row = next(c for c in fresh.get("/api/health", by="good")
               .json["components"] if c["name"] == "auth")
    assert row["status"] == "degraded", row
    assert row["error_code"] == "auth_failures", row
    assert row["detail"].startswith("25 "), row
    kc.wait_for(lambda: fresh.journal("degraded", what="auth",
                                      error_code="auth_failures"))


def test_the_answer_says_how_long_to_wait(fresh):
    for _ in range(A_MINUTE):
        refused(fresh.get("/api/tasks", by=None), 401, "unauthenticated")
    answer = fresh.get("/api/tasks", by=None)
    refused(answer, 429, "too_many")
    assert answer.json["retryable"] is True
    assert 1 <= int(answer.headers["retry-after"]) <= 60 // A_MINUTE
    assert fresh.get("/api/tasks").status == 200
    with fresh.ws("admin") as ws:
        ws.note("hello")
        assert ws.call("task.list")["items"] == []


def test_a_token_that_is_none_any_more_is_counted_over_all_addresses(fresh):
    gone = fresh.token("gone")
    assert ask(fresh, "127.9.2.1", 3, gone) == {200: 3}
    of = token_id(fresh, "gone")
    fresh.cli("token", "revoke", of)
    for i in range(A_MINUTE):
        assert ask(fresh, f"127.9.2.{i + 2}", 1, gone) == {401: 1}
    assert ask(fresh, "127.9.2.99", 1, gone) == {429: 1}
    assert ask(fresh, "127.9.2.98", 1, "x") == {401: 1}
    assert fresh.get("/api/tasks").status == 200
    found = fresh.journal("auth_failed", reason="revoked", token_id=of)
    assert [r["status"] for r in found] == [401] * A_MINUTE + [429], found


def test_a_flood_of_them_is_counted_with_the_reason():
    agent, source, sent = patient(), "127.9.3.1", 400
    gone = agent.token("gone")
    of = token_id(agent, "gone")
    agent.cli("token", "revoke", of)
    agent.token("was")
    was = token_id(agent, "was")
    agent.cli("token", "revoke", was)
    cases = [(gone, "revoked", of), (agent.token("was"), "revoked", was),
             ("x", "malformed", None), (None, "missing", None)]
    floods = [Flood(agent.address, asked(agent, token), 50, source)
              for token, _, _ in cases]
    while any(f.answered < sent for f in floods):   # all at the same time
        for f in floods:
            f.turn(sent, 0.01)
    for f, (_, reason, named) in zip(floods, cases):
        assert f.statuses == {401: sent}, f.statuses
        f.close()
        found = [r for r in agent.journal("auth_failed", reason=reason)
                 if r["data"].get("token_id") == named]
        single, folded, _ = counted(found, "auth_failed")
        assert single + folded == sent, (reason, single, folded)
    agent.close()


def test_what_is_refused_for_something_else_counts_as_no_failure(fresh):
    for _ in range(20):
        assert fresh.get("/api/health", by=None).status == 200
    assert ask(fresh, "127.0.0.1", 20, target="/nowhere") == {404: 20}
    watcher = fresh.token("watcher", "observer")
    assert ask(fresh, "127.0.0.1", 20, watcher, "/nowhere") == {404: 20}
    for _ in range(20):
        refused(fresh.post("/api/mode", {"mode": "normal"}, by="watcher"),
                403, "insufficient_scope")
    assert ask(fresh, "127.0.0.1", 1) == {401: 1}
    assert len(fresh.journal("auth_failed")) == 1


kc.main(new_agent=new_agent)
