"""The clients of contrib/coordinator, started as anybody would."""
import json
import os
import signal
import subprocess
import sys

import kc

FOLDER = kc.ROOT / "contrib" / "coordinator"
PYTHON, SHELL = FOLDER / "executor.py", FOLDER / "executor.sh"
COORDINATOR = FOLDER / "coordinator.py"

# A worker that does what its task asks for, in Python; `task` is what it got.
WORKER = """import json, os, sys, time
task = json.load(sys.stdin)
def say(**line): print(json.dumps(line), flush=True)
def result(summary="done", met=True, log=("did it",)):
    say(result={"summary": summary, "work_log": list(log), "criteria": [
        {"criterion_ref": c["id"], "met": met}
        for c in task["acceptance_criteria"]]})
"""
REVIEWER = """import json, sys
given = json.load(sys.stdin)
task, result = given["task"], given["result"]
def verdict(*issues):
    print(json.dumps({"decision": "fail" if issues else "pass", "issues": [
        {"criterion_ref": "AC-1", "text": text,
         "evidence": {"work_log_index": 0}} for text in issues]}))
"""


def program(agent, name, text):
    """A program in the test's folder; the command that runs it."""
    file = agent.dir / name
    file.write_text(text)
    return f"{sys.executable} {file}"


class Client:
    """One that runs, by a token of its own; its words are in a file."""

    def __init__(self, agent, path, name, *options, url=None):
        self.name, self.said = name, agent.dir / f"{name}.said"
        token = agent.dir / f"{name}.token"
        token.write_text(agent.token(name) + "\n")
        token.chmod(0o600)
        with open(self.said, "ab") as said:
            self.process = subprocess.Popen(
                [path, "--url", url or f"http://127.0.0.1:{agent.port}",
                 "--token-file", token, *map(str, options)],
                stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
                preexec_fn=lambda: kc._die_with_parent(1, signal.SIGKILL))

    @property
    def text(self):
        return self.said.read_text("utf-8", "replace")

    def ended(self, status=0, seconds=30):
        """It ends by itself, like this."""
        code = self.process.wait(seconds * kc.PATIENCE)
        assert code == status, (self.name, code, self.text)

    def stop(self, status=0):
        self.process.send_signal(signal.SIGTERM)
        self.ended(status)

    def __enter__(self):
        return self

    def __exit__(self, *wrong):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if wrong[0]:
            print(f"--- {self.name} said\n{self.text}")


def plan(agent, *tasks):
    file = agent.dir / "plan.json"
    file.write_text(json.dumps({"tasks": tasks}))
    return file
