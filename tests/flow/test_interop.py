"""Others agree on the record: the note and tlog packages of Go's checksum
database, and npm's @sigstore/verify, open our checkpoints, make our tree and
take our proofs, and refuse them where they were tampered with."""
import base64
import copy
import json
import os
import random
import shutil
import subprocess
from pathlib import Path

import kc
import notes
import npm

SOURCES = kc.ROOT / "tests/interop"
OUT = kc.BUILD / "interop"
GOPATH = Path("/usr/share/gocode")
RNG = random.Random(6962)


def go_program():
    """Built once; None, and said why, where that cannot be."""
    source, program = SOURCES / "record.go", OUT / "record"
    if not shutil.which("go"):
        return npm.skipped("there is no Go compiler here")
    if not (GOPATH / "src/golang.org/x/mod/sumdb/note").is_dir():
        return npm.skipped("Go's sumdb packages are not here")
    if not program.exists() or \
            program.stat().st_mtime < source.stat().st_mtime:
        OUT.mkdir(exist_ok=True)
        subprocess.run(
            ["go", "build", "-o", program, source], check=True, timeout=200,
            env=os.environ | {"GO111MODULE": "off", "GOPATH": str(GOPATH),
                              "GOCACHE": str(OUT / "go-cache")})
    return program


def go(program, **request):
    done = subprocess.run([program], input=json.dumps(request), text=True,
                          capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def checkpoint(agent):
    return agent.get("/api/audit/checkpoint").body.decode()


def vkey(agent):
    return agent.get("/api/audit/key").body.decode().strip()


def lines_file(agent):
    file = agent.dir / "lines"
    file.write_bytes(b"".join(line + b"\n" for line in agent.lines()))
    return file


def inclusion(agent, seq, size=None):
    got = agent.get(kc.query("/api/audit/proof", seq=seq, size=size))
    assert got.status == 200, got
    return got.json | {"kind": "inclusion"}


def consistency(agent, before, size=None):
    got = agent.get(kc.query("/api/audit/proof", size=size,
                             **{"from": before}))
    assert got.status == 200, got
    return got.json | {"kind": "consistency"}


def for_go(proof):
    names = {"kind", "index", "from", "size", "leaf", "root", "hashes"}
    return {k: v for k, v in proof.items() if k in names} | (
        {"before": proof["root_from"]} if "root_from" in proof else {})


def flipped(text):
    raw = bytearray(base64.b64decode(text))
    raw[RNG.randrange(len(raw))] ^= 1 << RNG.randrange(8)
    return notes.b64(raw)


def tampered(proof):
    """Every way to spoil one proof, once."""
    for name in ("leaf", "root", "root_from", "before"):
        if name in proof:
            yield proof | {name: flipped(proof[name])}
    for name, step in (("index", 1), ("index", -1), ("from", 1),
                       ("from", -1)):
        if name in proof:
            yield proof | {name: proof[name] + step}
    for i in range(len(proof["hashes"])):
        bad = copy.deepcopy(proof)
        bad["hashes"][i] = flipped(bad["hashes"][i])
        yield bad
        bad = copy.deepcopy(proof)
        del bad["hashes"][i]
        yield bad
    yield proof | {"hashes": proof["hashes"] + [proof["root"]]}


def spoiled(note):
    """With one bit changed, but for those that base64 does not use."""
    for n in range(40):
        raw = bytearray(note.encode())
        raw[n * (len(raw) - 6) // 40] ^= 1
        yield raw.decode("utf-8", "replace")


def busy(agent):
    """A record of some length, and how long it is."""
    while len(agent.lines()) < 70:
        agent.task("for the record", criteria=("é", "\u2014"))
    return len(agent.lines())


def test_go_opens_our_checkpoint_and_makes_our_tree(agent):
    program = go_program()
    if not program:
        return
    count = busy(agent)
    note = checkpoint(agent)
    bad = list(spoiled(note))
    other = notes.Key(vkey(agent).split("+")[0])
    size = int(note.split("\n")[1])
    assert 0 < size <= len(agent.lines()), note
    said = go(program, vkey=vkey(agent), lines=str(lines_file(agent)),
              notes=[note, other.checkpoint(agent.lines()[:size]), *bad],
              sizes=[size])
    assert said["Size"] >= count
    assert said["Notes"][0] == {
        "Error": "", "Origin": vkey(agent).split("+")[0], "Size": size,
        "Root": said["Roots"][0]}, (said["Notes"][0], said["Roots"])
    assert all(n["Error"] for n in said["Notes"][1:]), said["Notes"]
    # The other way round: what we verify is what Go opened.
    kept = agent.dir / "kept"
    kept.write_text(note)
    assert agent.cli("audit", "verify", "--since", kept, "--key",
                     vkey(agent)).returncode == 0
    print(f"      1 note opened, {len(bad) + 1} spoiled ones refused")


def test_go_takes_our_proofs_and_makes_the_same(agent):
    program = go_program()
    if not program:
        return
    count = busy(agent)
    pairs = [(1, 1), (1, 2), (2, 2), (count, count), (1, count), (64, 65),
             (33, 64)] + [sorted(RNG.sample(range(1, count + 1), 2))
                          for _ in range(12)]
    proofs = [inclusion(agent, a, b) for a, b in pairs] + \
        [consistency(agent, a, b) for a, b in pairs if a < b] + \
        [inclusion(agent, 5), consistency(agent, 7)]
    assert all(p["checkpoint"] for p in proofs[-2:]), proofs[-2:]
    good = [for_go(p) for p in proofs]
    bad = [b for p in good for b in tampered(p)]
    said = go(program, lines=str(lines_file(agent)), check=good + bad,
              make=good)
    assert not any(said["Check"][:len(good)]), said["Check"]
    taken = [b for b, why in zip(bad, said["Check"][len(good):]) if not why]
    assert not taken, taken
    for proof, hashes in zip(good, said["Make"]):
        assert proof["hashes"] == hashes, (proof, hashes)
    print(f"      {len(good)} proofs taken, {len(bad)} tampered ones refused")


def test_go_takes_a_proof_that_stands_alone(agent):
    program = go_program()
    if not program:
        return
    busy(agent)
    text = agent.get("/api/audit/proof?seq=9&format=tlog-proof").body.decode()
    proof, note = text.split("\n\n", 1)
    head, index, *hashes = proof.split("\n")
    assert (head, index) == ("c2sp.org/tlog-proof@v1", "index 8"), text
    opened, = go(program, vkey=vkey(agent), notes=[note])["Notes"]
    line = base64.b64encode(bytes.fromhex(kc.leaf(agent.lines()[8])))
    one = {"kind": "inclusion", "index": 8, "size": opened["Size"],
           "leaf": line.decode(), "root": opened["Root"], "hashes": hashes}
    other = base64.b64encode(bytes.fromhex(kc.leaf(agent.lines()[9])))
    assert go(program, check=[one])["Check"] == [""]
    assert go(program, check=[one | {"leaf": other.decode()}])["Check"] != [""]


def test_sigstore_takes_our_checkpoint_and_inclusion(agent):
    folder = npm.folder("npm", "@sigstore/verify@3")
    if not folder:
        return
    busy(agent)
    seqs = [1, 2, 3, 17, 33, 64, 65]
    proofs = [inclusion(agent, seq) for seq in seqs]
    lines = agent.lines()
    good = [p | {"line": notes.b64(lines[p["index"]])} for p in proofs]
    bad = [b for p in good for b in tampered(p)
           if (b["hashes"], b["index"]) != (p["hashes"], p["index"])]
    bad += [p | {"line": flipped(p["line"])} for p in good]
    text, signature = good[3]["checkpoint"].split("\n\n")
    bad += [good[3] | {"checkpoint": f"{t}\n\n{signature}"}
            for t in spoiled(text)]
    name, key_id, key = vkey(agent).split("+", 2)
    spki = bytes.fromhex("302a300506032b6570032100") + \
        base64.b64decode(key)[1:]
    done = subprocess.run(
        ["node", SOURCES / "sigstore.js", folder], text=True, timeout=60,
        capture_output=True, input=json.dumps({
            "name": name, "id": notes.b64(bytes.fromhex(key_id)),
            "key": notes.b64(spki), "entries": good + bad}))
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert not any(said[:len(good)]), said[:len(good)]
    taken = [b for b, why in zip(bad, said[len(good):]) if not why]
    assert not taken, taken
    print(f"      {len(good)} entries taken, {len(bad)} tampered ones refused")


kc.main()
