"""An upload that is cut off at each of its stages: what is known is said, the
rest is looked for on the channel, and nothing is uploaded twice."""
import os

import kc
from expect import refused
from publishing import approved, ask, ended, parked
from standin import Standin

SIZE = 1500000
NEVER = {"once": 503, "times": 999}     # no such request is answered


class World:
    """An agent whose channel is the stand-in."""

    def __init__(self):
        self.channel = Standin()
        self.agent = kc.Agent(start=False, conf={
            "policy.grace": "0s", "run.reconcile-pause": "50ms",
            "youtube.chunk-size": "512k"})
        self.channel.configure(self.agent)
        self.agent.start()
        self.film = self.agent.dir / "film.mp4"
        self.film.write_bytes(os.urandom(SIZE))

    def args(self, title):
        return {"file": str(self.film), "title": title, "privacy": "unlisted"}

    def upload(self, title, fault=None, **members):
        """Starts it, with this fault on the way; the run's id."""
        self.channel.fault(**(fault or {}))
        self.task = self.agent.task(title)
        run = parked(self.agent, self.task, "youtube.upload",
                     self.args(title), **members)
        approved(self.agent, run["approval_id"])
        return run["id"]

    def cut(self, word):
        """Kills the agent, and with it the tool, once the channel has said
        this; what hindered is over when it starts again."""
        self.channel.wait_for(word)
        self.agent.kill9()
        self.channel.fault(once=0, times=0, on="nothing", slow=0)
        self.agent.start()

    def settled(self, run_id):
        def look():
            run = self.agent.get(f"/api/runs/{run_id}").json
            return run if "reconciled" in run else None
        return kc.wait_for(look)

    def unknown(self, run_id):
        return self.agent.journal("outcome_unknown", run_id=run_id)

    def refuses(self, title, reason):
        refused(ask(self.agent, self.task, "youtube.upload",
                    self.args(title)), 403, "policy_denied", reason=reason)

    def close(self):
        self.channel.close()


def in_a_world(body):
    world = World()
    try:
        body(world)
    finally:
        world.close()
    world.agent.close()


def test_killed_before_the_first_byte_it_has_failed():
    def body(w):
        run_id = w.upload("a", {"on": "start", **NEVER})
        w.cut("POST /upload")
        run = w.settled(run_id)
        assert run["state"] == "failed" and w.unknown(run_id), run
        assert "Not a byte" in run["reconciled"]["reason"], run
        assert not w.channel.videos()
        w.refuses("a", "approval_required")
    in_a_world(body)


def test_killed_among_the_bytes_nobody_knows_until_an_admin_says():
    def body(w):
        run_id = w.upload("b", {"cut": 100000, "on": "query", **NEVER})
        w.cut(f"bytes */{SIZE} 503")
        run = kc.wait_for(lambda: "detail" in w.agent.get(
            f"/api/runs/{run_id}").json["reconcile"] and w.agent.get(
            f"/api/runs/{run_id}").json)
        assert run["state"] == "outcome_unknown", run
        assert "of 1500000 bytes" in run["reconcile"]["detail"], run
        w.refuses("b", "outcome_unknown")
        done = w.agent.post(f"/api/runs/{run_id}/reconcile", {
            "outcome": "failed", "reason": "not in YouTube Studio"},
            by="admin")
        assert done.status == 200, done
        assert not w.channel.videos()
        w.refuses("b", "approval_required")
    in_a_world(body)


def test_killed_after_the_last_byte_its_session_tells():
    def body(w):
        run_id = w.upload("c", {"lost": 1, "on": "query", **NEVER})
        w.cut(f"bytes */{SIZE} 503")
        run = w.settled(run_id)
        assert run["state"] == "succeeded" and w.unknown(run_id), run
        assert "was finished" in run["reconciled"]["reason"], run
        assert run["result"]["seen"]["marker"] == run["marker"], run
        assert len(w.channel.videos()) == 1
        evidence = run["reconciled"]["evidence"]
        kept = w.agent.get(f"/api/evidence/{evidence[-1]}").json
        assert kept["result"] == run["result"], kept
        sessions = [x for x in w.channel.log if "upload_id=" in x]
        assert sessions and b"upload_id" not in b"".join(w.agent.lines())
        assert not list((w.agent.home / "spool").iterdir())
    in_a_world(body)


def test_cancelled_when_it_may_be_there_it_is_looked_for():
    def body(w):
        run_id = w.upload("d", {"lost": 1, "on": "query", **NEVER})
        w.channel.wait_for(f"bytes */{SIZE} 503")
        w.agent.post(f"/api/runs/{run_id}/cancel", by="codex")
        kc.wait_for(lambda: w.unknown(run_id), 30)
        w.channel.fault(once=0, times=0, on="nothing")
        run = w.settled(run_id)
        assert run["state"] == "succeeded", run
        assert len(w.channel.videos()) == 1
    in_a_world(body)


def test_when_its_session_is_gone_it_is_found_by_its_tag_at_last():
    def body(w):
        run_id = w.upload("e", {"lost": "gone", "lag": 2})
        run = w.settled(run_id)
        assert run["state"] == "succeeded" and w.unknown(run_id), run
        assert "by its tag" in run["reconciled"]["reason"], run
        tried = w.agent.journal("reconcile_tried", run_id=run_id)
        assert len(tried) == 2, tried
        assert all("lag behind" in r["data"]["detail"] for r in tried), tried
        assert len(w.channel.videos()) == 1
    in_a_world(body)


def test_what_is_answered_late_or_never_begun_is_no_doubt():
    def body(w):
        run = ended(w.agent, w.upload("f", {"late": 500}), 60)
        assert run["state"] == "succeeded", run
        run_id = w.upload("g", {"on": "start", "retry_after": 99999, **NEVER})
        run = ended(w.agent, run_id, 60)
        assert run["state"] == "failed" and not w.unknown(run_id), run
        assert run["error"]["error_code"] == "youtube_unreachable", run
        w.refuses("g", "approval_required")
        assert len(w.channel.videos()) == 1
    in_a_world(body)


kc.main()
