"""Black-box harness: real agents in homes of their own, driven from outside.

    import kc

    def test_a_task_survives_kill_9(agent):
        task = agent.task("keep me")
        agent.kill9()
        agent.start()
        assert agent.get(f"/api/tasks/{task['id']}").json["title"] == "keep me"

    kc.main()

A test is a function named as a sentence. A parameter `agent` is one agent
shared by the file's tests, `fresh` one of the test's own; both are running.
`python3 FILE BUILD_DIR [PATTERN]` runs them and ends with a line of counts.
LD_PRELOAD and LAG_* reach the agents: a slow disk can be tried on them.
Every agent has to end cleanly: exit 0 and nothing from the sanitizers."""
import ctypes
import hashlib
import inspect
import json
import os
import re
import select
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path

import runner
from certificates import Certificates
from wire import Closed, Events, Response, Stream, Tls, http  # noqa: F401
from ws import RpcError, WebSocket  # noqa: F401

BUILD = Path(sys.argv[1] if len(sys.argv) > 1 else "build").resolve()
ROOT = Path(__file__).resolve().parents[2]
SLOW = 4 if BUILD.name == "san" else 1  # sanitizers take their time
PATIENCE = 3 * SLOW  # and machines may be busy: only what hangs is late
_agents = []
_die_with_parent = ctypes.CDLL(None).prctl


def wait_for(predicate, seconds=15, what="it"):
    """Polls until predicate() is true and returns that; looks at the world,
    so it is for what sends no event. What is not there to be looked up yet
    is not true yet, and is the error if it never comes."""
    end = time.monotonic() + seconds * PATIENCE
    while True:
        late = time.monotonic() > end
        try:
            if found := predicate():
                return found
        except LookupError:
            if late:
                raise
        if late:
            raise TimeoutError(f"{what} did not come true in {seconds} s")
        select.select([], [], [], 0.02)


def unfilled(file):
    """Cuts the line feeds that were written beforehand off a segment of a
    journal that nobody has open, so that it ends with a record."""
    text = file.read_bytes().rstrip(b"\0\n")
    file.write_bytes(text + b"\n" if text else b"")
    return file


def leaf(line):
    """The leaf hash of a journal line (RFC 6962), without its LF."""
    return hashlib.sha256(b"\0" + line).hexdigest()


def query(path, **args):
    """A path with ?args; None is left out, after_seq stays as it is."""
    args = {k: v for k, v in args.items() if v is not None}
    return path + ("?" + urllib.parse.urlencode(args) if args else "")


class Agent:
    """A home in a temporary folder and, between start() and stop(), the
    process on it. Listens on a port of 127.0.0.1 that the kernel chose."""

    over = os.environ.get("KC_OVER", "tcp")     # or "tls", "unix"

    def __init__(self, start=True, conf=None, env=None):
        self.dir = Path(tempfile.mkdtemp(prefix="kc-"))
        self.home = self.dir / "home"
        self.log_path = self.dir / "agent.log"
        self.env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8",
                    "HOME": str(self.dir), "XDG_RUNTIME_DIR": str(self.dir)}
        self.env |= {k: v for k, v in os.environ.items()
                     if k.endswith("SAN_OPTIONS") or k.startswith("LAG_")
                     or k in ("DISPLAY", "LD_PRELOAD")}
        self.env |= env or {}
        self.proc, self.address, self.port = None, None, 0
        self.tokens = {}
        _agents.append(self)
        self.cli("init")
        self.conf("audit.checkpoint-interval", "1d")  # by records alone
        if self.over == "tls":
            self.certs = Certificates(self.dir)
            self.conf("tls.certificate-file", self.certs.server + ".pem")
            self.conf("tls.key-file", self.certs.server + ".key")
        for key, value in (conf or {}).items():
            self.conf(key, value)
        if start:
            self.start()

    # The process.

    def start(self, *options, wrap=()):
        """wrap is put before the command, e.g. ["strace", "-f", ...]."""
        self.log_from = self.log_path.stat().st_size \
            if self.log_path.exists() else 0
        with open(self.log_path, "ab") as log:
            self.proc = subprocess.Popen(
                [*wrap, BUILD / "kircerta-agent", "--home", self.home, "run",
                 "--listen", f"127.0.0.1:{self.port}", *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env,
                preexec_fn=lambda: _die_with_parent(1, signal.SIGTERM))
        found = wait_for(self._listening, 20, "listening")
        self.port = int(found[1])
        self.address = ("127.0.0.1", self.port)
        if self.over == "tls":
            self.address = Tls(*self.address, self.certs.client())
        elif self.over == "unix":
            self.address = str(self.dir / "kircerta" / "agent.sock")
        return self

    def _listening(self):
        with open(self.log_path, "rb") as log:
            log.seek(self.log_from)
            text = log.read().decode("utf-8", "replace")
        if self.proc.poll() is not None:
            raise AssertionError(f"agent ended ({self.proc.returncode}): "
                                 + text[-2000:])
        return re.search(r"listening on https?://127\.0\.0\.1:(\d+)", text)

    @property
    def running(self):
        return self.proc and self.proc.poll() is None

    def signal(self, number):
        self.proc.send_signal(number)

    def freeze(self):
        """Stopped is a process only when each of its threads is."""
        self.signal(signal.SIGSTOP)
        threads = Path(f"/proc/{self.proc.pid}/task")
        wait_for(lambda: all(
            each.read_text().rsplit(")", 1)[1].split()[0] == "T"
            for each in threads.glob("*/stat")))

    def wait(self, seconds=20):
        code = self.proc.wait(seconds * PATIENCE)
        self.proc = None
        return code

    def stop(self, expect=0):
        """SIGTERM; the exit code has to be 0, or what is expected."""
        if self.proc:
            self.signal(signal.SIGTERM)
            code = self.wait()
            assert code == expect, f"agent ended with {code}"

    def kill9(self):
        self.signal(signal.SIGKILL)
        self.wait()

    def restart(self):
        self.stop()
        return self.start()

    def reload(self):
        """SIGHUP: configuration and tools are read again."""
        self.signal(signal.SIGHUP)

    @property
    def log(self):
        return self.log_path.read_text("utf-8", "replace") \
            if self.log_path.exists() else ""

    def close(self):
        """Ends it whatever it does and removes the home."""
        try:
            self.stop()
            for word in ("AddressSanitizer", "LeakSanitizer",
                         "runtime error:", "ThreadSanitizer"):
                assert word not in self.log, f"{word} in the agent's log"
        finally:
            if self.running:
                self.kill9()
            if self in _agents:
                _agents.remove(self)
            shutil.rmtree(self.dir, ignore_errors=True)

    # Its command line and configuration.

    def cli(self, *args, check=True, program="kircerta-agent", env=None):
        """kircerta-agent --home HOME ARGS; the finished process."""
        where = ["--home", self.home] if program == "kircerta-agent" else []
        done = subprocess.run(
            [BUILD / program, *where, *args], stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=60 * SLOW,
            env=self.env | (env or {}))
        assert not check or done.returncode == 0, \
            f"{program} {args}: exit {done.returncode}\n{done.stderr}"
        return done

    def console(self, *args, check=True, token="admin"):
        """kircerta ARGS, the console's command line."""
        file = self.dir / f"{token}.token"
        file.write_text(self.token(token) + "\n")
        file.chmod(0o600)
        return self.cli(*args, check=check, program="kircerta", env={
            "KIRCERTA_AGENT": f"http://127.0.0.1:{self.port}",
            "KIRCERTA_TOKEN_FILE": str(file)})

    def conf(self, key, value):
        """git config: conf("policy.grace", "0s"); read at the next start
        or reload()."""
        subprocess.run(["git", "config", "-f", self.home / "agent.conf", key,
                        str(value)], check=True)

    def token(self, name, *scopes, expires=None):
        """A token by name: `admin` is the home's own, others are made the
        first time they are asked for (default: tool_runner and observer)."""
        if name == "admin" and not scopes:
            return (self.home / "admin.token").read_text().strip()
        if name not in self.tokens:
            options = [o for s in scopes or ("tool_runner", "observer")
                       for o in ("--scope", s)]
            options += ["--expires", expires] if expires else []
            self.tokens[name] = self.cli("token", "create", "--name", name,
                                         *options).stdout.strip()
        return self.tokens[name]

    # Requests. `by` is an actor's name, None for no token.

    def request(self, method, target, body=None, by="coordinator",
                headers=None, timeout=30):
        auth = {"Authorization": "Bearer " + self.token(by)} if by else {}
        return http(self.address, method, target, body,
                    auth | (headers or {}), timeout * SLOW)

    def get(self, target, **kw):
        return self.request("GET", target, **kw)

    def post(self, target, body=None, **kw):
        return self.request("POST", target, {} if body is None else body, **kw)

    def patch(self, target, body, **kw):
        return self.request("PATCH", target, body, **kw)

    def raw(self, data=b"", timeout=30, source=""):
        """A bare connection, for what no client would send; maybe from an
        address of its own, 127.x.y.z."""
        stream = Stream(self.address, timeout * SLOW, source)
        stream.send(data)
        return stream

    def events(self, by="admin", headers=None, **args):
        auth = {"Authorization": "Bearer " + self.token(by)}
        return Events(self.address, query("/api/events", **args),
                      auth | (headers or {}))

    def ws(self, by="coordinator", headers=None):
        auth = {"Authorization": "Bearer " + self.token(by)} if by else {}
        return WebSocket(self.address, headers=auth | (headers or {}))

    # What everybody does.

    def task(self, title="a task", criteria=("it is done",), by="coordinator",
             headers=None, **members):
        """Creates a task with criteria AC-1... and returns it."""
        answer = self.post("/api/tasks", {
            "title": title, "acceptance_criteria": [
                {"id": f"AC-{i}", "text": text}
                for i, text in enumerate(criteria, 1)]} | members,
            by=by, headers=headers)
        assert answer.status == 201, answer
        return answer.json

    def ack(self, task, by="codex", **members):
        answer = self.post(f"/api/tasks/{task['id']}/ack", {
            "attempt": task["attempt"],
            "echoed_acceptance_criteria": task["acceptance_criteria"],
            "lease_s": 120} | members, by=by)
        assert answer.status == 200, answer
        return answer.json

    def execute(self, tool, level, args=None, task=None, by="codex",
                wait=None, headers=None, **members):
        """tool.execute; the answer as it is."""
        body = {"tool": tool, "side_effect_level": level, "args": args or {}}
        if task:
            body |= {"task_id": task["id"], "criterion_ref": "AC-1"}
        prefer = {"Prefer": f"wait={wait}"} if wait else {}
        return self.post("/api/tools/execute", body | members, by=by,
                         headers=prefer | (headers or {}))

    def review(self, approval_id, by="admin"):
        answer = self.post(f"/api/approvals/{approval_id}/review", by=by)
        assert answer.status == 200, answer
        return answer.json

    def approve(self, approval_id, by="admin", **members):
        """Reviews and approves what was reviewed; the answer as it is."""
        seen = self.review(approval_id, by)
        return self.post(f"/api/approvals/{approval_id}/approve", {
            "request_sha256": seen["request_sha256"], "nonce": seen["nonce"],
            "reason": "tested"} | members, by=by)

    # The record on disk.

    def lines(self):
        """The journal's lines as bytes, without LF, oldest first."""
        return [line for file in sorted((self.home / "audit").glob("*.jsonl"))
                for line in file.read_bytes().rstrip(b"\0\n").split(b"\n")
                if line]

    def journal(self, *types, **members):
        """Records from the files, of these types, with these members
        (looked for in the record, then in its data)."""
        records = [json.loads(line) for line in self.lines()]
        return [r for r in records if (not types or r["type"] in types) and
                all(r.get(k, (r.get("data") or {}).get(k)) == v
                    for k, v in members.items())]

    def chained(self):
        """Whether every line names the leaf hash of the one before."""
        lines = self.lines()
        return all(json.loads(b)["prev"] == leaf(a)
                   for a, b in zip(lines, lines[1:]))

    # Tools of the test's own.

    def tool(self, name, body, level="local_write", args=None, timeout="30s",
             more=()):
        """Writes HOME/tools.d/NAME.conf and a Python program: `body` runs
        with call, args, say(**line), result(**r) and fail(code, detail).
        args: {"text": {"type": "string", ...}}; more: further lines of the
        manifest. Known after start/reload."""
        folder = self.home / "tools.d"
        folder.mkdir(exist_ok=True)
        program = folder / f"{name}.py"
        program.write_text(f"#!{sys.executable}\n{TOOL_HEAD}\n{body}\n")
        program.chmod(stat.S_IRWXU)
        manifest = ["[tool]", f"\tname = {name}", f"\tsummary = Test {name}",
                    f"\tside-effect-level = {level}",
                    f"\tcommand = ./{shlex.quote(program.name)}",
                    f"\ttimeout = {timeout}", *more]
        for arg, keys in (args or {}).items():
            manifest += [f'[arg "{arg}"]',
                         *(f"\t{k} = {v}" for k, v in keys.items())]
        (folder / f"{name}.conf").write_text("\n".join(manifest) + "\n")
        return program

    def publisher(self, name="test.publish", before="", args=None):
        """An external_publish tool that adds a line to a file for each time
        it ran; returns the file, so that effects can be counted."""
        effects = self.dir / f"{name}.effects"
        effects.touch()
        self.tool(name, f"{before}\nopen({str(effects)!r}, 'a').write("
                  "json.dumps(args) + '\\n')\nresult(published=True)",
                  "external_publish", args or
                  {"text": {"type": "string", "required": "true"}})
        return effects


TOOL_HEAD = '''import json, os, sys, time
call = json.load(sys.stdin)
args = call["args"]
def say(**line): print(json.dumps(line), flush=True)
def result(**r): say(result=r); sys.exit(0)
def fail(code, detail, hint="Mend the test.", retryable=False):
    say(error={"error_code": code, "detail": detail,
               "remediation_hint": hint, "retryable": retryable})
    sys.exit(1)
'''


def main(seconds=60, new_agent=Agent):
    """Runs the calling file's tests; seconds is what one may take, and
    only what takes PATIENCE times as long is ended.
    new_agent() makes the agents of the parameters, where they need tools or
    configuration of the file's own. Where the file is not the program, but
    imported for what is in it, nothing is run."""
    if inspect.stack()[1].frame.f_globals["__name__"] != "__main__":
        return
    runner.main(new_agent, _agents, seconds * PATIENCE)
