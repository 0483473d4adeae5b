"""What the home keeps to itself: nobody gets it by naming its path."""
import os

import kc
from expect import refused

READ = {"file": {"type": "file", "required": "true"},
        "word": {"type": "string", "secret": "true"},
        "note": {"type": "string", "max-length": "60000"}}


def reader(agent):
    agent.tool("test.read", "result(size=args['file']['size'])", "read_only",
               READ)
    agent.restart()


def test_no_file_argument_reads_from_the_agents_home(fresh):
    reader(fresh)
    link = fresh.dir / "linked"
    link.symlink_to(fresh.home)
    for path in (fresh.home / "admin.token", fresh.home / "tokens",
                 fresh.home / "keys" / "journal.key", link / "admin.token",
                 fresh.home / "tools.d" / ".." / "admin.token"):
        refused(fresh.execute("test.read", "read_only", {"file": str(path)}),
                422, "invalid_args")
    own = fresh.dir / "own.txt"
    own.write_text("mine")
    run = fresh.execute("test.read", "read_only", {"file": str(own)}, wait=20)
    assert run.status == 200 and run.json["result"] == {"size": 4}, run


def test_no_file_argument_reads_a_secret_that_the_configuration_names(fresh):
    secret, link = fresh.dir / "youtube.json", fresh.dir / "other.json"
    secret.write_text("{}")
    os.link(secret, link)
    fresh.conf("youtube.client-file", str(secret))
    fresh.conf("ssot.token-file", "../git.token")   # beside agent.conf
    (fresh.dir / "git.token").write_text("hidden")
    reader(fresh)
    for path in (secret, link, fresh.dir / "git.token"):
        refused(fresh.execute("test.read", "read_only", {"file": str(path)}),
                422, "invalid_args")
    secret.unlink()
    secret.write_text("another since")
    refused(fresh.execute("test.read", "read_only", {"file": str(secret)}),
            422, "invalid_args")
    run = fresh.execute("test.read", "read_only", {"file": str(link)}, wait=20)
    assert run.status == 200, run      # the name that is left is nobody's


def test_arguments_too_long_for_the_record_are_refused(fresh):
    reader(fresh)
    own = fresh.dir / "own.txt"
    own.write_text("mine")
    refused(fresh.execute("test.read", "read_only",
                          {"file": str(own), "note": "x" * 13000}),
            422, "invalid_args")


def test_another_secret_is_another_request_though_none_is_shown(fresh):
    effects = fresh.publisher(args={"word": {"type": "string",
                                             "secret": "true"}})
    fresh.conf("policy.grace", "0s")
    fresh.restart()
    task = fresh.task(headers=None)

    def ask(word):
        return fresh.execute("test.publish", "external_publish",
                             {"word": word}, task, wait=20)
    first = refused(ask("one"), 403, "policy_denied")
    assert refused(ask("one"), 403, "policy_denied")["approval_id"] == \
        first["approval_id"]
    seen = fresh.review(first["approval_id"])
    assert '"word":"[redacted]"' in seen["canonical"], seen
    assert fresh.approve(first["approval_id"],
                         allow_external_publish=True).status == 200
    second = refused(ask("two"), 403, "policy_denied")
    assert second["approval_id"] != first["approval_id"]
    assert not effects.read_text()
    run = ask("one")
    assert run.json["state"] == "succeeded", run
    assert run.json["args"] == {"word": "[redacted]"}
    assert '"one"' in effects.read_text()


def test_no_secret_is_anywhere_in_the_home_or_the_log(fresh):
    reader(fresh)
    own = fresh.dir / "own.txt"
    own.write_text("mine")
    canary = "canary-" + os.urandom(12).hex()
    run = fresh.execute("test.read", "read_only",
                        {"file": str(own), "word": canary}, wait=20)
    assert run.json["state"] == "succeeded", run
    tokens = [fresh.token("codex"), fresh.token("admin")]
    fresh.get("/api/tasks", by=None,
              headers={"Authorization": "Bearer " + tokens[0] + "x"})
    fresh.stop()
    for path in fresh.dir.rglob("*"):
        if path.is_file() and path.name != "admin.token":
            data = path.read_bytes()
            for secret in [canary, *tokens]:
                assert secret.encode() not in data, (path, secret)


kc.main()
