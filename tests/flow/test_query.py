"""Questions on the record: what people read in it is found by its words, and
pages stay right while records come in."""
import json
import random
import re

import kc
from expect import refused, sha256

READ = {"by", "detail", "hint", "message", "name", "reason", "summary",
        "text", "title", "tool", "what", "why"}


def ask(agent, **args):
    answer = agent.get(kc.query("/api/audit", **args))
    assert answer.status == 200, answer
    return answer.json


def texts(value):
    """What people read in a record's data, in lower case."""
    if isinstance(value, list):
        return " ".join(map(texts, value))
    if not isinstance(value, dict):
        return ""
    return " ".join([v.lower() for k, v in value.items()
                     if k in READ and isinstance(v, str)] +
                    [texts(v) for v in value.values()])


def holds(record, words):
    """Whether each word is the start of one that is read in the record; one
    of less than three letters has to be all of it."""
    there = re.findall(r"[a-z0-9\x80-\U0010ffff]+", texts(record["data"]))
    return record["type"] != "request" and all(
        any(t == w or len(w.encode()) > 2 and t.startswith(w) for t in there)
        for w in words.lower().split())


def pages(agent, between=lambda: None, **args):
    """Every item, page after page, and how many pages there were."""
    items, cursor, n = [], None, 0
    while not n or cursor:
        page = ask(agent, cursor=cursor, **args)
        items, cursor, n = items + page["items"], page["next_cursor"], n + 1
        between()
    return items, n


def seqs(records):
    return [r["seq"] for r in records]


def test_what_people_read_is_found_by_its_words(agent):
    one = agent.task("Übersicht of the Export-Dialog", ["it shows a FROB"])
    two = agent.task("the other dialogue", ["nothing else"])
    agent.patch(f"/api/tasks/{two['id']}", {
        "base_sha": two["sha"], "title": "renamed exporter"})
    agent.ack(one)
    for words in ("export", "EXPORT dialog", "dialog export", "übersicht",
                  "ÜBER", "frob", "fro", "it", "i", "dialogue", "renamed",
                  "expo ren", "nowhere", "export nowhere", "shows a"):
        want = [r for r in agent.journal() if holds(r, words)]
        assert seqs(ask(agent, q=words)["items"]) == seqs(want), words
        for narrow in ({"task_id": one["id"]}, {"type": "task_created"},
                       {"actor": "codex"},
                       {"correlation_id": one["correlation_id"]}):
            (key, value), = narrow.items()
            assert seqs(ask(agent, q=words, **narrow)["items"]) == \
                [r["seq"] for r in want if r[key] == value], (words, narrow)
    assert ask(agent, q="export")["items"]
    assert not ask(agent, q="export", type="request")["items"]
    for bad in ("q=", "q=%20", "q=--"):
        refused(agent.get("/api/audit?" + bad), 400, "invalid_request")


def test_a_hundred_questions_are_answered_as_by_reading_everything(agent):
    rng = random.Random(3)
    for n in range(12):
        task = agent.task(f"number {n} of many", by=rng.choice(
            ("coordinator", "codex")))
        agent.get("/api/tasks/t-nowhere")
        agent.ack(task)
    everything = agent.journal()
    stamps = [r["ts"] for r in everything]
    choices = {
        "type": ["task_created", "request", "ack_accepted,task_created",
                 "request,ack_accepted", "nosuch", "task_created,nosuch"],
        "actor": ["codex", "coordinator", "nobody"],
        "status": [200, 201, 404], "since": stamps, "until": stamps,
        "task_id": [r["task_id"] for r in everything if r["task_id"]],
        "q": ["number", "many 3", "of"], "after_seq": seqs(everything),
    }
    for _ in range(100):
        args = {k: rng.choice(choices[k]) for k in
                rng.sample(sorted(choices), rng.randrange(1, 4))}
        want = [r["seq"] for r in everything if
                r["type"] in args.get("type", r["type"]).split(",") and
                all(r[k] == args.get(k, r[k])
                    for k in ("actor", "status", "task_id")) and
                args.get("since", "") <= r["ts"] <= args.get("until", "9") and
                r["seq"] > args.get("after_seq", 0) and
                ("q" not in args or holds(r, args["q"]))]
        got, n = pages(agent, limit=rng.choice((3, 1000)), **args)
        assert [s for s in seqs(got) if s <= everything[-1]["seq"]] == want, \
            args


def test_pages_are_whole_while_records_come_in(agent):
    first = agent.task("the first of the pages")
    made = []

    def write():
        if len(made) < 20:
            made.append(agent.task(f"page {len(made)}"))

    for args in ({"type": "task_created"}, {"actor": "coordinator"},
                 {"q": "page"}, {}):
        got, n = pages(agent, write, limit=5, **args)
        assert seqs(got) == sorted(set(seqs(got)))
        last = got[-1]["seq"]
        want = [r for r in agent.journal() if r["seq"] <= last and
                all(r.get(k, v) == v for k, v in args.items() if k != "q") and
                ("q" not in args or holds(r, "page"))]
        assert seqs(got) == seqs(want) and n >= len(want) // 5, args
    page = ask(agent, type="task_created", limit=1)
    assert page["next_cursor"] == str(page["items"][0]["seq"]), page
    last = ask(agent, task_id=first["id"], type="task_created", limit=1)
    assert last["next_cursor"] is None, last
    for bad in ("cursor=x", "cursor=-1", "cursor=1x",
                "cursor=9999999999999999999"):
        refused(agent.get("/api/audit?" + bad), 400, "invalid_request")


def test_a_chain_names_what_it_cites_of_another_and_is_gone(agent):
    by_id = {"X-Correlation-Id": "c-cites"}
    task = agent.task("cites", headers=by_id)
    agent.ack(task, by="codex")
    stored = agent.post(f"/api/evidence?task_id={task['id']}&name=a.txt",
                        b"seen elsewhere", by="codex",
                        headers={"X-Correlation-Id": "c-elsewhere"})
    assert stored.status == 201, stored
    sha = sha256(b"seen elsewhere")
    done = agent.post(f"/api/tasks/{task['id']}/result", {
        "attempt": 1, "summary": "done", "criteria": [
            {"criterion_ref": "AC-1", "met": True, "evidence": [sha]}]},
        by="codex", headers=by_id)
    assert done.status == 200, done
    chain = agent.get("/api/audit/c-cites").json
    assert chain["complete"] is True and not chain["artifacts"], chain
    file, = [p for p in (agent.home / "evidence").rglob("*") if p.is_file()
             and sha256(p.read_bytes()) == sha]
    file.unlink()
    chain = agent.get("/api/audit/c-cites").json
    assert chain["complete"] is False, chain
    assert [(m["what"], m["id"], m["how"]) for m in chain["missing"]] == \
        [("artifact", sha, "not_found")], chain["missing"]


def test_an_answer_has_the_very_bytes_of_the_journal(agent):
    task = agent.task("bytes \"as\" they / are \u00e9\t")
    answer = agent.get(kc.query("/api/audit", task_id=task["id"],
                                type="task_created"))
    line, = [x for x in agent.lines() if json.loads(x)["type"] ==
             "task_created" and json.loads(x)["task_id"] == task["id"]]
    assert line in answer.body, answer.body


def test_the_index_is_made_anew_from_the_journal(fresh):
    task = fresh.task("made anew")
    fresh.stop()
    before = len(fresh.journal())
    index = fresh.home / "index.db"
    for damage in (lambda: None, index.unlink,
                   lambda: index.write_bytes(b"nonsense" * 1000)):
        damage()
        done = fresh.cli("audit", "reindex")
        assert f"{before} records" in done.stdout, done
        assert not list(fresh.home.glob("index.db?*")), "left behind"
        fresh.start()
        found = ask(fresh, q="made anew", type="task_created")["items"]
        assert [r["task_id"] for r in found] == [task["id"]], found
        assert seqs(ask(fresh, limit=before)["items"]) == \
            list(range(1, before + 1))
        fresh.stop()
        before = len(fresh.journal())


def test_an_index_made_beside_an_agent_at_work_is_taken_at_its_start(fresh):
    before = fresh.task("before it")
    index, anew = (fresh.home / name for name in ("index.db", "index.db.new"))
    old = index.stat().st_ino
    done = fresh.cli("audit", "reindex")
    assert "An agent is at work" in done.stdout and anew.exists(), done
    after = fresh.task("after it")
    fresh.stop()
    fresh.start()
    assert index.stat().st_ino != old and not anew.exists()
    assert "the index that was made anew counts" in fresh.log
    for task in (before, after):
        assert fresh.get(f"/api/tasks/{task['id']}").json["title"] == \
            task["title"]
    assert seqs(ask(fresh, q="it", type="task_created")["items"]) == \
        seqs(fresh.journal("task_created"))
    for bad in (b"", b"nonsense" * 1000):
        fresh.stop()
        anew.write_bytes(bad)
        old = index.stat().st_ino
        fresh.start()
        assert "is not taken over" in fresh.log and not anew.exists()
        assert index.stat().st_ino == old
        assert fresh.get(f"/api/tasks/{after['id']}").status == 200


def test_an_index_that_has_seen_more_is_not_made_anew(fresh):
    fresh.task("seen")
    fresh.stop()
    file, = (fresh.home / "audit").glob("*.jsonl")
    whole, index = file.read_bytes(), fresh.home / "index.db"
    seen = index.read_bytes()
    lines = whole.rstrip(b"\n").split(b"\n")
    for part, what in ((b"\n".join(lines[:-1]), "has seen record"),
                       (whole.replace(b'"seen"', b'"SEEN"', 1), "record ")):
        file.write_bytes(part.rstrip(b"\n") + b"\n")
        done = fresh.cli("audit", "reindex", check=False)
        assert done.returncode and what in done.stderr, done
        assert index.read_bytes() == seen
        assert not list(fresh.home.glob("index.db.*"))
    file.write_bytes(whole)
    fresh.cli("audit", "reindex")
    fresh.start()


kc.main()
