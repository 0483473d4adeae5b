"""Two at the same time, of which one has to lose: whoever wins, what went out
is what the approval says, and says once."""
import json
import re

import kc
from bypass import add, attempt
from expect import refused, sha256, together

ROUNDS = 3


def race(left="approval_requested"):
    """So many rounds, each with a text of its own; the function runs the race
    and gives the run that may have published, or None."""
    def mark(fn):
        def all_rounds(t):
            sent = started = 0
            for n in range(ROUNDS):
                t.text = f"{t.name} {n}"
                one, begun = outcome(t, fn(t))
                sent, started = sent + one, started + begun
            t.may_publish(sent, started)
        add(f"race_of_{fn.__name__}", all_rounds, left)
        return fn
    return mark


def outcome(t, run):
    """How often the canary moved and a tool started, if the approval, the run
    and the canary agree."""
    over = t.over(run["id"])
    state = t.state(run["approval_id"])
    sent = sum(json.loads(line)["run_id"] == run["id"]
               for line in t.published()[t.lines_before:])
    begun = len([r for r in t.records("tool_started")
                 if r["run_id"] == run["id"]])
    assert begun == (state == "used"), (state, over, begun)
    if over == "outcome_unknown":
        assert sent <= 1 and begun, (sent, begun)
    else:
        assert sent == begun == (over == "succeeded"), (over, sent, begun)
    return sent, begun


def yes(t, run, by="admin", **kw):
    seen = t.review(run["approval_id"], by)
    return lambda: t.decide(run["approval_id"], seen, by=by, **kw)


def parked(t, tool="test.canary"):
    return t.parked(tool, {"text": t.text})


def post(t, target, body=None, by="admin"):
    return lambda: t.send(body or {"reason": "r"}, target, by)


@race()
def approve_and_reject(t):
    run = parked(t)
    a, b = together([yes(t, run), yes(t, run, "second", step="reject")])
    assert sorted((a.status, b.status)) == [200, 409], (a, b)
    return run


@race()
def approve_and_cancel(t):
    run = parked(t)
    together([yes(t, run), post(
        t, f"/api/approvals/{run['approval_id']}/cancel")])
    return run


@race()
def approve_and_cancelled_run(t):
    run = parked(t)
    together([yes(t, run), post(t, f"/api/runs/{run['id']}/cancel",
                                by="codex")])
    return run


@race()
def approve_and_stop(t):
    run = parked(t)
    together([yes(t, run), post(t, "/api/mode", {"mode": "stopped",
                                                 "reason": "r"})])
    t.over(run["id"])
    begun = len(t.records("tool_started"))
    t.mode("normal", "again")
    assert len(t.records("tool_started")) == begun
    return run


@race()
def approve_and_guard(t):
    run = parked(t)
    together([yes(t, run), post(t, "/api/mode", {"mode": "guarded",
                                                 "reason": "r"})])
    t.over(run["id"])
    t.mode("normal", "again")
    return run


@race()
def approve_and_halt(t):
    run = parked(t)
    together([yes(t, run), post(t, f"/api/tasks/{t.task['id']}/halt")])
    t.over(run["id"])
    t.send({}, f"/api/tasks/{t.task['id']}/resume", "admin")
    return run


@race()
def approve_and_change(t):
    run, now = parked(t), t.now()
    together([yes(t, run), lambda: t.patch(base_sha=now["sha"],
                                           title=t.text)])
    return run


def reloaded(t, *calls):
    """The calls beside a reload, which is over when this returns."""
    kinds = ("policy_loaded", "tools_loaded")
    before = [len(t.records(k)) for k in kinds]
    together([*calls, t.agent.reload])
    t.wait_for(lambda: all(len(t.records(k)) > n
                           for k, n in zip(kinds, before)))


@race()
def approve_and_another_policy(t):
    run = parked(t)
    decide = yes(t, run)
    t.agent.conf("policy.test.other.grace", f"{len(t.agent.lines())}s")
    reloaded(t, decide)
    return run


@race()
def approve_and_another_manifest(t):
    run = parked(t, "test.moves")
    decide = yes(t, run)
    file = t.agent.home / "tools.d" / "test.moves.conf"
    file.write_text(re.sub("summary = .*", f"summary = {t.text}",
                           file.read_text(), count=1))
    reloaded(t, decide)
    return run


@race()
def eight_decisions_with_one_nonce(t):
    run = parked(t)
    answers = together([yes(t, run)] * 8)
    assert sorted(a.status for a in answers) == [200] + [409] * 7, answers
    return run


@race()
def eight_decisions_with_eight_nonces(t):
    run = parked(t)
    answers = together([yes(t, run) for _ in range(8)])
    assert sorted(a.status for a in answers) == [200] + [409] * 7, answers
    return run


@race("approval_requested, policy_denied self_approval")
def one_admin_deciding_twice_at_once(t):
    run = parked(t, "test.two")
    answers = together([yes(t, run) for _ in range(4)])
    assert sorted(a.status for a in answers) == [200] + [403] * 3, answers
    assert t.state(run["approval_id"]) == "pending"
    assert yes(t, run, "second")().status == 200
    return run


@race()
def two_admins_deciding_at_once(t):
    run = parked(t, "test.two")
    answers = together([yes(t, run), yes(t, run, "second")])
    assert [a.status for a in answers] == [200, 200], answers
    return run


@race()
def both_transports_with_one_nonce(t):
    run = parked(t)
    seen = t.review(run["approval_id"])

    def over_ws():
        with t.agent.ws("admin") as ws:
            try:
                ws.call("approval.approve", id=run["approval_id"],
                        request_sha256=seen["request_sha256"],
                        nonce=seen["nonce"], allow_external_publish=True)
            except kc.RpcError as e:
                return e.problem["status"]
            return 200

    answers = together([over_ws] * 3 + [
        lambda: t.decide(run["approval_id"], seen).status] * 3)
    assert sorted(answers) == [200] + [409] * 5, answers
    return run


@race()
def sixteen_requests_for_one_approval(t):
    name = t.asked(args={"text": t.text})
    t.granted(name)
    answers = together([lambda: t.ask(args={"text": t.text})] * 16)
    runs = {a.json["id"] for a in answers if a.status in (200, 202)}
    assert len(runs) == 1, answers
    t.over(*runs)
    return t.agent.get(f"/api/runs/{runs.pop()}").json


@race()
def requests_over_both_transports_for_one_approval(t):
    name = t.asked(args={"text": t.text})
    t.granted(name)

    def over_ws():
        with t.agent.ws("codex") as ws:
            try:
                return ws.call("tool.execute", **t.body(
                    args={"text": t.text}))["id"]
            except kc.RpcError as e:
                assert e.problem["reason"] == "approval_required", e
    answers = together([over_ws] * 4 + [
        lambda: t.ask(args={"text": t.text}).json.get("id")] * 4)
    run, = {a for a in answers if a}
    t.over(run)
    return t.agent.get(f"/api/runs/{run}").json


@race()
def asking_parking_and_approving(t):
    run = parked(t)
    text = {"text": t.text}
    together([yes(t, run)] + [lambda: t.ask(args=text)] * 4 +
             [lambda: t.ask(args=text, on_approval="run")] * 4)
    t.over(run["id"])
    return run


@race()
def one_key_for_many_requests(t):
    name = t.asked(args={"text": t.text})
    t.granted(name)
    key = {"Idempotency-Key": t.text}
    answers = together([lambda: t.ask(args={"text": t.text}, headers=key,
                                      wait=20)] * 8)
    run, = {a.json["id"] for a in answers}
    return t.agent.get(f"/api/runs/{run}").json


@race()
def cancelling_and_asking_again(t):
    """In the grace: no request gets past the approval taken back."""
    run = parked(t, "test.grace")
    assert yes(t, run)().status == 200
    together([post(t, f"/api/runs/{run['id']}/cancel", by="codex")] + [
        lambda: t.ask("test.grace", {"text": t.text})] * 6)
    assert t.over(run["id"]) == "cancelled"
    return run


@race()
def rejecting_and_asking_again(t):
    run = parked(t)
    together([yes(t, run, step="reject")] + [
        lambda: t.ask(args={"text": t.text})] * 6)
    return run


@race()
def film_swapped_and_approved(t):
    film = t.agent.dir / f"{t.text}.mp4"
    film.write_bytes(b"approved")
    run = t.parked("test.file", {"file": str(film)})
    together([yes(t, run), lambda: film.write_bytes(b"swapped!")])
    if t.over(run["id"]) == "succeeded":
        sent = json.loads(t.published()[-1])["sha256"]
        assert sent == sha256(b"approved"), sent
    return run


@attempt("approval_granted")
def killed_while_many_decide(t):
    """Whatever was answered before the end, each goes out once at most."""
    runs = [t.parked(args={"text": f"{t.name} {n}"}) for n in range(6)]
    calls = [yes(t, run) for run in runs]

    def quietly(call):
        try:
            return call().status
        except (OSError, kc.Closed):
            return None

    def kill():
        kc.wait_for(lambda: t.records("approval_granted"))
        t.agent.signal(9)

    answers = together([lambda c=c: quietly(c) for c in calls] + [kill])
    t.agent.wait()
    t.agent.start()
    sent = begun = 0
    for n, run in enumerate(runs):
        t.text = f"{t.name} {n}"
        if t.state(run["id"]) == "awaiting_approval":
            assert answers[n] != 200, "an approval that was answered is lost"
            refused(t.ask(args={"text": t.text}), 403, "policy_denied")
            continue
        one, started = outcome(t, run)
        sent, begun = sent + one, begun + started
    t.may_publish(sent, begun)
