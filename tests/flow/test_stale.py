"""What stops a publish that was approved: anything that changed since."""
import json

import kc
from expect import refused, sha256
from publishing import (approval, approved, ask, asked, count, decide, ended,
                        new_agent, parked)


def test_a_file_that_changed_after_approval_is_not_sent(agent):
    film = agent.dir / "changing.mp4"

    def other_bytes():
        film.write_bytes(b"after!")

    def replaced():
        film.unlink()
        film.symlink_to("/etc/hostname")

    for n, change in enumerate((other_bytes, film.unlink, replaced)):
        film.unlink(missing_ok=True)
        film.write_bytes(b"before")
        task = agent.task(f"changing {n}")
        run = parked(agent, task, "test.file", {"file": str(film)})
        seen = agent.review(run["approval_id"])
        change()
        given = decide(agent, run["approval_id"], seen)
        assert given.status == 200, given
        over = ended(agent, run["id"])
        assert over["state"] in ("cancelled", "failed"), over
        assert over["error"]["remediation_hint"], over
        assert not agent.journal("tool_started", run_id=run["id"])
        if not n:
            assert approval(agent, run["approval_id"])["state"] == "stale"
            assert agent.journal("policy_denied", run_id=run["id"],
                                 reason="approval_stale")
    assert count(agent, "test.file") == 0


def test_a_file_changed_before_the_repeat_needs_another_approval(agent):
    film = agent.dir / "repeat.mp4"
    film.write_bytes(b"one")
    task = agent.task("repeat")
    name = asked(agent, task, "test.file", {"file": str(film)})
    approved(agent, name)
    film.write_bytes(b"two")
    assert asked(agent, task, "test.file", {"file": str(film)}) != name
    film.write_bytes(b"one")
    done = ask(agent, task, "test.file", {"file": str(film)}, wait=20)
    assert done.status == 200 and done.json["state"] == "succeeded", done
    assert count(agent, "test.file") == 1
    agent.effects["test.file"].write_text("")


def test_the_tool_gets_the_approved_bytes_whatever_happens_to_the_file(agent):
    film = agent.dir / "swapped.mp4"
    film.write_bytes(b"the approved film")
    task = agent.task("swapped")
    run = parked(agent, task, "test.hash", {"file": str(film)})
    approved(agent, run["approval_id"])
    kc.wait_for(lambda: (agent.dir / "go.started").exists())
    film.write_bytes(b"another film, in the same place")
    (agent.dir / "go").touch()
    over = ended(agent, run["id"])
    assert over["result"] == {"sha256": sha256(b"the approved film"),
                              "same": True}, over


def test_a_stored_artifact_is_published_by_its_hash(agent):
    stored = agent.request("POST", "/api/evidence?name=a.bin", b"stored bytes",
                           by="codex")
    sha = stored.json["sha256"]
    task = agent.task("by hash")
    name = asked(agent, task, "test.file", {"file": sha})
    request = approval(agent, name)["request"]
    assert [(a["sha256"], a["size"]) for a in request["artifacts"]] == \
        [(sha, 12)]
    approved(agent, name)
    done = ask(agent, task, "test.file", {"file": sha}, wait=20)
    assert done.json["state"] == "succeeded", done
    problem = ask(agent, task, "test.file", {"file": "0" * 64})
    refused(problem, 422, "unknown_evidence")
    agent.effects["test.file"].write_text("")


def test_a_secret_is_part_of_what_is_approved_and_seen_by_nobody(agent):
    task = agent.task("secret")
    first = {"text": "a", "password": "hunter2-Gr\u00fc\u00dfe"}
    name = asked(agent, task, "test.secret", first)
    other = asked(agent, task, "test.secret", first | {"password": "other"})
    assert name != other
    assert "hunter2" not in agent.review(name)["canonical"]
    approved(agent, name)
    asked(agent, task, "test.secret", {"text": "a", "password": "guess"})
    done = ask(agent, task, "test.secret", first, wait=20)
    assert done.json["state"] == "succeeded", done
    assert json.loads(agent.effects["test.secret"].read_text()) == first
    kept = b"".join(p.read_bytes() for p in agent.home.rglob("*")
                    if p.is_file() and "tools.d" not in p.parts)
    for hidden in ("hunter2", "Gr\\u00fc\\u00dfe"):
        assert hidden.encode() not in kept
        assert hidden not in agent.log and hidden not in done.body.decode()


def test_a_halted_task_publishes_nothing(agent):
    task = agent.task("halted")
    granted = asked(agent, task)
    approved(agent, granted)
    run = parked(agent, task, "test.grace")
    approved(agent, run["approval_id"])
    pending = asked(agent, task, args={"text": "other"})
    halted = agent.post(f"/api/tasks/{task['id']}/halt", {"reason": "stop"},
                        by="admin")
    assert halted.status == 200, halted
    for name in (granted, run["approval_id"], pending):
        assert approval(agent, name)["state"] == "stale", name
    assert ended(agent, run["id"])["state"] == "cancelled"
    refused(ask(agent, task), 409, "invalid_transition", **{"from": "halted"})
    back = agent.post(f"/api/tasks/{task['id']}/resume", by="admin")
    assert back.json["state"] == "pending" and not back.json["admin_approved"]
    assert asked(agent, task) not in (granted, pending)
    assert not agent.journal("tool_started", task_id=task["id"])


def test_a_task_that_was_rejected_publishes_nothing_it_was_promised(agent):
    task = agent.ack(agent.task("rejected later"))
    run = parked(agent, task, "test.grace")
    result = agent.post(f"/api/tasks/{task['id']}/result",
                        {"attempt": 1, "summary": "s"}, by="codex")
    assert result.status == 200, result
    approved(agent, run["approval_id"])
    no = agent.post(f"/api/tasks/{task['id']}/reject", {"reason": "bad"},
                    by="admin")
    assert no.status == 200, no
    over = ended(agent, run["id"])
    assert over["state"] == "cancelled", over
    assert not agent.journal("tool_started", task_id=task["id"])


def test_an_approval_is_for_the_mode_it_was_given_in(fresh):
    task = fresh.task("modes")
    run = parked(fresh, task, "test.grace")
    approved(fresh, run["approval_id"])
    kept = asked(fresh, task)
    fresh.post("/api/mode", {"mode": "guarded", "reason": "careful"},
               by="admin")
    over = ended(fresh, run["id"])
    assert over["state"] == "cancelled", over
    assert approval(fresh, run["approval_id"])["state"] == "stale"
    assert fresh.journal("policy_denied", run_id=run["id"],
                         reason="approval_stale")
    given = approved(fresh, kept)
    assert given["mode"] == "guarded", given
    done = ask(fresh, task, wait=20)
    assert done.status == 200 and done.json["state"] == "succeeded", done
    assert count(fresh) == 1 and count(fresh, "test.grace") == 0


def test_an_approval_under_another_policy_is_worth_nothing(fresh):
    task = fresh.task("policy")
    pending = parked(fresh, task)
    seen = fresh.review(pending["approval_id"])
    granted = asked(fresh, task, args={"text": "granted"})
    approved(fresh, granted)
    fresh.conf("policy.approval-ttl", "16m")
    fresh.restart()
    refused(decide(fresh, pending["approval_id"], seen), 409,
            "approval_stale")
    assert asked(fresh, task, args={"text": "granted"}) != granted
    for name in (pending["approval_id"], granted):
        assert approval(fresh, name)["state"] == "stale", name
    assert ended(fresh, pending["id"])["state"] == "cancelled"
    assert count(fresh) == 0


def test_a_queued_publish_does_not_outlive_the_policy_it_was_given_under(
        fresh):
    task = fresh.task("queued")
    run = parked(fresh, task, "test.grace")
    approved(fresh, run["approval_id"])
    fresh.conf("policy.local-write", "approve")
    fresh.restart()
    assert ended(fresh, run["id"])["state"] == "cancelled"
    assert count(fresh, "test.grace") == 0


kc.main(new_agent=new_agent)
