"""Random steps, each of which has to come out as the model says: at any time
the canary has moved exactly as often as somebody meant it to.

$KIRCERTA_SEED draws the steps, KIRCERTA_SOAK=1 takes many more of them."""
import os
import random

import bypass
import kc
from gate_model import Gate

SEED = int(os.environ.get("KIRCERTA_SEED", 1))
STEPS = 30000 if os.environ.get("KIRCERTA_SOAK") else 2500 // kc.SLOW
TOOLS = ("test.canary",) * 5 + ("test.two",) * 3 + ("test.file",) * 4 + (
    "test.grace", "test.brief")
ASKERS, ADMINS = ("codex", "both"), ("admin", "second", "both")
OPEN = ("pending", "approved")


def new_agent():
    agent = bypass.new_agent(**{"policy.test.brief.approval-ttl": "20ms",
                                "policy.approval-ttl": "24h"})
    agent.film = agent.dir / "film"
    return agent


class Walk:
    def __init__(self, agent, rng):
        self.agent, self.rng = agent, rng
        self.tasks = {agent.task(f"walk {n}")["id"]: n for n in range(3)}
        self.model, self.lines = Gate(self.tasks), {}
        self.steps, self.done, self.open = [], {}, {}
        self.film(0)

    # Speaking to it: (what came of it in one word, the answer).

    def call(self, by, method, **params):
        """Over a websocket that stays open as long as the agent lives."""
        ws = self.open.get(by)
        if not ws:
            ws = self.open[by] = self.agent.ws(by)
            ws.note("hello")
        try:
            answer = ws.call(method, **params)
        except kc.RpcError as e:
            problem = e.problem
            return problem.get("reason", problem["error_code"]), problem
        return "ok", answer

    def closed(self):
        for ws in self.open.values():
            ws.close()
        self.open = {}

    # The steps. Each returns what came of it and what had to.

    def ask(self):
        rng, by = self.rng, self.rng.choice(ASKERS)
        tool, task = rng.choice(TOOLS), rng.choice(list(self.tasks))
        said, park = rng.choice("ab"), rng.random() < 0.5
        given = [a for a in self.model.all.values() if a.state == "approved"]
        if given and rng.random() < 0.4:
            a = rng.choice(given)
            by, tool, task, said = a.by, a.tool, a.task, a.said
        args = {"file": str(self.agent.film)} if tool == "test.file" else \
            {"text": said}
        want, a = self.model.ask(by, tool, task, said, park)
        came, answer = self.call(
            by, "tool.execute", tool=tool, args=args, task_id=task,
            side_effect_level="external_publish", criterion_ref="AC-1",
            on_approval="run" if park else "deny")
        if came == "ok":
            came = answer["state"]
            if want in ("succeeded", "cancelled"):
                came = self.over(answer["id"])
        name = answer.get("approval_id")
        if a and name not in self.model.all and name:
            assert a not in self.model.all.values(), "one too many"
            self.model.all[name] = a
        assert not a or self.model.all.get(name) is a, (name, answer)
        if a and tool == "test.brief":
            self.expired(name, a)
        return (came, want), (by, tool, task, said, park, name)

    def expired(self, name, a):
        kc.wait_for(lambda: self.state(name) not in OPEN)
        a.state = "expired" if a.state in OPEN else a.state

    def over(self, run):
        return kc.wait_for(lambda: (s := self.call(
            "admin", "run.get", id=run)[1]["state"]) not in (
            "queued", "running", "awaiting_approval") and s)

    def state(self, name):
        return self.call("admin", "approval.get", id=name)[1]["state"]

    def name(self):
        """An approval, rather one that is open."""
        open_ = [n for n, a in self.model.all.items() if a.state in OPEN]
        pool = open_[-5:] if open_ and self.rng.random() < 0.9 else \
            list(self.model.all)[-40:]
        return self.rng.choice(pool) if pool else None

    def review(self):
        name, by = self.name(), self.rng.choice(ADMINS)
        if not name:
            return None
        want = self.model.review(by, name)
        came, answer = self.call(by, "approval.review", id=name)
        if came == "ok":
            self.model.nonces[answer["nonce"]] = (name, by, False)
            self.done[name] = answer["request_sha256"]
        return (came, want), (by, name)

    def approve(self):
        """Rather with a nonce that is good, as often as not with others."""
        name, nonces = self.name(), list(self.model.nonces.items())
        if not name or not nonces:
            return None
        own = [n for n, of in nonces[-60:] if of[0] == name and not of[2]]
        nonce = self.rng.choice(own) if own and self.rng.random() < 0.8 \
            else self.rng.choice(nonces[-60:])[0]
        by = self.model.nonces[nonce][1] if self.rng.random() < 0.9 \
            else self.rng.choice(ADMINS)
        allow = self.rng.random() < 0.7
        run = self.call("admin", "approval.get", id=name)[1]["run_id"]
        read = name in self.done and self.rng.random() < 0.97
        want = self.model.approve(by, name, nonce, allow, read)
        came, _ = self.call(
            by, "approval.approve", id=name, nonce=nonce, reason="r",
            allow_external_publish=allow,
            request_sha256=self.done[name] if read else "0" * 64)
        if self.model.all[name].state in ("used", "stale") and run:
            self.over(run)
        return (came, want), (by, name, allow)

    def decided(self, step):
        name, by = self.name(), self.rng.choice(ADMINS[:2])
        if not name:
            return None
        want = getattr(self.model, step)(by, name)
        came, _ = self.call(by, f"approval.{step}", id=name, reason="r")
        return (came, want), (by, name)

    def reject(self):
        return self.decided("reject")

    def cancel(self):
        return self.decided("cancel")

    def change(self):
        """Another title: what is open for the task is worth nothing."""
        task, stopped = self.rng.choice(list(self.tasks)), \
            self.model.mode == "stopped"
        self.tasks[task] += 3
        base = self.call("admin", "task.get", id=task)[1]["sha"]
        came, _ = self.call("admin", "task.update", id=task, base_sha=base,
                            title=f"walk {self.tasks[task]}")
        if not stopped:
            self.model.end(lambda a: a.task == task)
        return (came, "mode_stopped" if stopped else "ok"), task

    def allow(self):
        task = self.rng.choice(list(self.tasks))
        to, stopped = self.rng.random() < 0.5, self.model.mode == "stopped"
        base = self.call("admin", "task.get", id=task)[1]["sha"]
        came, _ = self.call("admin", "task.update", id=task, base_sha=base,
                            allow_external_publish=to)
        if not stopped:
            self.model.allow[task] = to
        return (came, "mode_stopped" if stopped else "ok"), (task, to)

    def mode(self):
        to = self.rng.choice(("normal", "normal", "guarded", "stopped"))
        came, _ = self.call("admin", "system.mode", mode=to, reason="r")
        self.model.set_mode(to)
        return (came, "ok"), to

    def film(self, to=None):
        self.model.film = self.rng.randrange(3) if to is None else to
        self.agent.film.write_text(f"film {self.model.film}")
        return ("ok", "ok"), self.model.film

    def policy(self):
        """Told by a signal, or found at the next start."""
        self.model.policy += 1
        self.agent.conf("policy.test.other.grace", f"{self.model.policy}s")
        if self.rng.random() < 0.8:
            since = len(self.agent.lines())
            self.agent.reload()
            kc.wait_for(lambda: any(b'"policy_loaded"' in line for line in
                                    self.agent.lines()[since:]))
        else:
            self.again()
        self.model.end(lambda a: True)
        return ("ok", "ok"), self.model.policy

    def again(self):
        self.closed()
        if self.rng.random() < 0.7:
            self.agent.kill9()
        else:
            self.agent.stop()
        self.agent.start()
        return ("ok", "ok"), None

    WEIGHTS = {"ask": 40, "review": 24, "approve": 30, "reject": 2,
               "cancel": 3, "change": 2, "allow": 6, "mode": 2, "film": 2,
               "policy": 0.4, "again": 0.4}

    def step(self):
        what = self.rng.choices(*zip(*self.WEIGHTS.items()))[0]
        done = getattr(self, what)()
        if done:
            (came, want), said = done
            self.steps.append((what, said, came))
            assert came == want, (want, self.steps[-12:])

    def agrees(self):
        """All that the agent and the canary show is as the model has it."""
        kc.wait_for(lambda: not [
            r for r in bypass.under_way(self.agent)
            if r["tool"] != "test.grace"])
        sent = self.agent.canary.read_text().count("\n")
        assert sent == self.model.published, (
            sent, self.model.published, self.steps[-12:])
        for name, a in self.model.all.items():
            if self.lines.get(name) != a.state:
                assert self.state(name) == a.state, (
                    name, vars(a), self.state(name), self.steps[-40:])
                self.lines[name] = a.state if a.state not in OPEN else None


def test_any_steps_come_out_as_the_model_says(fresh):
    walk = Walk(fresh, random.Random(SEED))
    print(f"      seed {SEED}, {STEPS} steps", flush=True)
    for n in range(STEPS):
        walk.step()
        if n % 20 == 19:
            walk.agrees()
    walk.agrees()
    started = [r for r in fresh.journal("tool_started") if
               r["data"]["side_effect_level"] == "external_publish"]
    assert len(started) == walk.model.published
    assert len({r["data"]["approval_id"] for r in started}) == len(started)
    assert fresh.chained()
    print(f"      {len(walk.model.all)} approvals, {len(started)} publishes",
          flush=True)
    walk.closed()


kc.main(600, new_agent)
