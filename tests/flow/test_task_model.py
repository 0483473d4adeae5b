"""Random steps of executors, a Coordinator and an admin, over HTTP and the
websocket: each has to come out as the model says, and so does the task.

$KIRCERTA_SEED draws the steps, KIRCERTA_SOAK=1 takes many more of them."""
import itertools
import os
import random

import kc
from task_model import SCOPE, STEPS, Task

SEED = int(os.environ.get("KIRCERTA_SEED", 1))
STEP_COUNT = 40000 if os.environ.get("KIRCERTA_SOAK") else 2400 // kc.SLOW
TASKS, LIMIT = 6, 3     # at once: at all, for each executor
STALLS = 30             # one in so many steps lets a lease end
STATUS = {"insufficient_scope": 403, "base_sha_required": 428,
          "write_conflict": 409, "criteria_locked": 409, "stale_attempt": 409,
          "invalid_transition": 409, "lease_held": 409, "ack_mismatch": 422,
          "unknown_criterion": 422, "unknown_evidence": 422,
          "fidelity_mismatch": 422, "executor_busy": 409}
RARE = {"halt": 0.3, "approve": 0.2, "reject": 0.2, "update": 0.5}
WORDS = ("it is done", "it is d\u043ene", "e\u0301", "\u00e9", "a\u202eb", " ")


def new_agent():
    agent = kc.Agent(start=False, conf={
        "timeouts.lease": "10ms", "run.max-per-executor": LIMIT})
    for name, scope in SCOPE.items():
        agent.tokens[name] = agent.token(name, scope, "observer")
    return agent.start()


class Walk:
    def __init__(self, agent, rng):
        self.agent, self.rng = agent, rng
        self.open, self.said, self.tasks, self.over = {}, [], {}, 0
        self.shas = {}
        while len(self.tasks) < TASKS:
            self.create()

    # Speaking to it: (status, error_code or None, what was answered).

    def over_http(self, by, step, task, body):
        headers = {}
        if "base_sha" in body and self.rng.random() < 0.5:
            headers["If-Match"] = f'"{body.pop("base_sha")}"'
        url = f"/api/tasks/{task}"
        method = "PATCH" if step == "update" else "POST"
        answer = self.agent.request(
            method, url if step == "update" else f"{url}/{step}", body, by=by,
            headers=headers)
        return answer.status, answer.json.get("error_code"), answer.json

    def over_websocket(self, by, step, task, body):
        """It stays open as long as the agent lives."""
        ws = self.open.get(by)
        if not ws:
            ws = self.open[by] = self.agent.ws(by)
            ws.note("hello")
        try:
            return 200, None, ws.call(f"task.{step}", id=task, **body)
        except kc.RpcError as e:
            return e.problem["status"], e.problem["error_code"], e.problem

    # What a step says: mostly what is right, often something that is not.

    def wrong(self, odds=0.1):
        return self.rng.random() < odds

    def criteria(self):
        return [{"id": f"AC-{n}", "text": self.rng.choice(WORDS)}
                for n in range(1, self.rng.choice((1, 2, 2, 3)) + 1)]

    def spoiled(self, criteria):
        """Equal to a careless eye."""
        out = [dict(c) for c in criteria]
        if not out:
            return out
        if len(out) > 1 and self.wrong(0.5):
            self.rng.shuffle(out)
        elif self.wrong(0.3):
            out.append(dict(out[0]))
        else:
            out[0]["text"] = self.rng.choice(WORDS)
        return out

    def base(self, model, always):
        """A version of the task, or None: it names none."""
        if not always and self.wrong(0.7) or always and self.wrong(0.05):
            return None
        return max(model.version - (1 if self.wrong(0.15) else 0), 0)

    def attempt(self, model, step):
        if step in ("update", "approve", "reject", "halt", "resume") or \
                step == "heartbeat" and self.wrong(0.5):
            return None
        n = model.attempt + (step == "redispatch" or step == "ack" and
                             model.state == "stalled" and self.wrong(0.5))
        odds = 0.5 if model.state == "stalled" else 0.1
        return max(1, n + self.rng.choice((-1, 1, 1)) if self.wrong(odds)
                   else n)

    def issues(self, model):
        """Several may be wrong, but all of them in one way."""
        ids = [c["id"] for c in model.criteria]
        if self.wrong(0.1):
            return [{"criterion_ref": "AC-9", "text": "?",
                     "evidence": {"work_log_index": 0}}]
        return [{"criterion_ref": self.rng.choice(ids),
                 "text": self.rng.choice(WORDS), "evidence": {
                     "work_log_index": self.rng.randrange(3)}}
                for _ in range(self.rng.choice((0, 1, 1, 2)))]

    def given(self, step, by, model):
        """(for the model, for the agent)"""
        given = {"base": self.base(model, step == "update"),
                 "attempt": self.attempt(model, step)}
        body = {}
        if step == "ack":
            echo = model.criteria
            given["echo"] = self.spoiled(echo) if self.wrong(0.15) else echo
            body |= {"echoed_acceptance_criteria": given["echo"]}
        if step in ("ack", "heartbeat"):
            body["lease_s"] = 3600
            given["room"] = LIMIT > sum(
                m.state == "running" and m.holder == by
                for m in self.tasks.values())
        if step == "result":
            refs = [c["id"] for c in model.criteria]
            given["refs"] = refs + ["AC-9"] if self.wrong() else refs
            given["log"] = self.rng.choice((1, 2, 3, 3))
            body |= {"summary": "done", "work_log": ["x"] * given["log"],
                     "criteria": [{"criterion_ref": r, "met": True}
                                  for r in given["refs"]]}
        if step == "verdict":
            body["decision"] = self.rng.choice(("pass", "fail"))
            given["issues"] = self.issues(model)
            given["refs"] = [i["criterion_ref"] for i in given["issues"]]
        if step == "redispatch":
            given["issues"] = model.judged or []
            if self.wrong(0.15):
                given["issues"] = self.spoiled(given["issues"] or
                                               self.issues(model))
        if "issues" in given:
            body["issues"] = given["issues"]
        if step == "update":
            body["meta"] = {"n": len(self.said)}
            if self.wrong(0.3):
                given["criteria"] = self.criteria()
                body["acceptance_criteria"] = given["criteria"]
        return given, body

    def actor(self, step, model):
        if self.wrong():
            return self.rng.choice(list(SCOPE))
        if step in ("heartbeat", "result") and model.holder:
            return model.holder
        return self.rng.choice([a for a, s in SCOPE.items()
                                if s in STEPS[step][0]])

    # The steps.

    def create(self):
        criteria = self.criteria()
        task = self.agent.post("/api/tasks", {
            "title": "walk", "acceptance_criteria": criteria}).json
        self.tasks[task["id"]] = Task(criteria)
        self.shas[task["id"]] = [task["sha"]]
        return task["id"]

    def pick(self):
        task = self.rng.choice(list(self.tasks))
        model = self.tasks[task]
        fit = [s for s, row in STEPS.items() if model.state in row[1]]
        if fit == ["update"] or self.wrong(0.3):
            fit = list(STEPS)
        return task, model, self.rng.choices(
            fit, [RARE.get(s, 1) for s in fit])[0]

    def step(self):
        task, model, step = self.pick()
        by = self.actor(step, model)
        given, body = self.given(step, by, model)
        if given["attempt"]:
            body["attempt"] = given["attempt"]
        if given["base"] is not None:
            body["base_sha"] = self.shas[task][given["base"]]
        want = model.take(step, by, **given)
        say = self.rng.choice((self.over_http, self.over_websocket))
        status, code, answer = say(by, step, task, body)
        self.said.append((task, step, by, given, say.__name__, code))
        assert (status, code) == (STATUS.get(want, 200), want), (
            want, answer, self.said[-12:])
        self.agrees(task, None if code else answer)
        if model.state in ("approved", "rejected") and self.wrong(0.3):
            del self.tasks[task]
            self.create()

    def agrees(self, task, shown=None):
        model = self.tasks[task]
        if not shown:
            shown = self.agent.get(f"/api/tasks/{task}").json
        lease = shown["lease"] or {}
        assert (shown["state"], shown["attempt"], lease.get("holder"),
                shown["acceptance_criteria"], shown.get("issues", [])) == (
            model.state, model.attempt, model.holder, model.criteria,
            model.issues), (
            vars(model), shown, self.said[-12:])
        if len(self.shas[task]) == model.version:
            self.shas[task].append(shown["sha"])
        assert self.shas[task][model.version] == shown["sha"], (
            vars(model), shown, self.said[-12:])

    def stall(self):
        """A lease without a time of its own is over in no time."""
        held = [t for t, m in self.tasks.items() if m.state == "running"]
        if not held:
            return
        task = self.rng.choice(held)
        model = self.tasks[task]
        assert model.take("heartbeat", model.holder) is None
        beat = self.over_http(model.holder, "heartbeat", task, {})[2]
        self.agrees(task, beat)
        kc.wait_for(lambda: self.agent.get(f"/api/tasks/{task}"
                                           ).json["state"] == "stalled")
        model.state, model.version = "stalled", model.version + 1
        self.said.append((task, "stall"))
        self.agrees(task)

    def again(self):
        for ws in self.open.values():
            ws.close()
        self.open = {}
        self.agent.kill9()
        self.agent.start()

    def missing(self):
        """Steps that never succeeded, refusals and take-overs to come."""
        came = {s[1:2] + s[-1:] for s in self.said if s[-1] != "stall"}
        codes = {code for _, code in came}
        todo = {step for step in STEPS if (step, None) not in came}
        todo |= set(STATUS) - codes
        if not todo and not self.agent.journal("ack_accepted",
                                               took_over_from="codex"):
            todo.add("take-over")
        return todo

    def walk(self, steps):
        """So many, and on until all that there is has come."""
        for n in itertools.count(1):
            if n > steps and not self.missing():
                break
            assert n < 20 * steps, self.missing()
            if n % STALLS == 0:
                self.stall()
            if n % (steps // 3) == 0:
                self.again()
            self.step()
        for task in self.tasks:
            self.agrees(task)


def test_any_steps_come_out_as_the_model_says(fresh):
    print(f"      seed {SEED}, {STEP_COUNT} steps", flush=True)
    walk = Walk(fresh, random.Random(SEED))
    walk.walk(STEP_COUNT)
    assert fresh.chained()


kc.main(600, new_agent)
