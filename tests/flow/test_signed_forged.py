"""Signed decisions in a home that somebody else has written: the journal is
linked and signed anew with the home's own keys, and nothing starts."""
import json
import shutil

import kc
from notes import Key
from signing import approve, asked, new_agent, run_again, statement

LATE = "2099-01-01T00:00:00.000000Z"


def newest(agent, kind, id_):
    """The document as the journal has it."""
    found = None
    for record in agent.journal():
        doc = (record["data"] or {}).get("put", {}).get(kind)
        if doc and doc["id"] == id_:
            found = doc
    return found


def plant(agent, records):
    """Records behind those of a stopped home, and all that vouches for them:
    links, tree, a checkpoint by the home's key."""
    lines = agent.lines()
    for type_, data, like in records:
        last = json.loads(lines[-1])
        lines.append(json.dumps(like | {
            "seq": last["seq"] + 1, "ts": last["ts"], "type": type_,
            "data": data, "prev": kc.leaf(lines[-1])},
            separators=(",", ":"), ensure_ascii=False).encode())
    file = sorted((agent.home / "audit").glob("*.jsonl"))[-1]
    assert len(list((agent.home / "audit").glob("*.jsonl"))) == 1
    file.write_bytes(b"".join(line + b"\n" for line in lines))
    (agent.home / "audit" / "checkpoint").write_text(
        Key.of(agent).checkpoint(lines))
    for path in (agent.home / "tree", *agent.home.glob("index.db*")):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def forged(agent, approval, run, decisions, run_more=(), **more):
    """The records of an approval that was given, and of the run on it."""
    like = next(r for r in reversed(agent.journal("approval_requested")))
    approval = approval | {"state": "approved", "decisions": decisions,
                           "approved_at": approval["created_at"],
                           "expires_at": LATE, "run_id": run["id"]} | more
    run = run | {"state": "queued", "starts_at": run["created_at"]} | \
        dict(run_more)
    return [("approval_granted", {
        "approval_id": approval["id"], "tool": approval["tool"],
        "decision": "approve", "put": {"approval": approval, "run": run}},
        like | {"actor": "admin", "task_id": run["task_id"],
                "run_id": run["id"]})]


def a_decision(review=None, key=None, agent=None, by="admin", **other):
    decision = {"by": by, "decision": "approve", "at":
                "2026-01-01T00:00:00.000000Z", "reason": "tested"}
    if review:
        text = statement(review, by=by, **other)
        decision |= {"statement": text.decode(), "key": "SHA256:x",
                     "signature": agent.keys.sign(text, key)}
    return decision


def test_a_forged_approval_in_a_stolen_home_starts_nothing():
    agent = new_agent(start=False)
    keys = agent.keys
    keys.set(keys.line("admin"), keys.line("ana"), keys.line("codex", "bob"))
    agent.conf("policy.approval-ttl", "1h")
    agent.start()
    # What the thief has: a real signature, of an approval that was used ...
    task, real = asked(agent, "real", "real")
    assert approve(agent, real, "admin").status == 200
    assert run_again(agent, task, "real")["state"] == "succeeded"
    used, = agent.get(f"/api/approvals/{real}").json["decisions"]
    assert len(agent.effects.read_text().splitlines()) == 1
    cases = {}

    def case(name, reason, decisions, **more):
        task, approval_id, run_id = asked(
            agent, name, name, "run", allow_external_publish=True)
        review = agent.review(approval_id)
        cases[run_id] = (name, reason, approval_id, decisions(review), more)

    case("no decision", "approval_required", lambda r: [])
    case("none needed", "approval_required", lambda r: [], required=0)
    case("unsigned", "unsigned_decision", lambda r: [a_decision()])
    case("no signature", "bad_signature", lambda r: [
        a_decision() | {"statement": statement(r).decode()}])
    case("another's signature", "bad_signature", lambda r: [used])
    case("its signature, our statement", "bad_signature", lambda r: [
        used | {"statement": statement(r).decode()}])
    case("the thief's key", "bad_signature", lambda r: [
        a_decision(r, "eve", agent, expires_at=LATE)])
    case("a good key of another", "bad_signature", lambda r: [
        a_decision(r, "ana", agent, expires_at=LATE)])
    case("only rejected", "approval_required", lambda r: [
        a_decision(r, "admin", agent, expires_at=LATE) |
        {"decision": "reject"}])
    case("signed by who asked", "approval_required", lambda r: [
        a_decision(r, "bob", agent, "codex", expires_at=LATE)])
    # ... one that somebody gave and took back, with its time made longer
    case("a longer time", "bad_signature", lambda r: [
        a_decision(r, "admin", agent)])
    # ... and even one that is good, for another call than the run's
    good = lambda r: [a_decision(r, "admin", agent, expires_at=LATE)]
    case("other arguments", "approval_stale", good,
         run_more={"args": {"text": "evil"}})
    case("arguments by a stage", "approval_stale", good, run_more={
        "stage": {"argument": "text", "value": "evil", "promote": "x",
                  "result": "y"}})
    case("another request", "approval_stale", good, request={"text": "evil"})
    case("another task", "approval_stale", good,
         run_more={"task_id": task["id"]})
    case("all of it", None, good)
    agent.stop()
    records = []
    for run_id, (name, _, approval_id, decisions, more) in cases.items():
        records += forged(agent, newest(agent, "approval", approval_id),
                          newest(agent, "run", run_id), decisions,
                          **({"required": 1} | more))
    plant(agent, records)
    agent.start()

    def over():
        runs = [agent.get(f"/api/runs/{id_}").json for id_ in cases]
        return all(r["state"] not in ("queued", "running") for r in runs) \
            and {r["id"]: r for r in runs}
    runs = kc.wait_for(over, 30, "the end of the planted runs")
    for run_id, (name, reason, approval_id, *_) in cases.items():
        run = runs[run_id]
        if reason is None:
            # the key as well is what it takes: nothing else was in the way
            assert run["state"] == "succeeded", (name, run)
            continue
        assert run["state"] == "cancelled", (name, run)
        denied = [r["data"]["reason"] for r in
                  agent.journal("policy_denied", run_id=run_id)]
        assert denied[-1:] == [reason], (name, denied)
    effects = [json.loads(e)["text"] for e in
               agent.effects.read_text().splitlines()]
    assert effects == ["real", "all of it"], effects
    agent.close()


kc.main(new_agent=new_agent)
