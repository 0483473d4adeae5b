"""What was approved is one thing, what would start is another: something
changed in between. Nothing has a place to run until the change is there."""
from bypass import attempt, rows
from expect import refused


def url(t, tail=""):
    return f"/api/tasks/{t.task['id']}{tail}"


def patched(by="coordinator", **members):
    def change(t, run):
        answer = t.patch(by, base_sha=t.now()["sha"], **members)
        assert answer.status == 200, answer
    return change


def patched_and_back(t, run):
    patched(title="something else")(t, run)
    patched(title=t.task["title"])(t, run)


def halted(t, run):
    assert t.send({"reason": "r"}, url(t, "/halt"), "admin").status == 200


def halted_and_resumed(t, run):
    halted(t, run)
    assert t.send({}, url(t, "/resume"), "admin").status == 200


def rejected(t, run):
    done = t.send({"attempt": 1, "summary": "s"}, url(t, "/result"))
    assert done.status == 200, done
    assert t.send({}, url(t, "/reject"), "admin").status == 200


def guarded(t, run):
    t.mode("guarded")


def stopped(t, run):
    t.mode("stopped")


def guarded_and_back(t, run):
    t.mode("guarded")
    t.mode("normal")


def stopped_and_back(t, run):
    t.mode("stopped")
    t.mode("normal")


def run_cancelled(t, run):
    answer = t.send({}, f"/api/runs/{run['id']}/cancel")
    assert answer.json["state"] == "cancelled", answer


def approval_cancelled(t, run):
    answer = t.send({}, f"/api/approvals/{run['approval_id']}/cancel",
                    "admin")
    assert answer.json["state"] == "cancelled", answer


def reloaded(t, what="tools_loaded"):
    before = len(t.records(what))
    t.agent.reload()
    t.wait_for(lambda: len(t.records(what)) > before, what)


def manifest(old, new):
    """Another manifest of the tool, put in place."""
    def change(file):
        text = file.read_text().replace(old, new)
        assert text != file.read_text(), text
        file.write_text(text)
    return change


CHANGES = {
    "title": patched(title="another title"),
    "text": patched(request_text="and tell the press"),
    "criteria": patched(acceptance_criteria=[
        {"id": "AC-1", "text": "it is done worse"}]),
    "criteria_removed_by_null": patched(acceptance_criteria=None),
    "criterion_added": patched(acceptance_criteria=[
        {"id": "AC-1", "text": "it is done"}, {"id": "AC-2", "text": "x"}]),
    "criterion_renamed": patched(acceptance_criteria=[
        {"id": "AC-7", "text": "it is done"}]),
    "level": patched(side_effect_level="external_publish"),
    "title_there_and_back": patched_and_back,
    "allowance": patched("admin", allow_external_publish=False),
    "halted_task": halted, "halted_and_resumed_task": halted_and_resumed,
    "mode_guarded": guarded, "mode_guarded_and_back": guarded_and_back,
    "mode_stopped": stopped, "mode_stopped_and_back": stopped_and_back,
    "cancelled_run": run_cancelled, "cancelled_approval": approval_cancelled}
LEFT = {"cancelled_run": "approval_cancelled",
        "cancelled_approval": "approval_cancelled",
        "allowance": "policy_denied publish_not_allowed"}


@rows("approved_before", None, {
    k: (v, f"approval_granted, tool_failed cancelled, "
        f"{LEFT.get(k, 'approval_stale')}") for k, v in CHANGES.items()})
def changed(t, change):
    with t.blocked():
        run = t.parked()
        t.granted(run["approval_id"])
        change(t, run)
        if t.agent.get("/api/mode").json["mode"] != "normal":
            t.mode("normal", "again")
    assert t.over(run["id"]) == "cancelled"
    assert t.state(run["approval_id"]) in ("stale", "cancelled")
    assert not t.now()["admin_approved"]


@rows("reviewed_before", None, {
    k: (v, "request 409, tool_failed cancelled") for k, v in CHANGES.items()
    if k not in ("allowance", "mode_guarded", "mode_guarded_and_back")})
def changed_in_review(t, change):
    run = t.parked()
    seen = t.review(run["approval_id"])
    change(t, run)
    refused(t.decide(run["approval_id"], seen), *(
        (409, "already_decided") if "cancelled" in t.name else
        (409, "approval_stale")))
    if t.agent.get("/api/mode").json["mode"] != "normal":
        t.mode("normal", "again")
    assert t.over(run["id"]) == "cancelled"


@rows("unused_approval_before", "approval_stale, "
      "policy_denied approval_required", {
    k: CHANGES[k] for k in ("title", "criteria", "title_there_and_back",
                            "halted_and_resumed_task",
                            "mode_guarded_and_back",
                            "mode_stopped_and_back")})
def unused(t, change):
    name = t.asked()
    t.granted(name)
    change(t, None)
    assert t.asked() != name


@attempt("approval_stale, tool_failed cancelled")
def approved_before_its_task_was_rejected(t):
    t.agent.ack(t.task)
    done = t.send({"attempt": 1, "summary": "s"}, url(t, "/result"))
    assert done.status == 200, done
    with t.blocked():
        run = t.parked()
        t.granted(run["approval_id"])
        assert t.send({"reason": "bad"}, url(t, "/reject"),
                      "admin").status == 200
    assert t.over(run["id"]) == "cancelled"
    refused(t.ask(), 409, "invalid_transition")


@attempt("policy_denied mode_stopped")
def asked_while_stopped(t):
    t.mode("stopped")
    for on in ("deny", "run"):
        refused(t.ask(on_approval=on), 403, "policy_denied",
                reason="mode_stopped")
    t.mode("normal", "again")


@rows("stopped_mode_left_by", None, {
    "who_executes": ("codex", "policy_denied insufficient_scope"),
    "who_watches": ("watcher", "policy_denied insufficient_scope"),
    "an_admin_without_a_reason": ("admin", "request 400 invalid_request")})
def left_stopped(t, by):
    t.mode("stopped")
    for to in ("normal", "guarded"):
        answer = t.send({"mode": to, "reason": "" if by == "admin" else "r"},
                        "/api/mode", by)
        assert answer.status in (400, 403), answer
    refused(t.ask(), 403, "policy_denied", reason="mode_stopped")
    t.mode("normal", "again")


@attempt("outcome_unknown, policy_denied outcome_unknown", started=1)
def stopped_while_it_publishes_and_asked_again(t):
    """Nobody knows what went out: the same is not sent again."""
    run = held(t)
    t.mode("stopped")
    assert t.over(run) == "outcome_unknown"
    t.mode("normal", "again")
    for on in ("deny", "run"):
        refused(t.ask("test.holds", on_approval=on), 403, "policy_denied",
                reason="outcome_unknown")


def held(t):
    """A publish that has started and sent nothing yet; its run."""
    t.agent.go.unlink(missing_ok=True)
    run = t.parked("test.holds")
    t.granted(run["approval_id"])
    t.wait_for((t.agent.dir / f"held.{t.name}").exists)
    return run["id"]


@attempt("outcome_unknown, policy_denied outcome_unknown", started=1)
def cancelled_while_it_publishes_and_asked_again(t):
    run = held(t)
    t.send({}, f"/api/runs/{run}/cancel")
    assert t.over(run) == "outcome_unknown"
    refused(t.ask("test.holds"), 403, "policy_denied",
            reason="outcome_unknown")


@attempt("outcome_unknown, policy_denied insufficient_scope", started=1)
def unknown_outcome_settled_by_who_executes(t):
    run = held(t)
    t.send({}, f"/api/runs/{run}/cancel")
    assert t.over(run) == "outcome_unknown"
    body = {"outcome": "failed", "reason": "it was not sent"}
    for by in ("codex", "watcher"):
        refused(t.send(body, f"/api/runs/{run}/reconcile", by), 403,
                "insufficient_scope")
    refused(t.send(body | {"reason": ""}, f"/api/runs/{run}/reconcile",
                   "admin"), 400, "invalid_request")
    refused(t.ask("test.holds"), 403, "policy_denied",
            reason="outcome_unknown")


@attempt("run_reconciled, policy_denied approval_required", started=1)
def settled_as_failed_it_needs_another_approval(t):
    run = held(t)
    t.send({}, f"/api/runs/{run}/cancel")
    assert t.over(run) == "outcome_unknown"
    done = t.send({"outcome": "failed", "reason": "looked"},
                  f"/api/runs/{run}/reconcile", "admin")
    assert done.status == 200, done
    t.asked("test.holds")


# Time. It is short, so what has to come in time is tried until it does.

def in_time(t, ask):
    """What was asked for, its approval's id, and a review of that."""
    def look():
        got = ask()
        name = got if isinstance(got, str) else got["approval_id"]
        seen = t.send({}, f"/api/approvals/{name}/review", "admin")
        return seen.status == 200 and (got, name, seen.json)
    return t.wait_for(look)


@attempt("approval_expired, request 409 approval_expired")
def reviewed_in_time_and_decided_late(t):
    _, name, seen = in_time(t, lambda: t.asked("test.brief"))
    t.wait_for(lambda: t.state(name) == "expired")
    refused(t.decide(name, seen), 409, "approval_expired")


@attempt("approval_expired, policy_denied approval_required")
def approved_in_time_and_asked_for_late(t):
    _, name, seen = in_time(t, lambda: t.asked("test.brief"))
    t.decide(name, seen)
    t.wait_for(lambda: t.state(name) == "expired")
    assert t.asked("test.brief") != name


@attempt("approval_expired, tool_failed cancelled")
def approval_that_ends_within_the_grace(t):
    run, name, seen = in_time(t, lambda: t.parked("test.late"))
    t.decide(name, seen)
    assert t.over(run["id"]) == "cancelled"
    assert t.state(name) == "expired"


@attempt("approval_expired, tool_failed cancelled")
def approval_that_ends_while_its_run_has_no_place(t):
    with t.blocked():
        run, name, seen = in_time(t, lambda: t.parked("test.brief"))
        t.decide(name, seen)
        t.wait_for(lambda: t.state(name) == "expired")
    assert t.over(run["id"]) == "cancelled"


@attempt("approval_cancelled, tool_failed cancelled")
def taken_back_in_the_grace_and_asked_for_again(t):
    run = t.parked("test.grace")
    t.granted(run["approval_id"])
    approval_cancelled(t, run)
    assert t.over(run["id"]) == "cancelled"
    again = t.parked("test.grace")
    assert again["approval_id"] != run["approval_id"]
    assert again["id"] != run["id"]


@attempt("approval_cancelled, tool_failed cancelled")
def cancelled_in_the_grace_by_who_asked_and_asked_again(t):
    run = t.parked("test.grace")
    t.granted(run["approval_id"])
    run_cancelled(t, run)
    for _ in range(2):
        assert t.asked("test.grace") != run["approval_id"]


@attempt("approval_granted, approval_cancelled")
def asked_again_and_again_in_the_grace(t):
    """That neither shortens the grace nor makes a second run."""
    run = t.parked("test.grace")
    t.granted(run["approval_id"])
    at = t.agent.get(f"/api/runs/{run['id']}").json["starts_at"]
    for _ in range(5):
        again = t.ask("test.grace").json
        assert (again["id"], again["starts_at"]) == (run["id"], at), again
    approval_cancelled(t, run)


# The tool.

MOVES = {
    "another_command": manifest(".py", ".py --to everybody"),
    "another_program": manifest("./test.", "./../tools.d/test."),
    "another_level": manifest("external_publish", "local_write"),
    "one_more_default": manifest('[arg "note"]',
                                 '[arg "note"]\n\tdefault = public'),
    "one_more_variable": manifest("[tool]", "[tool]\n\tpass-env = HOME"),
    "one_more_section": manifest("[tool]", "[tool]\n\tconfig = youtube"),
    "another_time": manifest("30s", "31s"),
    "no_manifest": lambda file: file.unlink()}


@rows("approved_before_its_tool_had",
      "approval_granted, approval_stale, tool_failed cancelled, "
      "request 409 approval_stale", MOVES)
def moved(t, change):
    """While one run has no place, one has its grace, one is not decided."""
    files = [t.agent.home / "tools.d" / f"{name}.conf" for name in (
        "test.moves", "test.grace")]
    was = [f.read_text() for f in files]
    with t.blocked():
        runs = [t.parked("test.moves"), t.parked("test.grace"),
                t.parked("test.moves", {"text": "not decided"})]
        for run in runs[:2]:
            t.granted(run["approval_id"])
        seen = t.review(runs[2]["approval_id"])
        for file in files:
            change(file)
        reloaded(t)
        refused(t.decide(runs[2]["approval_id"], seen), 409,
                "approval_stale")
        for file, text in zip(files, was):
            file.write_text(text)
        reloaded(t)
    for run in runs:
        assert t.over(run["id"]) == "cancelled"
        assert t.state(run["approval_id"]) == "stale"


def twice(t, more, name="zz.conf"):
    """A second file in tools.d, which makes the set of no use."""
    file = t.agent.home / "tools.d" / name
    file.write_text(more)
    try:
        reloaded(t, "tools_refused")
        refused(t.ask(side_effect_level="read_only"), 403, "policy_denied",
                reason="side_effect_mismatch")
        t.asked()
    finally:
        file.unlink()
        reloaded(t)


READS = "[tool]\n\tname = test.canary\n\tside-effect-level = read_only\n" \
    "\tcommand = ./test.canary.py\n"


@rows("manifest_that", "tools_refused", {
    "has_the_name_twice": READS,
    "has_two_levels": READS.replace(".canary", ".other").replace(
        "read_only", "external_publish\n\tside-effect-level = read_only"),
    "has_two_sections": READS.replace(".canary", ".other") +
    "[tool]\n\tside-effect-level = external_publish\n",
    "has_no_level": "[tool]\n\tname = test.other\n\tcommand = true\n",
    "has_a_level_of_its_own": READS.replace("read_only", "harmless"),
    "includes_another": READS.replace(".canary", ".other") +
    "[include]\n\tpath = test.read.conf\n",
    "is_no_configuration": "\0\1\2"})
def bad_manifest(t, text):
    twice(t, text)
