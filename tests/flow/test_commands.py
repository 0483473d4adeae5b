"""The agent's own commands: what is wrong is said, with the next step."""
import kc


def new_agent():
    return kc.Agent(start=False)


def refused(agent, *args, code=2, says=()):
    done = agent.cli(*args, check=False)
    assert done.returncode == code, (args, done)
    for word in says:
        assert word in done.stdout + done.stderr, (word, done)


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
