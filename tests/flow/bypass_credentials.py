"""Tokens that were stolen, forged, taken away or borrowed; and bytes on the
wire that speak with somebody else's."""
import base64
import hashlib
import json
import string
import urllib.parse
import zlib

import kc
from bypass import attempt, rows
from expect import refused

DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase


def admin_header(t, **more):
    return {"Authorization": "Bearer " + t.agent.token("admin")} | more


def base62(n, width):
    out = ""
    for _ in range(width):
        n, digit = divmod(n, 62)
        out = DIGITS[digit] + out
    return out


def forged():
    """Of the right form, with the right checksum; nobody's."""
    body = "K" * 30
    return "kca_" + body + base62(zlib.crc32(body.encode()), 6)


def stored(t):
    """What a stolen file of tokens has in it for the admin."""
    lines = (t.agent.home / "tokens").read_text().splitlines()
    return [w for line in lines if "admin" in line for w in line.split()]


BEARERS = {
    "nothing": lambda t, good: None,
    "an_empty_one": lambda t, good: "Bearer ",
    "no_scheme": lambda t, good: good,
    "another_scheme": lambda t, good: "Basic " + good,
    "basic_of_it": lambda t, good: "Basic " + base64.b64encode(
        f"admin:{good}".encode()).decode(),
    "two_in_one": lambda t, good: f"Bearer {t.agent.token('codex')} {good}",
    "two_by_comma": lambda t, good: f"Bearer {good}, Bearer {good}",
    "one_letter_less": lambda t, good: "Bearer " + good[:-1],
    "one_letter_more": lambda t, good: "Bearer " + good + "x",
    "another_case": lambda t, good: "Bearer " + good.swapcase(),
    "another_scope": lambda t, good: "Bearer kca_" + t.agent.token(
        "codex")[4:],
    "the_right_checksum": lambda t, good: "Bearer " + forged(),
    "its_stored_hash": lambda t, good: "Bearer " + max(stored(t), key=len),
    "its_own_hash": lambda t, good: "Bearer " + hashlib.sha256(
        good.encode()).hexdigest(),
    "of_another_agent": lambda t, good: "Bearer " + other_agents(t),
    "a_web_token": lambda t, good: "Bearer eyJhbGciOiJub25lIn0."
    "eyJzdWIiOiJhZG1pbiJ9.",
    "an_sql_quote": lambda t, good: "Bearer ' OR '1'='1"}


def other_agents(t):
    home = t.agent.dir / "other-home"
    if not home.exists():
        t.agent.cli("--home", home, "init")
    return (home / "admin.token").read_text().strip()


@rows("decided_with", "auth_failed 401", BEARERS)
def bearer(t, make):
    name = t.asked()
    seen = t.review(name)
    header = make(t, t.agent.token("admin"))
    answer = t.send(decision(seen), f"/api/approvals/{name}/approve", None,
                    headers={"Authorization": header})
    refused(answer, 401, "unauthenticated")
    assert t.state(name) == "pending"


def decision(seen):
    return {"request_sha256": seen["request_sha256"], "nonce": seen["nonce"],
            "reason": "r", "allow_external_publish": True}


@rows("token_in", "auth_failed 401", {
    "the_query": (lambda g: ("?token=" + g, {})),
    "an_access_token": (lambda g: ("?access_token=" + g, {})),
    "a_cookie": (lambda g: ("", {"Cookie": "token=" + g})),
    "another_header": (lambda g: ("", {"X-Api-Key": g, "X-Token": g})),
    "a_proxys_header": (lambda g: ("", {
        "Proxy-Authorization": "Bearer " + g,
        "X-Forwarded-User": "admin", "X-Remote-User": "admin"}))})
def elsewhere(t, make):
    name = t.asked()
    tail, headers = make(t.agent.token("admin"))
    answer = t.send(decision(t.review(name)),
                    f"/api/approvals/{name}/approve{tail}", None,
                    headers=headers)
    refused(answer, 401, "unauthenticated")
    assert t.state(name) == "pending"


# Taken away.

def made(t, *scopes, name="stolen"):
    """A new token of this name; its id."""
    t.agent.tokens[name] = t.agent.cli("token", "create", "--name", name, *(
        o for s in scopes for o in ("--scope", s))).stdout.strip()
    listed = json.loads(t.agent.cli("token", "list", "--json").stdout)
    return [x["id"] for x in listed if x["name"] == name][-1]


def token(t, verb, *args):
    t.agent.cli("token", verb, *args)


@attempt("auth_failed 401, token_revoked")
def revoked_admin_decides(t):
    stolen = made(t, "admin")
    name = t.asked()
    seen = t.review(name, "stolen")
    token(t, "revoke", stolen)
    refused(t.decide(name, seen, by="stolen"), 401, "unauthenticated")


@attempt("stream_ended, token_revoked")
def revoked_admin_decides_on_an_open_websocket(t):
    stolen = made(t, "admin")
    name = t.asked()
    with t.agent.ws("stolen") as ws:
        ws.note("hello")
        seen = ws.call("approval.review", id=name)
        token(t, "revoke", stolen)
        refuses(ws, "approval.approve", decision(seen) | {"id": name})
    assert t.state(name) == "pending"
    t.wait_for(lambda: t.records("stream_ended"))


def refuses(ws, method, params):
    try:
        raise AssertionError(ws.call(method, **params))
    except (kc.Closed, OSError):
        return None
    except kc.RpcError as e:
        assert e.problem["status"] in (401, 403), e.problem
        return e.problem["error_code"]


@attempt("stream_ended, token_revoked")
def revoked_runner_asks_on_an_open_websocket(t):
    """What was approved for it is not started for it either."""
    stolen = made(t, "tool_runner", "observer")
    name = t.asked(by="stolen")
    t.granted(name)
    with t.agent.ws("stolen") as ws:
        ws.note("hello")
        token(t, "revoke", stolen)
        refuses(ws, "tool.execute", t.body())
    t.wait_for(lambda: t.records("stream_ended"))


@attempt("token_revoked, approval_stale, tool_failed cancelled")
def runner_revoked_before_its_run_has_a_place(t):
    stolen = made(t, "tool_runner", "observer")
    with t.blocked():
        run = t.parked(by="stolen")
        t.granted(run["approval_id"])
        token(t, "revoke", stolen)
        t.wait_for(lambda: t.state(run["approval_id"]) == "stale")
    assert t.over(run["id"]) == "cancelled"


@attempt("token_revoked, approval_stale, tool_failed cancelled")
def admin_revoked_in_the_grace_of_its_decision(t):
    stolen = made(t, "admin")
    run = t.parked("test.grace")
    t.granted(run["approval_id"], by="stolen")
    token(t, "revoke", stolen)
    assert t.over(run["id"]) == "cancelled"


@attempt("policy_denied insufficient_scope")
def narrowed_admin_decides(t):
    stolen = made(t, "admin", "observer")
    name = t.asked()
    seen = t.review(name, "stolen")
    token(t, "narrow", stolen, "--scope", "observer")
    refused(t.decide(name, seen, by="stolen"), 403, "insufficient_scope")


@attempt("auth_failed 401")
def expired_admin_decides(t):
    stolen = made(t, "admin")
    name = t.asked()
    seen = t.review(name, "stolen")
    token(t, "narrow", stolen, "--expires", "1ms")
    t.wait_for(lambda: t.agent.get("/api/mode", by="stolen").status == 401)
    refused(t.decide(name, seen, by="stolen"), 401, "unauthenticated")


@attempt("policy_denied self_approval")
def rotated_token_approves_what_the_old_one_asked(t):
    first = made(t, "admin", "tool_runner", "observer")
    name = t.asked(by="stolen")
    t.agent.tokens["stolen"] = t.agent.cli(
        "token", "rotate", first, "--overlap", "1h").stdout.strip()
    refused(t.decide(name, by="stolen"), 403, "self_approval")


@attempt("token_revoked, policy_denied approval_required")
def new_token_of_the_name_of_a_revoked_one(t):
    """A new token is no heir to what was approved for the old."""
    stolen = made(t, "tool_runner", "observer")
    name = t.asked(by="stolen")
    t.granted(name)
    token(t, "revoke", stolen)
    t.wait_for(lambda: t.state(name) == "stale")
    made(t, "tool_runner", "observer")
    assert t.asked(by="stolen") != name


# From elsewhere in a browser.

@rows("decided_from", "request 403", {
    "another_origin": {"Origin": "https://evil.example"},
    "no_origin": {"Origin": "null"},
    "an_origin_that_looks_like_ours": {
        "Origin": "http://127.0.0.1.evil.example"},
    "an_extension": {"Origin": "chrome-extension://abcdef"},
    "another_host": {"Host": "evil.example"},
    "a_host_that_resolves_here": {"Host": "localtest.me:8787"},
    "a_host_with_a_user": {"Host": "127.0.0.1@evil.example"},
    "another_host_and_origin": {"Host": "evil.example",
                                "Origin": "http://evil.example"}})
def browser(t, headers):
    name = t.asked()
    answer = t.send(decision(t.review(name)),
                    f"/api/approvals/{name}/approve", "admin",
                    headers=headers)
    assert answer.status == 403, answer
    assert t.state(name) == "pending"
    ws = kc.WebSocket(t.agent.address, headers=admin_header(t) | headers)
    assert ws.status == 403, ws.status
    ws.close()


@rows("decided_by", None, {
    "reading": (("GET", "", {}), "request 405"),
    "asking_for_the_head": (("HEAD", "", {}), "request 405"),
    "putting": (("PUT", "", {}), "request 405"),
    "patching": (("PATCH", "", {}), "request 405"),
    "deleting": (("DELETE", "", {}), "request 405"),
    "another_method_in_a_header": (
        ("GET", "", {"X-HTTP-Method-Override": "POST"}), "request 405"),
    "a_slash_behind": (("POST", "/", {}), "request 404")})
def method(t, how):
    verb, tail, headers = how
    name = t.asked()
    said = decision(t.review(name))
    query = "" if verb[0] == "P" else "?" + urllib.parse.urlencode(
        said | {"allow_external_publish": "true"})
    answer = t.send(None if query else said,
                    f"/api/approvals/{name}/approve{tail}{query}", "admin",
                    verb, headers=headers)
    assert answer.status in (404, 405), answer
    assert t.state(name) == "pending"


# Requests within requests: what a proxy and the agent might cut differently.

def raw(t, text, **values):
    with t.agent.raw(text.format(
            host="%s:%d" % t.agent.address, codex=t.agent.token("codex"),
            admin=t.agent.token("admin"), **values
            ).replace("\n", "\r\n").encode()) as s:
        try:
            return s.to_end(2 * kc.SLOW)
        except TimeoutError:
            return s.data


HEAD = "POST /api/tasks HTTP/1.1\nHost: {host}\nAuthorization: Bearer " \
    "{codex}\nContent-Type: application/json\n"
INNER = "POST /api/approvals/{name}/approve?{query} HTTP/1.1\nHost: {host}\n" \
    "Content-Length: 0\nX-Ignored: "
VICTIM = "GET /api/mode HTTP/1.1\nHost: {host}\n" \
    "Authorization: Bearer {admin}\nConnection: close\n\n"


@rows("request_hidden_by", "request 400", {
    "a_length_and_chunks": "Content-Length: {all}\n"
    "Transfer-Encoding: chunked\n\n0\n\n",
    "chunks_and_a_length": "Transfer-Encoding: chunked\n"
    "Content-Length: {all}\n\n0\n\n",
    "two_lengths": "Content-Length: 2\nContent-Length: {all}\n\n{{}}",
    "two_lengths_the_other_way": "Content-Length: {all}\n"
    "Content-Length: 2\n\n{{}}",
    "a_length_with_a_sign": "Content-Length: +2\n\n{{}}",
    "a_list_of_lengths": "Content-Length: 2, {all}\n\n{{}}",
    "a_length_in_hex": "Content-Length: 0x2\n\n{{}}",
    "a_length_too_large": "Content-Length: 18446744073709551618\n\n{{}}",
    "a_space_before_the_colon": "Content-Length : 2\n\n{{}}",
    "a_folded_header": "Content-Length:\n 2\n\n{{}}"})
@rows("request_hidden_in", "request 411 length_required", {
    "chunks_twice": "Transfer-Encoding: chunked\n"
    "Transfer-Encoding: identity\n\n0\n\n",
    "chunks_by_another_name": "Transfer-Encoding: xchunked\n\n0\n\n",
    "a_chunk_too_large": "Transfer-Encoding: chunked\n\n"
    "ffffffffffffffff0\n\n",
    "a_chunk_with_a_sign": "Transfer-Encoding: chunked\n\n-0\n\n"})
def smuggled(t, how):
    """With a nonce that was stolen, and the next request's token."""
    name = t.asked()
    seen = t.review(name)
    query = f"request_sha256={seen['request_sha256']}&nonce=" \
        f"{seen['nonce']}&allow_external_publish=true"
    raw(t, HEAD + how + INNER + VICTIM, name=name, query=query,
        all=len(INNER) + 400)
    assert t.state(name) == "pending", how


# Frames.

@rows("frame", "request", {
    "of_a_batch": '[{"jsonrpc":"2.0","id":1,"method":"approval.approve",'
    '"params":%s}]',
    "without_an_id": '{"jsonrpc":"2.0","method":"approval.approve",'
    '"params":%s}',
    "with_null_for_an_id": '{"jsonrpc":"2.0","id":null,'
    '"method":"approval.approve","params":%s}',
    "with_two_methods": '{"jsonrpc":"2.0","id":1,"method":"system.mode",'
    '"method":"approval.approve","params":%s}',
    "with_params_in_a_list": '{"jsonrpc":"2.0","id":1,'
    '"method":"approval.approve","params":[%s]}',
    "of_another_version": '{"jsonrpc":"1.0","id":1,'
    '"method":"approval.approve","params":%s}',
    "with_capitals": '{"jsonrpc":"2.0","id":1,"method":"Approval.Approve",'
    '"params":%s}',
    "with_its_route": '{"jsonrpc":"2.0","id":1,'
    '"method":"POST /api/approvals/approve","params":%s}'})
def frame(t, text):
    name = t.asked()
    params = json.dumps(decision(t.review(name)) | {"id": name})
    with t.agent.ws("admin") as ws:
        ws.note("hello")
        ws.send(text % params)
        try:
            assert "result" not in ws.message(), "it was done"
        except kc.Closed:
            pass
    assert t.state(name) == "pending"


@rows("internal_operation_called", "request 404 not_found", {
    n: n for n in ("run.ready", "run.report", "clock", "recover",
                   "policy.reload", "tokens.changed", "service")})
def internal(t, name):
    run = t.parked()
    with t.agent.ws("both") as ws:
        assert refuses_not_found(ws, name, run["id"])
    assert t.state(run["id"]) == "awaiting_approval"


def refuses_not_found(ws, name, run):
    for params in ({}, {"id": run, "run_id": run}):
        try:
            raise AssertionError(ws.call(name, **params))
        except kc.RpcError as e:
            assert e.problem["error_code"] == "not_found", e.problem
    return True


@attempt("policy_denied insufficient_scope")
def stolen_nonce_and_digest_over_the_websocket(t):
    name = t.asked()
    seen = t.review(name)
    problem = t.rpc("approval.approve", decision(seen) | {"id": name})
    assert problem["error_code"] == "insufficient_scope", problem
    assert t.state(name) == "pending"


@attempt("approval_used, request 409 nonce_used", published=1)
def reviewed_over_one_transport_and_decided_over_both(t):
    run = t.parked()
    with t.agent.ws("admin") as ws:
        seen = ws.call("approval.review", id=run["approval_id"])
        t.granted(run["approval_id"], seen=seen)
        try:
            raise AssertionError(ws.call(
                "approval.approve", **decision(seen), id=run["approval_id"]))
        except kc.RpcError as e:
            assert e.problem["error_code"] == "nonce_used", e.problem
    assert t.over(run["id"]) == "succeeded"


@attempt("policy_denied insufficient_scope")
def open_websocket_keeps_no_scope_for_another_frame(t):
    """An admin's call before it on another socket changes nothing for it."""
    name = t.asked()
    with t.agent.ws("admin") as admin, t.agent.ws("codex") as codex:
        seen = admin.call("approval.review", id=name)
        for n in range(3):
            admin.call("system.mode")
            problem = None
            try:
                codex.call("approval.approve", **decision(seen), id=name)
            except kc.RpcError as e:
                problem = e.problem["error_code"]
            assert problem == "insufficient_scope", problem
