"""policy explain and show: what they say is what the gate does."""
import json
import subprocess
import time

import kc
from policies import PRIVACY, conf, line_of, reload
from publishing import approved, ended

EXITS = {"allow": 0, "approve": 3, "deny": 4}


def new_agent():
    agent = kc.Agent(start=False, conf={"policy.grace": "0s"})
    agent.effects = {"test.publish": agent.publisher(args=PRIVACY)}
    agent.tool("test.read", "result(ok=True)", "read_only")
    agent.tool("test.write", "result(ok=True)",
               args={"file": {"type": "file"}, "text": {"type": "string"}})
    return agent.start()


LEVELS = {"test.publish": "external_publish", "test.read": "read_only",
          "test.write": "local_write"}


def explain(agent, tool, args=None, **options):
    """The exit status has to fit the verdict."""
    words = [w for k, v in options.items() for w in (f"--{k}", v)]
    if args is not None:
        file = agent.dir / "args.json"
        file.write_text(json.dumps(args))
        words += ["--args", file]
    done = agent.cli("policy", "explain", "--tool", tool, *words, "--json",
                     check=False)
    said = json.loads(done.stdout)
    assert done.returncode == EXITS[said["verdict"]], (done, said)
    return said


def agrees(agent, task, tool, args, level=None, by="codex"):
    """Asks the gate and explain; the verdict, on which they are one."""
    level = level or LEVELS[tool]
    said = explain(agent, tool, args, level=level, **{"as": by})
    answer = agent.execute(tool, level, args, task, by=by)
    if answer.status == 202:
        got = ("allow", None)
    else:
        assert answer.status == 403, answer
        record = agent.journal("policy_denied")[-1]["data"]
        reason = answer.json["reason"]
        got = ("approve" if reason in ("approval_required", "mode_guarded")
               else "deny", reason)
        assert record["reason"] == reason, record
        assert record["rule"] == answer.json["rule"] == said["rule"], \
            (record, answer, said)
    assert got == (said["verdict"], said["reason"]), (got, said)
    return got[1] or "allow"


def test_explain_agrees_with_the_gate_whatever_is_configured(agent):
    task = agent.task("both")
    big = agent.dir / "big"
    big.write_bytes(b"x" * 5000)
    read, write = ("test.read", {}), ("test.write", {"text": "a"})
    large = "test.write", {"file": str(big)}
    plain = "test.publish", {"text": "a"}
    private = "test.publish", {"text": "a", "privacy": "private"}
    other = "test.publish", {"text": "c", "privacy": "private"}
    steps = (
        ("normal", {}, (read, write, large, plain)),
        ("normal", {"policy.read-only": "deny"}, (read, write)),
        ("normal", {"policy.read-only": "allow",
                    "policy.local-write": "approve"}, (read, write)),
        ("normal", {"policy.test.write.local-write": "deny"}, (write,)),
        ("normal", {"policy.test.write.local-write": "allow",
                    "policy.test.write.max-size": "4k"}, (write, large)),
        ("normal", {"policy.test.publish.actors": "codex"}, (plain,)),
        ("normal", {"policy-args.test.publish.privacy": "private"},
         (plain, private)),
        ("normal", {"policy-args.test.publish.text": "a b"},
         (private, other)),
        ("normal", {"policy.quiet-hours": "00:00-24:00"}, (private, write)),
        ("guarded", {"policy.test.publish.quiet-hours": ""},
         (read, write, private)),
        ("stopped", {"policy.test.publish.external-publish": "deny"},
         (read, private)),
        ("normal", {}, (private,)))
    mode, seen = "normal", set()
    for to, policy, calls in steps:
        for key, value in policy.items():
            agent.conf(key, value)
        if policy:
            reload(agent)
        if to != mode:
            agent.post("/api/mode", {"mode": to, "reason": "tested"},
                       by="admin")
            mode = to
        seen |= {agrees(agent, task, *call) for call in calls}
        if "policy.test.publish.actors" in policy:
            seen.add(agrees(agent, task, *plain, by="coordinator"))
    seen.add(agrees(agent, task, "test.write", {}, level="read_only"))
    assert seen == {"allow", "approval_required", "tool_disabled",
                    "args_not_allowed", "actor_not_allowed", "quiet_hours",
                    "side_effect_mismatch", "mode_stopped", "mode_guarded"}, seen


def test_explain_counts_the_publishes_on_the_record(fresh):
    task = fresh.task("counted")
    conf(fresh, **{"policy.max-per-day": "1"})
    reload(fresh)
    assert explain(fresh, "test.publish")["verdict"] == "approve"
    run = fresh.execute("test.publish", "external_publish", {}, task,
                        on_approval="run").json
    approved(fresh, run["approval_id"])
    assert ended(fresh, run["id"])["state"] == "succeeded"
    fresh.stop()        # it needs no agent
    said = explain(fresh, "test.publish")
    assert (said["verdict"], said["reason"], said["starts_24h"]) == \
        ("deny", "rate_limited", 1), said
    assert said["rule"] == f"{line_of(fresh, 'max-per-day')} " \
        "policy.max-per-day = 1"
    tomorrow = time.strftime("%Y-%m-%dT%H:%M:%SZ",
                             time.gmtime(time.time() + 90000))
    assert explain(fresh, "test.publish", at=tomorrow)["verdict"] == "approve"


def test_explain_looks_at_the_time_that_is_meant(fresh):
    conf(fresh, **{"policy.quiet-hours": "22:00-07:00 12:00-13:00"})
    for at, verdict in (("21:59", "approve"), ("22:00", "deny"),
                        ("06:59", "deny"), ("13:00", "approve")):
        assert explain(fresh, "test.publish", at=at)["verdict"] == verdict, at
    assert explain(fresh, "test.write", at="22:00")["verdict"] == "allow"


def test_explain_takes_the_arguments_from_standard_input_too(agent):
    done = subprocess.run(
        [kc.BUILD / "kircerta-agent", "--home", agent.home, "policy",
         "explain", "--tool", "test.write", "--args", "-"],
        input=b'{"text":"a"}', capture_output=True, env=agent.env)
    text = done.stdout.decode()
    assert text.splitlines()[0].split() == ["verdict", "allow"], done
    assert text.splitlines()[2].startswith("rule     "), done


def test_what_cannot_be_explained_is_an_error(agent):
    for words, status in (
            (["explain"], 2), (["explain", "--tool"], 2), (["show", "x"], 2),
            (["nonsense"], 2), ([], 2), (["show", "--tool", "a"], 2),
            (["explain", "--tool", "none"], 1),
            (["explain", "--tool", "test.read", "--at", "noon"], 1),
            (["explain", "--tool", "test.read", "--mode", "x"], 1),
            (["explain", "--tool", "test.read", "--args", "/none"], 1)):
        done = agent.cli("policy", *words, check=False)
        assert done.returncode == status and done.stderr, (words, done)


def test_show_says_where_each_value_comes_from(fresh):
    conf(fresh, **{"policy.test.write.grace": "5s",
                   "policy-args.test.publish.privacy": "private  unlisted",
                   "policy.local-write": "approve"})
    record = reload(fresh)
    said = json.loads(fresh.cli("policy", "show", "--json").stdout)
    assert said["policy_sha256"] == record["policy_sha256"]
    assert said["file_sha256"] == record["file_sha256"]
    assert said["rules"] == record["rules"] == 4
    number = int(line_of(fresh, "local-write").rsplit(":", 1)[1])
    assert said["policy"]["local-write"] == {"value": "approve",
                                             "line": number}
    assert said["policy"]["approval-ttl"] == {"value": "15m", "line": None}
    assert list(said["tools"]["test.write"]) == ["grace", "args"]
    assert said["tools"]["test.publish"]["args"]["privacy"]["value"] == \
        "private unlisted"
    text = fresh.cli("policy", "show").stdout
    assert "approve" in text and f"# line {number}" in text, text


def test_check_finds_constraints_that_no_call_can_keep(fresh):
    assert fresh.cli("check").returncode == 0
    conf(fresh, **{"policy-args.test.write.file": "videos",
                   "policy-args.test.write.txet": "a",
                   "policy-args.nobody.text": "a"})
    done = fresh.cli("check", check=False)
    assert done.returncode == 1
    for words in ("policy-args.test.write.file = videos",
                  "policy-args.test.write.txet = a", "nobody"):
        assert any(line.startswith("policy     FAIL") and words in line
                   for line in done.stdout.splitlines()), done.stdout


kc.main(new_agent=new_agent)
