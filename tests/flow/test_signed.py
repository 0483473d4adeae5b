"""Signed decisions: what counts is what somebody's own key has signed."""
import json

import kc
from expect import jcs, refused
from signing import (SPACE, approve, asked, decide, new_agent, run_again,
                     statement)


def published(agent):
    return len(agent.effects.read_text().splitlines())


def denials(agent, approval_id):
    return [r["data"]["reason"] for r in
            agent.journal("policy_denied", approval_id=approval_id)
            if r["data"]["reason"] != "approval_required"]


def test_without_a_signature_nothing_is_approved(agent):
    task, approval_id = asked(agent)
    review = agent.review(approval_id)
    assert review["statement"]["required"] is True, review
    assert review["statement"]["namespace"] == SPACE
    problem = refused(decide(agent, approval_id, review), 403,
                      "policy_denied", reason="unsigned_decision")
    assert "policy.signed-decisions = true" in problem["rule"], problem
    assert denials(agent, approval_id) == ["unsigned_decision"]
    assert agent.get(f"/api/approvals/{approval_id}").json["state"] == \
        "pending"
    # the review is still good: nothing was decided
    signed = agent.keys.sign(statement(review), "admin")
    assert decide(agent, approval_id, review, signature=signed).status == 200


def test_a_signed_decision_publishes_and_openssh_agrees_offline(agent):
    task, approval_id = asked(agent, "offline")
    before = published(agent)
    granted = approve(agent, approval_id, "admin")
    assert granted.status == 200 and granted.json["state"] == "approved"
    assert run_again(agent, task)["state"] == "succeeded"
    assert published(agent) == before + 1
    record, = agent.journal("approval_granted", approval_id=approval_id)
    data = record["data"]
    text, signature = data["statement"].encode(), data["signature"]
    assert agent.keys.verify(text, signature, "admin")
    assert not agent.keys.verify(text + b" ", signature, "admin")
    assert not agent.keys.verify(text, signature, "ana")
    said = json.loads(text)
    assert jcs(said).encode() == text
    assert said["request_sha256"] == data["request_sha256"]
    assert said["approval_id"] == approval_id and said["by"] == "admin"
    assert said["reason"] == "tested" == data["reason"]
    assert data["key"].startswith("SHA256:")
    decision, = agent.get(f"/api/approvals/{approval_id}").json["decisions"]
    assert decision["statement"] == data["statement"]
    assert decision["signature"] == signature
    assert decision["key"] == data["key"]


def test_every_type_of_key_that_ssh_keygen_makes_can_decide(agent):
    kinds = ("ecdsa -b 256", "ecdsa -b 384", "ecdsa -b 521", "rsa -b 2048")
    for kind in kinds:
        name = kind.replace(" ", "")
        agent.keys.make(name, kind)
        agent.keys.set(agent.keys.line("admin", name))
        _, approval_id = asked(agent, kind)
        answer = approve(agent, approval_id, name)
        assert answer.status == 200, (kind, answer)
        record, = agent.journal("approval_granted", approval_id=approval_id)
        assert agent.keys.verify(record["data"]["statement"].encode(),
                                 record["data"]["signature"], "admin")
    agent.keys.set(agent.keys.line("admin"), agent.keys.line("ana"))


def test_a_signature_of_anything_else_is_refused(agent):
    task, approval_id = asked(agent, "else")
    _, other_id = asked(agent, "other", "other")
    first, review = agent.review(approval_id), agent.review(approval_id)
    other, anas = agent.review(other_id), agent.review(approval_id, "ana")
    text, keys = statement(review), agent.keys
    wrong = {
        "another namespace": keys.sign(text, "admin", "file"),
        "another nonce": keys.sign(statement(first), "admin"),
        "another digest": keys.sign(statement(review, request_sha256=other[
            "request_sha256"]), "admin"),
        "another approval": keys.sign(statement(other), "admin"),
        "its id alone": keys.sign(statement(review, approval_id=other_id),
                                  "admin"),
        "a rejection": keys.sign(statement(review, decision="reject"),
                                 "admin"),
        "another actor": keys.sign(statement(review, by="ana"), "admin"),
        "another's review": keys.sign(statement(anas), "ana"),
        "another agent": keys.sign(statement(review, agent="else"), "admin"),
        "another reason": keys.sign(statement(review, "other"), "admin"),
        "no permission": keys.sign(statement(review, allow=False), "admin"),
        "another time": keys.sign(statement(
            review, expires_at="2099-01-01T00:00:00.000000Z"), "admin"),
        "another version": keys.sign(statement(review, v=2), "admin"),
        "one member more": keys.sign(statement(review, x=1), "admin"),
        "a line feed more": keys.sign(text + b"\n", "admin"),
        "pretty": keys.sign(json.dumps(json.loads(text)).encode(), "admin"),
        "nothing": keys.sign(b"", "admin"),
        "another's key": keys.sign(text, "ana"),
        "nobody's key": keys.sign(text, "eve"),
        "no armor": "x", "half": keys.sign(text, "admin")[:-60],
        "two": keys.sign(text, "admin") * 2,
    }
    for what, signature in wrong.items():
        answer = decide(agent, approval_id, review, signature=signature)
        problem = refused(answer, 403, "policy_denied",
                          reason="bad_signature")
        assert problem["why"] and "allowed-signers" in problem["rule"], what
    assert denials(agent, approval_id) == ["bad_signature"] * len(wrong)
    for signature in ("", 7, None, ["x"], "x" * 8193):
        refused(decide(agent, approval_id, review, signature=signature), 400,
                "invalid_request")
    good = keys.sign(text, "admin")
    assert decide(agent, approval_id, review, signature=good).status == 200
    refused(decide(agent, approval_id, review, signature=good), 409,
            "nonce_used")
    refused(decide(agent, other_id, other, signature=good), 403,
            "policy_denied", reason="bad_signature")


def test_lines_that_expired_or_were_taken_out_count_at_once(agent):
    keys = agent.keys
    _, approval_id = asked(agent, "lines")
    review = agent.review(approval_id)
    signature = keys.sign(statement(review), "admin")
    for lines, why in (
            ((keys.line("ana"),), "does not list"),
            ((keys.line("admin", options='valid-before="20200101Z"'),),
             "any more"),
            ((keys.line("admin", options='valid-after="20990101Z"'),),
             "not valid yet"),
            ((keys.line("admin", options='namespaces="git"'),), "this kind"),
            ((keys.line("admin", options="cert-authority"),),
             "cert-authority"),
            ((keys.line("!admin,*", "admin"),), "does not list"),
            (("admin what is this\n",), "does not list"), ((), "not list")):
        keys.set(*lines)
        problem = refused(decide(agent, approval_id, review,
                                 signature=signature), 403,
                          "policy_denied", reason="bad_signature")
        assert why in problem["why"], (why, problem)
    keys.set(keys.line("admin"))
    keys.signers.chmod(0o666)
    problem = refused(decide(agent, approval_id, review, signature=signature),
                      403, "policy_denied", reason="bad_signature")
    assert "written by others" in problem["why"], problem
    keys.signers.unlink()
    refused(decide(agent, approval_id, review, signature=signature), 403,
            "policy_denied", reason="bad_signature")
    keys.set(keys.line("a*n", "admin", 'namespaces="approval@*"'),
             keys.line("ana"))
    assert decide(agent, approval_id, review,
                  signature=signature).status == 200


def test_a_key_that_is_taken_out_after_the_approval_starts_nothing(agent):
    task, approval_id = asked(agent, "revoked")
    assert approve(agent, approval_id, "ana", by="ana").status == 200
    agent.keys.set(agent.keys.line("admin"))
    before = published(agent)
    run = run_again(agent, task)
    assert run["state"] == "cancelled", run
    assert run["error"]["error_code"] == "policy_denied", run
    assert denials(agent, approval_id) == ["bad_signature"]
    assert published(agent) == before
    agent.keys.set(agent.keys.line("admin"), agent.keys.line("ana"))
    assert agent.get(f"/api/approvals/{approval_id}").json["state"] == "stale"


def test_one_key_is_one_person():
    agent = new_agent(start=False)
    agent.conf("policy.approvals-required", "2")
    keys = agent.keys
    keys.set(keys.line("admin,ana", "admin"), keys.line("ana"),
             keys.line("bob"))
    agent.start()
    task, approval_id = asked(agent)
    answer = approve(agent, approval_id, "admin")
    assert answer.status == 200 and answer.json["state"] == "pending", answer
    refused(approve(agent, approval_id, "admin", by="ana"), 403,
            "self_approval")
    shown = agent.console("show", approval_id).stdout
    assert "approve by admin (signed, SHA256:" in " ".join(shown.split())
    answer = approve(agent, approval_id, "ana", by="ana")
    assert answer.status == 200 and answer.json["state"] == "approved", answer
    assert run_again(agent, task)["state"] == "succeeded"
    assert published(agent) == 1
    first, second = agent.journal("approval_granted")
    assert first["data"]["key"] != second["data"]["key"]
    agent.close()


def test_a_signature_that_need_not_be_sent_is_verified_all_the_same():
    agent = new_agent(required=False)
    task, approval_id = asked(agent)
    review = agent.review(approval_id)
    assert review["statement"]["required"] is False
    refused(decide(agent, approval_id, review, signature=agent.keys.sign(
        statement(review), "eve")), 403, "policy_denied",
        reason="bad_signature")
    assert approve(agent, approval_id, "admin").status == 200
    assert run_again(agent, task)["state"] == "succeeded"
    task, approval_id = asked(agent, "unsigned", "unsigned")
    review = agent.review(approval_id)
    assert decide(agent, approval_id, review).status == 200
    record, = agent.journal("approval_granted", approval_id=approval_id)
    assert "signature" not in record["data"]
    assert run_again(agent, task, "unsigned")["state"] == "succeeded"
    agent.close()


def test_health_tells_of_a_signers_file_that_is_no_use(agent):
    def row():
        rows = agent.get("/api/health", by="admin").json["components"]
        return next(r for r in rows if r["name"] == "signers")
    keys = agent.keys
    assert row()["status"] == "ok", row()
    for spoil in (lambda: keys.signers.chmod(0o666), keys.signers.unlink,
                  lambda: keys.set("ana oops\n")):
        spoil()
        assert row()["error_code"] == "signers_unusable", row()
        assert str(keys.signers) in row()["detail"]
        keys.set(keys.line("admin"), keys.line("ana"))
        assert row()["status"] == "ok", row()


def test_a_policy_that_nobody_could_sign_under_is_refused():
    agent = kc.Agent(start=False)
    agent.conf("policy.test.publish.signed-decisions", "true")
    done = agent.cli("check", check=False)
    assert done.returncode and "needs policy.allowed-signers" in done.stdout
    assert agent.cli("run", "--listen", "127.0.0.1:0",
                     check=False).returncode
    agent.close()


def test_check_reads_the_signers_file(fresh):
    keys, home = fresh.keys, fresh.home
    done = fresh.cli("check", check=False)
    assert f"signers    ok    {keys.signers}: 2 keys" in done.stdout, done
    for line, why in (("ana what is this\n", ":2: "),
                      (keys.line("ana", options="cert-authority"), ":2: "),
                      (keys.line("ana")[:-40] + "\n", ":2: ")):
        keys.set(keys.line("admin"), line)
        done = fresh.cli("check", check=False)
        assert done.returncode and f"FAIL  {keys.signers}{why}" in \
            done.stdout, (line, done)
    keys.set(keys.line("admin"))
    keys.signers.chmod(0o664)
    done = fresh.cli("check", check=False)
    assert done.returncode and "may be written by others" in done.stdout
    (home / "signers").write_text(keys.line("admin"))
    fresh.conf("policy.test.publish.allowed-signers", "signers")
    keys.signers.chmod(0o644)
    done = fresh.cli("check", check=False)
    assert f"signers    ok    {home}/signers: 1 key" in done.stdout, done
    assert "it lies in the home" in done.stdout, done


kc.main(new_agent=new_agent)
