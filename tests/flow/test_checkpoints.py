"""The journal under signed checkpoints: what is proven of it is checked with
openssl and a few lines of Python, not with the agent's own code."""
import base64
import json
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
    lines, vkey = leaves(fresh), raw(fresh.get("/api/audit/key"))
    records = fresh.journal("checkpoint")
    assert len(records) >= 3
    sizes = [r["data"]["size"] for r in records]
    assert sizes == sorted(set(sizes))
    for record in records:
        data = record["data"]
        assert data["size"] < record["seq"]
        size, root = merkle.opened(data["note"], vkey)
        assert (size, root) == (data["size"], base64.b64decode(data["root"]))
        assert root == merkle.root(lines[:size])


kc.main(new_agent=new_agent)
