#!/usr/bin/env python3
"""Gives out the tasks of a plan, has each result reviewed, and sends back
what is not right, in the reviewer's own words, until an admin has decided.

It neither plans nor judges: the plan is a file, the reviewer a program. With
--incoming it also has reviewed what webhooks made into tasks. All that it
knows it reads from the agent, so it can be ended and started at any time.
"""
import hashlib
import json
import os
import subprocess

from client import Refused, options, run, say

FORMATS = """the plan is JSON, {"tasks": [...]}, each the body of task.create:
  {"title": "...", "request_text": "...", "side_effect_level": "read_only",
   "acceptance_criteria": [{"id": "AC-1", "text": "..."}]}
  A task without an id is given one that is made of its words: the same plan
  started again goes on with the same tasks.

the reviewer is a command for the shell:
  stdin   {"task": {...}, "result": {...}}, as the agent shows them
  environ KIRCERTA_URL, KIRCERTA_TOKEN_FILE, KIRCERTA_CORRELATION_ID, so that
          it can look at the evidence: GET /api/evidence/{sha256}
  stdout  {"decision": "pass"}, or {"decision": "fail", "issues": [
            {"criterion_ref": "AC-1", "text": "...",
             "evidence": {"work_log_index": 0}}]}

exit status: 0 every task of the plan was approved, or SIGTERM came; 1 something
is wrong with what was given or answered; 3 a task was rejected or cancelled"""
LOOK = ("task_created", "result_submitted", "verdict_submitted",
        "task_redispatched", "task_state", "mode_changed")
OVER = ("approved", "rejected", "cancelled")


def planned(agent, file):
    """Creates what the plan has and the agent has not; their ids."""
    with open(file, encoding="utf-8") as plan:
        plan = json.load(plan)
    tasks = plan.get("tasks") if isinstance(plan, dict) else None
    if not isinstance(tasks, list) or not all(
            isinstance(t, dict) and t.get("title") for t in tasks):
        raise ValueError(f'{file} is no plan: {{"tasks": [{{"title": ...}}]}}')
    for task in tasks:
        words = json.dumps(task, sort_keys=True).encode()
        task.setdefault("id", "p-" + hashlib.sha256(words).hexdigest()[:16])
        try:
            agent.call("POST", "/api/tasks", task, chain=task["id"])
            say(f"{task['id']}: created: {task['title']}")
        except Refused as e:
            if e.code != "already_exists":
                raise
            say(f"{task['id']}: goes on: {task['title']}")
    return [task["id"] for task in tasks]


def read(agent, task):
    """The attempt's result, and the verdict on it if there is one: each is a
    document in the record of its submission."""
    result = verdict = None
    for record in agent.items("/api/audit", task_id=task["id"],
                              type="result_submitted,verdict_submitted"):
        put = record["data"]["put"]
        if "result" in put:
            result, verdict = put["result"], None
        verdict = put.get("verdict", verdict)
    return result, verdict


def judged(task, result, args):
    """The reviewer's verdict."""
    done = subprocess.run(
        args.reviewer, shell=True, stdout=subprocess.PIPE,
        input=json.dumps({"task": task, "result": result}).encode(),
        env=os.environ | {
            "KIRCERTA_URL": args.url,
            "KIRCERTA_TOKEN_FILE": os.path.abspath(args.token_file),
            "KIRCERTA_CORRELATION_ID": task["correlation_id"]})
    if done.returncode:
        raise ValueError(f"the reviewer ended with {done.returncode}")
    return {"issues": []} | json.loads(done.stdout)


def review(agent, task, args):
    """A verdict on what has none; another attempt where it says so. The
    issues go on as they are recorded: not a byte may change on the way."""
    def post(step, body):
        return agent.call("POST", f"/api/tasks/{task['id']}/{step}", body,
                          chain=task["correlation_id"])
    result, verdict = read(agent, task)
    if not verdict:
        verdict = judged(task, result, args)
        post("verdict", {"attempt": task["attempt"],
                         "decision": verdict["decision"],
                         "issues": verdict["issues"]})
        say(f"{task['id']}: attempt {task['attempt']}: {verdict['decision']}")
    if verdict["decision"] == "pass":
        proof = agent.call("GET", f"/api/tasks/{task['id']}/fidelity")
        for gap in proof["gaps"]:
            say(f"{task['id']}: {gap['criterion_ref']}: {gap['kind']}: "
                f"{gap['detail']}")
        say(f"{task['id']}: waits for an admin to approve it: "
            f"kircerta decide {task['id']} approved")
    elif task["attempt"] >= args.attempts:
        say(f"{task['id']}: failed {task['attempt']} times; an admin decides")
    else:
        post("redispatch", {"attempt": task["attempt"] + 1,
                            "issues": verdict["issues"]})
        say(f"{task['id']}: goes to attempt {task['attempt'] + 1}")


def looked_at(agent, task, args, seen):
    """Once for each version of it; somebody else may be as fast."""
    if seen.get(task["id"]) == task["sha"]:
        return
    seen[task["id"]] = task["sha"]
    if task["state"] != "needs_review":
        return say(f"{task['id']}: {task['state']}, attempt {task['attempt']}")
    try:
        review(agent, task, args)
    except (ValueError, TypeError, KeyError) as e:
        say(f"{task['id']}: no verdict to be had, an admin decides: {e!r}")
    except Refused as e:
        say(e)
        if e.status == 409 or e.problem.get("reason") == "mode_stopped":
            del seen[task["id"]]    # it is another by now, or will be
        elif e.status in (401, 403):
            raise


def mine(agent, plan, args):
    """The tasks of the plan, and those of webhooks if they are wanted."""
    for task in plan:
        yield agent.call("GET", f"/api/tasks/{task}")
    if args.incoming:
        for task in agent.items("/api/tasks", state="needs_review"):
            if task["created_by"].startswith("webhook:"):
                yield task


def main(agent, args):
    if not args.plan and not args.incoming:
        PARSER.error("--plan or --incoming is missing: nothing to review")
    plan, seen = planned(agent, args.plan) if args.plan else [], {}
    while True:
        seq, states = agent.seq(), {}
        for task in mine(agent, plan, args):
            states[task["id"]] = task["state"]
            looked_at(agent, task, args, seen)
        if not args.incoming and all(s in OVER for s in states.values()):
            return 0 if set(states.values()) <= {"approved"} else 3
        agent.happens(LOOK, seq)


PARSER = options(__doc__, FORMATS)
PARSER.add_argument("--plan", metavar="FILE", help="see below")
PARSER.add_argument("--reviewer", required=True, metavar="COMMAND",
                    help="see below")
PARSER.add_argument("--incoming", action="store_true",
                    help="review the tasks that webhooks made, and stay")
PARSER.add_argument("--attempts", type=int, default=3, metavar="N",
                    help="then an admin has to decide (%(default)s)")
if __name__ == "__main__":
    raise SystemExit(run(PARSER, main))
