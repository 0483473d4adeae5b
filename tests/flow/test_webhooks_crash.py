"""Webhooks across kill -9, a new index and a shared remote: one effect for
one event all the same. $KIRCERTA_KILLS is how many kills."""
import contextlib
import os
import random
import sqlite3
import threading

import kc
import remotes
from expect import refused, together
from hooks import SCHEMES, Source, issue, tasks_of
from sharing import converge, killed_while_it_pushes, shas_at, team

KILLS = int(os.environ.get("KIRCERTA_KILLS", 5))
RNG = random.Random(int(os.environ.get("KIRCERTA_SEED", 1)))


def new_agent():
    agent = kc.Agent(start=False)
    agent.hook = Source(agent, "issues", task="true", subject="/issue/id",
                        sequence="/issue/updated_at", title="{/issue/title}",
                        label="number=#{/issue/number}")
    return agent.start()


def test_what_is_known_is_known_after_a_crash_and_in_a_new_index(fresh):
    hook = fresh.hook
    first = hook.accepted(issue(1), event_id="kept")
    without_index(fresh)
    assert hook.repeated(issue(1))["task_id"] == first["task_id"]
    assert hook.repeated(issue(2), event_id="kept")["task_id"] == \
        first["task_id"]
    refused(hook.send(issue(1, at="2026-01-02T03:04:04Z")), 409,
            "stale_event")
    assert len(tasks_of(fresh, "issues")) == 1
    verified = fresh.cli("audit", "verify", check=False)
    assert verified.returncode == 0, verified.stdout


def cut_after(agent, n):
    """The journal ends with its n-th record, and nothing else is known."""
    journal, = (agent.home / "audit").glob("*.jsonl")
    whole = kc.unfilled(journal).read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(whole[:n]))
    for file in agent.home.glob("index.db*"):
        file.unlink()
    agent.start()


def test_wherever_its_records_end_an_event_has_one_effect(fresh):
    hook = fresh.hook
    for n, kind in enumerate(("request", "task_created", "webhook_received")):
        number = 10 + n
        body, said = issue(number), {"event_id": f"cut-{n}"}
        first = hook.accepted(body, **said)
        fresh.kill9()
        seq, = [i for i, r in enumerate(fresh.journal(), 1) if r["type"] ==
                kind and r["correlation_id"] == first["correlation_id"]]
        cut_after(fresh, seq)
        again = hook.send(body, **said)
        assert again.json["dedup"] is (kind != "webhook_received"), again
        made = [r["task_id"] for r in tasks_of(fresh, "issues")
                if r["data"]["put"]["task"]["labels"]["number"] ==
                f"#{number}"]
        assert made == [again.json["task_id"]], (kind, made, again)


def kept(agent):
    """How many documents of each kind the index has."""
    with contextlib.closing(sqlite3.connect(
            f"file:{agent.home / 'index.db'}?mode=ro", uri=True)) as db:
        return dict(db.execute(
            "SELECT name.text, count(*) FROM doc JOIN name ON"
            " name.id = doc.kind JOIN text ON text.n = doc.n"
            " WHERE name.text LIKE 'hook%' GROUP BY 1"))


def dropped(agent):
    """What was forgotten, as the journal has it."""
    return [(kind, id) for r in agent.journal("documents_forgotten")
            for kind, ids in r["data"]["drop"].items() for id in ids]


def without_index(agent):
    agent.kill9()
    for file in agent.home.glob("index.db*"):
        file.unlink()
    return agent.start()


def test_what_is_over_is_forgotten_and_nothing_else_is():
    agent = kc.Agent(start=False)
    short = Source(agent, "short", task="true", window="1s", subject="/on",
                   sequence="/seq")
    long = Source(agent, "long", task="true")
    agent.start()
    try:
        for n in range(5):
            short.accepted({"on": 1, "seq": n}, event_id=f"s-{n}")
            long.accepted({"n": n}, event_id=f"l-{n}")
        kc.wait_for(lambda: len(dropped(agent)) == 10, what="forgetting")
        assert sorted(dropped(agent)) == sorted(
            (kind, r["data"]["put"][kind]["id"])
            for r in tasks_of(agent, "short") for kind in ("hook", "hookbody"))
        for again in agent.kill9, lambda: without_index(agent):
            again()
            if not agent.running:
                agent.start()
            for n in range(5):
                long.repeated({"n": n}, event_id=f"l-{n}")
            # Nobody knows it again, but something newer was there.
            refused(short.send({"on": 1, "seq": 3}, event_id="s-3"), 409,
                    "stale_event")
            kc.wait_for(lambda: kept(agent) == {
                "hook": 5, "hookbody": 5, "hookmark": 1}, what="the index")
        short.accepted({"on": 1, "seq": 4}, event_id="s-4")
        assert len(tasks_of(agent, "short")) == 6
        assert len(tasks_of(agent, "long")) == 5
        verified = agent.cli("audit", "verify", check=False)
        assert verified.returncode == 0, verified.stdout
    finally:
        agent.close()


class Sender(threading.Thread):
    """Delivers its events one after the other, each until it is accepted,
    from wherever the agent listens."""

    def __init__(self, hook, n, done):
        super().__init__()
        self.hook, self.n, self.done = hook, n, done
        self.sent, self.wrong = {}, None

    def run(self):
        while not self.done.is_set() and not self.wrong:
            event = f"{self.n}.{len(self.sent)}"
            body = {"title": event, "id": event}
            while True:
                try:
                    answer = self.hook.send(body, event_id=f"e{self.n}-"
                                            f"{len(self.sent)}")
                except (kc.Closed, OSError, IndexError, ValueError):
                    if self.done.wait(0.01):
                        return
                    continue
                if answer.status in (200, 202):
                    self.sent[event] = answer.json["task_id"]
                elif answer.status != 503:
                    self.wrong = answer
                break


def test_killed_while_events_come_in_each_has_one_effect():
    agent = kc.Agent(start=False)
    hooks = [Source(agent, name, name, task="true", title="{/title}",
                    max_per_minute=0) for name in SCHEMES]
    agent.start()
    done = threading.Event()
    senders = [Sender(hooks[n % len(hooks)], n, done) for n in range(8)]
    try:
        for s in senders:
            s.start()
        for _ in range(KILLS):
            had = sum(len(s.sent) for s in senders)
            more = had + RNG.randrange(5, 60)
            kc.wait_for(lambda m=more: sum(len(s.sent) for s in senders) > m
                        or any(s.wrong for s in senders))
            agent.kill9()
            agent.start()
        kc.wait_for(lambda: all(len(s.sent) > 2 for s in senders))
    finally:
        done.set()
        for s in senders:
            s.join(60)
    try:
        assert not [s.wrong for s in senders if s.wrong]
        made = {}
        for r in agent.journal("task_created"):
            made.setdefault(r["data"]["put"]["task"]["title"], []).append(
                r["task_id"])
        for s in senders:
            for event, task_id in s.sent.items():
                assert made[event] == [task_id], (event, made[event])
        assert all(len(ids) == 1 for ids in made.values())
        verified = agent.cli("audit", "verify", check=False)
        assert verified.returncode == 0, verified.stdout
    finally:
        agent.close()


def test_in_shared_mode_fifty_at_once_have_one_effect_too():
    hooks, short = {}, {}

    def with_hooks(conf):
        agent = kc.Agent(start=False, conf=conf)
        hooks[agent] = Source(agent, "order", task="true", title="{/seq}",
                              subject="/about", sequence="/seq")
        short[agent] = Source(agent, "short", task="true", window="1s")
        return agent.start()

    with remotes.Daemon() as peer, team(peer, 2, new_agent=with_hooks) as (
            a, b):
        hook = hooks[a]
        first = short[a].accepted({"n": 1}, event_id="short")
        answers = together([lambda: hook.send(
            {"about": 1, "seq": 1}, event_id="shared")] * 50)
        fresh = [x for x in answers if x.status == 202]
        assert len(fresh) == 1, answers
        assert all(x.status == 200 and x.json["dedup"] for x in answers
                   if x is not fresh[0]), answers
        answers = together([lambda n=n: hook.send({"about": 1, "seq": n})
                            for n in RNG.sample(range(2, 12), 10)])
        taken = [x.json["task_id"] for x in answers if x.status == 202]
        assert {x.status for x in answers} <= {202, 409}, answers
        # What a crash would have gone on with is forgotten with it.
        kc.wait_for(lambda: {k for k, _ in dropped(a)} == {
            "hook", "hookbody", "intent"}, what="forgetting")
        again = short[a].accepted({"n": 1}, event_id="short")
        assert again["task_id"] != first["task_id"], again
        shas = converge(peer, (a, b))
        assert set(shas) == {fresh[0].json["task_id"], *taken,
                             first["task_id"], again["task_id"]}
        assert set(shas_at(peer)) == set(shas)
        made = [int(r["data"]["put"]["task"]["title"])
                for r in tasks_of(a, "order")]
        assert made == sorted(made) and made[-1] == 11, made


def test_killed_while_the_remote_takes_its_task_it_is_made_once():
    def with_hook(conf):
        agent = kc.Agent(start=False, conf=conf)
        agent.hook = Source(agent, "std", "standard", task="true")
        return agent.start()

    with remotes.Daemon() as peer, \
            team(peer, 1, new_agent=with_hook) as a:
        a.task("first")
        killed_while_it_pushes(
            peer, a, lambda: a.hook.send({"n": 1}, event_id="once"))
        a.start()
        first = a.hook.accepted({"n": 1}, event_id="once")
        again = a.hook.repeated({"n": 1}, event_id="once")
        assert first["task_id"] == again["task_id"]
        shas = converge(peer, [a])
        assert len(shas) == 2 and first["task_id"] in shas, shas


if __name__ == "__main__":
    kc.main(60, new_agent)
