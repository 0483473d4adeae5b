"""Decisions where only signed ones count: everything but that signature."""
import bypass
from bypass import attempt, rows
from expect import refused
from signing import Keys, statement


def new_agent():
    agent = bypass.new_agent()
    agent.keys = Keys(agent.dir)
    for name in ("admin", "second", "eve", "both"):
        agent.keys.make(name)
    agent.keys.set(*map(agent.keys.line, ("admin", "second", "both")))
    agent.conf("policy.signed-decisions", "true")
    agent.conf("policy.allowed-signers", agent.keys.signers)
    return agent.restart()


def signed(t, seen, key="admin", space="approval@kircerta", **other):
    return t.agent.keys.sign(statement(seen, "read it", **other), key, space)


def flipped(text):
    """The same armor with one letter of its middle another."""
    lines = text.split("\n")
    line = lines[len(lines) // 2]
    lines[len(lines) // 2] = ("B" if line[9] == "A" else "A").join(
        (line[:9], line[10:]))
    return "\n".join(lines)


def of_another(t, seen):
    other = t.agent.task(t.name + " elsewhere")
    name = t.asked(task_id=other["id"])
    return signed(t, t.review(name))


MAKE = {
    "nothing": lambda t, s: None,
    "a_word": lambda t, s: "approved",
    "an_empty_armor": lambda t, s: "-----BEGIN SSH SIGNATURE-----\n"
    "-----END SSH SIGNATURE-----\n",
    "one_of_another_approval": of_another,
    "one_of_an_earlier_review": lambda t, s: signed(
        t, t.review(s["approval"]["id"])),
    "one_by_a_stranger": lambda t, s: signed(t, s, "eve"),
    "one_by_another_admin": lambda t, s: signed(t, s, "second"),
    "one_for_files": lambda t, s: signed(t, s, space="file"),
    "one_for_git": lambda t, s: signed(t, s, space="git"),
    "one_that_rejects": lambda t, s: signed(t, s, decision="reject"),
    "one_of_another_agent": lambda t, s: signed(t, s, agent="other"),
    "one_of_another_digest": lambda t, s: signed(
        t, s, request_sha256="0" * 64),
    "one_with_another_nonce": lambda t, s: signed(t, s, nonce="x" * 32),
    "one_by_another_name": lambda t, s: signed(t, s, by="second"),
    "one_without_the_allowance": lambda t, s: t.agent.keys.sign(
        statement(s, "read it", False), "admin"),
    "one_of_another_reason": lambda t, s: t.agent.keys.sign(
        statement(s, "read all of it"), "admin"),
    "one_of_another_version": lambda t, s: signed(t, s, v=2),
    "one_with_more_said": lambda t, s: signed(t, s, more=True),
    "one_with_a_letter_changed": lambda t, s: flipped(signed(t, s)),
    "one_that_is_cut": lambda t, s: signed(t, s)[:-60]}


@rows("decided_with", "policy_denied 403", MAKE)
def decided(t, make):
    run = t.parked()
    name = run["approval_id"]
    seen = t.review(name)
    answer = t.decide(name, seen, signature=make(t, seen))
    assert answer.status in (400, 403), answer
    assert t.state(name) == "pending"
    assert t.state(run["id"]) == "awaiting_approval"


@attempt("approval_used, approval_granted", published=1)
def one_signature_is_good_for_one_decision(t):
    run = t.parked()
    seen = t.review(run["approval_id"])
    mine = signed(t, seen)
    t.granted(run["approval_id"], seen=seen, signature=mine)
    assert t.over(run["id"]) == "succeeded"
    refused(t.decide(run["approval_id"], seen, signature=mine), 409,
            "nonce_used")
    again = t.asked()
    other = t.review(again)
    refused(t.decide(again, other, signature=mine), 403, "policy_denied")


@attempt("approval_granted, policy_denied, tool_failed cancelled")
def key_taken_out_before_the_run_has_a_place(t):
    """Who cannot sign any more has approved nothing."""
    with t.blocked():
        run = t.parked()
        seen = t.review(run["approval_id"])
        t.granted(run["approval_id"], seen=seen, signature=signed(t, seen))
        t.agent.keys.set(t.agent.keys.line("second"))
    assert t.over(run["id"]) == "cancelled"
    t.agent.keys.set(*map(t.agent.keys.line, ("admin", "second", "both")))


@attempt("policy_denied self_approval")
def who_asked_signs(t):
    name = t.asked(by="both")
    seen = t.review(name, "both")
    refused(t.decide(name, seen, by="both",
                     signature=signed(t, seen, "both")), 403,
            "self_approval")


@attempt("approval_granted, policy_denied")
def one_key_signs_for_two(t):
    """In two names, in the file of who may sign."""
    keys = t.agent.keys
    keys.set(keys.line("admin"), keys.line("second", "admin"))
    try:
        name = t.asked("test.two")
        seen = t.review(name)
        first = t.decide(name, seen, signature=signed(t, seen))
        assert first.json["state"] == "pending", first
        other = t.review(name, "second")
        answer = t.decide(name, other, by="second",
                          signature=signed(t, other))
        assert answer.status == 403, answer
    finally:
        keys.set(*map(keys.line, ("admin", "second", "both")))


@attempt("policy_denied 403")
def signers_that_everybody_may_write(t):
    name = t.asked()
    seen = t.review(name)
    mine = signed(t, seen)
    t.agent.keys.signers.chmod(0o666)
    try:
        assert t.decide(name, seen, signature=mine).status >= 400
    finally:
        t.agent.keys.signers.chmod(0o644)
    refused(t.decide(name), 403, "policy_denied")
