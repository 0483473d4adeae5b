"""Webhooks that come in: one effect for one event however often it comes,
nothing older after something newer, and a task as the templates say."""
import datetime
import json
import random
import re
import time
import uuid

import kc
from expect import committed, refused, task_path, together
from hooks import SCHEMES, Source, issue, tasks_of

RNG = random.Random(1)
ESCAPES = "\x1b[2J\x07\u202e\u009b31m\x7f"


def sources(agent):
    by = {name: Source(agent, name, name, task="true", title="{/title}")
          for name in SCHEMES}
    by["issues"] = Source(
        agent, "issues", task="true", subject="/issue/id",
        sequence="/issue/updated_at", title="{/action}: {/issue/title}",
        text="{/issue/body}\n\n{/issue/html_url}",
        criterion=["the issue \"{/issue/title}\" is solved", "{/nothing}",
                   "braces {{stay}}"],
        label=["number=#{/issue/number}", "by={/sender/login}"],
        only=["/action=opened,reopened,7", "/issue"], assignee="codex",
        side_effect_level="local_write")
    by["order"] = Source(agent, "order", task="true", subject="/about",
                         sequence="/seq", title="{/seq}")
    by["quiet"] = Source(agent, "quiet", "standard", title="{/title}",
                         label="kind={/kind}")
    by["few"] = Source(agent, "few", max_per_minute=3)
    by["brief"] = Source(agent, "brief", "github", task="true",
                         window="200ms")
    by["long"] = Source(agent, "long", task="true", text="{/text}",
                        max_body="8m", title="{/title}")
    return by


def new_agent():
    agent = kc.Agent(start=False)
    agent.hooks = sources(agent)
    return agent.start()


def task(agent, answer):
    found = agent.get(f"/api/tasks/{answer['task_id']}")
    assert found.status == 200, found
    return found.json


def test_an_event_becomes_a_task_with_all_that_belongs_to_it(agent):
    hook = agent.hooks["issues"]
    body = json.dumps(issue(5, body="first\r\nsecond", title="söme\ntitle"))
    answer = hook.accepted(body.encode(), event_id="delivery-5",
                           kind="issues")
    made = task(agent, answer)
    assert made["title"] == "opened: söme title", made
    assert made["request_text"] == \
        "first\nsecond\n\nhttps://example.org/5", made
    assert made["acceptance_criteria"] == [
        {"id": "AC-1", "text": "the issue \"söme\ntitle\" is solved"},
        {"id": "AC-2", "text": "{/nothing}"},
        {"id": "AC-3", "text": "braces {stay}"}], made
    assert made["labels"] == {"number": "#5", "by": "octocat"}, made
    assert made["source"] == made["created_by"] == "webhook:issues", made
    assert made["assignee"] == "codex" and made["state"] == "pending"
    assert made["side_effect_level"] == "local_write"
    assert made["correlation_id"] == answer["correlation_id"]
    about = made["meta"]["webhook"]
    assert about["event_id"] == "delivery-5" and about["event"] == "issues"
    assert about["subject"] == "1005" and len(about["body_sha256"]) == 64
    received, = agent.journal("webhook_received", event_id="delivery-5")
    assert received["correlation_id"] == answer["correlation_id"]
    assert received["task_id"] == made["id"]
    assert received["data"]["missing"] == ["/nothing"], received
    assert received["data"]["bytes"] == len(body)
    assert received["data"]["key"] == "current"
    chain = agent.get(f"/api/audit/{answer['correlation_id']}").json
    assert [e["type"] for e in chain["events"]] == [
        "webhook_received", "task_created", "request"], chain
    assert chain["complete"] and chain["task_ids"] == [made["id"]], chain
    kc.wait_for(lambda: task_path(agent, made["id"]), what="the commit")
    assert not [p for p in committed(agent) if "hook" in p]


def test_the_example_of_the_readme_does_what_it_says():
    text = (kc.ROOT / "README.md").read_text()
    block = text.split("### Events that come in")[1].split("```")[1]
    agent = kc.Agent(start=False)
    try:
        hook = Source(agent, "issues", also=block)
        agent.start()
        made = task(agent, hook.accepted(issue(7) | {
            "repository": {"full_name": "octo/cat"}}))
        assert made["title"] == "issue 7 (#7)", made
        assert made["request_text"] == "\n\nhttps://example.org/7", made
        assert made["labels"] == {"repository": "octo/cat"}, made
        assert [c["text"] for c in made["acceptance_criteria"]] == \
            ['the issue "issue 7" is solved'], made
        assert hook.accepted(issue(8, "closed"))["task_id"] is None
        refused(hook.send(issue(7, at="2026-01-02T03:04:04Z")), 409,
                "stale_event")
    finally:
        agent.close()


def test_fifty_at_once_have_one_effect(agent):
    for name, scheme in SCHEMES.items():
        hook = agent.hooks[name]
        body = json.dumps({"id": f"evt-{name}", "title": "fifty"}).encode()
        headers = hook.signed(body, event_id="fifty")
        before = len(tasks_of(agent, name))
        answers = together([lambda: hook.agent.request(
            "POST", f"/webhooks/{name}", body, by=None,
            headers=headers)] * 50)
        fresh = [a for a in answers if a.status == 202]
        assert len(fresh) == 1, (name, answers)
        assert all(a.status == 200 and a.json["dedup"] is True and
                   a.json["task_id"] == fresh[0].json["task_id"]
                   for a in answers if a is not fresh[0]), (name, answers)
        assert len(tasks_of(agent, name)) == before + 1, name
        data = {"source": name, "body_sha256": agent.journal(
            "webhook_received", source=name)[-1]["data"]["body_sha256"]}
        assert len(agent.journal("webhook_received", **data)) == 1
        repeats = agent.journal("webhook_duplicate", **data)
        assert len(repeats) == 49
        assert {r["data"]["first"] for r in repeats} == \
            {fresh[0].json["correlation_id"]}


def test_the_id_and_the_bytes_are_each_enough_to_know_it_again(agent):
    hook = agent.hooks["standard"]
    first = hook.accepted({"title": "one"}, event_id="known")
    assert hook.repeated({"title": "other"}, event_id="known")["task_id"] \
        == first["task_id"]
    assert hook.repeated({"title": "one"})["task_id"] == first["task_id"]
    assert hook.accepted({"title": "one "})["task_id"] != first["task_id"]
    hook = agent.hooks["stripe"]
    first = hook.accepted({"id": "evt_1", "title": "one"})
    assert hook.repeated({"id": "evt_1", "title": "2"})["task_id"] == \
        first["task_id"]
    # An id is all of itself, however long it is and whatever is in it.
    for n, id in enumerate(("x" * 1100 + "1", "x" * 1100 + "2", "a\nb",
                            "a b", 5)):
        hook.accepted({"id": id, "title": f"all of it {n}"})
    hook.repeated({"id": "5", "title": "a number is its digits"})
    # One source's events are not another's.
    assert agent.hooks["hmac-sha256"].accepted(
        {"title": "one"}, event_id="known")["task_id"] != first["task_id"]


def test_after_the_window_the_same_event_is_a_new_one(agent):
    hook = agent.hooks["brief"]
    seen = [hook.accepted({"n": 1}, event_id="again")["task_id"]]
    later = kc.wait_for(lambda: [a for a in [hook.send(
        {"n": 1}, event_id="again").json] if not a["dedup"]])[0]
    seen.append(later["task_id"])
    assert len(set(seen)) == 2
    assert {r["task_id"] for r in tasks_of(agent, "brief")} == set(seen)


def test_nothing_older_is_taken_in_after_something_newer(agent):
    hook = agent.hooks["order"]
    for about, series in enumerate((
            (5, 6, -7), (5, 5.5, 5.25), ("9", "10", "2"), ("b", "c", "a"),
            ("2026-01-02T10:00:00Z", "2026-01-02T12:00:00+01:00",
             "2026-01-02T23:00:00+12:30"),
            ("2026-01-02T10:00:00.5Z", "2026-01-02T10:00:00.75Z",
             "2026-01-02T10:00:00.6Z"),
            ("2026-01-02T10:00:00.123456100Z",
             "2026-01-02T10:00:00.123456900Z",
             "2026-01-02T10:00:00.1234568Z"))):
        def event(seq):
            return {"about": about, "seq": seq, "n": str(uuid.uuid4())}
        low, high, between = series
        hook.accepted(event(low))
        hook.accepted(event(low))               # as old as the newest
        newest = hook.accepted(event(high))
        for old in (low, between):
            old = event(old)
            before = len(tasks_of(agent, "order"))
            refused(hook.send(old), 409, "stale_event")
            refused(hook.send(old), 409, "stale_event")
            assert len(tasks_of(agent, "order")) == before
        hook.accepted(event(high))
        other = {"about": f"not {about}", "seq": low, "n": about}
        assert hook.accepted(other)["task_id"] != newest["task_id"]
        refused(hook.send(event([1])), 400, "invalid_request")
        refused(hook.send(event("x" if type(low) is not str else 1)), 400,
                "invalid_request")
    stale = agent.journal("webhook_stale")[-1]
    assert stale["status"] == 409 and stale["data"]["newest"], stale
    assert stale["data"]["newest_event_id"] and stale["data"]["event_id"]


def test_what_says_no_order_is_taken_in_and_recorded_as_such(agent):
    hook = agent.hooks["order"]
    hook.accepted({"about": "x", "seq": 5})
    for event, lacks in (({"about": "x", "n": 1}, "sequence"),
                         ({"seq": 1, "n": 2}, "subject"),
                         ({"about": None, "seq": 1, "n": 3}, "subject")):
        answer = hook.accepted(event)
        record, = agent.journal("webhook_received",
                                correlation_id=answer["correlation_id"])
        assert record["data"]["not_ordered"] == lacks, record


def test_of_two_at_once_the_older_never_comes_last(agent):
    hook = agent.hooks["order"]
    answers = together([lambda n=n: hook.send(
        {"about": "race", "seq": n}) for n in RNG.sample(range(20), 20)])
    assert {a.status for a in answers} <= {202, 409}, answers
    made = [int(r["data"]["put"]["task"]["title"])
            for r in tasks_of(agent, "order")
            if "put" in r["data"] and r["task_id"] in
            [a.json.get("task_id") for a in answers]]
    assert made == sorted(made) and made[-1] == 19, made


def test_conditions_decide_what_makes_a_task(agent):
    hook = agent.hooks["issues"]
    for n, (action, skipped) in enumerate((
            ("reopened", None), ("closed", "/action=opened,reopened,7"),
            ("open", "/action=opened,reopened,7"), (7, None),
            (None, "/action=opened,reopened,7"), ("", "/action="))):
        answer = hook.accepted(issue(100 + n, action))
        assert (answer["task_id"] is None) == bool(skipped), (action, answer)
        record, = agent.journal("webhook_received",
                                correlation_id=answer["correlation_id"])
        assert record["data"].get("skipped", "").startswith(skipped or "")
        assert hook.repeated(issue(100 + n, action))["task_id"] == \
            answer["task_id"]
    answer = hook.accepted({"action": "opened"})
    assert answer["task_id"] is None
    # What makes no task is newer all the same.
    refused(hook.send(issue(101, at="2026-01-02T03:04:04Z")), 409,
            "stale_event")


def test_without_a_task_the_event_is_on_the_record(agent):
    answer = agent.hooks["quiet"].accepted({"title": "t", "kind": "k"},
                                           event_id="q-1")
    assert answer["task_id"] is None
    assert agent.hooks["quiet"].repeated({"title": "t", "kind": "k"}
                                         )["task_id"] is None
    record, = agent.journal("webhook_received", source="quiet")
    assert record["data"]["title"] == "t"
    assert record["data"]["labels"] == {"kind": "k"}
    assert record["actor"] == "webhook:quiet" and record["status"] == 202
    assert not tasks_of(agent, "quiet")


def test_a_ping_is_answered_and_makes_nothing(agent):
    hook = agent.hooks["issues"]
    ping = {"zen": "Design for failure.", "hook_id": 1, "hook": {}}
    answer = hook.send(ping, kind="ping")
    assert answer.status == 200 and answer.json["pong"] is True, answer
    assert answer.json["task_id"] is None and not answer.json["dedup"]
    again = hook.repeated(ping, kind="ping")
    assert again["task_id"] is None
    # Without the header it is an event like any other.
    assert "pong" not in hook.accepted(ping | {"n": 1}, kind="issues")


def test_templates_take_what_is_there_as_text_and_nothing_else(agent):
    hook = agent.hooks["long"]
    made = task(agent, hook.accepted({"title": f"a{ESCAPES}b", "text":
                                      "{/title} {{ $(id) %s \\u0041"}))
    assert made["title"] == "a\ufffd[2J\ufffd\u202e\ufffd31m\ufffdb", made
    assert made["request_text"] == "{/title} {{ $(id) %s \\u0041"
    kc.wait_for(lambda: task_path(agent, made["id"]), what="the commit")
    shown = [agent.console(*words).stdout for words in (
        ("tasks", "31m"), ("history", made["id"]),
        ("audit", f"task:{made['id']}"))]
    assert all("[2J" in one for one in shown[:2]) and shown[2], shown
    shown = "".join(shown)
    assert not set(shown) & set("\x1b\x07\x7f\u009b\u202e"), shown
    made = task(agent, hook.accepted({"text": "no title"}))
    assert made["title"] == "long event", made
    made = task(agent, hook.accepted({"title": [1, {"b": "ü"}], "text": 1.5}))
    assert made["title"] == '[1,{"b":"ü"}]' and made["request_text"] == "1.5"
    for text in ("x" * 10 ** 6, "ä" * 500000, "\"\\\n" * 300000,
                 "\x00".join("ab").replace("\x00", "\x01") * 100000):
        made = task(agent, hook.accepted({"title": text, "text": text}))
        assert made["title"].endswith("…") and made["request_text"][-1] == "…"
        assert 400 < len(made["title"].encode()) <= 500
        assert 8000 < len(made["request_text"].encode()) <= 40000
        acked = agent.ack(made)
        assert acked["state"] == "running"


def test_a_token_in_an_event_is_refused_and_not_recorded(agent):
    token = agent.token("coordinator")
    hook = agent.hooks["long"]
    for event in ({"title": f"use {token}"}, {"text": token, "title": "t"}):
        problem = refused(hook.send(event), 400, "invalid_request")
        assert token not in json.dumps(problem)
    # What of the event goes nowhere may have one: nobody reads it.
    hook.accepted({"title": "t", "other": token})
    refused(agent.hooks["github"].send({"title": "t"}, event_id=token), 400,
            "invalid_request")
    refused(agent.hooks["stripe"].send({"title": "t", "id": token}), 400,
            "invalid_request")
    assert not [line for line in agent.lines() if token.encode() in line]


def test_what_is_no_event_is_refused(agent):
    hook = agent.hooks["github"]
    for body in (b"", b"{", b"[1]", b'"x"', b'{"a":1,"a":2}',
                 b'{"a":"\xff"}', b"{}{}", b'{"a":' * 40 + b"1" + b"}" * 40):
        refused(hook.send(body), 400, "invalid_json")
    problem = refused(hook.send(b"payload=%7B%7D%7D"), 400, "invalid_json")
    assert "application/json" in problem["remediation_hint"], problem


def test_more_than_a_minute_allows_has_to_wait(agent):
    hook = agent.hooks["few"]
    sent = [{"n": n} for n in range(5)]
    for event in sent[:3]:
        hook.accepted(event)
    for event in sent[3:]:
        answer = hook.send(event)
        refused(answer, 429, "too_many")
        assert 1 <= int(answer.headers["retry-after"]) <= 60, answer
    hook.repeated(sent[0])                  # what is known costs nothing
    assert len(agent.journal("webhook_received", source="few")) == 3
    kept = agent.journal("webhook_rejected", source="few")
    assert [(r["status"], r["data"]["reason"], r["actor"]) for r in kept] == \
        [(429, "too_many", "webhook:few")] * 2, kept
    agent.hooks["github"].accepted({"title": "another source"})


def test_stopped_nothing_is_taken_in_and_the_sender_may_try_again(fresh):
    hook = fresh.hooks["issues"]
    for mode, status in (("stopped", 403), ("normal", 202)):
        changed = fresh.post("/api/mode", {"mode": mode, "reason": "r"},
                             by="admin")
        assert changed.status == 200, changed
        answer = hook.send(issue(1), event_id="tried-again")
        assert answer.status == status, answer
    assert fresh.journal("policy_denied", reason="mode_stopped")
    assert len(tasks_of(fresh, "issues")) == 1


def test_the_health_row_says_what_came_and_what_was_refused(fresh):
    hook = fresh.hooks["few"]
    hook.accepted({"n": 1})
    hook.repeated({"n": 1})
    refused(hook.send({"n": 2}, secret="another secret, as long"), 401,
            "bad_signature")
    fresh.hooks["brief"].write("", mode=0o600)

    def row():
        rows = fresh.get("/api/health", by="admin").json["components"]
        return next(r for r in rows if r["name"] == "webhooks")

    found = kc.wait_for(lambda: [r for r in [row()]
                                 if r["status"] == "degraded"])[0]
    assert found["error_code"] == "webhook_not_configured", found
    assert "brief" in found["detail"], found
    by = {s["name"]: s for s in found["sources"]}
    assert set(by) == set(fresh.hooks)
    assert by["few"]["accepted"] == by["few"]["repeated"] == 1, by
    assert by["few"]["refused"] == 1 and by["few"]["secret"] == "ok", by
    when = datetime.datetime.fromisoformat(
        by["few"]["last_accepted_at"].replace("Z", "+00:00"))
    assert abs(when.timestamp() - time.time()) < 600
    assert by["brief"]["secret"] != "ok" and not by["brief"]["accepted"]


def test_check_says_which_source_cannot_be_verified():
    agent = kc.Agent(start=False)
    try:
        good, loose, short, none = [
            Source(agent, name, task="true")
            for name in ("good", "loose", "short", "none")]
        loose.write("long enough, but open", mode=0o644)
        short.write("short")
        none.file.unlink()
        done = agent.cli("check", check=False)
        rows = {line.split()[2].rstrip(":"): line for line in
                done.stdout.splitlines() if line.startswith("webhook ")}
        assert done.returncode == 1 and len(rows) == 4, done.stdout
        assert " ok " in rows["good"] and "makes tasks" in rows["good"]
        for name, why in (("loose", "0644"), ("short", "16"),
                          ("none", "No such file")):
            assert "FAIL" in rows[name] and why in rows[name], rows
        assert "chmod 600" in done.stdout, done.stdout
        Source(agent, "broken", title="{/a")
        done = agent.cli("check", check=False)
        assert '"broken".title: ' in done.stdout and done.returncode == 1, \
            done.stdout
    finally:
        agent.close()


def test_a_source_of_which_no_task_could_come_is_told_before_it_sends():
    agent = kc.Agent(start=False)
    conf = agent.home / "agent.conf"
    plain = conf.read_text()
    try:
        for key, value, line, why in (
                ("assignee", ["ok", "x" * 129], 2, "1 to 128 bytes"),
                ("label", [f"n{i}=" + "v" * 500 for i in range(100)], None,
                 "leave no room for a task"),
                ("criterion", ["c" * 1000] * 60, None,
                 "leave no room for a task")):
            conf.write_text(plain)
            Source(agent, "much", **{key: value})
            first = next(n for n, text in enumerate(
                conf.read_text().split("\n"), 1) if f"\t{key} =" in text)
            checked = agent.cli("check", check=False)
            started = agent.cli("run", check=False)
            assert checked.returncode == 1 and started.returncode == 1
            for told in checked.stdout, started.stderr:
                found = re.search(r"agent\.conf:(\d+): webhook "
                                  rf'"much"\.{key}: (.*)', told)
                assert found and why in found[2], told
                at = int(found[1]) - first + 1
                assert at == line if line else 30 < at < len(value), told
        conf.write_text(plain)
        agent.start()
        Source(agent, "much", assignee="x" * 129)
        agent.reload()
        told, = kc.wait_for(lambda: agent.journal("degraded", what="policy"))
        assert "1 to 128 bytes" in told["data"]["detail"], told
    finally:
        agent.close()


if __name__ == "__main__":
    kc.main(60, new_agent)
