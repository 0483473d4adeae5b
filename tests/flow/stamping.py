"""A time stamping authority for the tests: `openssl ts -reply` behind HTTP on
127.0.0.1, with a root of its own (P-256, EKU critical timeStamping)."""
import http.server
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

CONF = """
[tsa]
default_tsa = one
[one]
serial = {dir}/serial
crypto_device = builtin
signer_cert = {dir}/{name}.pem
certs = {dir}/ca.pem
signer_key = {dir}/{name}.key
signer_digest = sha256
default_policy = 1.2.3.4.1
other_policies = 1.2.3.4.5
digests = sha256
accuracy = secs:1
ess_cert_id_chain = no
ess_cert_id_alg = sha256
[ca]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign
[stamps]
extendedKeyUsage = critical,timeStamping
keyUsage = critical,digitalSignature
[req]
distinguished_name = dn
[dn]
"""


def openssl(*args, check=True):
    return subprocess.run(["openssl", *args], check=check,
                          capture_output=True)


class Authority:
    """Serves until closed. `mode` says how it misbehaves, `asked` counts."""

    def __init__(self):
        self.dir = Path(tempfile.mkdtemp(prefix="kc-tsa-"))
        self.mode, self.asked, self.name = None, 0, "tsa"
        self.let_go = threading.Event()
        self.make_ca("ca")
        self.make("tsa", "ca", "stamps")
        authority = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                query = self.rfile.read(int(self.headers["Content-Length"]))
                good = self.headers["Content-Type"] == \
                    "application/timestamp-query"
                status, data = authority.answer(query) if good else (400, b"")
                self.send_response(status)
                self.send_header("Content-Type",
                                 "application/timestamp-reply")
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

    url = property(lambda self:
                   f"http://127.0.0.1:{self.server.server_port}/tsa")
    ca = property(lambda self: self.dir / "ca.pem")

    def conf(self, **more):
        return {f"timestamp.{key.replace('_', '-')}": value for key, value in
                ({"url": self.url, "ca_file": str(self.ca)} | more).items()}

    def close(self):
        self.let_go.set()
        self.server.shutdown()
        self.server.server_close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # Its certificates.

    def conf_file(self, name="tsa"):
        file = self.dir / "tsa.cnf"
        file.write_text(CONF.format(dir=self.dir, name=name))
        return file

    def key(self, name):
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out",
                self.dir / f"{name}.key")

    def make_ca(self, name):
        self.key(name)
        openssl("req", "-x509", "-new", "-key", self.dir / f"{name}.key",
                "-subj", f"/CN=root {name}", "-days", "2", "-extensions",
                "ca", "-config", self.conf_file(), "-out",
                self.dir / f"{name}.pem")

    def make(self, name, ca, extensions, *dates):
        """A certificate under ca; dates: -days N."""
        self.key(name)
        openssl("req", "-new", "-key", self.dir / f"{name}.key", "-subj",
                f"/CN={name}", "-config", self.conf_file(), "-out",
                self.dir / f"{name}.csr")
        openssl("x509", "-req", "-in", self.dir / f"{name}.csr", "-CA",
                self.dir / f"{ca}.pem", "-CAkey", self.dir / f"{ca}.key",
                "-CAcreateserial", "-extfile", self.conf_file(),
                "-extensions", extensions, *(dates or ("-days", "1")),
                "-out", self.dir / f"{name}.pem")

    # Its answers.

    def reply(self, query, name="tsa"):
        ask, told = self.dir / "query", self.dir / "reply"
        ask.write_bytes(query)
        told.unlink(missing_ok=True)
        openssl("ts", "-reply", "-config", self.conf_file(name), "-queryfile",
                ask, "-out", told, check=False)
        return told.read_bytes()

    def query(self, digest, *options):
        openssl("ts", "-query", "-sha256", "-cert", "-digest", digest,
                "-config", self.conf_file(), "-out", self.dir / "own",
                *options)
        return (self.dir / "own").read_bytes()

    def answer(self, query):
        self.asked += 1
        return getattr(self, "do_" + (self.mode or "good"))(query)

    def do_good(self, query):
        return 200, self.reply(query)

    def do_hang(self, query):
        self.let_go.wait(60)
        return 500, b""

    def do_error(self, query):
        return 503, b"later"

    def do_junk(self, query):
        return 200, b"\x30\x03\x02\x01\x00 and more"

    def do_empty(self, query):
        return 200, b""

    def digest(self, query):
        at = query.index(b"\x04\x20")
        return query[at + 2:at + 34].hex()

    def do_other_bytes(self, query):
        """Of another imprint, the nonce as it was asked for."""
        at = query.index(b"\x04\x20")
        return 200, self.reply(query[:at + 2] + bytes(32) + query[at + 34:])

    def do_other_nonce(self, query):
        return 200, self.reply(self.query(self.digest(query)))

    def do_no_nonce(self, query):
        return 200, self.reply(self.query(self.digest(query), "-no_nonce"))

    def do_not_granted(self, query):
        """As it does where the request names a policy that it lacks."""
        return 200, self.reply(self.query(self.digest(query), "-tspolicy",
                                          "1.2.9.9"))

    def do_other_policy(self, query):
        """1.2.3.4.1 for 1.2.3.4.5."""
        return 200, self.reply(query.replace(b"\x2a\x03\x04\x05",
                                             b"\x2a\x03\x04\x01"))

    def do_changed(self, query):
        """A bit of the time is another than was signed."""
        reply = bytearray(self.reply(query))
        at = reply.index(b"\x18\x0f20")
        reply[at + 5] ^= 1
        return 200, bytes(reply)

    def do_expired(self, query):
        return 200, self.reply(query, "expired")

    def do_other_ca(self, query):
        return 200, self.reply(query, "stranger")
