"""The journal under signed checkpoints: what is proven of it is checked with
openssl and a few lines of Python, not with the agent's own code."""
import base64
import json
import shutil
import threading

import kc
import merkle
from expect import refused


def new_agent(**conf):
    return kc.Agent(conf={"audit.checkpoint-records": 20} | {
        "audit." + k.replace("_", "-"): v for k, v in conf.items()})


def raw(answer):
    assert answer.status == 200, answer
    return answer.body.decode()


def checkpoint(agent):
    """(size, root) of the newest, with its signature checked."""
    answer = agent.get("/api/audit/checkpoint")
    assert answer.headers["content-type"].startswith("text/plain"), answer
    return merkle.opened(raw(answer), raw(agent.get("/api/audit/key")))


def on_disk(agent):
    return merkle.opened(
        (agent.home / "audit" / "checkpoint").read_text(),
        (agent.home / "keys" / "journal.vkey").read_text())


def leaves(agent):
    return [merkle.leaf(line) for line in agent.lines()]


def hashes(proof):
    return [base64.b64decode(h) for h in proof["hashes"]]


def proven(agent, seq, size=None):
    """The proof of a record, checked against the file's own line."""
    answer = agent.get(kc.query("/api/audit/proof", seq=seq, size=size))
    assert answer.status == 200, answer
    proof = answer.json
    lines = leaves(agent)
    leaf, root = (base64.b64decode(proof[k]) for k in ("leaf", "root"))
    assert (proof["seq"], proof["index"], leaf) == \
        (seq, seq - 1, lines[seq - 1])
    assert root == merkle.root(lines[:proof["size"]])
    assert merkle.included(seq - 1, proof["size"], leaf, hashes(proof), root)
    if "checkpoint" in proof:
        assert (proof["size"], root) == merkle.opened(
            proof["checkpoint"], raw(agent.get("/api/audit/key")))
    return proof


def goes_on(agent, a, b=None):
    answer = agent.get(kc.query("/api/audit/proof", **{"from": a}, size=b))
    assert answer.status == 200, answer
    proof = answer.json
    first, root = (base64.b64decode(proof[k]) for k in ("root_from", "root"))
    lines = leaves(agent)
    assert first == merkle.root(lines[:a])
    assert root == merkle.root(lines[:proof["size"]])
    assert merkle.consistent(a, proof["size"], first, root, hashes(proof))
    return proof


def test_every_record_is_proven_under_every_size(fresh):
    for i in range(10):
        fresh.task(f"task {i}")
    n = len(fresh.lines())
    for size in (1, 2, 3, 7, 8, n):
        for seq in range(1, size + 1):
            assert "checkpoint" not in proven(fresh, seq, size)
        for first in range(size + 1):
            goes_on(fresh, first, size)
    for seq in (1, n):
        assert proven(fresh, seq)["checkpoint"]
    assert goes_on(fresh, 3)["checkpoint"]


def test_a_checkpoint_comes_after_so_many_records(fresh):
    for _ in range(3):
        before = len(fresh.lines())
        while len(fresh.lines()) < before + 25:
            fresh.get("/api/mode")
        kc.wait_for(lambda: fresh.journal("checkpoint") and
                    fresh.journal("checkpoint")[-1]["data"]["size"] > before)
    vkey = raw(fresh.get("/api/audit/key"))
    records = fresh.journal("checkpoint")
    lines = leaves(fresh)
    assert len(records) >= 3
    sizes = [r["data"]["size"] for r in records]
    assert sizes == sorted(set(sizes))
    for record in records:
        data = record["data"]
        assert data["size"] < record["seq"]
        size, root = merkle.opened(data["note"], vkey)
        assert (size, root) == (data["size"], base64.b64decode(data["root"]))
        assert root == merkle.root(lines[:size])


def apart(agent):
    """Each covers something new that is no checkpoint."""
    records = agent.journal()
    kinds = [r["type"] for r in records]
    sizes = [r["data"]["size"] for r in records if r["type"] == "checkpoint"]
    return all(set(kinds[a:b]) - {"checkpoint"}
               for a, b in zip([0, *sizes], sizes))


def test_nothing_stays_unsigned_for_longer_than_the_interval():
    agent = new_agent(checkpoint_records=100000, checkpoint_interval="50ms")
    for _ in range(5):
        agent.get("/api/mode")
        head = max(r["seq"] for r in agent.journal()
                   if r["type"] != "checkpoint")
        kc.wait_for(lambda: (agent.home / "audit" / "checkpoint").exists()
                    and on_disk(agent)[0] >= head)
    agent.ack(agent.task(), lease_s=1)
    kc.wait_for(lambda: agent.journal("task_stalled"))  # a quiet second
    assert apart(agent), "a checkpoint was made for checkpoints alone"
    agent.close()


def test_the_stop_is_signed_and_recorded_at_the_next_start(fresh):
    fresh.task()
    before = checkpoint(fresh)
    fresh.stop()
    size, root = on_disk(fresh)
    assert size == len(fresh.lines()) and root == merkle.root(leaves(fresh))
    assert fresh.journal()[-1]["type"] == "agent_stopped"
    note = (fresh.home / "audit" / "checkpoint").read_text()
    fresh.start()
    records = fresh.journal()[size:size + 3]
    assert [r["type"] for r in records] == [
        "agent_started", "policy_loaded", "checkpoint"], records
    assert records[2]["data"] == {
        "size": size, "root": base64.b64encode(root).decode(), "note": note}
    goes_on(fresh, before[0])
    assert goes_on(fresh, size)["root_from"] == records[2]["data"]["root"]


def test_checkpoints_go_on_from_each_other_over_kill_9(fresh):
    seen = [checkpoint(fresh)]
    for _ in range(4):
        ended = threading.Event()

        def write():
            try:
                while True:
                    fresh.get("/api/mode")
            except (OSError, kc.Closed):
                pass
            ended.set()

        writers = [threading.Thread(target=write) for _ in range(4)]
        for writer in writers:
            writer.start()
        first = seen[-1][0]
        while seen[-1][0] < first + 60:
            seen.append(checkpoint(fresh))
        fresh.kill9()
        for writer in writers:
            writer.join()
        assert on_disk(fresh)[0] >= seen[-1][0]
        fresh.start()
        seen.append(checkpoint(fresh))
    sizes = sorted(dict(seen))
    assert len(sizes) == len(set(seen)), "two roots for one size"
    lines = leaves(fresh)
    assert all(root == merkle.root(lines[:size]) for size, root in seen)
    assert fresh.chained()
    for a, b in zip(sizes, sizes[1:]):
        proof = goes_on(fresh, a, b)
        assert base64.b64decode(proof["root"]) == dict(seen)[b]
    assert apart(fresh)


def test_a_proof_stands_alone_as_a_file(fresh):
    task = fresh.task()
    seq = fresh.journal("task_created", task_id=task["id"])[0]["seq"]
    text = raw(fresh.get(f"/api/audit/proof?seq={seq}&format=tlog-proof"))
    head, _, note = text.partition("\n\n")
    kind, index, *path = head.splitlines()
    assert (kind, index) == ("c2sp.org/tlog-proof@v1", f"index {seq - 1}")
    size, root = merkle.opened(note, raw(fresh.get("/api/audit/key")))
    assert size >= seq
    assert merkle.included(seq - 1, size, merkle.leaf(fresh.lines()[seq - 1]),
                           [base64.b64decode(h) for h in path], root)


def test_what_cannot_be_proven_is_refused(agent):
    many = len(agent.lines()) + 1000
    for path, status, code in (
            ("", 400, "invalid_request"),
            ("?size=1", 400, "invalid_request"),
            ("?seq=1&from=1", 400, "invalid_request"),
            ("?seq=0", 400, "invalid_request"),
            ("?seq=-1", 400, "invalid_request"),
            ("?seq=x", 400, "invalid_request"),
            ("?seq=1&format=xml", 400, "invalid_request"),
            ("?from=1&format=tlog-proof", 400, "invalid_request"),
            ("?from=3&size=2", 400, "invalid_request"),
            ("?seq=1&size=1&format=tlog-proof", 400, "invalid_request"),
            (f"?seq={many}", 404, "not_found"),
            (f"?seq=1&size={many}", 404, "not_found"),
            ("?seq=3&size=2", 404, "not_found"),
            ("?seq=1&size=0", 404, "not_found"),
            (f"?from={many}", 404, "not_found"),
            (f"?seq={2**53}", 404, "not_found")):
        refused(agent.get("/api/audit/proof" + path), status, code)
    for path in "checkpoint", "proof?seq=1", "key":
        refused(agent.get("/api/audit/" + path, by=None), 401,
                "unauthenticated")
        refused(agent.post("/api/audit/" + path.partition("?")[0]), 405,
                "method_not_allowed")


def test_the_websocket_gives_the_same(agent):
    with agent.ws() as ws:
        note = ws.call("audit.checkpoint")["note"]
        vkey = ws.call("audit.key")["key"]
        size, root = merkle.opened(note, vkey)
        proof = ws.call("audit.proof", seq=2, size=size)
        assert merkle.included(1, size, merkle.leaf(agent.lines()[1]),
                               hashes(proof), root)
        text = ws.call("audit.proof", seq=2, format="tlog-proof")
        assert text["proof"].startswith("c2sp.org/tlog-proof@v1\nindex 1\n")


def filled(agent, n=60):
    while len(agent.lines()) < n:
        agent.get("/api/mode")
    checkpoint(agent)
    return agent


def will_not_start(agent, *says):
    done = agent.cli("run", "--listen", "127.0.0.1:0", check=False)
    assert done.returncode == 1, done
    assert all(word in done.stderr for word in says), done.stderr
    return done.stderr


def test_a_checkpoint_that_is_gone_or_changed_refuses_the_start(fresh):
    file = fresh.home / "audit" / "checkpoint"
    filled(fresh).stop()
    good = file.read_text()
    file.unlink()
    will_not_start(fresh, "is missing", "Restore it", ".data.note")
    for bad in ("", "x", good[:-2], good + "x", good.replace("\n", "\r\n"),
                good.replace(good.split()[1], str(int(good.split()[1]) - 1)),
                good.replace(good.split()[0], "another")):
        file.write_text(bad)
        will_not_start(fresh, "audit/checkpoint", "Restore")
    flipped = 0
    for i in range(0, len(good.encode()), 7):
        data = bytearray(good.encode())
        data[i] ^= 1
        file.write_bytes(data)
        will_not_start(fresh, "audit/checkpoint")
        flipped += 1
    print(f"{flipped} changed checkpoints, none taken")
    # What the hint says: the newest that is on the record.
    file.write_text(fresh.journal("checkpoint")[-1]["data"]["note"])
    fresh.start()
    proven(fresh, 1)


def test_an_older_checkpoint_gives_way_to_the_one_on_record(fresh):
    file = fresh.home / "audit" / "checkpoint"
    filled(fresh)
    old = file.read_text()
    filled(fresh, 120)
    newest = kc.wait_for(lambda: [
        r["data"] for r in fresh.journal("checkpoint")
        if r["data"]["note"] != old and
        r["data"]["note"] == file.read_text()])[-1]
    fresh.kill9()
    file.write_text(old)
    fresh.start()
    assert "was an older copy" in fresh.log
    assert on_disk(fresh)[0] >= newest["size"]
    assert not [a for a in (r["data"]["size"] for r in fresh.journal(
        "checkpoint")) if a == merkle.opened(old, raw(fresh.get(
            "/api/audit/key")))[0]][1:], "the old one was recorded again"
    goes_on(fresh, newest["size"])


def test_the_keys_of_another_refuse_the_start(fresh):
    filled(fresh).stop()
    other = new_agent(checkpoint_records=20)
    other.stop()
    keys, mine = fresh.home / "keys", {}
    for name in "journal.key", "journal.vkey":
        mine[name] = (keys / name).read_bytes()
        (keys / name).write_bytes((other.home / "keys" / name).read_bytes())
    will_not_start(fresh, "audit/checkpoint", "journal.key was changed")
    (keys / "journal.vkey").write_bytes(mine["journal.vkey"])
    will_not_start(fresh, "not of one pair", "Restore")
    (keys / "journal.key").unlink()
    will_not_start(fresh, "holds no Ed25519 key", "Restore")
    (keys / "journal.key").write_bytes(mine["journal.key"])
    fresh.start()
    other.close()


def forget(agent, *names):
    """Removes what else would notice."""
    for name in names or ("index.db", "index.db-wal", "index.db-shm",
                          "ssot.git"):
        path = agent.home / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def rewrite(agent, lines):
    """Puts a journal there that is good in itself: every line names the one
    before."""
    out, prev = [], "0" * 64
    for line in lines:
        record = json.loads(line)
        record["prev"] = prev
        line = json.dumps(record, separators=(",", ":"),
                          ensure_ascii=False).encode()
        out.append(line + b"\n")
        prev = kc.leaf(line)
    segment, = (agent.home / "audit").glob("*.jsonl")
    segment.write_bytes(b"".join(out))


def test_a_journal_that_was_signed_otherwise_refuses_the_start(fresh):
    filled(fresh).stop()
    lines = fresh.lines()
    rewrite(fresh, lines)
    assert fresh.lines() == lines
    one = next(i for i, line in enumerate(lines) if i > 25 and
               b'"/api/mode"' in line)
    edited = [line.replace(b'"/api/mode"', b'"/api/modE"')
              if i == one else line for i, line in enumerate(lines)]
    assert edited != lines
    for tree in False, True:
        for changed, says in ((edited, "not those that"),
                              (lines[:-1], "an older copy"),
                              (lines[:1] + lines[2:] + lines[-1:],
                               "not those that"),
                              ([b""], "an older copy")):
            changed = [json.dumps(json.loads(line) | {"seq": i}).encode()
                       for i, line in enumerate(changed, 1) if line]
            rewrite(fresh, changed)
            forget(fresh)
            if tree:
                forget(fresh, "tree")
            will_not_start(fresh, says, "estore")


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_a_tree_that_is_damaged_is_made_anew(fresh):
    other = filled(new_agent(checkpoint_records=20))
    other.stop()
    filled(fresh, 300)
    tree = fresh.home / "tree"

    def put(name, data):
        (tree / name).write_bytes(data)

    def cut(name, size):
        with open(tree / name, "r+b") as file:
            file.truncate(size)

    for damage in (
            lambda: forget(fresh, "tree"), lambda: put("0", b""),
            lambda: cut("0", 100), lambda: cut("1", 0),
            lambda: put("1", b"x" * 32),
            lambda: put("0", (other.home / "tree" / "0").read_bytes()),
            lambda: put("0", b"\0" * len((tree / "0").read_bytes())),
            lambda: put("0", (tree / "0").read_bytes() + b"\0" * 3200),
            lambda: flip(tree / "0", 31), lambda: flip(tree / "0", 9000),
            lambda: flip(tree / "1", 5), lambda: put("5", b"x" * 9999)):
        fresh.stop()
        damage()
        fresh.start()
        size, root = checkpoint(fresh)
        assert root == merkle.root(leaves(fresh)[:size])
        for seq in 1, 2, 250, 257, size:
            # What was not looked at before is found when it is proven.
            kc.wait_for(lambda: fresh.get(
                f"/api/audit/proof?seq={seq}").status == 200)
            proven(fresh, seq)
    assert len(set(r["data"]["note"] for r in fresh.journal("checkpoint"))) \
        == len(fresh.journal("checkpoint"))
    other.close()


def test_a_tree_that_is_damaged_while_it_is_used_heals(fresh):
    filled(fresh, 300)
    size = checkpoint(fresh)[0]
    with open(fresh.home / "tree" / "0", "r+b") as file:
        file.seek(32)
        file.write(b"x" * 32)
    answer = fresh.get("/api/audit/proof?seq=1")
    refused(answer, 503, "overloaded")
    assert "damaged" in answer.json["detail"], answer
    kc.wait_for(lambda: fresh.get("/api/audit/proof?seq=1").status == 200)
    proven(fresh, 1)
    proven(fresh, 2)
    goes_on(fresh, size)


def test_a_record_that_was_changed_is_not_proven(fresh):
    filled(fresh)
    segment, = (fresh.home / "audit").glob("*.jsonl")
    with open(segment, "r+b") as file:
        at = file.read().index(b'"/api/mode"')
        file.seek(at)
        file.write(b'"/api/modE"')
    seq = next(i for i, line in enumerate(fresh.lines(), 1)
               if b"/api/modE" in line)
    answer = fresh.get(f"/api/audit/proof?seq={seq}")
    refused(answer, 500, "evidence_corrupt")
    assert "audit verify" in answer.json["remediation_hint"]
    proven(fresh, seq - 1, seq - 1)


def test_health_tells_when_nothing_can_be_signed(fresh):
    def row():
        return next(r for r in fresh.get("/api/health").json["components"]
                    if r["name"] == "checkpoint")

    filled(fresh)
    assert row() == {"name": "checkpoint", "status": "ok"}
    file = fresh.home / "audit" / "checkpoint"
    file.unlink()
    (file / "in the way").mkdir(parents=True)
    kc.wait_for(lambda: row()["status"] == "degraded")
    assert "audit/checkpoint" in row()["detail"], row()
    kc.wait_for(lambda: fresh.journal("degraded", what="checkpoint"))
    (file / "in the way").rmdir()
    file.rmdir()
    kc.wait_for(lambda: row()["status"] == "ok")
    kc.wait_for(lambda: fresh.journal("recovered", what="checkpoint"))
    size, root = on_disk(fresh)
    assert root == merkle.root(leaves(fresh)[:size])


kc.main(new_agent=new_agent)
