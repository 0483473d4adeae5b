"""Issues on their way between agents that share a remote: whoever may push
there can change a word, and everybody is told."""
import json
import tempfile
from pathlib import Path

import kc
import remotes
from attempting import yes
from expect import jcs, refused, sha256
from person import pretty
from sharing import by_hand, converge, seen, team, url

SAID = [{"criterion_ref": "AC-1", "text": "the sound is missing"},
        {"criterion_ref": "AC-2", "text": "too dark"}]
HEARD = [SAID[0], {"criterion_ref": "AC-2", "text": "too dаrk"}]  # one letter


def pushed(peer, name, change, subject="by a peer"):
    """Somebody's commit: a file of attempts/ as change(document) makes it."""
    with tempfile.TemporaryDirectory() as folder:
        copy = peer.clone(Path(folder) / "copy")
        file = next(copy.glob(f"attempts/*/*/*/{name}.json"))
        to, document = change(json.loads(file.read_text()))
        file.with_name(f"{to}.json").write_bytes(pretty(document))
        remotes.git(copy, "add", "-A")
        remotes.git(copy, "commit", "-q", "-m", subject)
        remotes.git(copy, "push", "-q", "origin", "HEAD:main")


def with_issues(document, issues):
    return document | {"issues": issues, "issues_sha256": sha256(jcs(issues))}


def proven(agent, task):
    answer = agent.request("POST", f"/api/evidence?task_id={task['id']}"
                           "&name=p", task["id"].encode(), by="codex")
    assert answer.status == 201, answer
    return yes(agent, task, "result", attempt=task["attempt"], summary="done",
               criteria=[{"criterion_ref": c["id"], "met": True,
                          "evidence": [answer.json["sha256"]]}
                         for c in task["acceptance_criteria"]])


def judged(agent, task):
    return yes(agent, task, "verdict", "coordinator", attempt=1,
               decision="fail", issues=SAID)


def sent_back(agent):
    """A task that is reviewed a second time, with issues of the first."""
    task = proven(agent, agent.ack(agent.task(criteria=("a", "b"))))
    judged(agent, task)
    task = yes(agent, task, "redispatch", "coordinator", attempt=2,
               issues=SAID)
    return proven(agent, agent.ack(task))


def told(agents, task, expected, got):
    """All of them name the gap with both hashes, and approve nothing."""
    for agent in agents:
        gap, = kc.wait_for(lambda: agent.get(
            url(task, "fidelity")).json["gaps"], 15, "the gap")
        assert gap["kind"] == "issues_altered" and gap["attempt"] == 2, gap
        assert gap["expected_sha256"] == (expected and sha256(jcs(expected)))
        assert gap["got_sha256"] == sha256(jcs(got)), gap
        problem = refused(agent.post(url(task, "approve"), {}, by="admin"),
                          409, "fidelity_incomplete")
        assert problem["gaps"] == [gap]
        denied = agent.journal("policy_denied", task_id=task["id"])[-1]
        assert denied["data"]["gaps"] == [gap], denied
        said = agent.console("fidelity", task["id"], check=False)
        assert said.returncode == 1 and gap["got_sha256"] in said.stdout


def test_one_letter_that_is_changed_on_the_way_is_told_everywhere():
    conf = {"review.require-fidelity": "true"}

    def guarded(**kw):
        return kc.Agent(**kw | {"conf": kw["conf"] | conf})

    with remotes.Folder() as peer, team(peer, new_agent=guarded) as (a, b):
        good, verdict, held, forged = (sent_back(a) for _ in range(4))
        once = proven(a, a.ack(a.task(criteria=("a", "b"))))
        for task in (good, verdict, held, once):
            seen(b, task)
        converge(peer, [a, b])
        for agent in (a, b):
            answer = agent.get(url(good, "fidelity")).json
            assert answer["complete"], answer
            assert answer["issues_sha256"] == sha256(jcs(SAID))
        done = b.post(url(good, "approve"), {}, by="admin")
        assert done.status == 200, (done, "where the evidence is not")
        seen(a, done.json)

        pushed(peer, f"{verdict['id']}/1-verdict", lambda d: (
            "1-verdict", with_issues(d, HEARD)))
        told((a, b), verdict, HEARD, SAID)
        converge(peer, [a, b])

        def hold(task):
            task["issues"] = HEARD
        by_hand(peer, hold, held["id"])
        told((a, b), held, SAID, HEARD)
        converge(peer, [a, b])

        # What no verdict ever said, as if it had been handed on.
        def send(task):
            task |= {"issues": SAID, "attempt": 2, "state": "needs_review"}
        pushed(peer, f"{once['id']}/1-result", lambda d: ("2-redispatch", {
            k: d[k] for k in ("task_id", "by", "at", "correlation_id")} |
            {"id": f"{once['id']}.2.redispatch", "attempt": 2} |
            with_issues({}, SAID)))
        for name in ("ack", "result"):
            pushed(peer, f"{once['id']}/1-{name}", lambda d, n=name: (
                f"2-{n}", d | {"attempt": 2, "id": f"{once['id']}.2.{n}"}))
        by_hand(peer, send, once["id"])
        kc.wait_for(lambda: all(x.get(url(once)).json["attempt"] == 2
                                for x in (a, b)), 15)
        told((a, b), once, None, SAID)

        # What was handed on is never changed: that is not taken in at all.
        pushed(peer, f"{forged['id']}/2-redispatch", lambda d: (
            "2-redispatch", with_issues(d, HEARD)))
        kc.wait_for(lambda: any(
            "never changed" in (r.get("detail") or "") for r in a.get(
                "/api/health", by="admin").json["components"]), 15)
        for agent in (a, b):
            assert agent.get(url(forged, "fidelity")).json["complete"]


kc.main()
