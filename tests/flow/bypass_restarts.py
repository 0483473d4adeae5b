"""kill -9, or a proper end, between any two steps of a publish."""
import datetime
import subprocess

import kc
from bypass import add, attempt
from expect import refused

KILL = ("kill_9", lambda agent: agent.kill9())
TERM = ("sigterm", lambda agent: agent.stop())


def after(left, published=0, started=None, ends=(KILL,)):
    """The step is done once with each end; it calls end() for it."""
    def mark(fn):
        for name, end in ends:
            def one(t, end=end):
                def again(between=None):
                    end(t.agent)
                    if between:
                        between()
                    t.agent.start()
                fn(t, again)
            add(f"{name}_{fn.__name__}", one, left, published, started)
        return fn
    return mark


@after("policy_denied approval_required")
def after_asking(t, end):
    name = t.asked()
    end()
    assert t.state(name) == "pending" and t.asked() == name


@after("policy_denied approval_required")
def after_parking(t, end):
    run = t.parked()
    end()
    assert t.state(run["id"]) == "awaiting_approval"
    assert t.parked()["id"] == run["id"]


@after("approval_granted, approval_used, request 409 nonce_used", 1)
def after_a_review(t, end):
    """It is good for one decision, before or after."""
    run = t.parked()
    seen = t.review(run["approval_id"])
    end()
    t.granted(run["approval_id"], seen=seen)
    assert t.over(run["id"]) == "succeeded"
    refused(t.decide(run["approval_id"], seen), 409, "nonce_used")


@after("approval_granted, policy_denied self_approval")
def after_half_an_approval(t, end):
    run = t.parked("test.two")
    t.decide(run["approval_id"])
    end()
    assert t.state(run["approval_id"]) == "pending"
    refused(t.decide(run["approval_id"]), 403, "self_approval")


@after("approval_granted, approval_used, request 409 nonce_used", 1,
       ends=(KILL, TERM))
def after_an_approval(t, end):
    """It is still there, for one run."""
    name = t.asked()
    seen = t.review(name)
    t.granted(name, seen=seen)
    end()
    refused(t.decide(name, seen), 409, "nonce_used")
    assert t.ask(wait=20).json["state"] == "succeeded"
    assert t.asked() != name


@after("approval_granted, approval_cancelled, tool_failed cancelled",
       ends=(KILL, TERM))
def in_the_grace(t, end):
    """Which goes on, and lets it be taken back."""
    run = t.parked("test.grace")
    t.granted(run["approval_id"])
    at = t.agent.get(f"/api/runs/{run['id']}").json["starts_at"]
    end()
    now = t.agent.get(f"/api/runs/{run['id']}").json
    assert (now["state"], now["starts_at"]) == ("queued", at), now
    t.send({}, f"/api/approvals/{run['approval_id']}/cancel", "admin")
    assert t.over(run["id"]) == "cancelled"


@after("approval_granted, approval_used", 1)
def before_there_is_a_place(t, end):
    run = queued(t)
    end()
    assert t.over(run["id"]) == "succeeded"
    assert t.asked() != run["approval_id"]


def queued(t, tool="test.canary", args=None):
    """An approved run that has no place while the agent lives."""
    block = t.agent.execute("test.block", "local_write").json["id"]
    t.wait_for(lambda: t.state(block) == "running")
    run = t.parked(tool, args)
    t.granted(run["approval_id"])
    return run


@after("outcome_unknown, policy_denied outcome_unknown", started=1,
       ends=(KILL, TERM))
def while_it_publishes(t, end):
    """The tool ends with the agent, and is not started again."""
    t.agent.go.unlink(missing_ok=True)
    run = t.parked("test.holds")
    t.granted(run["approval_id"])
    t.wait_for((t.agent.dir / f"held.{t.name}").exists)
    end()
    assert t.over(run["id"]) == "outcome_unknown"
    t.agent.go.touch()
    for on in ("deny", "run"):
        refused(t.ask("test.holds", on_approval=on), 403, "policy_denied",
                reason="outcome_unknown")


@after("approval_used, request 409 nonce_used", 1, ends=(KILL, TERM))
def after_the_use(t, end):
    run = t.parked()
    seen = t.review(run["approval_id"])
    t.granted(run["approval_id"], seen=seen)
    assert t.over(run["id"]) == "succeeded"
    end()
    assert t.state(run["approval_id"]) == "used"
    refused(t.decide(run["approval_id"], seen), 409, "nonce_used")
    assert t.asked() != run["approval_id"]


@after("approval_used", 1)
def after_the_use_with_its_key(t, end):
    key = {"Idempotency-Key": t.name}
    t.granted(t.asked())
    first = t.ask(wait=20, headers=key)
    assert first.json["state"] == "succeeded", first
    end()
    again = t.ask(wait=20, headers=key)
    assert again.json["id"] == first.json["id"], again
    assert again.headers["idempotent-replayed"] == "true"


@after("approval_rejected, request 409 already_decided")
def after_a_refusal(t, end):
    run = t.parked()
    seen = t.review(run["approval_id"], "second")
    assert t.decide(run["approval_id"], step="reject").status == 200
    end()
    assert t.state(run["id"]) == "cancelled"
    refused(t.decide(run["approval_id"], seen, by="second"), 409,
            "already_decided")
    assert t.asked() != run["approval_id"]


@after("approval_cancelled, request 409 already_decided")
def after_it_was_taken_back(t, end):
    name = t.asked()
    seen = t.review(name)
    t.send({}, f"/api/approvals/{name}/cancel", "admin")
    end()
    refused(t.decide(name, seen), 409, "already_decided")
    assert t.asked() != name


@after("approval_stale, policy_denied mode_stopped, request 409")
def after_a_stop(t, end):
    run = t.parked("test.grace")
    t.granted(run["approval_id"])
    other = t.parked()
    seen = t.review(other["approval_id"])
    t.mode("stopped")
    end()
    assert t.agent.get("/api/mode").json["mode"] == "stopped"
    refused(t.ask(), 403, "policy_denied", reason="mode_stopped")
    t.mode("normal", "again")
    refused(t.decide(other["approval_id"], seen), 409, "approval_stale")
    for each in (run, other):
        assert t.over(each["id"]) == "cancelled"
        assert t.state(each["approval_id"]) == "stale"


@after("approval_expired, tool_failed cancelled")
def beyond_its_time(t, end):
    """What was asked for ends while nobody is there to end it."""
    run = t.parked("test.brief")
    ends = t.agent.get(f"/api/approvals/{run['approval_id']}"
                       ).json["expires_at"]
    end(lambda: t.wait_for(lambda: now() > ends))
    assert t.over(run["id"]) == "cancelled"
    assert t.state(run["approval_id"]) == "expired"


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime(
        "%Y-%m-%dT%H:%M:%S.%fZ")


# What changes while the agent is down.

@after("approval_granted, approval_stale, tool_failed cancelled")
def while_the_film_is_swapped(t, end):
    film = t.agent.dir / f"{t.name}.mp4"
    film.write_bytes(b"approved")
    run = queued(t, "test.file", {"file": str(film)})
    end(lambda: film.write_bytes(b"swapped!"))
    assert t.over(run["id"]) in ("cancelled", "failed")


@after("approval_granted, approval_stale, tool_failed cancelled")
def while_the_policy_changes(t, end):
    run = t.parked("test.grace")
    t.granted(run["approval_id"])
    other = t.parked()
    seen = t.review(other["approval_id"])
    end(lambda: t.agent.conf("policy.test.other.grace",
                             f"{len(t.agent.lines())}s"))
    refused(t.decide(other["approval_id"], seen), 409, "approval_stale")
    for each in (run, other):
        assert t.over(each["id"]) == "cancelled"


@after("approval_granted, approval_stale, tool_failed cancelled")
def while_the_tool_changes(t, end):
    file = t.agent.home / "tools.d" / "test.canary.conf"
    was = file.read_text()
    run = queued(t)
    end(lambda: file.write_text(was.replace("30s", "31s")))
    assert t.over(run["id"]) == "cancelled"
    file.write_text(was)
    t.agent.restart()


@after("approval_granted, tool_failed cancelled")
def while_the_tool_is_made_harmless(t, end):
    """A level that is claimed down in the manifest starts nothing that was
    asked for before."""
    file = t.agent.home / "tools.d" / "test.canary.conf"
    was = file.read_text()
    run = queued(t)
    end(lambda: file.write_text(was.replace("external_publish",
                                            "read_only")))
    assert t.over(run["id"]) == "cancelled"
    file.write_text(was)
    t.agent.restart()


@after("approval_granted, tool_failed cancelled", published=0)
def while_its_secret_is_forgotten(t, end):
    """Which was never written down: it is not published without."""
    run = queued(t, "test.secret", {"text": "a", "password": "hunter2"})
    end()
    assert t.over(run["id"]) == "cancelled"


@after("approval_used, request 409 nonce_used", 1)
def while_the_index_is_lost(t, end):
    run = t.parked()
    seen = t.review(run["approval_id"])
    t.granted(run["approval_id"], seen=seen)
    assert t.over(run["id"]) == "succeeded"
    end(lambda: (t.agent.home / "index.db").unlink())
    assert t.state(run["approval_id"]) == "used"
    refused(t.decide(run["approval_id"], seen), 409, "nonce_used")
    assert t.asked() != run["approval_id"]


# What an agent is started with.

@attempt("policy_denied approval_required")
def started_with_a_git_configuration_that_allows(t):
    """Of the user, or in the environment: only agent.conf counts."""
    allow = "[policy]\n\texternal-publish = allow\n\tapprovals-required = 0\n"
    for file in (t.agent.dir / ".gitconfig", t.agent.dir / "global"):
        file.write_text(allow)
    more = {"GIT_CONFIG_GLOBAL": str(t.agent.dir / "global"),
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "policy.external-publish",
            "GIT_CONFIG_VALUE_0": "allow",
            "GIT_CONFIG_PARAMETERS": "'policy.external-publish=allow'",
            "XDG_CONFIG_HOME": str(t.agent.dir)}
    started_with(t, more)
    (t.agent.dir / ".gitconfig").unlink()


def started_with(t, more):
    was = t.agent.env
    t.agent.stop()
    t.agent.env = was | more
    t.agent.start()
    t.asked()
    t.parked()
    t.agent.env = was
    t.agent.restart()


@attempt("policy_denied approval_required")
def started_with_variables_that_look_like_settings(t):
    started_with(t, {k: "allow" for k in (
        "KIRCERTA_POLICY", "KIRCERTA_EXTERNAL_PUBLISH", "KIRCERTA_MODE",
        "KIRCERTA_SCOPE", "KIRCERTA_ADMIN", "KIRCERTA_UNSAFE")} |
        {"KIRCERTA_HOME": "/nonexistent"})


BAD = {"unasked": ("policy.external-publish", "allow"),
       "unasked_of_one_tool": ("policy.test.canary.external-publish",
                               "allow"),
       "asked_of_nobody": ("policy.approvals-required", "0"),
       "asked_of_less_than_nobody": ("policy.approvals-required", "-1"),
       "asked_of_three": ("policy.approvals-required", "3"),
       "misspelled": ("policy.external-publsh", "deny"),
       "of_a_file_elsewhere": ("include.path", "/etc/hostname"),
       "with_no_time": ("policy.approval-ttl", "0s"),
       "with_endless_time": ("policy.approval-ttl", "1000d"),
       "with_a_grace_below_nothing": ("policy.grace", "-1s")}


def refuses_to_start(key, value):
    def one(t):
        home = t.agent.dir / "unsafe"
        if not home.exists():
            run("init", home, t)
        conf = home / "unsafe.conf"
        conf.unlink(missing_ok=True)
        for pair in (("agent.listen", "127.0.0.1:0"), (key, value)):
            subprocess.run(["git", "config", "-f", conf, *pair], check=True)
        ran = run("run", home, t, "--config", conf)
        assert ran.returncode > 0 and "unsafe.conf" in ran.stderr, ran
        t.asked()
    return one


def run(command, home, t, *options):
    return subprocess.run(
        [kc.BUILD / "kircerta-agent", "--home", home, *options, command],
        capture_output=True, text=True, env=t.agent.env,
        timeout=60 * kc.SLOW)


for name, pair in BAD.items():
    add(f"policy_{name}_is_refused", refuses_to_start(*pair),
        "policy_denied approval_required")
