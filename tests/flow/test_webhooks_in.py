"""Who may send an event: the bytes have to be signed, whatever else comes
with them, and before that nothing of them is looked at. What is refused is
told no more than that; why is on record."""
import contextlib
import itertools
import json
import os
import time
import uuid

import kc
from expect import refused
from flooding import Flood, counted
from hooks import SCHEMES, Source
from wire import head_bytes
from ws import RpcError

NEXT = "another secret of the test's own: 0123456789"
NUMBERS = itertools.count()


def event(**more):
    """The bytes of one that never was."""
    return json.dumps({"id": f"evt-{next(NUMBERS)}-{uuid.uuid4()}"} |
                      more).encode()


def sources(agent):
    by = {name: Source(agent, name, name) for name in SCHEMES}
    by["small"] = Source(agent, "small", max_body="2k")
    by["large"] = Source(agent, "large", max_body="3m")
    by["huge"] = Source(agent, "huge", max_body="16m")
    by["turning"] = Source(agent, "turning",
                           next_secret_file=agent.dir / "next.secret")
    by["late"] = Source(agent, "late", "standard", tolerance="10s")
    return by


def made(conf=None):
    agent = kc.Agent(start=False, conf={
        "agent.auth-failures": 60000, "timeouts.body": "10s"} | (conf or {}))
    agent.hooks = sources(agent)
    return agent.start()


def new_agent():
    return made()


def sent(hook, body, headers, path=None):
    """The answer, and what the journal has of it, by its mark."""
    mark = f"m-{uuid.uuid4()}"
    answer = hook.agent.request("POST", path or f"/webhooks/{hook.name}",
                                body, by=None,
                                headers=headers | {"X-Correlation-Id": mark})
    records = [r for r in hook.agent.journal() if r["correlation_id"] == mark]
    requests = [r for r in records if r["type"] == "request"]
    assert len(requests) == 1, records
    assert requests[0]["status"] == answer.status, requests
    return answer, records


def rejected(hook, body, headers, status, code, why=None):
    """It is refused so, and the record says why."""
    answer, records = sent(hook, body, headers)
    problem = refused(answer, status, code)
    data = [r["data"] for r in records if r["type"] == "webhook_rejected"]
    assert len(data) == 1, records
    assert data[0]["source"] == hook.name, data
    assert data[0]["reason"] == code and data[0].get("why") == why, data
    return {k: v for k, v in problem.items() if k != "correlation_id"}


def good(hook, body, headers):
    answer, records = sent(hook, body, headers)
    assert answer.status in (200, 202), answer
    assert not [r for r in records if r["type"] == "webhook_rejected"]
    assert {r["actor"] for r in records} == {f"webhook:{hook.name}"}, records
    return answer.json


def spoiled(text):
    """Another byte in the middle of it."""
    i = len(text) // 2
    return text[:i] + ("1" if text[i] != "1" else "2") + text[i + 1:]


def test_what_is_signed_comes_in_and_with_any_part_changed_it_does_not(agent):
    told = []
    for name in SCHEMES:
        hook, body = agent.hooks[name], event()
        headers = hook.signed(body)
        good(hook, body, headers)
        told.append(rejected(hook, body.replace(b"evt", b"evT"), headers,
                             401, "bad_signature", "mismatch"))
        told.append(rejected(hook, body, hook.signed(body, secret=NEXT)
                             if name != "standard" else
                             hook.signed(body, secret="whsec_" + "A" * 32),
                             401, "bad_signature", "mismatch"))
        for key in headers:
            if key in ("X-GitHub-Delivery", "X-GitHub-Event", "Content-Type"):
                continue            # of these GitHub signs nothing
            why = "mismatch" if key != "Stripe-Signature" else "malformed"
            left = {k: v for k, v in headers.items() if k != key}
            told.append(rejected(hook, body, left, 401, "bad_signature",
                                 "missing"))
            told.append(rejected(hook, body, left | {key: spoiled(
                headers[key])}, 401, "bad_signature", why)
                if key != "Stripe-Signature" else
                rejected(hook, body, left | {key: headers[key].replace(
                    "v1=", "v2=")}, 401, "bad_signature", why))
    assert all(t == told[0] for t in told), told


def test_nothing_is_parsed_before_the_signature_is_good(agent):
    for name in SCHEMES:
        hook = agent.hooks[name]
        for body in (b"{no json " + event(), b"\xff\x00" + event()):
            headers = hook.signed(body)
            rejected(hook, body + b" ", headers, 401, "bad_signature",
                     "mismatch")
            rejected(hook, body, headers, 400, "invalid_json")
    hook, body = agent.hooks["github"], b"payload=%7B%7D&" + event()
    rejected(hook, body, {"Content-Type": "application/x-www-form-urlencoded"},
             401, "bad_signature", "missing")


def test_headers_that_cannot_be_meant_are_as_a_bad_signature(agent):
    hook, body = agent.hooks["standard"], event()
    headers = hook.signed(body)
    for change, why in (
            ({"webhook-timestamp": "-1"}, "malformed"),
            ({"webhook-timestamp": headers["webhook-timestamp"] + ".0"},
             "malformed"),
            ({"webhook-id": "a.b"}, "malformed"),
            ({"webhook-id": "x" * 300}, "malformed"),
            ({"webhook-id": "x" * 3000}, "malformed"),
            ({"webhook-signature": ""}, "missing"),
            ({"webhook-signature": "v1," * 30}, "malformed"),
            ({"webhook-signature": "v1a,AAAA"}, "malformed"),
            ({"svix-id": "another"}, "malformed")):
        rejected(hook, body, headers | change, 401, "bad_signature", why)
    many = " ".join([headers["webhook-signature"]] * 17)
    rejected(hook, body, headers | {"webhook-signature": many}, 401,
             "bad_signature", "too_many_signatures")
    hook = agent.hooks["github"]
    rejected(hook, body, {"X-Hub-Signature": "sha1=" + "0" * 40}, 401,
             "bad_signature", "missing")
    rejected(hook, body, {"X-Hub-Signature-256": "sha1=" + "0" * 40}, 401,
             "bad_signature", "malformed")


def test_svix_names_and_several_signatures_are_understood(agent):
    hook, body = agent.hooks["standard"], event()
    headers = {k.replace("webhook-", "svix-"): v
               for k, v in hook.signed(body).items()}
    headers["svix-signature"] = "v2,x v1," + "A" * 43 + "= " + \
        headers["svix-signature"]
    good(hook, body, headers)


def test_a_token_counts_nothing_there_and_the_socket_has_no_such_call(agent):
    hook, body = agent.hooks["github"], event()
    admin = {"Authorization": "Bearer " + agent.token("admin")}
    rejected(hook, body, admin, 401, "bad_signature", "missing")
    good(hook, body, hook.signed(body) | {"Authorization": "Bearer x",
                                          "Idempotency-Key": "k" * 300})
    assert agent.get("/webhooks/github", by="admin").status == 405
    with agent.ws(by="admin") as ws:
        try:
            assert not ws.call("webhook", source="github")
        except RpcError as e:
            assert e.problem["error_code"] == "not_found", e


def test_a_source_that_is_not_there_is_not_found(agent):
    hook, body = agent.hooks["github"], event()
    for path in "/webhooks/nobody", "/webhooks/GITHUB", "/webhooks/a%20b":
        answer, records = sent(hook, body, hook.signed(body), path)
        refused(answer, 404, "not_found")
        assert len(records) == 1, records


def test_secrets_that_cannot_be_used_are_told_apart_by_nobody_outside():
    agent = made()
    hook = agent.hooks["github"]
    good(hook, body := event(), hook.signed(body))
    for wrong in (lambda: hook.file.unlink(),
                  lambda: hook.write(""), lambda: hook.write("short"),
                  lambda: hook.write(hook.secret, mode=0o640)):
        wrong()
        agent.reload()
        body = event()
        kc.wait_for(lambda: hook.send(body).status == 503, what="503")
        problem = rejected(hook, body, hook.signed(body), 503,
                           "webhook_not_configured")
        assert str(hook.file) not in json.dumps(problem), problem
        assert problem["retryable"], problem
    hook.write(hook.secret)             # and needs no restart, no signal
    kc.wait_for(lambda: hook.send(body).status in (200, 202), what="good")
    for word in "cannot be used: ", "can be used again: ":
        assert f"a webhook's secret {word}{hook.file}" in agent.log, word
    assert hook.secret not in agent.log
    assert not [line for line in agent.lines()
                if hook.secret.encode() in line]


def test_a_secret_is_replaced_without_a_gap():
    agent = made()
    hook = agent.hooks["turning"]
    good(hook, body := event(), hook.signed(body))
    hook.write(NEXT, agent.dir / "next.secret")
    kc.wait_for(lambda: hook.send(event(), secret=NEXT).status != 401,
                what="the next secret is read")
    for secret in hook.secret, NEXT:
        good(hook, body := event(), hook.signed(body, secret=secret))
    os.rename(agent.dir / "next.secret", hook.file)
    kc.wait_for(lambda: hook.send(event()).status == 401,
                what="the old secret is forgotten")
    row, = (s for r in agent.get("/api/health", by="admin").json["components"]
            for s in r.get("sources", ()) if s["name"] == "turning")
    assert row["secret"] == "ok", row
    assert "FAIL  turning" not in agent.cli("check", check=False).stdout
    good(hook, body := event(), hook.signed(body, secret=NEXT))
    body = event()
    rejected(hook, body, hook.signed(body), 401, "bad_signature",
             "mismatch")


def test_how_large_an_event_may_be_is_its_source_s(agent):
    hook, pad = agent.hooks["small"], "x" * 3000
    rejected(hook, body := event(pad=pad), hook.signed(body), 413,
             "body_too_large")
    hook = agent.hooks["large"]
    good(hook, body := event(pad="x" * 2500000), hook.signed(body))
    rejected(hook, body := event(pad="x" * 3200000), {}, 413,
             "body_too_large", "missing")


def test_the_time_is_judged_only_of_what_is_signed_well(agent):
    hook, now = agent.hooks["late"], int(time.time())
    for at in (now - 3600, now + 3600, 0, 999999999999999):
        body = event()
        headers = hook.signed(body, at=at)
        rejected(hook, body + b" ", headers, 401, "bad_signature", "mismatch")
        rejected(hook, body, headers, 409, "stale_event", "stale")
    hook = agent.hooks["stripe"]
    body = event()
    rejected(hook, body, hook.signed(body, at=now - 3600), 409, "stale_event",
             "stale")


def delivery(hook, body, length=None, mark=None, **more):
    """The head of it, as bytes."""
    return head_bytes(hook.agent.address, "POST", f"/webhooks/{hook.name}",
                      hook.signed(body) | {
                          "Content-Length": str(length or len(body)),
                          "X-Correlation-Id": mark or f"m-{uuid.uuid4()}"
                      } | more)


def test_it_is_the_same_however_its_bytes_come(agent):
    hook = agent.hooks["github"]
    for size in (1, 7, 64):
        body = event()
        with agent.raw(delivery(hook, body)) as stream:
            for i in range(0, len(body), size):
                stream.send(body[i:i + size])
            answer = stream.response("POST")
        assert answer.status in (200, 202), answer


def test_of_a_header_that_comes_twice_the_first_is_verified(agent):
    hook, body = agent.hooks["github"], event()
    bad = b"X-Hub-Signature-256: sha256=" + b"0" * 64 + b"\r\n"
    head = delivery(hook, body)
    line, rest = head.split(b"\r\n", 1)
    with agent.raw(line + b"\r\n" + bad + rest + body) as stream:
        assert stream.response("POST").status == 401
    with agent.raw(head[:-2] + bad + b"\r\n" + body) as stream:
        assert stream.response("POST").status in (200, 202)


def test_what_does_not_come_in_time_or_whole_leaves_one_record():
    agent = made({"timeouts.body": "300ms"})
    hook = agent.hooks["github"]
    for mark, status, code in (("slow", 408, "request_timeout"),
                               ("cut", 400, "bad_framing")):
        body = event()
        with agent.raw(delivery(hook, body, mark=mark) +
                       body[:5]) as stream:
            if mark == "slow":
                assert stream.response("POST").status == status
        found = kc.wait_for(lambda: [
            r for r in agent.journal("request")
            if r["correlation_id"] == mark], what=mark)
        assert [r["status"] for r in found] == [status], found
        assert found[0]["data"]["error_code"] == code, found
        data = [r["data"] for r in agent.journal("webhook_rejected")
                if r["correlation_id"] == mark]
        assert [(d["source"], d["reason"]) for d in data] == [
            ("github", code)], data
    agent.stop()
    for mark in "slow", "cut":
        assert len(agent.journal("request", correlation_id=mark)) == 1


def test_bodies_without_a_signature_keep_nobody_out(agent):
    """More than all bodies together may take, each short of its last byte."""
    size = 16 << 20
    head = head_bytes(agent.address, "POST", "/webhooks/huge",
                      {"Content-Length": size})
    with contextlib.ExitStack() as held:
        for _ in range(18):
            held.enter_context(agent.raw(head + bytes(size - 1)))
        agent.hooks["large"].accepted({"text": "x" * (2 << 20)})


def test_much_json_is_not_taken_from_who_may_not_ask(agent):
    """Told at once, before any of it has come; a little is read first."""
    for by, size, status in ((None, 500000, 401), ("reader", 500000, 403),
                             (None, 16384, None)):
        auth = {"Authorization": "Bearer " + agent.token(by, "observer")} \
            if by else {}
        head = head_bytes(agent.address, "POST", "/api/tasks",
                          auth | {"Content-Length": size})
        with agent.raw(head) as stream:
            if not status:
                stream.send(b" " * size)
            assert stream.response("POST").status == (status or 401)
    for via in "coordinator", "admin":
        answer = agent.post("/api/tasks", {"title": "t", "request_text":
                                           "x" * 30000}, by=via)
        assert answer.status == 201, answer


def test_who_fails_too_often_waits_and_who_signs_never_does():
    agent = made({"agent.auth-failures": 1})
    hook, body = agent.hooks["github"], event()
    rejected(hook, body, {}, 401, "bad_signature", "missing")
    for _ in range(3):
        answer, records = sent(hook, body, {})
        refused(answer, 429, "too_many")
        assert int(answer.headers["retry-after"]) >= 1, answer
        assert [r["data"]["reason"] for r in records
                if r["type"] == "webhook_rejected"] == ["too_many"]
    good(hook, body, hook.signed(body))


def test_a_flood_of_bad_ones_is_counted_to_the_last():
    times = 200
    agent = made()
    hook, body = agent.hooks["github"], event()
    bad = delivery(hook, body).replace(b"sha256=", b"sha256=0", 1) + body
    with Flood(agent.address, bad, 50, "127.9.9.9") as f:
        f.run(times)
        assert f.statuses == {401: times}, f.statuses
    single, folded, _ = counted(agent.journal(
        "request", peer="127.9.9.9 (loopback)"))
    assert single + folded == times, (single, folded)
    records = [r for r in agent.journal("webhook_rejected")
               if r["data"]["source"] == "github"]
    single, folded, _ = counted(records, "webhook_rejected")
    assert single + folded == times, (single, folded)
    assert {r["data"]["why"] for r in records} == {"malformed"}, records


kc.main(new_agent=new_agent)
