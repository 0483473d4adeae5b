"""A publish in two steps: hidden first, seen only by a second approval."""
import json
import os

import kc
from expect import jcs, refused, sha256
from publishing import approval, approved, ask, ended, parked
from standin import Standin

PRIVACY = {"type": "enum", "values": "hidden friends open",
           "default": "hidden"}
STAGE = ["\treconcile = true", "[stage]", "\targument = privacy",
         "\tvalue = hidden", "\tpromote = test.show", "\tresult = post"]
# Tells what it was asked for; what it says it saw is changed by BASE.seen.
POST = """
base = %r
seen = {"post": "p-1", "privacy": args["privacy"], "marker": call["marker"],
        "bytes": args["file"]["size"] if "file" in args else None}
seen.update(json.load(open(base + ".seen")))
said = {"post": "p-1", "seen": seen if len(seen) < 9 else None}
if call.get("reconcile"):
    result(outcome="succeeded", result=said, detail="found")
open(base + ".effects", "a").write(json.dumps(args) + "\\n")
if os.path.exists(base + ".crash"):
    os.kill(os.getpid(), 9)
result(**said)
"""
NONE = {"1": 1, "2": 2, "3": 3, "4": 4, "5": 5}     # it saw nothing
OWN = "UCstandin-of-the-channel"


def new_agent():
    agent = kc.Agent(start=False, conf={
        "policy.grace": "0s", "run.reconcile-pause": "10ms",
        "policy.test.post.stage": "true", "policy.test.plain.stage": "true",
        "policy.youtube.upload.stage": "yes"})
    agent.tool("test.post", POST % str(agent.dir / "post"),
               "external_publish", {
                   "privacy": PRIVACY,
                   "file": {"type": "file"},
                   "password": {"type": "string", "secret": "true"}},
               more=STAGE)
    agent.effects = {
        "test.post": agent.dir / "post.effects",
        "test.show": agent.publisher("test.show", args={
            "privacy": PRIVACY, "post": {"type": "string",
                                         "max-length": "20"}}),
        "test.plain": agent.publisher("test.plain")}
    saw(agent)
    return agent.start()


def saw(agent, crash=False, **other):
    """What the next post says to have read back, but for the truth."""
    (agent.dir / "post.seen").write_text(json.dumps(other))
    (agent.dir / "post.effects").write_text("")
    (agent.dir / "post.crash").unlink(missing_ok=True)
    if crash:
        (agent.dir / "post.crash").touch()


def effects(agent, tool):
    return [json.loads(x) for x in
            agent.effects[tool].read_text().splitlines()]


def post(agent, task, **args):
    run = parked(agent, task, "test.post", {"privacy": "open"} | args)
    approved(agent, run["approval_id"])
    return ended(agent, run["id"])


def staged(agent, run_id, word="next_run_id"):
    """The run once its second step is open, or held."""
    def look():
        run = agent.get(f"/api/runs/{run_id}").json
        return run if word in run.get("stage", {}) else None
    return kc.wait_for(look, what=f"{word} of {run_id}")


def test_the_first_step_is_hidden_and_the_second_asked_for(agent):
    saw(agent)
    task = agent.task("two steps")
    parked_run = parked(agent, task, "test.post", {"privacy": "open"})
    seen = agent.review(parked_run["approval_id"])
    request = json.loads(seen["canonical"])
    assert request["args"] == {"privacy": "open"}, request
    assert request["effective_args"] == {"privacy": "hidden"}, request
    assert sha256(jcs(request)) == seen["request_sha256"]
    shown = agent.console("show", parked_run["approval_id"]).stdout
    assert "RUNS AS privacy\n        | hidden\n        then test.show" in \
        shown, shown
    approved(agent, parked_run["approval_id"])
    ended(agent, parked_run["id"])
    first = staged(agent, parked_run["id"])
    assert first["args"] == {"privacy": "open"}, first
    assert first["effective_args"] == {"privacy": "hidden"}, first
    assert effects(agent, "test.post") == [{"privacy": "hidden"}]
    assert not effects(agent, "test.show")
    second = agent.get(f"/api/runs/{first['stage']['next_run_id']}").json
    assert (second["state"], second["tool"], second["args"]) == (
        "awaiting_approval", "test.show", {"post": "p-1",
                                           "privacy": "open"}), second
    for key in ("task_id", "criterion_ref", "correlation_id", "actor"):
        assert second[key] == first[key], key
    asked = approval(agent, second["approval_id"])
    assert asked["state"] == "pending" and asked["requester"] == "codex"
    assert asked["request"]["staged_run"] == first["id"], asked
    opened, = agent.journal("stage_opened", run_id=first["id"])
    assert opened["actor"] == "agent", opened
    assert opened["data"]["approval_id"] == asked["id"], opened
    about, = agent.journal("approval_requested", approval_id=asked["id"])
    assert about["actor"] == "agent", about
    approved(agent, asked["id"])
    assert ended(agent, second["id"])["state"] == "succeeded"
    assert effects(agent, "test.show") == [{"post": "p-1",
                                            "privacy": "open"}]
    chain = agent.get(f"/api/audit/{first['correlation_id']}").json
    assert chain["complete"] is True, chain["missing"]
    agent.effects["test.show"].write_text("")


def test_what_was_not_read_back_as_it_should_be_is_not_promoted(agent):
    film = agent.dir / "film.mp4"
    film.write_bytes(b"moving pictures")
    for other in ({"privacy": "open"}, {"privacy": None}, {"post": "p-2"},
                  {"post": None}, {"marker": "kc-0123456789abcdef"},
                  {"marker": None}, {"bytes": 14}, NONE):
        saw(agent, **other)
        task = agent.task(f"read back as {other}")
        run = post(agent, task, file=str(film))
        assert run["state"] == "succeeded", run
        run = staged(agent, run["id"], "held")
        assert "read back" in run["stage"]["held"], run
        record, = agent.journal("stage_held", run_id=run["id"])
        assert record["data"]["held"] == run["stage"]["held"], record
        left = agent.get(f"/api/approvals?task_id={task['id']}").json
        assert [x["tool"] for x in left["items"]] == ["test.post"], left
    saw(agent)
    run = post(agent, agent.task("the size fits"), file=str(film))
    staged(agent, run["id"])
    assert not effects(agent, "test.show")


def test_a_second_step_that_is_rejected_leaves_it_hidden(agent):
    saw(agent)
    run = post(agent, agent.task("rejected"))
    first = staged(agent, run["id"])
    no = agent.post(f"/api/approvals/{first['stage']['approval_id']}/reject",
                    {"reason": "not yet"}, by="admin")
    assert no.status == 200, no
    over = ended(agent, first["stage"]["next_run_id"])
    assert over["state"] == "cancelled", over
    assert not effects(agent, "test.show")


def test_who_asked_for_the_first_step_cannot_allow_the_second(agent):
    saw(agent)
    agent.token("boss", "admin", "tool_runner", "observer")
    task = agent.task("four eyes")
    run = parked(agent, task, "test.post", {"privacy": "open"}, by="boss")
    approved(agent, run["approval_id"])
    first = staged(agent, run["id"])
    name = first["stage"]["approval_id"]
    seen = agent.review(name, by="boss")
    refused(agent.post(f"/api/approvals/{name}/approve", {
        "request_sha256": seen["request_sha256"], "nonce": seen["nonce"],
        "allow_external_publish": True}, by="boss"), 403, "self_approval")
    assert not effects(agent, "test.show")


def test_what_is_hidden_anyway_and_what_cannot_hide(agent):
    saw(agent)
    task = agent.task("one step")
    run = parked(agent, task, "test.post", {})
    assert "effective_args" not in approval(
        agent, run["approval_id"])["request"]
    approved(agent, run["approval_id"])
    assert "stage" not in ended(agent, run["id"])
    problem = refused(ask(agent, task, "test.plain"), 403, "policy_denied",
                      reason="cannot_stage")
    assert "test.plain.stage = true" in problem["rule"], problem
    assert agent.journal("policy_denied", reason="cannot_stage")
    assert not effects(agent, "test.plain")


def test_secrets_go_along_and_are_not_recorded(agent):
    saw(agent)
    run = post(agent, agent.task("secret"), password="hunter2-hunter2")
    assert run["state"] == "succeeded", run
    assert effects(agent, "test.post") == [
        {"privacy": "hidden", "password": "hunter2-hunter2"}]
    assert run["effective_args"] == {"privacy": "hidden",
                                     "password": "[redacted]"}, run
    staged(agent, run["id"])
    assert b"hunter2" not in b"".join(agent.lines())


def test_an_unknown_first_step_is_promoted_when_it_is_found(agent):
    saw(agent, crash=True)
    run = post(agent, agent.task("found"))
    first = staged(agent, run["id"])
    assert first["state"] == "succeeded" and first["reconciled"], first
    assert len(effects(agent, "test.post")) == 1
    types = [r["type"] for r in agent.journal(run_id=run["id"])]
    assert types.index("outcome_unknown") < types.index("run_reconciled") < \
        types.index("stage_opened"), types


def test_a_manifest_with_half_a_stage_is_refused(fresh):
    good = (fresh.home / "tools.d" / "test.post.conf").read_text()
    for change, word in (
            (("\tresult = post\n", ""), "belong together"),
            (("value = hidden", "value = nowhere"), "value"),
            (("argument = privacy", "argument = password"), "argument"),
            (("promote = test.show", "promote = test.post"), "promote"),
            (("promote = test.show", "promote = test.none"), "promote"),
            (("result = post", "result = other"), "promote"),
            (("= external_publish", "= local_write"), "two steps")):
        assert change[0] in good, change
        (fresh.home / "tools.d" / "test.post.conf").write_text(
            good.replace(*change))
        told = fresh.cli("check", check=False)
        assert told.returncode and "[stage]" in told.stdout + told.stderr, \
            (change, told)
        assert word in told.stdout + told.stderr, (change, told)
    (fresh.home / "tools.d" / "test.post.conf").write_text(good)


def test_a_video_is_private_until_somebody_allows_it_to_be_seen(fresh):
    channel = Standin()
    try:
        channel.configure(fresh)
        fresh.conf("policy.channels", OWN)
        fresh.restart()
        video(fresh, channel)
        fresh.conf("policy.channels", "UCof-somebody-else")
        fresh.restart()
        run = upload(fresh, fresh.task("another channel"), "another")
        assert run["state"] == "failed", run
        assert run["error"]["error_code"] == "channel_not_allowed", run
        assert len(channel.videos()) == 1
        fresh.conf("policy.channels", OWN)
        fresh.restart()
        channel.fault(shown="public")
        run = upload(fresh, fresh.task("seen at once"), "open")
        run = staged(fresh, run["id"], "held")
        assert "something else than was asked" in run["stage"]["held"], run
    finally:
        channel.close()


def upload(agent, task, title):
    film = agent.dir / "film.mp4"
    film.write_bytes(os.urandom(300000))
    run = parked(agent, task, "youtube.upload", {
        "file": str(film), "title": title, "privacy": "public"})
    approved(agent, run["approval_id"])
    return ended(agent, run["id"], 30)


def video(agent, channel):
    run = upload(agent, agent.task("demo"), "demo")
    assert run["state"] == "succeeded", run
    first = staged(agent, run["id"])
    name = first["result"]["video_id"]
    there = channel.kept(name)
    assert there["status"]["privacyStatus"] == "private"
    assert first["marker"] in there["snippet"]["tags"]
    assert first["result"]["seen"] == {
        "video_id": name, "privacy": "private", "marker": first["marker"],
        "bytes": 300000}, first
    asked = approval(agent, first["stage"]["approval_id"])
    assert asked["tool"] == "youtube.visibility", asked
    assert asked["request"]["args"] == {"video_id": name,
                                        "privacy": "public"}
    approved(agent, asked["id"])
    second = ended(agent, first["stage"]["next_run_id"], 30)
    assert second["state"] == "succeeded", second
    assert second["result"]["seen"]["privacy"] == "public", second
    assert channel.kept(name)["status"]["privacyStatus"] == "public"


kc.main(new_agent=new_agent)
