"""The agent's own commands: what is wrong is said, with the next step."""
import kc


def new_agent():
    return kc.Agent(start=False)


def refused(agent, *args, code=2, says=()):
    done = agent.cli(*args, check=False)
    assert done.returncode == code, (args, done)
    for word in says:
        assert word in done.stdout + done.stderr, (word, done)


def test_wrong_usage_names_what_is_wrong(agent):
    for args, *says in (
            (("frob",), "frob", "kircerta-agent help"),
            (("help", "frob"), "frob", "kircerta-agent help"),
            (("--frob",), "--frob", "kircerta-agent help"),
            (("--home",), "--home", "has to follow"),
            (("init", "--home", "x"), "--home", "before the command"),
            (("run", "extra"), "usage: kircerta-agent run"),
            (("token",), "usage: kircerta-agent token"),
            (("token", "frob"), "usage: kircerta-agent token"),
            (("token", "list", "x"), "usage: kircerta-agent token"),
            (("token", "revoke"), "usage: kircerta-agent token")):
        refused(agent, *args, says=says)
    refused(agent, "token", "create", "--name", "a/b", "--scope", "admin",
            code=1, says=("A-Za-z0-9._-", "Give another --name"))
    refused(agent, "audit", "verify", code=1, says=("has no record yet",))


def test_help_is_there_for_every_command_without_a_home(agent):
    nowhere = {"KIRCERTA_HOME": str(agent.dir / "nowhere")}
    listed = agent.cli("help").stdout
    for name in ("init", "run", "check", "token", "audit", "version", "help"):
        assert f"\n  {name}" in listed, listed
        for args in ((name, "--help"), ("help", name)):
            done = kc.subprocess.run(
                [kc.BUILD / "kircerta-agent", *args], text=True,
                stdout=kc.subprocess.PIPE, env=agent.env | nowhere)
            assert not done.returncode, done
            assert f" {name}" in done.stdout.splitlines()[0], done
    for args in (("create",), ("list",), ("revoke",)):
        said = agent.cli("token", *args, "--help").stdout
        assert said.startswith("usage:") and "revoke ID" in said, said


def test_a_configuration_that_was_named_has_to_be_there(fresh):
    says = ("nowhere.conf", "No such file", "without --config it is")
    named = ("--config", fresh.dir / "nowhere.conf")
    refused(fresh, *named, "run", "--listen", "127.0.0.1:0", code=1, says=says)
    refused(fresh, *named, "check", code=1, says=says)


def test_check_finds_a_tool_that_cannot_be_run(fresh):
    manifest = fresh.home / "tools.d/odd.tool.conf"
    manifest.write_text("[tool]\n\tname = odd.tool\n\tsummary = Odd\n"
                        "\tside-effect-level = local_write\n"
                        "\tcommand = ./odd-tool\n")
    refused(fresh, "check", code=1, says=("odd.tool", "chmod +x"))
    program = fresh.home / "tools.d/odd-tool"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert "odd.tool" in fresh.cli("check").stdout


def test_a_policy_for_no_tool_is_said_at_the_start(fresh):
    fresh.conf("policy.test.typo.local-write", "deny")
    fresh.start()
    assert '[policy "test.typo"] protects nothing' in fresh.log, fresh.log


kc.main(new_agent=new_agent)
