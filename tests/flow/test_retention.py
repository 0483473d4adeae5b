"""Evidence that goes: by an admin's word or when its time or room is over,
on the record before the file is touched, and never while it is needed."""
import hashlib
import json
import shutil
import threading

import kc
from expect import refused


PNG = b"\x89PNG\r\n\x1a\n"
MP4 = b"\0\0\0\x18ftyp"


def store(agent, data, name="note.txt", **args):
    answer = agent.post(kc.query("/api/evidence", name=name, **args), data,
                        headers={"Content-Type": "application/octet-stream"})
    assert answer.status == 201, answer
    return answer.json


def file_of(agent, sha):
    return agent.home / "evidence" / sha[:2] / sha


def remove(agent, sha, reason="it showed a face", by="admin", **kw):
    return agent.post(f"/api/evidence/{sha}/remove", {"reason": reason},
                      by=by, **kw)


def test_what_was_removed_is_gone_and_says_when_by_whom_and_why(agent):
    kept = store(agent, b"stays", correlation_id="c-two")
    sha = store(agent, PNG + b"goes", "face.png", correlation_id="c-two")["sha256"]
    gone = remove(agent, sha)
    assert gone.status == 200, gone
    assert gone.json["by"] == "admin", gone
    assert gone.json["why"] == "it showed a face", gone
    assert not file_of(agent, sha).exists()
    problem = refused(agent.get(f"/api/evidence/{sha}"), 404, "not_found")
    for word in (gone.json["at"], "admin", "it showed a face"):
        assert word in problem["detail"], problem
    assert problem["removed"]["why"] == "it showed a face", problem
    record, = agent.journal("evidence_removed")
    assert record["actor"] == "admin", record
    assert {k: record["data"][k] for k in (
        "sha256", "size", "name", "media_type", "by", "why")} == {
            "sha256": sha, "size": 12, "name": "face.png",
            "media_type": "image/png", "by": "admin",
            "why": "it showed a face"}, record
    items = {i["sha256"]: i for i in agent.get(
        "/api/evidence?correlation_id=c-two").json["items"]}
    assert items[sha]["removed"]["by"] == "admin", items
    assert "removed" not in items[kept["sha256"]], items
    chain = agent.get("/api/audit/c-two").json
    assert chain["complete"] is False, chain
    missing, = chain["missing"]
    assert missing["id"] == sha and missing["how"] == "removed", missing
    assert missing["removed"]["why"] == "it showed a face", missing
    refused(remove(agent, sha), 404, "not_found")


def test_only_an_admin_removes_and_says_why(agent):
    sha = store(agent, b"mine")["sha256"]
    refused(remove(agent, sha, by="coordinator"), 403, "insufficient_scope")
    refused(agent.post(f"/api/evidence/{sha}/remove", {}, by="admin"), 400,
            "invalid_request")
    refused(remove(agent, sha, ""), 400, "invalid_request")
    refused(remove(agent, "0" * 64), 404, "not_found")
    assert file_of(agent, sha).exists()
    assert not agent.journal("evidence_removed", sha256=sha)


def test_what_is_stored_again_is_back(agent):
    sha = store(agent, b"again")["sha256"]
    assert remove(agent, sha).status == 200
    again = store(agent, b"again", "second.txt")
    assert again["sha256"] == sha
    assert agent.get(f"/api/evidence/{sha}").body == b"again"
    assert all("removed" not in i for i in agent.get(
        "/api/evidence?limit=1000").json["items"] if i["sha256"] == sha)
    agent.restart()
    assert agent.get(f"/api/evidence/{sha}").body == b"again"
    assert remove(agent, sha).status == 200
    refused(agent.get(f"/api/evidence/{sha}"), 404, "not_found")


def test_what_an_open_approval_cites_stays_until_it_is_decided():
    agent = kc.Agent(start=False)
    agent.publisher(args={"file": {"type": "file", "required": "true"}})
    agent.start()
    sha = store(agent, b"to be published", "film.mp4")["sha256"]
    task = agent.task(side_effect_level="external_publish",
                      allow_external_publish=True, by="admin")
    asked = agent.execute("test.publish", "external_publish", {"file": sha},
                          task)
    refused(asked, 403, "policy_denied")
    approval = asked.json["approval_id"]
    problem = refused(remove(agent, sha), 409, "evidence_in_use")
    assert {"kind": "approval", "id": approval} in problem["cited_by"], problem
    assert file_of(agent, sha).exists()
    assert not agent.journal("evidence_removed")
    assert agent.post(f"/api/approvals/{approval}/reject",
                      {"reason": "no"}, by="admin").status == 200
    assert remove(agent, sha).status == 200
    agent.close()


def test_what_a_run_that_is_not_over_cites_stays():
    agent = kc.Agent(start=False)
    gate = agent.dir / "gate"
    agent.tool("test.wait", f"""
while not os.path.exists({str(gate)!r}):
    time.sleep(0.01)
result()""", args={"file": {"type": "file", "required": "true"}})
    agent.start()
    sha = store(agent, b"in work")["sha256"]
    run = agent.execute("test.wait", "local_write", {"file": sha})
    assert run.status == 202, run
    problem = refused(remove(agent, sha), 409, "evidence_in_use")
    assert problem["cited_by"] == [{"kind": "run", "id": run.json["id"]}]
    gate.touch()
    kc.wait_for(lambda: agent.get(f"/api/runs/{run.json['id']}").json[
        "state"] == "succeeded", what="the end of the run")
    assert remove(agent, sha).status == 200
    agent.close()


def test_a_crash_before_the_file_goes_is_made_up_for_at_the_next_start():
    agent = kc.Agent()
    sha = store(agent, b"half gone")["sha256"]
    other = store(agent, b"stays")["sha256"]
    agent.stop()
    agent.start(wrap=["strace", "-f", "-qq", "-e", "trace=renameat", "-o",
                      "/dev/null", "-e", "inject=renameat:signal=KILL:when=1"])
    try:
        remove(agent, sha)
        raise AssertionError("it answered, and was to die")
    except (kc.Closed, OSError):
        pass
    agent.wait()
    agent.proc = None
    record, = agent.journal("evidence_removed", sha256=sha)
    assert file_of(agent, sha).exists(), "the record comes first"
    agent.start()
    refused(agent.get(f"/api/evidence/{sha}"), 404, "not_found")
    kc.wait_for(lambda: not file_of(agent, sha).exists(), what="the unlink")
    assert len(agent.journal("evidence_removed")) == 1
    assert agent.get(f"/api/evidence/{other}").body == b"stays"
    agent.close()


def test_a_backup_with_the_file_in_it_does_not_bring_it_back():
    agent = kc.Agent()
    sha = store(agent, b"from the tape")["sha256"]
    copy = agent.dir / "copy"
    shutil.copy(file_of(agent, sha), copy)
    assert remove(agent, sha).status == 200
    agent.stop()
    shutil.copy(copy, file_of(agent, sha))
    agent.start()
    kc.wait_for(lambda: not file_of(agent, sha).exists(), what="the unlink")
    refused(agent.get(f"/api/evidence/{sha}"), 404, "not_found")
    agent.close()


def test_what_is_too_old_or_too_much_goes_by_media_type():
    agent = kc.Agent()
    films = [store(agent, MP4 + bytes([65 + i]) * 992, f"{i}.mp4")["sha256"]
             for i in range(5)]
    text = store(agent, b"words", "w.txt")["sha256"]
    picture = store(agent, PNG + b"1", "p.png")["sha256"]
    again = store(agent, MP4 + b"A" * 992, "again.mp4")["sha256"]
    assert again == films[0]
    agent.stop()
    agent.conf("retention.video/mp4.max-size", "2500")
    agent.conf("retention.image/png.max-age", "1ms")
    agent.conf("retention.every", "10ms")
    agent.start()
    kc.wait_for(lambda: len(agent.journal("evidence_removed")) == 4,
                what="four removals")
    gone = {r["data"]["sha256"]: r for r in agent.journal("evidence_removed")}
    # The first was stored again, and is as old as that.
    assert set(gone) == {*films[1:4], picture}, gone
    assert all(r["actor"] == "agent" and r["data"]["by"] == "agent"
               for r in gone.values())
    assert "video/mp4 are over 2500 bytes" in gone[films[1]]["data"]["why"]
    assert "image/png is kept for 1ms" in gone[picture]["data"]["why"]
    kc.wait_for(lambda: not any(file_of(agent, s).exists() for s in gone),
                what="the unlinks")
    for sha in (films[0], films[4], text):
        assert agent.get(f"/api/evidence/{sha}").status == 200
    more = store(agent, PNG + b"2", "q.png")["sha256"]
    kc.wait_for(lambda: agent.journal("evidence_removed", sha256=more),
                what="the next round")
    assert agent.chained()
    agent.close()


def test_what_is_also_stored_as_another_media_type_stays():
    agent = kc.Agent(start=False)
    agent.tool("test.keep", "open('a', 'w').write('both')\n"
               "say(artifact={'name': 'a', 'media_type': 'model/obj'})\n"
               "result()")
    agent.start()
    sha = store(agent, b"both", "both.txt")["sha256"]
    run = agent.execute("test.keep", "local_write", wait=30)
    assert run.json["artifacts"][0]["sha256"] == sha, run
    later = store(agent, b"later", "later.txt")["sha256"]
    agent.stop()
    agent.conf("retention.text/*.max-age", "1ms")
    agent.start()
    kc.wait_for(lambda: agent.journal("evidence_removed", sha256=later),
                what="the younger one's removal")
    assert not agent.journal("evidence_removed", sha256=sha)
    assert agent.get(f"/api/evidence/{sha}").body == b"both"
    agent.close()


def test_nothing_goes_by_itself_while_the_mode_is_stopped():
    agent = kc.Agent(conf={"retention.text/*.max-age": "1ms",
                           "retention.every": "1h"})
    first = store(agent, b"looked at")["sha256"]
    assert agent.post("/api/mode", {"mode": "stopped"}, by="admin") \
        .status == 200
    agent.stop()
    agent.conf("retention.every", "10ms")
    agent.start()
    before = agent.get("/api/health").json["seq"]
    kc.wait_for(lambda: agent.get("/api/health").json["seq"] > before + 20,
                what="many rounds")
    assert not agent.journal("evidence_removed")
    back = agent.post("/api/mode", {"mode": "normal", "reason": "seen"},
                      by="admin")
    assert back.status == 200, back
    kc.wait_for(lambda: agent.journal("evidence_removed", sha256=first),
                what="the removal")
    agent.close()


def test_a_bad_pattern_is_an_error_with_its_line():
    agent = kc.Agent(start=False)
    agent.conf("retention.Video/*.max-age", "1d")
    done = agent.cli("check", check=False)
    assert done.returncode == 1 and "media type" in \
        done.stdout + done.stderr, done
    agent.close()


def test_a_removal_is_told_to_whoever_listens(agent):
    sha = store(agent, b"watched")["sha256"]
    with agent.events(types="evidence_removed") as events:
        assert remove(agent, sha, "seen").status == 200
        event = events.next()
        assert event["data"]["data"]["sha256"] == sha, event
    assert hashlib.sha256(b"watched").hexdigest() == sha


def offline(agent, *args, code):
    done = agent.cli("evidence", *args, check=False)
    assert done.returncode == code, done
    return done.stdout


def test_verify_names_what_is_corrupt_missing_and_foreign():
    agent = kc.Agent()
    good, bad, lost, gone = (store(agent, w)["sha256"] for w in (
        b"good", b"bad", b"lost", b"gone"))
    assert remove(agent, gone).status == 200
    said = offline(agent, "verify", code=0)
    assert said == "ok: 3 files, 11 bytes hashed; 1 removed on the record\n"
    agent.stop()
    assert json.loads(offline(agent, "verify", "--json", code=0))["ok"]
    file_of(agent, bad).chmod(0o600)
    file_of(agent, bad).write_bytes(b"BAD")
    file_of(agent, lost).unlink()
    foreign = hashlib.sha256(b"foreign").hexdigest()
    file_of(agent, foreign).parent.mkdir(exist_ok=True)
    file_of(agent, foreign).write_bytes(b"foreign")
    (agent.home / "evidence" / "notes.txt").write_text("mine")
    (agent.home / "evidence" / good[:2] / ("f" * 64)).touch()
    lines = offline(agent, "verify", code=6).splitlines()
    assert f"FOREIGN: {foreign[:2]}/{foreign}: no record has it" in lines
    assert "FOREIGN: notes.txt: no record has it" in lines, lines
    assert f"FOREIGN: {good[:2]}/{'f' * 64}: no record has it" in lines, lines
    found, = (x for x in lines if x.startswith("CORRUPT"))
    assert bad in found and hashlib.sha256(b"BAD").hexdigest() in found
    found, = (x for x in lines if x.startswith("MISSING"))
    assert lost in found and "record" in found, found
    assert lines[-1].startswith("NOT OK: "), lines
    told = json.loads(offline(agent, "verify", "--json", code=6))
    assert [len(told[k]) for k in ("corrupt", "missing", "foreign")] == \
        [1, 1, 3], told
    copy = agent.dir / "copy"
    shutil.copytree(agent.home, copy)
    assert offline(agent, "verify", str(copy), "--json", code=6)
    agent.close()


def test_gc_removes_what_no_record_has_and_says_so_on_the_record():
    agent = kc.Agent()
    kept, back = (store(agent, w)["sha256"] for w in (b"kept", b"back"))
    assert remove(agent, back).status == 200
    foreign = hashlib.sha256(b"foreign").hexdigest()
    done = agent.cli("evidence", "gc", check=False)
    assert done.returncode == 1, "an agent is at work"
    agent.stop()
    for sha, data in (foreign, b"foreign"), (back, b"back"):
        file_of(agent, sha).parent.mkdir(exist_ok=True)
        file_of(agent, sha).write_bytes(data)
    said = offline(agent, "gc", "--dry-run", code=0)
    assert "2 of 3 files would go" in said, said
    assert file_of(agent, foreign).exists()
    before = len(agent.lines())
    said = offline(agent, "gc", code=0)
    assert "2 of 3 files removed" in said, said
    assert not file_of(agent, foreign).exists()
    assert not file_of(agent, back).exists()
    assert len(agent.lines()) == before + 1 and agent.chained()
    record, = agent.journal("evidence_removed", sha256=foreign)
    assert record["actor"] == "operator", record
    assert "0 of 1 files removed" in offline(agent, "gc", code=0)
    offline(agent, "verify", code=0)
    agent.start()
    assert agent.get(f"/api/evidence/{kept}").body == b"kept"
    problem = refused(agent.get(f"/api/evidence/{foreign}"), 404, "not_found")
    assert "evidence gc" in problem["detail"], problem
    agent.close()


def test_storing_and_removing_at_once_loses_nothing_even_by_a_crash():
    agent = kc.Agent()
    agent.token("coordinator")
    done, over = [0], threading.Event()

    def busy(what):
        try:
            while not over.is_set():
                sha = store(agent, what)["sha256"]
                answer = remove(agent, sha)
                assert answer.status in (200, 404, 409), answer
                done[0] += 1
        except (kc.Closed, OSError):
            pass

    for crash in (False, True):
        over.clear()
        threads = [threading.Thread(target=busy, args=(b"x%d" % (i % 2),))
                   for i in range(4)]
        for t in threads:
            t.start()
        goal = done[0] + 40
        kc.wait_for(lambda: done[0] >= goal, what="forty removals")
        if crash:
            agent.kill9()
        over.set()
        for t in threads:
            t.join()
        if crash:
            agent.start()
        for what in (b"x0", b"x1"):
            sha = hashlib.sha256(what).hexdigest()
            status = agent.get(f"/api/evidence/{sha}").status
            last = agent.journal("evidence_added", "evidence_removed",
                                 sha256=sha)[-1]
            assert status == (200 if last["type"] == "evidence_added"
                              else 404), (status, last)
        kc.wait_for(lambda: not json.loads(agent.cli(
            "evidence", "verify", "--json", check=False).stdout)["left"],
            what="the last unlink")
        told = json.loads(agent.cli("evidence", "verify", "--json",
                                    check=False).stdout)
        assert not told["missing"] and not told["corrupt"], told
        assert crash or told["ok"], told
    print(f"      {done[0]} times stored and removed")
    agent.close()


def test_gc_removes_nothing_by_an_older_copy_of_the_journal():
    agent = kc.Agent()
    agent.stop()
    shutil.copytree(agent.home / "audit", agent.dir / "old")
    agent.start()
    sha = store(agent, b"newer")["sha256"]
    agent.stop()
    shutil.rmtree(agent.home / "audit")
    shutil.copytree(agent.dir / "old", agent.home / "audit")
    done = agent.cli("evidence", "gc", check=False)
    assert done.returncode == 1 and "not whole" in done.stderr, done
    assert file_of(agent, sha).exists()
    agent.close()


def test_gc_removes_nothing_that_only_the_checkpoint_remembers():
    agent = kc.Agent()
    agent.stop()
    segment, = (agent.home / "audit").glob("*.jsonl")
    older = segment.read_bytes()
    agent.start()
    sha = store(agent, b"newer")["sha256"]
    agent.stop()
    segment.write_bytes(older)
    for file in agent.home.glob("index.db*"):
        file.unlink()
    for options in ([], ["--dry-run"]):
        done = agent.cli("evidence", "gc", *options, check=False)
        assert done.returncode == 1 and "was made of" in done.stderr, done
    assert file_of(agent, sha).exists() and segment.read_bytes() == older
    agent.close()


kc.main()
