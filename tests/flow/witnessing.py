"""A C2SP witness for the tests: it takes what c2sp.org/tlog-witness says,
checks all of it by itself, and misbehaves when told to."""
import base64
import hashlib
import http.server
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path

DER = bytes.fromhex("302a300506032b6570032100")  # before a public key


def b64(raw):
    return base64.b64encode(raw).decode()


def openssl(*args, **kw):
    return subprocess.run(["openssl", *args], capture_output=True, **kw)


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def root_of(leaves):
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return node(root_of(leaves[:k]), root_of(leaves[k:]))


def grew(m, n, first, second, proof):
    """RFC 9162, 2.1.4.2, for 0 < m < n."""
    proof = list(proof)
    if not proof:
        return False
    if m & (m - 1) == 0:
        proof.insert(0, first)
    fn, sn = m - 1, n - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = proof[0]
    for c in proof[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node(c, fr), node(c, sr)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and fr == first and sr == second


class Key:
    """An Ed25519 key of the openssl program."""

    def __init__(self, folder, name, kind=4):
        self.name, self.kind = name, kind
        self.pem = Path(folder) / (name.replace("/", "_") + ".pem")
        openssl("genpkey", "-algorithm", "ed25519", "-out", self.pem,
                check=True)
        self.raw = openssl("pkey", "-in", self.pem, "-pubout", "-outform",
                           "DER", check=True).stdout[-32:]

    @property
    def id(self):
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind])
                              + self.raw).digest()[:4]

    @property
    def vkey(self):
        return f"{self.name}+{self.id.hex()}+" \
            f"{b64(bytes([self.kind]) + self.raw)}"

    def sign(self, data):
        file = self.pem.with_suffix(f".{threading.get_ident()}")
        file.write_bytes(data)
        return openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.pem,
                       "-in", file, check=True).stdout


def verifies(raw, signature, data):
    """By the openssl program."""
    with tempfile.TemporaryDirectory() as t:
        for name, what in (("key", DER + raw), ("sig", signature),
                           ("data", data)):
            (Path(t) / name).write_bytes(what)
        return openssl(
            "pkeyutl", "-verify", "-rawin", "-pubin", "-keyform", "DER",
            "-inkey", f"{t}/key", "-sigfile", f"{t}/sig", "-in",
            f"{t}/data").returncode == 0


def signed(note, vkey):
    """(text, raw signature behind its key id) of that key, or None."""
    text, lines = note.rsplit("\n\n", 1)
    name, key_id, key = vkey.strip().split("+", 2)
    for line in lines.splitlines():
        dash, who, sig = line.split(" ")
        sig = base64.b64decode(sig, validate=True)
        if dash == "\u2014" and who == name and sig[:4].hex() == key_id:
            return text + "\n", sig[4:]
    return None


def cosigned(note, vkey):
    """Does the note carry a good cosignature of this witness?"""
    found = signed(note, vkey)
    if not found:
        return False
    text, sig = found
    at = int.from_bytes(sig[:8], "big")
    raw = base64.b64decode(vkey.split("+", 2)[2])[1:]
    return abs(at - time.time()) < 86400 and verifies(
        raw, sig[8:], f"cosignature/v1\ntime {at}\n{text}".encode())


class Witness:
    """Serves on 127.0.0.1 until closed. `mode` says how it misbehaves,
    `asked` holds (old, size) of each request, `logs` origin -> (size, root)
    of what it cosigned last."""

    def __init__(self, name="witness.test/w1"):
        self.dir = Path(tempfile.mkdtemp(prefix="kc-witness-"))
        self.key = Key(self.dir, name)
        self.other = Key(self.dir, "other")
        self.mode, self.asked, self.logs, self.keys = None, [], {}, {}
        self.let_go = threading.Event()
        witness = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                try:
                    status, text = witness.answer(self.path, body.decode())
                except (ValueError, IndexError) as e:
                    status, text = 400, f"{e}\n"
                if status is None:
                    return
                data = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", "text/x.tlog.size"
                                 if status == 409 else "text/plain")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                                      Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # who left
        threading.Thread(target=self.server.serve_forever, args=(0.05,),
                         daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}/prefix/"

    def conf(self, name="w1", timeout="5s"):
        return {f"witness.{name}.url": self.url,
                f"witness.{name}.vkey": self.key.vkey,
                f"witness.{name}.timeout": timeout}

    def knows(self, agent):
        vkey = (agent.home / "keys/journal.vkey").read_text().strip()
        self.keys[vkey.split("+")[0]] = vkey

    def close(self):
        self.let_go.set()
        self.server.shutdown()
        self.server.server_close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def answer(self, path, body):
        if path != "/prefix/add-checkpoint":
            return 404, "no such path\n"
        head, note = body.split("\n\n", 1)
        old, *proof = head.split("\n")
        old = int(re.fullmatch(r"old (0|[1-9]\d*)", old)[1])
        proof = [base64.b64decode(p, validate=True) for p in proof]
        origin, size, root = note.split("\n\n")[0].split("\n")
        size, root = int(size), base64.b64decode(root, validate=True)
        self.asked.append((old, size))
        if self.mode:
            return getattr(self, "do_" + self.mode)(origin, size, note)
        if origin not in self.keys:
            return 404, "unknown origin\n"
        found = signed(note, self.keys[origin])
        if not found or not verifies(base64.b64decode(
                self.keys[origin].split("+", 2)[2])[1:], found[1],
                found[0].encode()):
            return 403, "not signed by its key\n"
        if old > size:
            return 400, "old is larger than the checkpoint\n"
        last, last_root = self.logs.get(origin, (0, root_of([])))
        if old != last:
            return 409, f"{last}\n"
        if old == size and root != last_root:
            return 409, f"{last}\n"
        if len(proof) > 63 or (old in (0, size)) != (not proof) or \
                (proof and not grew(old, size, last_root, root, proof)):
            return 422, "the proof is not one\n"
        self.logs[origin] = size, root
        return 200, self.line(self.key, found[0])

    def line(self, key, text, name=None):
        at = int(time.time())
        sig = key.sign(f"cosignature/v1\ntime {at}\n{text}".encode())
        return f"\u2014 {name or key.name} " \
            f"{b64(self.key.id + at.to_bytes(8, 'big') + sig)}\n"

    # Misbehaving, by `mode`.

    def do_hang(self, *_):
        self.let_go.wait(60)
        return None, ""

    def do_error(self, *_):
        return 500, "\x1b[31mbroken\n"

    def do_unknown(self, *_):
        return 404, "no such log\n"

    def do_untrusted(self, *_):
        return 403, "no key of this log\n"

    def do_wrong_key(self, origin, size, note):
        text = note.split("\n\n")[0] + "\n"
        return 200, self.line(self.other, text, self.key.name)

    def do_other_name(self, origin, size, note):
        return 200, f"\u2014 somebody {b64(os.urandom(76))}\n"

    def do_other_text(self, origin, size, note):
        return 200, self.line(self.key, f"{origin}\n{size + 1}\nAAAA\n")

    def do_junk(self, *_):
        return 200, "<html>hello</html>\n" * 100

    def do_empty(self, *_):
        return 200, ""

    def do_huge(self, *_):
        return 200, "x" * 100000

    def do_same_size(self, origin, size, note):
        return 409, f"{self.asked[-1][0]}\n"

    def do_no_size(self, *_):
        return 409, "-1\n"

    def do_fickle(self, origin, size, note):
        return 409, f"{1 + len(self.asked) % 2}\n"

    def do_ahead(self, origin, size, note):
        return 409, f"{size + 1000}\n"

    def do_redirect(self, *_):
        return 302, "elsewhere\n"
