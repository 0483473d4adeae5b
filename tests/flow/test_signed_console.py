"""The operator's key signs from the command line and from the console, by its
file or through an ssh-agent; what has to be typed never reaches the screen."""
import json
import os
import pty
import re
import select
import subprocess
import tempfile
import time
from contextlib import contextmanager

import kc
from signing import asked, new_agent, run_again


class Terminal:
    """A program of ours on a terminal of its own."""

    def __init__(self, agent, *args, env=None):
        token = agent.dir / "admin.token"
        token.write_text(agent.token("admin") + "\n")
        token.chmod(0o600)
        env = agent.env | {
            "TERM": "linux", "LINES": "24", "COLUMNS": "80",
            "KIRCERTA_AGENT": f"http://127.0.0.1:{agent.port}",
            "KIRCERTA_TOKEN_FILE": str(token)} | (env or {})
        self.text = ""
        self.pid, self.master = pty.fork()
        if not self.pid:
            os.execve(kc.BUILD / "kircerta", ["kircerta", *map(str, args)],
                      env)

    def until(self, pattern, keys=None, seconds=30):
        """Reads until the pattern is there; types keys while it is not."""
        limit = time.monotonic() + seconds * kc.PATIENCE
        while not (found := re.search(pattern, self.text)):
            assert time.monotonic() < limit, (pattern, self.text[-3000:])
            if select.select([self.master], [], [], 0.2)[0]:
                try:
                    self.text += os.read(self.master, 65536).decode(
                        "utf-8", "replace")
                except OSError:         # Linux: nobody has it open any more
                    raise AssertionError((pattern, self.text[-3000:]))
            elif keys:
                self.type(keys)
        return found

    def type(self, keys):
        os.write(self.master, keys.encode())

    def end(self):
        """Its exit code, whatever it says until then."""
        limit = time.monotonic() + 30 * kc.PATIENCE
        while time.monotonic() < limit and select.select([self.master], [], [], 30 * kc.PATIENCE)[0]:
            try:
                if not os.read(self.master, 65536):
                    break
            except OSError:
                break
        os.close(self.master)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@contextmanager
def ssh_agent(*keys, passphrase=""):
    """An ssh-agent that holds these keys: its environment."""
    with tempfile.TemporaryDirectory(prefix="kc-agent-") as folder:
        env = {"SSH_AUTH_SOCK": f"{folder}/socket"}
        with subprocess.Popen(["ssh-agent", "-D", "-a", env["SSH_AUTH_SOCK"]],
                              stdout=subprocess.DEVNULL) as proc:
            try:
                kc.wait_for(lambda: os.path.exists(env["SSH_AUTH_SOCK"]),
                            what="the agent's socket")
                for key in keys:
                    add(env, key, passphrase)
                yield env
            finally:
                proc.terminate()


def add(env, key, passphrase):
    """ssh-add, its passphrase typed by a program."""
    helper = key.parent / "askpass"
    helper.write_text(f"#!/bin/sh\necho '{passphrase}'\n")
    helper.chmod(0o700)
    subprocess.run(["ssh-add", "-q", key], check=True,
                   stdin=subprocess.DEVNULL, env=os.environ | env | {
                       "SSH_ASKPASS": str(helper), "DISPLAY": ":9",
                       "SSH_ASKPASS_REQUIRE": "force"})


def digest(agent, approval_id):
    answer = agent.get(f"/api/approvals/{approval_id}")
    return answer.json["request_sha256"]


def by_command(agent, approval_id, *options, env=None):
    """`kircerta approve` without a terminal: the finished process."""
    file = agent.dir / "admin.token"
    file.write_text(agent.token("admin") + "\n")
    file.chmod(0o600)
    return agent.cli("approve", approval_id, "--digest",
                     digest(agent, approval_id), "--allow-external-publish",
                     *options, check=False, program="kircerta", env={
                         "KIRCERTA_AGENT": f"http://127.0.0.1:{agent.port}",
                         "KIRCERTA_TOKEN_FILE": str(file)} | (env or {}))


def signed(agent, approval_id):
    """Whether the record of it has a signature that ssh-keygen takes."""
    record, = agent.journal("approval_granted", approval_id=approval_id)
    data = record["data"]
    return agent.keys.verify(data["statement"].encode(), data["signature"],
                             "admin") and json.loads(data["statement"])


def test_the_command_line_signs_with_a_file_or_says_what_it_needs(agent):
    key = agent.keys.dir / "admin"
    task, approval_id = asked(agent, "a file")
    done = by_command(agent, approval_id)
    assert done.returncode == 3 and "--signing-key" in done.stderr, done
    done = by_command(agent, approval_id, "--signing-key", "/nowhere")
    assert done.returncode and "nothing was sent" in done.stderr, done
    done = by_command(agent, approval_id, "--signing-key",
                      agent.keys.dir / "eve")
    assert done.returncode and "bad_signature" in done.stderr, done
    done = by_command(agent, approval_id, "--signing-key", key,
                      "--reason", "read \u00e9 \"it\" \\ all")
    assert done.returncode == 0, done
    said = signed(agent, approval_id)
    assert said["reason"] == "read \u00e9 \"it\" \\ all", said
    assert run_again(agent, task)["state"] == "succeeded"


def test_the_command_line_signs_through_an_ssh_agent(agent):
    key = agent.keys.make("locked", passphrase="open sesame")
    agent.keys.set(agent.keys.line("admin", "locked"))
    _, approval_id = asked(agent, "an agent")
    with ssh_agent(key, passphrase="open sesame") as env:
        key.rename(key.with_suffix(".away"))
        done = by_command(agent, approval_id, "--signing-key",
                          f"{key}.pub", env=env)
    assert done.returncode == 0, done
    assert signed(agent, approval_id)
    agent.keys.set(agent.keys.line("admin"))


def test_on_a_terminal_the_passphrase_is_asked_for(agent):
    key = agent.keys.make("asks", passphrase="open sesame")
    agent.keys.set(agent.keys.line("admin", "asks"))
    _, approval_id = asked(agent, "on a terminal")
    term = Terminal(agent, "approve", approval_id, "--signing-key", key)
    number = term.until(r"the number (\d{4}) ", "\n")[1]
    term.until("Number:")
    term.type(number + "\n")
    term.until("Enter passphrase")
    term.type("open sesame\n")
    assert term.end() == 0
    assert signed(agent, approval_id)
    agent.keys.set(agent.keys.line("admin"))


def review(agent, key, env=None):
    """The console on its one approval, read to the end, the number typed."""
    term = Terminal(agent, "--signing-key", key, "--open", "approvals",
                    env=env)
    term.until("REVIEW", "\r")
    term.until("A approves", " ")
    term.type("A")
    number = term.until(r"Type the number (\d{4})")[1]
    term.until("paste is refused")
    term.type(number + "\r")
    return term


def leave(term):
    term.type("Q")
    assert term.end() == 0


def test_the_console_signs_and_a_locked_key_does_not_spoil_the_screen(fresh):
    keys = fresh.keys
    locked = keys.make("locked", passphrase="open sesame")
    keys.set(keys.line("admin", "locked"))
    task, approval_id = asked(fresh, "a console")
    with ssh_agent() as env:
        term = review(fresh, locked, env)
        term.until("NOT SIGNED, nothing was sent")
        assert "assphrase for" not in term.text, term.text
        assert not fresh.journal("approval_granted")
        leave(term)
        add(env, locked, "open sesame")
        term = review(fresh, locked, env)
        term.until("ACCEPTED")
        leave(term)
    said = signed(fresh, approval_id)
    assert said["reason"] and said["allow_external_publish"] is True, said
    assert run_again(fresh, task)["state"] == "succeeded"


def test_without_a_key_the_console_says_what_it_needs(fresh):
    asked(fresh, "no key")
    term = Terminal(fresh, "--open", "approvals")
    term.until("REVIEW", "\r")
    term.until("counts only signed", " ")
    leave(term)
    assert not fresh.journal("approval_granted")


kc.main(new_agent=new_agent)
