"""What the policy of the operator does not allow, tried all the same."""
import contextlib
import threading

import bypass
from bypass import CANARY, TEXT, attempt, rows
from expect import refused
from policies import reload

LIMITED = TEXT | {"channel": {"type": "string"},
                  "privacy": {"type": "enum", "default": "public",
                              "values": "private unlisted public"},
                  "count": {"type": "integer"}, "sure": {"type": "boolean"}}
NOT_ALLOWED = "policy_denied args_not_allowed 403"
DENIED = "policy_denied 403"


def new_agent():
    agent = bypass.new_agent(**{
        "policy-args.test.limited.channel": "main second",
        "policy-args.test.limited.privacy": "private unlisted",
        "policy-args.test.limited.count": "1 20",
        "policy-args.test.limited.sure": "true",
        "policy.test.mine.actors": "coordinator ana",
        "policy.test.quiet.quiet-hours": "00:00-12:00 12:00-24:00",
        "policy.test.often.max-per-minute": "1",
        **{f"policy.test.day{n}.max-per-day": "1" for n in range(4)}})
    for name in ("mine", "quiet", "often", "day0", "day1", "day2", "day3"):
        bypass.program(agent, f"test.{name}", CANARY % agent.canary,
                       "external_publish", TEXT)
    bypass.program(agent, "test.limited", CANARY % agent.canary,
                   "external_publish", LIMITED)
    agent.films = agent.dir / "films"
    agent.films.mkdir()
    agent.conf("policy-args.test.file.file", agent.films)
    agent.tool("test.reads", "result()", "read_only")
    agent.conf("policy.test.reads.read-only", "deny")
    agent.tool("test.writes", "open(%r, 'a').write('x\\n')\nresult()" %
               str(agent.canary))
    agent.conf("policy.test.writes.local-write", "deny")
    agent.stop()
    return agent.start()


GOOD = {"channel": "main", "privacy": "private", "count": 20, "sure": True}


def limited(t, reason="args_not_allowed", **change):
    args = {"text": t.name} | GOOD | change
    answer = t.ask("test.limited", {k: v for k, v in args.items()
                                    if v is not None})
    problem = refused(answer, 403, "policy_denied", reason=reason)
    if reason == "args_not_allowed":
        assert "policy-args.test.limited." in problem["rule"], problem


@rows("channel", NOT_ALLOWED, {
    "of_another": "third", "left_out": None, "empty": "", "with_a_blank":
    "main ", "after_a_blank": " main", "of_both": "main second",
    "in_capitals": "MAIN", "of_a_part": "mai", "with_a_tail": "main2",
    "with_a_line": "main\nthird", "with_a_tab": "main\tsecond",
    "in_cyrillic": "m\u0430in", "with_no_width": "main\u200b",
    "with_a_mark": "main\u0301", "in_full_width": "\uff4dain",
    "with_a_bom": "\ufeffmain", "as_a_pattern": "*", "as_a_regex": "mai.",
    "with_a_star": "main*"})
def channel(t, value):
    limited(t, channel=value)


@rows("constrained", NOT_ALLOWED, {
    "privacy_public": {"privacy": "public"},
    "privacy_left_to_its_default": {"privacy": None},
    "count_of_another": {"count": 2}, "count_left_out": {"count": None},
    "count_negative": {"count": -20}, "sure_false": {"sure": False},
    "sure_left_out": {"sure": None}})
def constrained(t, change):
    limited(t, **change)


@attempt("approval_requested, policy_denied approval_required 403")
def what_the_words_allow_still_needs_an_approval(t):
    limited(t, "approval_required")


def at(t, path):
    problem = refused(t.ask("test.file", {"file": str(path)}), 403,
                      "policy_denied", reason="args_not_allowed")
    assert problem["rule"].endswith(
        f"policy-args.test.file.file = {t.agent.films}"), problem


@contextlib.contextmanager
def outside(t, name="film.mp4"):
    folder = t.agent.dir / f"out-{t.name}"
    folder.mkdir()
    (folder / name).write_bytes(b"not to be published")
    yield folder


@attempt(NOT_ALLOWED)
def a_file_of_another_folder(t):
    with outside(t) as folder:
        at(t, folder / "film.mp4")


@attempt(NOT_ALLOWED)
def a_file_of_a_folder_whose_name_begins_alike(t):
    folder = t.agent.dir / "films-secret"
    folder.mkdir()
    (folder / "film.mp4").write_bytes(b"x")
    at(t, folder / "film.mp4")


@attempt(NOT_ALLOWED)
def a_file_above_by_way_of_the_folder(t):
    with outside(t) as folder:
        at(t, t.agent.films / ".." / folder.name / "film.mp4")


@attempt(NOT_ALLOWED)
def a_file_behind_a_link_in_the_folder(t):
    with outside(t) as folder:
        (t.agent.films / t.name).symlink_to(folder)
        at(t, t.agent.films / t.name / "film.mp4")


@attempt(NOT_ALLOWED)
def a_file_behind_two_links_in_the_folder(t):
    with outside(t) as folder:
        (t.agent.films / f"{t.name}1").symlink_to(folder)
        (t.agent.films / f"{t.name}2").symlink_to(f"{t.name}1")
        at(t, t.agent.films / f"{t.name}2" / "film.mp4")


@attempt(NOT_ALLOWED)
def stored_evidence_where_a_folder_is_meant(t):
    stored = t.agent.post("/api/evidence?name=film.mp4", b"film", by="codex")
    at(t, stored.json["sha256"])


@attempt(NOT_ALLOWED)
def a_file_called_like_the_folder(t):
    path = t.agent.dir / "away" / "films"
    path.parent.mkdir()
    path.write_bytes(b"x")
    at(t, path)


@rows("after_approval", "policy_denied 403, approval_stale", {
    "the_folder_is_another": "folder", "a_link_leads_away": "link"})
def after_approval(t, how):
    inside = t.agent.films / t.name
    inside.mkdir()
    (inside / "film.mp4").write_bytes(b"the same bytes")
    if how == "link":
        (t.agent.films / f"{t.name}-l").symlink_to(inside)
    name = inside if how == "folder" else t.agent.films / f"{t.name}-l"
    run = t.parked("test.file", {"file": str(name / "film.mp4")})
    with outside(t) as folder:
        (folder / "film.mp4").write_bytes(b"the same bytes")
        if how == "folder":
            inside.rename(t.agent.films / f"{t.name}-was")
        else:
            name.unlink()
        name.symlink_to(folder)
        t.granted(run["approval_id"])
        assert t.over(run["id"]) == "cancelled"


@rows("asked_by", "policy_denied actor_not_allowed 403", {
    "another": "codex", "one_with_both_scopes": "both",
    "one_in_capitals": "Ana", "one_with_a_tail": "ana2",
    "one_with_a_head": "xana"})
def asked_by(t, who):
    t.agent.token(who, *bypass.PEOPLE.get(who, ("tool_runner", "observer")))
    problem = refused(t.ask("test.mine", by=who), 403, "policy_denied",
                      reason="actor_not_allowed")
    assert "policy.test.mine.actors = coordinator ana" in problem["rule"]


@attempt("policy_denied quiet_hours 403")
def a_publish_in_quiet_hours(t):
    refused(t.ask("test.quiet"), 403, "policy_denied", reason="quiet_hours")
    refused(t.ask("test.quiet", on_approval="run"), 403, "policy_denied",
            reason="quiet_hours")


@attempt("policy_denied rate_limited 403")
def more_calls_than_a_minute_has(t):
    t.asked("test.often")
    for text in ("a", "b"):
        refused(t.ask("test.often", {"text": text}, headers={
            "Idempotency-Key": text}), 403, "policy_denied",
            reason="rate_limited")
    assert t.rpc("tool.execute", t.body("test.often"))["reason"] == \
        "rate_limited"


def two(t, tool):
    """One went out, another is approved."""
    runs = [t.parked(tool, {"text": text}) for text in ("one", "two")]
    t.granted(runs[0]["approval_id"])
    assert t.over(runs[0]["id"]) == "succeeded"
    return runs[1]


@attempt("policy_denied rate_limited 403, approval_stale", published=1)
def one_more_than_the_day_has_approved_before(t):
    run = two(t, "test.day0")
    t.granted(run["approval_id"])
    assert t.over(run["id"]) == "cancelled"


@attempt("policy_denied rate_limited 403", published=1)
def one_more_than_the_day_has_after_kill_9(t):
    run = two(t, "test.day1")
    t.agent.kill9()
    t.agent.start()
    t.granted(run["approval_id"])
    assert t.over(run["id"]) == "cancelled"


@attempt("policy_denied rate_limited 403", published=1)
def one_more_than_the_day_has_by_a_reload(t):
    run = two(t, "test.day2")
    reload(t.agent)
    t.granted(run["approval_id"])
    assert t.over(run["id"]) == "cancelled"


@attempt("policy_denied rate_limited 403", published=1)
def many_at_once_than_the_day_has(t):
    names = [t.parked("test.day3", {"text": str(n)})["approval_id"]
             for n in range(4)]
    seen = [t.review(name) for name in names]
    threads = [threading.Thread(target=t.decide, args=pair)
               for pair in zip(names, seen)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {t.state(name) for name in names} <= {"approved", "used", "stale"}


@attempt("policy_denied tool_disabled 403")
def a_reader_that_is_denied(t):
    refused(t.agent.execute("test.reads", "read_only"), 403, "policy_denied",
            reason="tool_disabled")


@attempt("policy_denied tool_disabled 403")
def a_writer_that_is_denied(t):
    refused(t.agent.execute("test.writes", "local_write"), 403,
            "policy_denied", reason="tool_disabled")


@contextlib.contextmanager
def file_with(t, text, mode=0o600):
    """The policy's file, with more in it or with other rights."""
    file = t.agent.home / "agent.conf"
    before = file.read_text()
    file.write_text(before + text)
    file.chmod(mode)
    yield
    file.write_text(before)
    file.chmod(0o600)
    reload(t.agent)


@rows("file", "policy_refused, " + DENIED, {
    "with_publishes_allowed": "[policy]\n\texternal-publish = allow\n",
    "with_no_approvals": "[policy]\n\tapprovals-required = 0\n",
    "with_minus_one_approval": "[policy]\n\tapprovals-required = -1\n",
    "with_an_unknown_key": "[policy]\n\tanything = allow\n",
    "with_an_include": "[include]\n\tpath = other.conf\n",
    "with_a_wrong_hour": "[policy]\n\tquiet-hours = 25:00-26:00\n",
    "cut_in_a_section": "[policy \"test.canary",
    "of_zeros": "\0\0\0"})
def file(t, text):
    with file_with(t, text):
        reload(t.agent, "policy_refused")
        t.asked()
        refused(t.ask("test.quiet"), 403, "policy_denied",
                reason="quiet_hours")


@attempt("policy_refused, policy_denied quiet_hours 403")
def a_file_that_everybody_may_write(t):
    with file_with(t, "[policy \"test.quiet\"]\n\tquiet-hours =\n", 0o666):
        reload(t.agent, "policy_refused")
        refused(t.ask("test.quiet"), 403, "policy_denied",
                reason="quiet_hours")


@attempt("policy_loaded, approval_stale, policy_denied 403")
def another_policy_and_the_same_again(t):
    run = t.parked("test.grace")
    t.granted(run["approval_id"])
    with file_with(t, "[policy]\n\tapproval-ttl = 14m\n"):
        reload(t.agent)
        assert t.state(run["approval_id"]) == "stale"
    assert t.state(run["approval_id"]) == "stale"
    assert t.state(run["id"]) == "cancelled"


@attempt("policy_loaded, approval_stale, policy_denied 403")
def another_policy_while_the_agent_is_stopped(t):
    run = t.parked("test.grace")
    t.granted(run["approval_id"])
    t.agent.stop()
    with file_with(t, "[policy]\n\tapproval-ttl = 14m\n"):
        t.agent.start()
        assert t.state(run["approval_id"]) == "stale"


def gone(file):
    file.unlink()


def linked(file):
    file.unlink()
    file.symlink_to("/dev/null")


def folder(file):
    file.unlink()
    file.mkdir()


@rows("policy_file", "policy_refused, policy_denied quiet_hours 403", {
    "gone": gone, "linked_to_nothing": linked, "made_a_folder": folder})
def policy_file(t, change):
    """What it said is not given up because it cannot be read."""
    file = t.agent.home / "agent.conf"
    before = file.read_text()
    change(file)
    try:
        reload(t.agent, "policy_refused")
        refused(t.ask("test.quiet"), 403, "policy_denied",
                reason="quiet_hours")
    finally:
        if file.is_dir():
            file.rmdir()
        else:
            file.unlink(missing_ok=True)
        file.write_text(before)
        reload(t.agent)


@attempt("policy_denied quiet_hours 403")
def quiet_hours_of_another_time_zone(t):
    was = t.agent.env
    for zone in ("UTC-14", "/etc/hostname"):
        t.agent.stop()
        t.agent.env = was | {"TZ": zone}
        t.agent.start()
        refused(t.ask("test.quiet"), 403, "policy_denied",
                reason="quiet_hours")
    t.agent.env = was
    t.agent.restart()


@rows("typed", "request 422 invalid_args", {
    "list": {"channel": ["main"]}, "number": {"channel": 1},
    "word_for_true": {"sure": "true"}, "word_for_a_number": {"count": "20"},
    "part_for_a_whole": {"count": 20.5}, "one_for_true": {"sure": 1},
    "value_in_capitals": {"privacy": "PRIVATE"}})
def typed(t, change):
    refused(t.ask("test.limited", {"text": t.name} | GOOD | change), 422,
            "invalid_args")


@rows("path_by", NOT_ALLOWED, {
    "the_root_of_a_process": "/proc/self/root{}/film.mp4",
    "its_current_folder": "/proc/self/cwd/../../../../../../../{}/film.mp4",
    "slashes_and_dots": "{}/.//film.mp4"})
def path_by(t, path):
    with outside(t) as there:
        at(t, path.format(there))
