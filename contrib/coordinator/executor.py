#!/usr/bin/env python3
"""Takes what waits, has a worker do it, and reports what came of it.

One task at a time: acknowledge it by echoing its criteria, keep the lease
with heartbeats while the worker works, send the worker's result. Who is told
that the lease is lost stops at once, for somebody else has the task by then.
Each executor needs a token of its own: by the token's name a lease is held.
"""
import contextlib
import json
import os
import signal
import subprocess
import threading

from client import Refused, Stopped, options, run, say

WORKER = """the worker is a command for the shell:
  stdin   the task as the agent shows it: acceptance_criteria say what has to
          be true, issues what a reviewer found wrong with the attempt before
  environ KIRCERTA_URL, KIRCERTA_TOKEN_FILE, KIRCERTA_CORRELATION_ID, so that
          it can use tools: POST /api/tools/execute
  stdout  JSON, one object a line. Any number of
            {"progress": 0.4, "message": "..."}
          and at the end, exit 0,
            {"result": {"summary": "...", "work_log": ["..."],
              "criteria": [{"criterion_ref": "AC-1", "met": true,
                            "evidence": ["<sha256 of what is stored>"]}]}}
  SIGTERM the lease is lost or the executor is to stop; five seconds later
          SIGKILL, for all that the worker started
A worker that fails is reported as that: no criterion is met."""
LOOK = ("task_created", "task_updated", "task_state", "task_stalled",
        "task_redispatched", "mode_changed")
GRACE = 5


class Attempt:
    """One attempt at a task whose lease is ours."""

    def __init__(self, agent, task, args):
        self.agent, self.task, self.args = agent, task, args
        self.progress, self.worker = {}, None
        self.ended, self.lost = threading.Event(), threading.Event()

    def post(self, step, body, ended=None):
        return self.agent.call(
            "POST", f"/api/tasks/{self.task['id']}/{step}",
            {"attempt": self.task["attempt"]} | body, ended=ended,
            chain=self.task["correlation_id"])

    def beat(self, lease=None, **said):
        self.post("heartbeat", {"lease_s": lease or self.args.lease} | said,
                  self.ended)

    def keep(self):
        """In a thread of its own, so often that two may get lost."""
        while not self.ended.wait(self.args.lease / 3):
            try:
                self.beat(**self.progress)
            except Stopped:
                return
            except Refused as e:
                say(e)
                self.progress = {}
                if e.status in (404, 409):
                    self.lost.set()
                    self.end()
                    return

    @contextlib.contextmanager
    def kept(self):
        """While the lease is kept. Whoever stops before the end says so by
        a last, short lease: nobody has to wait for the whole of it."""
        thread = threading.Thread(target=self.keep, daemon=True)
        thread.start()
        try:
            yield
        except Stopped:
            self.ended.set()
            thread.join(GRACE)
            with contextlib.suppress(Refused, Stopped):
                self.beat(1, message="the executor was stopped")
            raise
        finally:
            self.ended.set()
            thread.join(GRACE)

    def signal(self, number):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.worker.pid, number)

    def end(self):
        """Ends the worker and all that it started."""
        if not self.worker:
            return
        self.signal(signal.SIGTERM)
        try:
            self.worker.wait(GRACE)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self.signal(signal.SIGKILL)

    def tell(self):
        """The task, to the worker; it need not read it."""
        with contextlib.suppress(BrokenPipeError), self.worker.stdin as stdin:
            stdin.write(json.dumps(self.task).encode() + b"\n")

    def heard(self):
        """What the worker says: its result, if it gives one."""
        result = None
        for line in self.worker.stdout:
            said = json.loads(line)
            result = said.get("result", result)
            self.progress = {key: said[key] for key in (
                "progress", "message") if key in said} or self.progress
        return result

    def work(self):
        """The worker's result, or one that says why there is none."""
        environ = os.environ | {
            "KIRCERTA_URL": self.args.url,
            "KIRCERTA_TOKEN_FILE": os.path.abspath(self.args.token_file),
            "KIRCERTA_CORRELATION_ID": self.task["correlation_id"]}
        self.worker = subprocess.Popen(
            self.args.worker, shell=True, env=environ, process_group=0,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        threading.Thread(target=self.tell, daemon=True).start()
        try:
            result = self.heard()
            status = self.worker.wait()
        except (ValueError, AttributeError) as e:
            return self.failed(f"the worker's output is no JSON object: {e}")
        finally:
            self.end()
        if status or not isinstance(result, dict):
            return self.failed(f"the worker ended with {status} and "
                               f"{'a' if result else 'no'} result")
        return result

    def failed(self, why):
        say(why)
        return {"summary": "Not done: " + why[:2000], "work_log": [], "criteria": [
            {"criterion_ref": c["id"], "met": False}
            for c in self.task["acceptance_criteria"]]}

    def report(self, result):
        """Until it is taken. What the agent refuses for its words is told
        as a failure: an attempt without a result would be a dead end."""
        failed = False
        while not self.lost.is_set():
            seq = self.agent.seq()
            try:
                return self.post("result", result)
            except Refused as e:
                say(e)
                if e.problem.get("reason") == "mode_stopped":
                    self.agent.happens(["mode_changed"], seq)
                elif e.problem.get("from") == "stalled":
                    self.post("heartbeat", {"lease_s": self.args.lease})
                elif e.status in (400, 413, 422) and not failed:
                    failed, result = True, self.failed(str(e))
                else:
                    raise
        return None

    def run(self):
        say(f"{self.task['id']}: attempt {self.task['attempt']}")
        with self.kept():
            try:
                result = self.work()
                if self.lost.is_set() or not self.report(result):
                    say(f"{self.task['id']}: somebody else's by now")
                else:
                    say(f"{self.task['id']}: reported: {result['summary']}")
            except Refused as e:
                if e.status not in (404, 409):
                    raise
                say(f"{self.task['id']}: somebody else's by now")


def ack(agent, task, attempt, args):
    return agent.call("POST", f"/api/tasks/{task['id']}/ack", {
        "attempt": attempt, "lease_s": args.lease,
        "echoed_acceptance_criteria": task["acceptance_criteria"]},
        chain=task["correlation_id"])


def take(agent, task, args):
    """The task with a lease that is ours, or None: it is not for us."""
    if task["assignee"] not in (None, args.name):
        return None
    try:
        return ack(agent, task, task["attempt"], args)
    except Refused as e:
        after = e.problem.get("next_attempt")
        if not (args.take_over and after):
            return declined(e)
    try:
        return ack(agent, task, after, args)
    except Refused as e:
        return declined(e)


def declined(e):
    """Somebody was faster, or it cannot be now; worse is raised."""
    if e.status in (404, 409, 422) or e.problem.get("reason") == "mode_stopped":
        return say(e)
    raise e


def still_ours(agent, task, args):
    """Whether this is ours, from a life before: then it is kept."""
    try:
        Attempt(agent, task, args).beat()
        return True
    except Refused:
        return False


def main(agent, args):
    for task in list(agent.items("/api/tasks", state="running")):
        if still_ours(agent, task, args):
            Attempt(agent, task, args).run()
    while True:
        seq, taken = agent.seq(), None
        for task in agent.items("/api/tasks", state="pending,stalled"):
            if taken := take(agent, task, args):
                Attempt(agent, taken, args).run()
                break       # what else waits may have changed meanwhile
        if not taken and args.once:
            return 0
        if not taken:
            agent.happens(LOOK, seq)


PARSER = options(__doc__, WORKER)
PARSER.add_argument("--worker", required=True, help="see below")
PARSER.add_argument("--name", help="take also what is assigned to this name")
PARSER.add_argument("--lease", type=int, default=60, metavar="SECONDS",
                    help="so long a task is ours without a heartbeat (60)")
PARSER.add_argument("--take-over", action="store_true",
                    help="take also what another executor let stall")
PARSER.add_argument("--once", action="store_true",
                    help="end when nothing waits")
if __name__ == "__main__":
    raise SystemExit(run(PARSER, main))
