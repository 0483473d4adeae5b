"""The record's formats once more, by hand: the tree of RFC 6962, signed notes
and checkpoints (C2SP), and folders with a journal that no agent has written.
Keys and signatures are openssl's."""
import base64
import hashlib
import json
import subprocess
import tempfile
from pathlib import Path

from kc import leaf

ORIGIN = "tests.example/journal"


def b64(raw):
    return base64.b64encode(raw).decode()


def root(lines):
    """The root of the tree over these lines."""
    hashes = [bytes.fromhex(leaf(line)) for line in lines]
    return _root(hashes) if hashes else hashlib.sha256().digest()


def _root(hashes):
    if len(hashes) == 1:
        return hashes[0]
    k = 1 << (len(hashes) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + _root(hashes[:k]) +
                          _root(hashes[k:])).digest()


class Key:
    """An Ed25519 key with a name; pem: a file that has it already."""

    def __init__(self, name=ORIGIN, pem=None):
        self.name, self.pem = name, pem
        if not pem:
            self._folder = tempfile.TemporaryDirectory(prefix="kc-key-")
            self.pem = Path(self._folder.name) / "key"
            self._openssl("genpkey", "-algorithm", "ed25519", "-out", self.pem)
        public = self._openssl("pkey", "-in", self.pem, "-pubout",
                               "-outform", "DER")[-32:]
        raw = b"\1" + public
        self.id = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]
        self.vkey = f"{name}+{self.id.hex()}+{b64(raw)}"

    @staticmethod
    def of(agent):
        """The agent's own."""
        vkey = (agent.home / "keys/journal.vkey").read_text().strip()
        key = Key(vkey.split("+")[0], agent.home / "keys/journal.key")
        assert key.vkey == vkey, (key.vkey, vkey)
        return key

    @staticmethod
    def _openssl(*args, text=None):
        return subprocess.run(["openssl", *args], input=text, check=True,
                              capture_output=True).stdout

    def note(self, text):
        with tempfile.NamedTemporaryFile() as file:
            file.write(text.encode())
            file.flush()
            made = self._openssl("pkeyutl", "-sign", "-rawin", "-inkey",
                                 self.pem, "-in", file.name)
        return f"{text}\n\u2014 {self.name} {b64(self.id + made)}\n"

    def checkpoint(self, lines, origin=None):
        """The signed checkpoint of a journal with just these lines."""
        return self.note(f"{origin or self.name}\n{len(lines)}\n"
                         f"{b64(root(lines))}\n")


def line(seq, prev, kind="heartbeat", data=None, task=None, at=None):
    """A record as the agent writes it; prev: the line before, or None."""
    return json.dumps({
        "seq": seq, "ts": at or f"2026-01-02T03:{seq // 60:02}:"
        f"{seq % 60:02}.000000Z", "type": kind, "actor": "tester",
        "scope": None, "transport": None, "method": None, "route": None,
        "status": 200, "correlation_id": "c-1", "task_id": task,
        "run_id": None, "data": data or {},
        "prev": leaf(prev) if prev else "0" * 64},
        separators=(",", ":"), ensure_ascii=False).encode()


def journal(n, **at):
    """n records that follow each other; at: {"r5": {...}} for line()."""
    lines = []
    for seq in range(1, n + 1):
        lines.append(line(seq, lines[-1] if lines else None,
                          **{"data": {"n": seq}} | at.get(f"r{seq}", {})))
    return lines


def relink(lines):
    """The same records in this order, numbered and linked anew."""
    made = []
    for seq, old in enumerate(lines, 1):
        r = json.loads(old)
        made.append(line(seq, made[-1] if made else None, r["type"],
                         r["data"], r["task_id"]))
    return made


def folder(base, lines, cuts=(1,), **files):
    """A folder with this journal and other files: checkpoint="..."; a name
    with a dot or a slash comes as **{"journal.vkey": ...}. cuts: the records
    that its files begin with."""
    base.mkdir(parents=True, exist_ok=True)
    for first, end in zip(cuts, [*cuts[1:], len(lines) + 1]):
        (base / f"{first:020}.jsonl").write_bytes(
            b"".join(x + b"\n" for x in lines[first - 1:end - 1]))
    for name, what in files.items():
        (base / name).parent.mkdir(exist_ok=True)
        (base / name).write_bytes(
            what if isinstance(what, bytes) else what.encode())
    return base
