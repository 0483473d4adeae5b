"""The record: complete by one correlation id, provably unedited, one request
record a request."""
import json
import random
import shutil

import kc
from chains import new_agent, whole
from expect import committed, refused, sha256


def test_one_correlation_id_gives_every_event_and_artifact(agent):
    made = whole(agent, "c-everything")
    chain = agent.get("/api/audit/c-everything").json
    assert chain["complete"] is True and chain["missing"] == [], chain
    assert chain["task_ids"] == [made["task"]]
    assert [r["id"] for r in chain["runs"]] == \
        [made["shot"]["id"], made["sent"]["id"]]
    assert [(a["id"], a["state"]) for a in chain["approvals"]] == \
        [(made["approval"], "used")]
    kinds = [e["type"] for e in chain["events"]]
    wanted = ["task_created", "ack_accepted", "run_queued", "tool_started",
              "evidence_added", "tool_finished", "approval_requested",
              "policy_denied", "approval_reviewed", "approval_granted",
              "tool_started", "approval_used", "tool_finished",
              "result_submitted"]
    at = 0
    for kind in wanted:
        assert kind in kinds[at:], (kind, kinds)
        at = kinds.index(kind, at) + 1
    assert kinds.count("request") == 6, kinds
    assert [e["seq"] for e in chain["events"]] == \
        sorted(e["seq"] for e in chain["events"])
    on_disk = agent.journal(correlation_id="c-everything")
    assert chain["events"] == on_disk
    hashes = {a["sha256"] for a in chain["artifacts"]}
    assert {made["sha"], made["shot"]["evidence_sha256"],
            made["sent"]["evidence_sha256"]} <= hashes
    assert all(a["verified"] is True for a in chain["artifacts"])
    for artifact in chain["artifacts"]:
        body = agent.get(artifact["link"]).body
        assert sha256(body) == artifact["sha256"]
        assert len(body) == artifact["size"]
    package = json.loads(agent.get(
        f"/api/evidence/{made['sent']['evidence_sha256']}").body)
    assert package["approval_id"] == made["approval"]
    assert package["correlation_id"] == "c-everything"
    kc.wait_for(lambda: any(p.startswith("evidence/") and made["sent"]["id"]
                            in p for p in committed(agent)), 5)
    refused(agent.get("/api/audit/c-of-nobody"), 404, "not_found")


def test_records_are_found_by_each_of_their_members(agent):
    made = whole(agent, "c-query")

    def ask(**args):
        answer = agent.get(kc.query("/api/audit", limit=1000, **args))
        assert answer.status == 200, answer
        return answer.json["items"]

    everything = ask(after_seq=0)
    by_seq = {r["seq"]: r for r in agent.journal()}
    assert all(by_seq[r["seq"]] == r for r in everything)
    for args, like in (
            ({"task_id": made["task"]},
             lambda r: r["task_id"] == made["task"]),
            ({"run_id": made["sent"]["id"]},
             lambda r: r["run_id"] == made["sent"]["id"]),
            ({"correlation_id": "c-query"},
             lambda r: r["correlation_id"] == "c-query"),
            ({"type": "tool_started,tool_finished"},
             lambda r: r["type"] in ("tool_started", "tool_finished")),
            ({"actor": "codex", "type": "request"},
             lambda r: (r["actor"], r["type"]) == ("codex", "request")),
            ({"status": 403, "task_id": made["task"]},
             lambda r: (r["status"], r["task_id"]) == (403, made["task"]))):
        want = [r for r in agent.journal() if like(r)]
        got = ask(**args)
        assert want and got == want, args
    middle = everything[len(everything) // 2]
    assert all(r["ts"] >= middle["ts"] for r in ask(since=middle["ts"]))
    assert ask(since=middle["ts"])[0]["seq"] <= middle["seq"]
    assert all(r["ts"] <= middle["ts"] for r in ask(until=middle["ts"]))
    assert ask(since="1h")[0]["seq"] == 1 and not ask(until="1h")
    pages, cursor = [], None
    while not pages or cursor:
        page = agent.get(kc.query("/api/audit", limit=7, cursor=cursor,
                                  correlation_id="c-query")).json
        pages += page["items"]
        cursor = page["next_cursor"]
    assert pages == [r for r in agent.journal()
                     if r["correlation_id"] == "c-query"]
    for bad in ("since=tomorrow", "limit=0", "status=99", "nosuch=1",
                "after_seq=-1"):
        refused(agent.get("/api/audit?" + bad), 400, "invalid_request")


def verify(agent):
    """(exit code, what it says) of `audit verify`."""
    done = agent.cli("audit", "verify", check=False)
    return done.returncode, done.stdout + done.stderr


def journal_file(agent):
    file, = (agent.home / "audit").glob("*.jsonl")
    return file


def test_a_changed_byte_of_any_line_is_found(fresh):
    whole(fresh, "c-flip")
    fresh.stop()
    file, rng = kc.unfilled(journal_file(fresh)), random.Random(1)
    good = file.read_bytes()
    assert verify(fresh)[0] == 0, verify(fresh)
    places, start = [], 0
    for line in good.split(b"\n")[:-1]:
        places.append(start + rng.randrange(len(line)))
        places.append(start + len(line) if rng.random() < .2 else start)
        start += len(line) + 1
    for place in places + [len(good) - 2, len(good) - 80]:
        bad = bytearray(good)
        bad[place] ^= 1 << rng.randrange(8)
        file.write_bytes(bad)
        code, said = verify(fresh)
        assert code == 6 and "NOT OK" in said, (place, code, said)
    file.write_bytes(good)
    assert verify(fresh)[0] == 0
    print(f"      {len(places) + 2} bytes changed, all found")


def test_lines_added_lost_moved_or_doubled_are_found(fresh):
    whole(fresh, "c-lines")
    fresh.stop()
    file = kc.unfilled(journal_file(fresh))
    good = file.read_bytes()
    lines = good.splitlines(keepends=True)
    n = len(lines) // 2
    forged = lines[n].replace(b'"seq":%d' % (n + 1), b'"seq":%d' % (n + 2))
    for how, bad in (
            ("lost", lines[:n] + lines[n + 1:]),
            ("first lost", lines[1:]), ("last lost", lines[:-1]),
            ("last three lost", lines[:-3]),
            ("moved", lines[:n] + [lines[n + 1], lines[n]] + lines[n + 2:]),
            ("doubled", lines[:n] + [lines[n]] + lines[n:]),
            ("last doubled", lines + [lines[-1]]),
            ("forged", lines[:n + 1] + [forged] + lines[n + 1:]),
            ("empty line", lines[:n] + [b"\n"] + lines[n:]),
            ("NULs", lines[:n] + [b"\0" * 10 + b"\n"] + lines[n:]),
            ("emptied", [])):
        file.write_bytes(b"".join(bad))
        code, said = verify(fresh)
        assert code == 6 and "NOT OK" in said, (how, code, said)
    file.write_bytes(b"".join(lines[:-3]))
    try:
        fresh.start()
    except AssertionError as e:
        assert "agent ended" in str(e), e
        fresh.proc = None
    else:
        raise AssertionError("it started on a journal that was cut back")
    file.write_bytes(good)
    fresh.start()


def test_a_record_changed_under_a_running_agent_breaks_its_chain(fresh):
    whole(fresh, "c-live")
    fresh.task("after it")
    file = journal_file(fresh)
    good = file.read_bytes()
    records = fresh.journal(correlation_id="c-live")
    lines = good.split(b"\n")
    for record in records[:3] + records[-3:]:
        line = lines[record["seq"] - 1]
        start = good.index(line)
        for place in (0, line.index(b'"ts"') + 8, len(line) // 2,
                      len(line) - 4):
            with open(file, "r+b") as f:
                f.seek(start + place)
                f.write(bytes([good[start + place] ^ 1]))
            chain = fresh.get("/api/audit/c-live").json
            assert chain["complete"] is False, (record["seq"], place)
            assert str(record["seq"]) in [
                m["id"] for m in chain["missing"]], chain["missing"]
            assert verify(fresh)[0] == 6
            with open(file, "r+b") as f:
                f.seek(start + place)
                f.write(good[start + place:start + place + 1])
    assert fresh.get("/api/audit/c-live").json["complete"] is True


def evidence_file(agent, sha):
    file, = [p for p in (agent.home / "evidence").rglob("*")
             if p.is_file() and sha256(p.read_bytes()) == sha]
    return file


def test_a_changed_byte_of_evidence_is_found_on_every_read(agent):
    made = whole(agent, "c-evidence")
    for sha in (made["sha"], made["sent"]["evidence_sha256"]):
        file = evidence_file(agent, sha)
        good = file.read_bytes()
        file.chmod(0o600)
        for place in {0, 1, len(good) // 2, len(good) - 1}:
            bad = bytearray(good)
            bad[place] ^= 1
            file.write_bytes(bad)
            problem = refused(agent.get(f"/api/evidence/{sha}"), 500,
                              "evidence_corrupt")
            assert "audit verify" in problem["remediation_hint"]
            part = agent.get(f"/api/evidence/{sha}",
                             headers={"Range": "bytes=0-0"})
            refused(part, 500, "evidence_corrupt")
            chain = agent.get("/api/audit/c-evidence").json
            assert chain["complete"] is False
            assert sha in [m["id"] for m in chain["missing"]], chain["missing"]
            bad_one, = {a["sha256"] for a in chain["artifacts"]
                        if not a["verified"]}
            assert bad_one == sha
        for bad in (good + b"x", good[:-1], b""):
            file.write_bytes(bad)
            refused(agent.get(f"/api/evidence/{sha}"), 500,
                    "evidence_corrupt")
        file.unlink()
        assert agent.get(f"/api/evidence/{sha}").status in (404, 500)
        assert agent.get("/api/audit/c-evidence").json["complete"] is False
        file.write_bytes(good)
        assert agent.get(f"/api/evidence/{sha}").body == good
    assert agent.get("/api/audit/c-evidence").json["complete"] is True


def test_a_journal_that_is_taken_away_stops_everything(fresh):
    file = journal_file(fresh)
    kept = fresh.dir / "kept.jsonl"

    def unlinked():
        file.unlink()

    def renamed():
        file.rename(file.with_suffix(".old"))

    def replaced():
        shutil.copyfile(file, kept)
        file.unlink()
        shutil.copyfile(kept, file)

    def truncated():
        with open(file, "r+b") as f:
            f.truncate(file.stat().st_size - 100)

    def appended():
        with open(file, "ab") as f:
            f.write(b'{"seq":1}\n')

    for attack in (unlinked, renamed, replaced, truncated, appended):
        fresh.task(attack.__name__)
        before = file.read_bytes()
        attack()
        for _ in range(3):
            refused(fresh.post("/api/tasks", {"title": "lost"}), 503,
                    "audit_unavailable")
        read = fresh.get("/api/tasks")
        assert read.headers["kircerta-audit"] == "unavailable", attack
        assert "lost" not in [t["title"] for t in read.json["items"]]
        fresh.kill9()
        for other in file.parent.glob("*.old"):
            other.unlink()
        file.unlink(missing_ok=True)
        file.write_bytes(before)
        file.chmod(0o600)
        fresh.start()
        assert fresh.get(f"/api/tasks?q={attack.__name__}").json["items"]
    assert fresh.chained()


def test_a_torn_last_line_is_cut_off_and_that_is_recorded(fresh):
    task = fresh.task("kept")
    file = journal_file(fresh)
    torn = b'{"seq":9999,"ts":"2030-01-01T00:00:00.000000Z","ty'
    for n, fill in enumerate((b"", b"\n" * 5000, b"\0" * 700), 1):
        fresh.kill9()
        end = len(kc.unfilled(file).read_bytes())
        with open(file, "ab") as f:
            f.write(torn + fill)
        fresh.start()
        record = fresh.journal("log_repaired")[n - 1]["data"]
        bad = torn + fill.rstrip(b"\n")
        assert record == {"off": end, "len": len(bad),
                          "sha256": sha256(bad)}, (n, record)
    assert fresh.get(f"/api/tasks/{task['id']}").json == task
    assert fresh.chained() and verify(fresh)[0] == 0


def test_every_request_leaves_exactly_one_record(agent):
    task = agent.task("counted")
    stored = agent.request("POST", "/api/evidence?name=a", b"0123456789",
                           by="codex").json["sha256"]
    mine, here = f"/api/tasks/{task['id']}", f"/api/evidence/{stored}"
    good = "Bearer " + agent.token("coordinator")
    update = {"title": "counted", "base_sha": task["sha"]}
    cases = [
        (200, "GET", "/api/tasks", None, {}),
        (200, "GET", mine, None, {}), (200, "HEAD", mine, None, {}),
        (200, "GET", "/api/health", None, {"Authorization": None}),
        (200, "GET", here, None, {}),
        (206, "GET", here, None, {"Range": "bytes=2-4"}),
        (416, "GET", here, None, {"Range": "bytes=20-"}),
        (304, "GET", here, None, {"If-None-Match": f'"{stored}"'}),
        (201, "POST", "/api/tasks", {"title": "t"}, {}),
        (201, "POST", "/api/tasks", {"title": "i"},
         {"Idempotency-Key": "k-count"}),
        (201, "POST", "/api/tasks", {"title": "i"},
         {"Idempotency-Key": "k-count"}),
        (422, "POST", "/api/tasks", {"title": "j"},
         {"Idempotency-Key": "k-count"}),
        (200, "PATCH", mine, update, {}), (409, "PATCH", mine, update, {}),
        (428, "PATCH", mine, {"title": "t"}, {}),
        (400, "POST", "/api/tasks", b"{", {}),
        (400, "POST", "/api/tasks", {"titel": 1}, {}),
        (400, "GET", "/api/tasks?limit=0", None, {}),
        (401, "GET", "/api/tasks", None, {"Authorization": None}),
        (401, "GET", "/api/tasks", None, {"Authorization": "Bearer x"}),
        (401, "POST", "/api/tasks", {"title": "t"}, {"Authorization": None}),
        (403, "POST", "/api/mode", {"mode": "stopped"}, {}),
        (403, "POST", "/api/tasks",
         {"title": "t", "allow_external_publish": True}, {}),
        (403, "GET", "/api/tasks", None, {"Host": "evil.example"}),
        (403, "GET", "/api/tasks", None, {"Origin": "http://evil.example"}),
        (404, "GET", "/nowhere", None, {}),
        (404, "GET", "/api/tasks/t-0000000000000000", None, {}),
        (404, "GET", "/api/audit/c-nobody", None, {}),
        (404, "POST", "/api/tools/execute",
         {"tool": "no.such", "side_effect_level": "read_only"}, {}),
        (405, "DELETE", "/api/tasks", None, {}),
        (405, "PUT", mine, {"title": "t"}, {}),
        (204, "OPTIONS", "/api/tasks", None, {}),
        (413, "POST", "/api/tasks", b"{" + b" " * (1 << 20) + b"}", {}),
        (413, "POST", "/api/tasks", {"title": "t", "meta": "x"}, {
            "Content-Length": str(1 << 30)}),
        (413, "POST", "/api/tasks",
         {"title": "t", "meta": {"x": "y" * 50000}}, {}),
        (422, "POST", "/api/tools/execute", {
            "tool": "test.shot", "side_effect_level": "local_write",
            "args": {"no": 1}}, {}),
        (411, "POST", "/api/tasks", None, {"Transfer-Encoding": "chunked",
                                           "Content-Length": None}),
    ]
    for n, (status, method, target, body, headers) in enumerate(cases):
        mark = f"c-count-{n}"
        before = agent.journal("request")
        answer = agent.request(method, target, body, by=None, headers={
            "Authorization": good, "X-Correlation-Id": mark} | headers)
        assert answer.status == status, (method, target, headers, answer)
        new = agent.journal("request")[len(before):]
        assert len(new) == 1, (method, target, headers, new)
        assert new[0]["status"] == status, (cases[n], new)
        assert new[0]["method"] == method, (cases[n], new)
        assert new[0]["correlation_id"] == mark == \
            answer.headers["x-correlation-id"], (cases[n], new)
        known = headers.get("Authorization", good) == good
        assert new[0]["actor"] == ("coordinator" if known else None) \
            or status in (404, 405, 411, 413, 403, 204), (cases[n], new)


def test_every_call_over_the_websocket_leaves_exactly_one_record(agent):
    task = agent.task("over ws")
    before = len(agent.journal("request"))
    with agent.ws() as ws:
        ws.note("hello")
        opened, = agent.journal("request")[before:]
        assert (opened["status"], opened["route"]) == (101, "/ws"), opened
        for status, frame in (
                (200, {"method": "task.get", "params": {"id": task["id"]}}),
                (200, {"method": "task.list"}),
                (201, {"method": "task.create", "params": {"title": "t"}}),
                (400, {"method": "task.create", "params": {}}),
                (404, {"method": "no.such"}),
                (403, {"method": "system.mode",
                       "params": {"mode": "stopped"}}),
                (428, {"method": "task.update",
                       "params": {"id": task["id"], "title": "t"}}),
                (422, {"method": "task.ack", "params": {
                    "id": task["id"], "attempt": 1,
                    "echoed_acceptance_criteria": []}}),
                (200, {"method": "events.subscribe"})):
            count = len(agent.journal("request"))
            ws.send(json.dumps({"jsonrpc": "2.0", "id": 7} | frame))
            while "id" not in ws.message():
                pass
            new = agent.journal("request")[count:]
            assert len(new) == 1, (frame, new)
            assert new[0]["status"] == status, (frame, new)
            assert new[0]["transport"] == "websocket", new
        for broken in ("{", "[]", '{"id":1}', '{"jsonrpc":"2.0","method":1}'):
            count = len(agent.journal("request"))
            ws.send(broken)
            while "error" not in ws.message():
                pass
            new = agent.journal("request")[count:]
            assert [r["status"] for r in new] == [400], (broken, new)


kc.main(new_agent=new_agent)
