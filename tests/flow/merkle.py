"""What anybody can write who has read RFC 6962 and C2SP's signed notes: the
checks of a record against a checkpoint, with openssl for the signature."""
import base64
import hashlib
import subprocess
import tempfile
from pathlib import Path

PREFIX = bytes.fromhex("302a300506032b6570032100")  # SPKI of Ed25519


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def leaf(line):
    return hashlib.sha256(b"\0" + line).digest()


def root(leaves):
    if not leaves:
        return hashlib.sha256().digest()
    while len(leaves) > 1:
        leaves = [node(*leaves[i:i + 2]) if i + 1 < len(leaves) else leaves[i]
                  for i in range(0, len(leaves), 2)]
    return leaves[0]


def up(fn, sn, left):
    while left and not fn & 1 and fn:
        fn, sn = fn >> 1, sn >> 1
    return fn >> 1, sn >> 1


def included(i, n, r, proof, want):
    fn, sn = i, n - 1
    for p in proof:
        if i >= n or not sn:
            return False
        left = fn & 1 or fn == sn
        r = node(p, r) if left else node(r, p)
        fn, sn = up(fn, sn, left)
    return i < n and not sn and r == want


def consistent(m, n, first, second, proof):
    if m in (0, n):
        return not proof and (first == second if m else first == root([]))
    proof = ([first] if not m & (m - 1) else []) + proof
    fn, sn = m - 1, n - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = proof[0] if proof else b""
    for c in proof[1:]:
        if not sn:
            return False
        left = fn & 1 or fn == sn
        fr, sr = (node(c, fr), node(c, sr)) if left else (fr, node(sr, c))
        fn, sn = up(fn, sn, left)
    return not sn and (fr, sr) == (first, second)


def opened(note, vkey):
    """(size, root) of a checkpoint that this key has signed."""
    name, number, key = vkey.strip().split("+", 2)
    text, _, signatures = note.rpartition("\n\n")
    text += "\n"
    line = next(s for s in signatures.splitlines()
                if s.startswith(f"\u2014 {name} "))
    key = base64.b64decode(key)
    made = base64.b64decode(line.split(" ")[2])
    assert made[:4].hex() == number and key[0] == 1, (line, vkey)
    assert hashlib.sha256(f"{name}\n".encode() + key).hexdigest()[:8] == number
    with tempfile.TemporaryDirectory() as folder:
        files = {"key": PREFIX + key[1:], "text": text.encode(),
                 "sig": made[4:]}
        for file, data in files.items():
            (Path(folder) / file).write_bytes(data)
        subprocess.run(["openssl", "pkeyutl", "-verify", "-rawin", "-pubin",
                        "-keyform", "DER", "-inkey", "key", "-in", "text",
                        "-sigfile", "sig"], cwd=folder, check=True,
                       stdout=subprocess.DEVNULL)
    origin, size, hashed = text.splitlines()
    assert origin == name
    return int(size), base64.b64decode(hashed)
