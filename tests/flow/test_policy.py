"""The policy file: what it refuses, which line of it did, and reloading."""
import hashlib
import time

import kc
from expect import refused, sha256
from policies import PRIVACY, TEXT, conf, line_of, reload
from publishing import approval, approved, ended

FILE = {"file": {"type": "file", "required": "true"}}


def new_agent():
    agent = kc.Agent(start=False, conf={"policy.grace": "0s"})
    agent.effects = {name: agent.publisher(name, args=args)
                     for name, args in (
                         ("test.publish", TEXT), ("test.privacy", PRIVACY),
                         ("test.film", FILE), ("test.daily", TEXT),
                         ("test.quiet", TEXT), ("test.mine", TEXT))}
    for name in ("test.read", "test.busy"):
        agent.tool(name, "result(ok=True)", "read_only")
    agent.tool("test.write", "result(ok=True)")
    return agent.start()


def ask(agent, task, tool, args=None, by="codex", **members):
    return agent.execute(tool, "external_publish", args or {"text": "hello"},
                         task, by=by, **members)


def denied(agent, answer, reason, rule):
    """Refused with the line that decided, in the answer and the record."""
    problem = refused(answer, 403, "policy_denied", reason=reason, rule=rule)
    last = agent.journal("policy_denied")[-1]["data"]
    assert (last["reason"], last["rule"]) == (reason, rule), last
    return problem


def test_the_policy_is_on_the_record_from_the_start(agent):
    loaded = agent.journal("policy_loaded")[0]
    started = agent.journal("agent_started")[0]
    file = agent.home / "agent.conf"
    assert loaded["seq"] > started["seq"]
    assert loaded["data"] == {
        "policy_sha256": started["data"]["policy_sha256"],
        "file": str(file), "file_sha256": sha256(file.read_bytes()),
        "rules": 1}, loaded


def test_every_refusal_names_the_line_that_decided(agent):
    task = agent.task("lines")
    conf(agent, **{"policy.local-write": "deny",
                   "policy.test.write.read-only": "deny"})
    reload(agent)
    where = line_of(agent, "local-write")
    denied(agent, agent.execute("test.write", "local_write"),
           "tool_disabled", f"{where} policy.local-write = deny")
    denied(agent, ask(agent, task, "test.publish"), "approval_required",
           "default policy.external-publish = approve")
    denied(agent, agent.execute("test.write", "read_only"),
           "side_effect_mismatch",
           "registry: the tool's level is local_write")
    conf(agent, **{"policy.test.publish.external-publish": "deny"})
    reload(agent)
    where = line_of(agent, "external-publish")
    denied(agent, ask(agent, task, "test.publish"), "tool_disabled",
           f"{where} policy.test.publish.external-publish = deny")
    for mode in ("guarded", "stopped"):
        agent.post("/api/mode", {"mode": mode, "reason": "tested"},
                   by="admin")
        answer = ask(agent, task, "test.privacy")
        denied(agent, answer, *(("mode_stopped", "mode stopped")
                                if mode == "stopped" else
                                ("approval_required",
                                 "default policy.external-publish = approve")))
    agent.post("/api/mode", {"mode": "normal", "reason": "tested"},
               by="admin")
    answer = agent.patch(f"/api/tasks/{task['id']}",
                         {"allow_external_publish": True})
    refused(answer, 403, "admin_field")
    assert all(r["data"]["rule"] for r in agent.journal("policy_denied"))


def test_a_bad_file_keeps_the_old_policy_and_says_line_and_key(agent):
    file = agent.home / "agent.conf"
    good = file.read_text()
    before = reload(agent)
    for text, says in (
            ("[policy]\n\tgrcae = 1s\n", "policy.grcae: unknown key"),
            ("[policy]\n\tapprovals-required = 0\n", "approvals-required"),
            ("[policy]\n\texternal-publish = allow\n", "approve|deny"),
            ("[policy]\n\tquiet-hours = 22-7\n", "policy.quiet-hours"),
            ("[agent]\n\tlisten = nowhere\n", "agent.listen"),
            ("[policy-args]\n\ttext = x\n", "of which tool"),
            ("[policy-args \"test.publish\"]\n\ttext =\n", "allows nothing"),
            ("[nonsense\n", "agent.conf")):
        file.write_text(good + text)
        data = reload(agent, "policy_refused")
        assert says in data["detail"] and str(file) in data["detail"], data
        assert data["policy_sha256"] == before["policy_sha256"], data
        if text.startswith(("[policy", "[agent]")):
            assert f":{len(file.read_text().splitlines())}: " in \
                data["detail"], data
    file.chmod(0o666)
    file.write_text(good)
    assert "written by everybody" in reload(agent, "policy_refused")["detail"]
    row, = [r for r in agent.get("/api/health").json["components"]
            if r["name"] == "policy"]
    assert row["status"] == "degraded" and str(file) in row["detail"], row
    file.chmod(0o600)
    assert reload(agent) == before
    row, = [r for r in agent.get("/api/health").json["components"]
            if r["name"] == "policy"]
    assert row == {"name": "policy", "status": "ok"}, row
    kc.wait_for(lambda: agent.journal("recovered", what="policy"))
    assert len(agent.journal("degraded", what="policy")) == 1
    assert agent.running and "the policy stays as it is" in agent.log


def test_another_policy_ends_what_was_asked_under_the_old_one(agent):
    task = agent.task("bound")
    ids = {}
    for n, state in enumerate(("pending", "approved", "parked")):
        answer = ask(agent, task, "test.mine", {"text": str(n)},
                     **({"on_approval": "run"} if n == 2 else {}))
        ids[state] = answer.json["approval_id"]
    run = agent.get("/api/approvals/" + ids["parked"]).json["run_id"]
    approved(agent, ids["approved"])
    reload(agent)       # nothing has changed, nothing ends
    assert approval(agent, ids["pending"])["state"] == "pending"
    assert approval(agent, ids["approved"])["state"] == "approved"
    old = agent.journal("policy_loaded")[-1]["data"]
    conf(agent, **{"policy.test.mine.grace": "1s"})
    new = reload(agent)
    assert new["policy_sha256"] != old["policy_sha256"]
    assert new["file_sha256"] == hashlib.sha256(
        (agent.home / "agent.conf").read_bytes()).hexdigest()
    for name in ids.values():
        assert approval(agent, name)["state"] == "stale"
        assert agent.journal("approval_stale", approval_id=name)
    assert ended(agent, run)["state"] == "cancelled"
    assert ask(agent, task, "test.mine", {"text": "1"}).json["approval_id"] \
        not in ids.values()
    assert not agent.effects["test.mine"].read_text()


def test_what_else_changed_waits_for_the_next_start_and_is_named(agent):
    conf(agent, **{"run.max": "7"})
    assert reload(agent)["at_next_start"] == ["run"]
    assert "[run] has changed in agent.conf" in agent.log
    agent.restart()
    assert reload(agent)["at_next_start"] == []


def test_only_named_actors_may_ask(agent):
    task = agent.task("actors")
    conf(agent, **{"policy.test.mine.actors": "coordinator  other"})
    reload(agent)
    rule = f"{line_of(agent, 'actors')} policy.test.mine.actors = " \
           "coordinator  other"
    for by in ("codex", "othe", "coordinator2"):
        denied(agent, ask(agent, task, "test.mine", by=by),
               "actor_not_allowed", rule)
    refused(ask(agent, task, "test.mine", by="coordinator"), 403,
            "policy_denied", reason="approval_required")


def test_arguments_are_what_the_policy_allows(agent):
    task = agent.task("args")
    conf(agent, **{"policy-args.test.privacy.privacy": "private unlisted",
                   "policy-args.test.privacy.number": "1 20",
                   "policy-args.test.privacy.sure": "true",
                   "policy-args.test.privacy.part": "0.5 1"})
    reload(agent)
    good = {"privacy": "private", "number": 20, "sure": True, "part": 1}
    for change in ({"privacy": "public"}, {"privacy": None}, {"number": 2},
                   {"number": None}, {"sure": False}, {"part": 0.51},
                   {"number": -1}):
        args = {k: v for k, v in (good | change).items() if v is not None}
        key = next(iter(change))
        where = line_of(agent, key)
        words = {"privacy": "private unlisted", "number": "1 20",
                 "sure": "true", "part": "0.5 1"}[key]
        denied(agent, ask(agent, task, "test.privacy", args),
               "args_not_allowed",
               f"{where} policy-args.test.privacy.{key} = {words}")
    for change in ({}, {"privacy": "unlisted"}, {"number": 1}):
        refused(ask(agent, task, "test.privacy", good | change), 403,
                "policy_denied", reason="approval_required")


def test_a_file_comes_from_where_the_policy_says(agent):
    task = agent.task("files")
    inside, outside = agent.dir / "films", agent.dir / "films2"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "a.mp4").write_bytes(b"film")
    (inside / "large.mp4").write_bytes(b"x" * 2000)
    (inside / "away").symlink_to(outside)
    (agent.dir / "there").symlink_to(inside)
    conf(agent, **{"policy-args.test.film.file": f"{inside}/",
                   "policy.test.film.max-size": "1k"})
    reload(agent)
    rule = f"{line_of(agent, 'file')} policy-args.test.film.file = " \
           f"{inside}/"
    stored = agent.post("/api/evidence?name=a.mp4", b"film", by="codex")
    assert stored.status == 201, stored
    for path in (outside / "a.mp4", inside / ".." / "films2" / "a.mp4",
                 inside / "away" / "a.mp4", stored.json["sha256"]):
        denied(agent, ask(agent, task, "test.film", {"file": str(path)}),
               "args_not_allowed", rule)
    denied(agent, ask(agent, task, "test.film",
                      {"file": str(inside / "large.mp4")}),
           "args_not_allowed", f"{line_of(agent, 'max-size')} "
           "policy.test.film.max-size = 1k")
    for path in (inside / "a.mp4", agent.dir / "there" / "a.mp4"):
        refused(ask(agent, task, "test.film", {"file": str(path)}), 403,
                "policy_denied", reason="approval_required")
    conf(agent, **{"policy-args.test.film.file": f"{inside} evidence"})
    reload(agent)
    refused(ask(agent, task, "test.film", {"file": stored.json["sha256"]}),
            403, "policy_denied", reason="approval_required")


def test_a_folder_swapped_after_the_approval_is_noticed(agent):
    task = agent.task("swap")
    inside, outside = agent.dir / "in", agent.dir / "out"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "a.mp4").write_bytes(b"the same bytes")
    conf(agent, **{"policy-args.test.film.file": str(inside)})
    reload(agent)
    run = ask(agent, task, "test.film", {"file": str(inside / "a.mp4")},
              on_approval="run").json
    inside.rename(agent.dir / "was-in")
    inside.symlink_to(outside)
    approved(agent, run["approval_id"])
    assert ended(agent, run["id"])["state"] == "cancelled"
    last = agent.journal("policy_denied", run_id=run["id"])[-1]["data"]
    assert last["reason"] == "args_not_allowed", last
    assert last["rule"].endswith(f"policy-args.test.film.file = {inside}")
    assert approval(agent, run["approval_id"])["state"] == "stale"
    assert not agent.effects["test.film"].read_text()


def test_no_publish_is_asked_for_in_quiet_hours(agent):
    task = agent.task("quiet")
    conf(agent, **{"policy.test.quiet.quiet-hours": "00:00-12:00 12:00-24:00"})
    reload(agent)
    denied(agent, ask(agent, task, "test.quiet"), "quiet_hours",
           f"{line_of(agent, 'quiet-hours')} policy.test.quiet.quiet-hours"
           " = 00:00-12:00 12:00-24:00")
    now = time.localtime().tm_hour * 60 + time.localtime().tm_min
    begin, end = (now + 120) % 1440, (now - 120) % 1440
    conf(agent, **{"policy.test.quiet.quiet-hours":
                   f"{begin // 60:02}:{begin % 60:02}-"
                   f"{end // 60:02}:{end % 60:02}"})
    reload(agent)
    refused(ask(agent, task, "test.quiet"), 403, "policy_denied",
            reason="approval_required")


def test_a_tool_is_asked_for_so_often_a_minute(agent):
    conf(agent, **{"policy.test.busy.max-per-minute": "3"})
    reload(agent)
    for _ in range(3):
        assert agent.execute("test.busy", "read_only").status == 202
    for _ in range(3):
        denied(agent, agent.execute("test.busy", "read_only"),
               "rate_limited", f"{line_of(agent, 'max-per-minute')} "
               "policy.test.busy.max-per-minute = 3")
    assert agent.execute("test.read", "read_only").status == 202


def test_a_day_has_so_many_publishes_also_after_kill_9(agent):
    task = agent.task("daily")
    conf(agent, **{"policy.test.daily.max-per-day": "2"})
    reload(agent)
    rule = f"{line_of(agent, 'max-per-day')} policy.test.daily.max-per-day" \
           " = 2"
    runs = [ask(agent, task, "test.daily", {"text": str(n)},
                on_approval="run").json for n in range(3)]
    for run in runs[:2]:        # the limit is not reached when all are asked
        approved(agent, run["approval_id"])
        assert ended(agent, run["id"])["state"] == "succeeded"
    approved(agent, runs[2]["approval_id"])
    assert ended(agent, runs[2]["id"])["state"] == "cancelled"
    last = agent.journal("policy_denied", run_id=runs[2]["id"])[-1]["data"]
    assert (last["reason"], last["rule"]) == ("rate_limited", rule), last
    agent.kill9()
    agent.start()
    denied(agent, ask(agent, task, "test.daily", {"text": "4"}),
           "rate_limited", rule)
    assert len(agent.effects["test.daily"].read_text().splitlines()) == 2


def test_what_was_accepted_is_weighed_again_when_it_starts(agent):
    conf(agent, **{"run.max": "1", "policy.local-write": "allow"})
    agent.restart()
    go = agent.dir / "go"
    agent.tool("test.block", f"while not os.path.exists({str(go)!r}): "
               "time.sleep(0.01)\nresult(ok=True)")
    agent.reload()
    kc.wait_for(lambda: "test.block" in [
        t["name"] for t in agent.get("/api/tools").json["items"]],
        what="the tool")
    first = agent.execute("test.block", "local_write").json
    kc.wait_for(lambda: agent.journal("tool_started", run_id=first["id"]),
                what="the first run")
    second = agent.execute("test.write", "local_write").json
    assert second["state"] == "queued", second
    conf(agent, **{"policy.test.write.local-write": "approve"})
    reload(agent)
    go.touch()
    assert ended(agent, first["id"])["state"] == "succeeded"
    assert ended(agent, second["id"])["state"] == "cancelled"
    last = agent.journal("policy_denied", run_id=second["id"])[-1]["data"]
    assert last["reason"] == "approval_required", last
    assert not agent.journal("tool_started", run_id=second["id"])


kc.main(new_agent=new_agent)
