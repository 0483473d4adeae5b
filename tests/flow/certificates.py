"""Certificates of a test's own, made by openssl as it runs."""
import hashlib
import ssl
import subprocess
from pathlib import Path

EXTENSIONS = """[server]
subjectAltName = IP:127.0.0.1, DNS:localhost, DNS:studio.example
extendedKeyUsage = serverAuth
[elsewhere]
subjectAltName = DNS:elsewhere.example
extendedKeyUsage = serverAuth
[client]
extendedKeyUsage = clientAuth
"""


class Certificates:
    """An issuer in a folder, and what it signs: NAME.pem and NAME.key.
    `server` is made at once, for 127.0.0.1, localhost and studio.example."""

    def __init__(self, folder, name="issuer"):
        self.folder = Path(folder)
        self.issuer = str(self.folder / name)
        (self.folder / "extensions").write_text(EXTENSIONS)
        self._key(self.issuer)
        self._openssl("req", "-x509", "-new", "-key", self.issuer + ".key",
                      "-subj", f"/CN=kc {name}", "-days", "2", "-out",
                      self.issuer + ".pem")
        self.server = self.sign("server", "server", name + "-server")

    @staticmethod
    def _openssl(*args):
        subprocess.run(["openssl", *args], check=True, capture_output=True)

    def _key(self, path):
        self._openssl("genpkey", "-algorithm", "EC", "-pkeyopt",
                      "ec_paramgen_curve:P-256", "-out", path + ".key")
        Path(path + ".key").chmod(0o600)

    def sign(self, name, kind="client", file=None, days="2"):
        """The path of the new pair, without its ending. days may be
        negative: it has expired."""
        path = str(self.folder / (file or name))
        self._key(path)
        self._openssl("req", "-new", "-key", path + ".key", "-subj",
                      f"/CN={name}", "-out", path + ".csr")
        self._openssl("x509", "-req", "-in", path + ".csr", "-CA",
                      self.issuer + ".pem", "-CAkey", self.issuer + ".key",
                      "-CAcreateserial", "-days", days, "-extfile",
                      str(self.folder / "extensions"), "-extensions", kind,
                      "-out", path + ".pem")
        return path

    def client(self, pair=None):
        """A client's context, maybe with a certificate of its own."""
        context = ssl.create_default_context(cafile=self.issuer + ".pem")
        if pair:
            context.load_cert_chain(pair + ".pem", pair + ".key")
        return context


def fingerprint(pair):
    """SHA-256 of the DER, as a [peer] names it."""
    text = Path(pair + ".pem").read_text()
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(text)).hexdigest()
