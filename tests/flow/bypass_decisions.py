"""Decisions that nobody made: replayed, borrowed, forged, or of one person
who says to be two."""
from bypass import attempt, rows
from expect import refused

KEY = {"Idempotency-Key": "again"}


def undecided(t, name):
    """Still pending, nobody said yes, and asking is refused as before."""
    shown = t.agent.get(f"/api/approvals/{name}").json
    assert shown["state"] == "pending" and not shown["decisions"], shown
    assert t.asked() == name


def elsewhere(t):
    """The review of an approval of another task."""
    other = t.agent.task(t.name + " elsewhere")
    return t.review(t.asked(task_id=other["id"]))


@rows("digest", None, {
    "of_another_approval": (lambda t, s: elsewhere(t)["request_sha256"],
                            "request 409 approval_stale"),
    "of_zeros": (lambda t, s: "0" * 64, "request 409 approval_stale"),
    "with_one_digit_changed": (
        lambda t, s: ("1" if s["request_sha256"][0] == "0" else "0")
        + s["request_sha256"][1:], "request 409 approval_stale"),
    "in_capitals": (lambda t, s: s["request_sha256"].upper(),
                    "request 400 invalid_request"),
    "cut": (lambda t, s: s["request_sha256"][:63],
            "request 400 invalid_request"),
    "empty": (lambda t, s: "", "request 400 invalid_request"),
    "left_out": (lambda t, s: None, "request 400 invalid_request"),
    "as_a_list": (lambda t, s: [s["request_sha256"]],
                  "request 400 invalid_request"),
    "of_the_nonce": (lambda t, s: s["nonce"], "request 400 invalid_request")})
def digest(t, make):
    name = t.asked()
    seen = t.review(name)
    answer = t.decide(name, seen, request_sha256=make(t, seen))
    assert answer.status in (400, 409), answer
    undecided(t, name)


@rows("nonce", None, {
    "of_another_approval": (lambda t, s: elsewhere(t)["nonce"],
                            "request 409 nonce_used"),
    "of_another_admin": (lambda t, s: t.review(t.asked(), "second")["nonce"],
                         "request 409 nonce_used"),
    "guessed": (lambda t, s: "x" * 32, "request 409 nonce_used"),
    "in_other_case": (lambda t, s: s["nonce"].swapcase(),
                      "request 409 nonce_used"),
    "with_a_tail": (lambda t, s: s["nonce"] + "x", "request 409 nonce_used"),
    "cut": (lambda t, s: s["nonce"][:-1], "request 409 nonce_used"),
    "with_a_nul": (lambda t, s: s["nonce"] + "\0",
                   "request 400 invalid_json"),
    "of_the_digest": (lambda t, s: s["request_sha256"],
                      "request 409 nonce_used"),
    "empty": (lambda t, s: "", "request 400 invalid_request"),
    "left_out": (lambda t, s: None, "request 400 invalid_request"),
    "as_a_boolean": (lambda t, s: True, "request 400 invalid_request")})
def nonce(t, make):
    name = t.asked()
    seen = t.review(name)
    answer = t.decide(name, seen, nonce=make(t, seen))
    assert answer.status in (400, 409), answer
    undecided(t, name)


@rows("allowance", None, {
    "left_out": (None, "policy_denied publish_not_allowed"),
    "refused": (False, "policy_denied publish_not_allowed"),
    "as_a_word": ("true", "request 400 invalid_request"),
    "as_a_number": (1, "request 400 invalid_request")})
def allowance(t, value):
    name = t.asked()
    answer = t.decide(name, allow_external_publish=value)
    assert answer.status in (400, 403), answer
    undecided(t, name)


@rows("decision_by", "policy_denied insufficient_scope 403", {
    "the_executor": ("codex", "approve"),
    "another_executor": ("coordinator", "approve"),
    "an_observer": ("watcher", "approve"),
    "an_observer_who_rejects": ("watcher", "reject"),
    "an_executor_who_cancels": ("coordinator", "cancel")})
def decision_by(t, who):
    by, step = who
    name = t.asked()
    seen = t.review(name)
    if step == "cancel":
        answer = t.send({}, f"/api/approvals/{name}/cancel", by)
    else:
        answer = t.decide(name, seen, by=by, step=step)
    refused(answer, 403, "insufficient_scope")
    undecided(t, name)


@rows("review_by", "policy_denied insufficient_scope 403", {
    "the_executor": "codex", "an_observer": "watcher"})
def review_by(t, by):
    name = t.asked()
    refused(t.send({}, f"/api/approvals/{name}/review", by), 403,
            "insufficient_scope")
    undecided(t, name)


@attempt("policy_denied self_approval 403")
def self_approval_with_both_scopes(t):
    name = t.asked(by="both")
    refused(t.decide(name, by="both"), 403, "self_approval")
    refused(t.ask(by="both"), 403, "policy_denied",
            reason="approval_required")


@attempt("policy_denied self_approval 403")
def self_approval_over_the_websocket(t):
    name = t.asked(by="both")
    seen = t.review(name, "both")
    problem = t.rpc("approval.approve", {
        "id": name, "request_sha256": seen["request_sha256"],
        "nonce": seen["nonce"], "allow_external_publish": True}, "both")
    assert problem["error_code"] == "self_approval", problem


@attempt("policy_denied self_approval 403")
def self_approval_by_a_second_token_of_the_name(t):
    name = t.asked(by="both")
    t.agent.tokens["twin"] = t.agent.cli(
        "token", "create", "--name", "both", "--scope",
        "admin").stdout.strip()
    refused(t.decide(name, by="twin"), 403, "self_approval")


@attempt("approval_granted, policy_denied self_approval")
def one_admin_is_two(t):
    name = t.asked("test.two")
    first, second = t.review(name), t.review(name)
    assert t.decide(name, first).json["state"] == "pending"
    refused(t.decide(name, second), 403, "self_approval")
    t.asked("test.two")


@attempt("approval_granted, policy_denied self_approval")
def one_admin_with_two_tokens_is_two(t):
    t.agent.tokens["admin-twin"] = t.agent.cli(
        "token", "create", "--name", "admin", "--scope",
        "admin").stdout.strip()
    name = t.asked("test.two")
    assert t.decide(name).json["state"] == "pending"
    refused(t.decide(name, by="admin-twin"), 403, "self_approval")


@attempt("approval_granted, policy_denied self_approval")
def who_asked_is_the_second_of_two(t):
    name = t.asked("test.two", by="both")
    assert t.decide(name).json["state"] == "pending"
    refused(t.decide(name, by="both"), 403, "self_approval")


@attempt("approval_granted, policy_denied approval_required")
def half_an_approval_is_none(t):
    run = t.parked("test.two")
    assert t.decide(run["approval_id"]).json["state"] == "pending"
    t.asked("test.two")
    assert t.state(run["id"]) == "awaiting_approval"
    assert not t.now()["admin_approved"]


@attempt("approval_granted, approval_rejected")
def half_an_approval_and_a_refusal(t):
    run = t.parked("test.two")
    assert t.decide(run["approval_id"]).json["state"] == "pending"
    no = t.decide(run["approval_id"], by="second", step="reject")
    assert no.json["state"] == "rejected", no
    assert t.over(run["id"]) == "cancelled"


@attempt("approval_granted, approval_used", published=1)
def two_people_are_two(t):
    run = t.parked("test.two")
    assert t.decide(run["approval_id"]).json["state"] == "pending"
    t.granted(run["approval_id"], by="second")
    assert t.over(run["id"]) == "succeeded"


@attempt("policy_denied tool_disabled 403")
def tool_that_is_denied_is_not_even_asked_for(t):
    refused(t.ask("test.never"), 403, "policy_denied", reason="tool_disabled")
    refused(t.ask("test.never", on_approval="run"), 403, "policy_denied",
            reason="tool_disabled")
    assert not t.records("approval_requested")


# Again.

@attempt("approval_used, request 409 nonce_used", published=1)
def decision_sent_again_after_its_use(t):
    run = t.parked()
    seen = t.review(run["approval_id"])
    t.granted(run["approval_id"], seen=seen)
    assert t.over(run["id"]) == "succeeded"
    for _ in range(3):
        refused(t.decide(run["approval_id"], seen), 409, "nonce_used")
    t.asked()


@attempt("approval_rejected, request 409 already_decided")
def decision_after_a_refusal(t):
    name = t.asked()
    seen = t.review(name)
    no = t.decide(name, step="reject")
    assert no.json["state"] == "rejected", no
    refused(t.decide(name, seen), 409, "already_decided")
    assert t.asked() != name


@attempt("approval_cancelled, request 409 already_decided")
def decision_after_it_was_taken_back(t):
    name = t.asked()
    seen = t.review(name)
    assert t.send({}, f"/api/approvals/{name}/cancel", "admin").status == 200
    refused(t.decide(name, seen), 409, "already_decided")
    assert t.asked() != name


@attempt("approval_cancelled, policy_denied approval_required")
def approval_that_was_given_and_taken_back(t):
    name = t.asked()
    t.granted(name)
    assert t.send({}, f"/api/approvals/{name}/cancel", "admin").status == 200
    assert not t.now()["admin_approved"]
    assert t.asked() != name


@attempt("approval_granted, request 409 already_decided")
def decision_changed_to_yes_by_another_admin(t):
    name = t.asked()
    yes = t.review(name, "second")
    no = t.decide(name, step="reject")
    assert no.status == 200, no
    refused(t.decide(name, yes, by="second"), 409, "already_decided")
    other = t.asked()
    t.granted(other)
    refused(t.decide(other, yes, by="second"), 409, "already_decided")
    assert t.send({}, f"/api/approvals/{other}/cancel",
                  "admin").status == 200


@attempt("approval_used, policy_denied approval_required", published=1)
def request_sent_again_after_its_use(t):
    name = t.asked()
    t.granted(name)
    assert t.ask(wait=20).json["state"] == "succeeded"
    for _ in range(3):
        assert t.asked() != name
    t.parked()


@attempt("approval_used", published=1)
def request_sent_again_with_its_key(t):
    t.granted(t.asked())
    first = t.ask(wait=20, headers=KEY)
    assert first.json["state"] == "succeeded", first
    for _ in range(3):
        again = t.ask(wait=20, headers=KEY)
        assert again.json["id"] == first.json["id"], again
        assert again.headers["idempotent-replayed"] == "true"


@attempt("approval_used", published=1)
def decision_sent_again_with_its_key(t):
    run = t.parked()
    seen = t.review(run["approval_id"])
    body = {"request_sha256": seen["request_sha256"], "nonce": seen["nonce"],
            "allow_external_publish": True}
    for n in range(4):
        answer = t.send(body, f"/api/approvals/{run['approval_id']}/approve",
                        "admin", headers={"Idempotency-Key": t.name})
        assert answer.status == 200, answer
        assert answer.headers.get("idempotent-replayed") == (
            "true" if n else None)
        assert t.over(run["id"]) == "succeeded"


@attempt("request 422 idempotency_mismatch, approval_granted")
def key_of_one_decision_for_another_approval(t):
    key = {"Idempotency-Key": t.name}
    first, second = t.asked(), t.asked(args={"text": "other"})
    for name, status in ((first, 200), (second, 422)):
        seen = t.review(name)
        answer = t.send({"request_sha256": seen["request_sha256"],
                         "nonce": seen["nonce"],
                         "allow_external_publish": True},
                        f"/api/approvals/{name}/approve", "admin",
                        headers=key)
        assert answer.status == status, answer
    assert t.state(second) == "pending"


@attempt("policy_denied approval_required, approval_granted")
def key_of_an_approved_request_used_by_another(t):
    """Keys and approvals are an actor's own."""
    t.granted(t.asked())
    refused(t.ask(by="coordinator", headers=KEY), 403, "policy_denied",
            reason="approval_required")


@attempt("request 422 idempotency_mismatch")
def key_of_a_harmless_request(t):
    key = {"Idempotency-Key": t.name}
    read = t.agent.execute("test.read", "read_only", headers=key)
    assert read.status == 202, read
    refused(t.ask(headers=key), 422, "idempotency_mismatch")
    refused(t.ask(headers=key, on_approval="run"), 422,
            "idempotency_mismatch")


@attempt("policy_denied approval_required, approval_granted")
def key_of_a_refusal(t):
    key = {"Idempotency-Key": t.name}
    for _ in range(3):
        refused(t.ask(headers=key), 403, "policy_denied",
                reason="approval_required")
    name = t.asked()
    t.granted(name)
    assert t.send({}, f"/api/approvals/{name}/cancel", "admin").status == 200
    refused(t.ask(headers=key), 403, "policy_denied",
            reason="approval_required")


@attempt("approval_used", published=1)
def key_of_a_parked_run_starts_no_second(t):
    key = {"Idempotency-Key": t.name}
    run = t.parked(headers=key)
    t.granted(run["approval_id"])
    assert t.over(run["id"]) == "succeeded"
    again = t.ask(on_approval="run", headers=key)
    assert again.json["id"] == run["id"], again
    assert again.headers["idempotent-replayed"] == "true"


@attempt("approval_reviewed")
def review_sent_again_with_its_key(t):
    name = t.asked()
    nonces = {t.send({}, f"/api/approvals/{name}/review", "admin",
                     headers=KEY).json["nonce"] for _ in range(3)}
    assert len(nonces) == 3


# An approval for something else.

@rows("approval_of_this_for", "approval_granted, "
      "policy_denied approval_required", {
    "another_text": {"args": {"text": "worse"}},
    "one_more_space": {"args": {"text": "{} "}},
    "another_case": {"args": {"text": "APPROVED"}},
    "composed_letters": {"args": {"text": "e\u0301"}},
    "one_more_argument": {"args": {"text": "{}", "note": ""}},
    "another_actor": {"by": "coordinator"},
    "another_tool": {"tool": "test.grace"}})
def approval_for(t, other):
    first = t.asked()
    t.granted(first)
    if "args" in other:
        other = other | {"args": {k: v.format(t.name) for k, v in
                                  other["args"].items()}}
    problem = refused(t.ask(**other), 403, "policy_denied",
                      reason="approval_required")
    assert problem["approval_id"] != first


@attempt("approval_granted, policy_denied approval_required")
def approval_of_one_task_for_another(t):
    first = t.asked()
    t.granted(first)
    other = t.agent.task("another")
    assert t.asked(task_id=other["id"]) != first


@attempt("approval_granted, policy_denied approval_required")
def approval_of_one_criterion_for_another(t):
    t.task = t.agent.task(t.name, criteria=("one", "two"))
    first = t.asked()
    t.granted(first)
    assert t.asked(criterion_ref="AC-2") != first


@attempt("approval_granted, policy_denied approval_required")
def approval_of_one_secret_for_another(t):
    secret = {"text": "a", "password": "first"}
    first = t.asked("test.secret", secret)
    t.granted(first)
    assert t.asked("test.secret", secret | {"password": "second"}) != first
    assert t.asked("test.secret", {"text": "a"}) != first
    assert t.asked("test.secret", secret | {"password": "[redacted]"}
                   ) != first


@attempt("approval_granted, policy_denied approval_required")
def approval_named_by_a_part_of_its_id(t):
    """A part that is another's: the digest tells them apart."""
    one, two = t.asked(), t.asked(args={"text": "two"})
    seen = t.review(one)
    refused(t.decide(two[-8:], seen), 409, "approval_stale")
    given = t.decide(one[-8:], seen)
    assert given.json["id"] == one, given
    assert t.asked(args={"text": "two"}) == two


@attempt("approval_used", published=1)
def two_approvals_for_one_run(t):
    """Who asked and who parks share the one approval and the one run."""
    name = t.asked()
    run, again = t.parked(), t.parked()
    assert run["id"] == again["id"] and run["approval_id"] == name
    t.granted(name)
    assert t.over(run["id"]) == "succeeded"
    refused(t.decide(name, t.review(t.asked())), 409, "already_decided")


@attempt("approval_used", published=1)
def two_runs_for_one_approval(t):
    with t.blocked():
        run = t.parked()
        t.granted(run["approval_id"])
        for _ in range(3):
            assert t.ask().json["id"] == run["id"]
    assert t.over(run["id"]) == "succeeded"
    assert t.asked() != run["approval_id"]
