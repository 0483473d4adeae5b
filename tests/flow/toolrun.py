"""Runs a built-in tool as the agent would: a request on stdin, lines out."""
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BUILD = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else
                        os.path.join(ROOT, "build"))


class Run:
    """One run of a tool in an empty folder."""

    def __init__(self, command, args=None, config=None, env=None, raw=None,
                 **members):
        self.folder = tempfile.TemporaryDirectory()
        request = {"v": 1, "tool": command.replace(" ", "."),
                   "run_id": "r-1", "task_id": "t-1", "criterion_ref": "AC-1",
                   "correlation_id": "c-1", "timeout_s": 60,
                   "args": args or {}, "config": config or {}, **members}
        program, word = command.split()
        full = {"PATH": os.environ["PATH"], **(env or {})}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
            if name in os.environ:
                full[name] = os.environ[name]
        self.log = tempfile.TemporaryFile()
        self.proc = subprocess.Popen(
            [os.path.join(BUILD, "tools", program), word],
            cwd=self.folder.name, env=full, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=self.log,
            start_new_session=True)
        try:
            self.proc.stdin.write(json.dumps(request).encode()
                                  if raw is None else raw)
            self.proc.stdin.close()
        except BrokenPipeError:
            pass    # it had read enough
        self.raw, self.lines = b"", []

    def line(self):
        """The next line, or None at the end."""
        deadline = time.monotonic() + 100
        while b"\n" not in self.raw:
            left = deadline - time.monotonic()
            if not select.select([self.proc.stdout], [], [], left)[0]:
                raise TimeoutError("the tool says nothing")
            piece = os.read(self.proc.stdout.fileno(), 65536)
            if not piece:
                return None
            self.raw += piece
        text, self.raw = self.raw.split(b"\n", 1)
        self.lines.append(json.loads(text))
        return self.lines[-1]

    def until(self, member):
        while True:
            line = self.line()
            if line is None or member in line:
                return line

    def end(self):
        while self.line() is not None:
            pass
        self.proc.stdout.close()
        self.code = self.proc.wait(30)
        last = self.lines[-1] if self.lines else {}
        self.result = last.get("result")
        self.error = last.get("error")
        self.artifacts = [x["artifact"]["name"] for x in self.lines
                          if "artifact" in x]
        self.log.seek(0)
        self.stderr = self.log.read().decode(errors="replace")
        self.log.close()
        assert self.code in (0, 1, -signal.SIGKILL), self.stderr
        return self

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def said(self):
        """All that the tool let out."""
        text = json.dumps(self.lines) + self.stderr
        for name in self.artifacts:
            with open(self.path(name), errors="replace") as f:
                text += f.read()
        return text


def run(command, args=None, **more):
    return Run(command, args, **more).end()


def main():
    """unittest over the program's file, ending with a line of counts."""
    names = ["-k", sys.argv[2]] if len(sys.argv) > 2 else []
    done = unittest.main(argv=[sys.argv[0], *names], exit=False,
                         warnings="ignore").result
    failed = len({str(t) for t, _ in done.failures + done.errors})
    print(f"{max(done.testsRun - failed, 0)} passed, {failed} failed")
    sys.exit(bool(failed) or not done.testsRun)
