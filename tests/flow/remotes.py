"""Real peers to share tasks with, each in a temporary folder on 127.0.0.1.

    import remotes

    with remotes.Http() as peer:             # Folder, Daemon, Http, Ssh
        agent = kc.Agent(conf=peer.conf())   # ssot.* with all it needs
        ...
        peer.git("log", "--oneline", "main") # stock git, at the remote itself
        peer.hook("pre-receive", "echo no >&2; exit 1")
        copy = peer.clone(folder)            # what a person would have

    with remotes.Daemon() as peer, peer.proxy() as net:
        agent = kc.Agent(conf=peer.conf(port=net.port))
        net.cut(); net.heal(); net.hang(); net.slow(0.05)

Folder is a bare repository; Daemon is `git daemon` with receive-pack; Http is
git's smart HTTP behind nginx and fcgiwrap with basic auth; Ssh is an sshd of
its own with its own host key, known_hosts and authorized_keys. A peer takes
no more than conf() says: another token or key is not let in. All servers
end with the `with`, by their process ids.
"""
import ctypes
import getpass
import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

TOKEN = "hunter2-a-token-that-nobody-may-see"
CLEAN = {"PATH": os.environ["PATH"] + ":/usr/sbin:/sbin", "HOME": "/nonexistent",
         "LC_ALL": "C.UTF-8", "GIT_CONFIG_NOSYSTEM": "1",
         "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_TERMINAL_PROMPT": "0",
         "GIT_AUTHOR_NAME": "Ann", "GIT_AUTHOR_EMAIL": "ann@example.net",
         "GIT_COMMITTER_NAME": "Ann", "GIT_COMMITTER_EMAIL": "ann@example.net"}
_prctl = ctypes.CDLL(None).prctl


def git(folder, *args, check=True, text=None):
    """Stock git in a folder, as a person named Ann; its stdout."""
    done = subprocess.run(["git", "-C", folder, *args], env=CLEAN, input=text,
                          capture_output=True, text=True, timeout=60)
    assert not check or done.returncode == 0, \
        f"git {args}: {done.returncode}\n{done.stderr}"
    return done.stdout.strip()


def kept_port():
    """A port that is a server's for as long as the socket is there: nobody
    else is given it, and who may use an address again listens on it."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", 0))
    return s, s.getsockname()[1]


class Folder:
    """A bare repository, and nothing in front of it."""

    def __init__(self):
        self.dir = Path(tempfile.mkdtemp(prefix="kc-peer-"))
        self.repo = self.dir / "srv" / "tasks.git"
        self.port, self.procs, self.kept = 0, [], None
        self.repo.mkdir(parents=True)
        git(self.repo, "init", "-q", "--bare", "-b", "main")
        try:
            self.serve()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for proc in reversed(self.procs):
            proc.terminate()
        for proc in self.procs:
            try:
                proc.wait(5)
            except subprocess.TimeoutExpired:
                proc.kill()
                proc.wait()
        self.procs = []
        if self.kept:
            self.kept.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def serve(self):
        """Starts what stands in front of the repository."""

    def run(self, *command, **options):
        """A server's process; its output is in DIR/log."""
        with open(self.dir / "log", "ab") as log:
            self.procs.append(subprocess.Popen(
                [str(c) for c in command], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, env=CLEAN,
                preexec_fn=lambda: _prctl(1, signal.SIGTERM), **options))
        return self.procs[-1]

    def listening(self, proc, reached):
        """Waits until reached() does not raise OSError."""
        end = time.monotonic() + 60
        while True:
            try:
                return reached()
            except OSError:
                log = (self.dir / "log").read_text("utf-8", "replace")
                assert proc.poll() is None, f"it ended:\n{log}"
                assert time.monotonic() < end, f"it does not listen:\n{log}"
                select.select([], [], [], 0.01)

    def run_on_port(self, *command):
        proc = self.run(*command)
        self.listening(proc, lambda: socket.create_connection(
            ("127.0.0.1", self.port), 1).close())
        return proc

    # What an agent is told.

    def url(self, port=None):
        return str(self.repo)

    def conf(self, port=None, **more):
        """Configuration of an agent; port is a proxy's. more: keys of
        [ssot], with _ for -."""
        conf = {"ssot.remote": self.url(port), "ssot.interval": "100ms"}
        conf |= self.secrets(port or self.port)
        return conf | {"ssot." + k.replace("_", "-"): v
                       for k, v in more.items()}

    def secrets(self, port):
        return {}

    # What a person does there.

    def git(self, *args, **options):
        return git(self.repo, *args, **options)

    def main(self):
        """The commit of main, or "" if there is none."""
        return self.git("rev-parse", "-q", "--verify", "refs/heads/main",
                        check=False)

    def hook(self, name, script=None):
        """Puts a shell script there as this hook; None takes it away."""
        file = self.repo / "hooks" / name
        file.unlink(missing_ok=True)
        if script is not None:
            file.write_text("#!/bin/sh\n" + script + "\n")
            file.chmod(0o755)

    def clone(self, folder):
        """A stock clone with a work tree; the folder."""
        git("/", "clone", "-q", self.repo, folder)
        return Path(folder)

    def commit(self, name="note.txt", text="by hand\n", subject="by hand"):
        """A person's commit on top of main, pushed; its id."""
        work = Path(tempfile.mkdtemp(dir=self.dir))
        copy = self.clone(work / "copy")
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text(text)
        git(copy, "add", "-A")
        git(copy, "commit", "-q", "-m", subject)
        git(copy, "push", "-q", "origin", "HEAD:main")
        shutil.rmtree(work)
        return self.main()

    def rewrite(self, back=1):
        """Takes the newest commits of main away and puts another there."""
        tree = self.git("rev-parse", f"main~{back}^{{tree}}")
        parent = self.git("rev-parse", f"main~{back}")
        made = self.git("commit-tree", tree, "-p", parent, "-m", "rewritten")
        self.git("update-ref", "refs/heads/main", made)
        return made

    def proxy(self):
        """A Proxy in front of this server; for `with`."""
        return Proxy(self.port)


class Daemon(Folder):
    def serve(self):
        self.kept, self.port = kept_port()
        core = subprocess.run(["git", "--exec-path"], capture_output=True,
                              text=True, check=True).stdout.strip()
        self.run_on_port(f"{core}/git-daemon", "--listen=127.0.0.1",
                         f"--port={self.port}", "--reuseaddr", "--export-all",
                         "--enable=receive-pack", "--informative-errors",
                         f"--base-path={self.repo.parent}", self.repo.parent)

    def url(self, port=None):
        return f"git://127.0.0.1:{port or self.port}/tasks.git"


NGINX = """
daemon off; worker_processes 1; pid {dir}/nginx.pid; error_log stderr warn;
{user}
events {{ worker_connections 64; }}
http {{
    access_log {dir}/access.log;
    client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2;
    fastcgi_temp_path {dir}/t3; uwsgi_temp_path {dir}/t4;
    scgi_temp_path {dir}/t5; client_max_body_size 0;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            auth_basic "tasks"; auth_basic_user_file {dir}/users;
            fastcgi_pass unix:{dir}/cgi; fastcgi_request_buffering off;
            fastcgi_param REQUEST_METHOD $request_method;
            fastcgi_param QUERY_STRING $query_string;
            fastcgi_param CONTENT_TYPE $content_type;
            fastcgi_param CONTENT_LENGTH $content_length;
            fastcgi_param HTTP_CONTENT_ENCODING $http_content_encoding;
            fastcgi_param GIT_PROTOCOL $http_git_protocol;
            fastcgi_param REMOTE_USER $remote_user;
            fastcgi_param SCRIPT_FILENAME {core}/git-http-backend;
            fastcgi_param GIT_PROJECT_ROOT {root};
            fastcgi_param GIT_HTTP_EXPORT_ALL 1;
            fastcgi_param PATH_INFO $uri;
        }}
    }}
}}
"""


class Http(Folder):
    """User "kircerta" with TOKEN as its password."""

    def serve(self):
        self.kept, self.port = kept_port()
        core = subprocess.run(["git", "--exec-path"], capture_output=True,
                              text=True, check=True).stdout.strip()
        self.git("config", "http.receivepack", "true")
        (self.dir / "users").write_text(f"kircerta:{{PLAIN}}{TOKEN}\n")
        (self.dir / "nginx.conf").write_text(NGINX.format(
            dir=self.dir, port=self.port, core=core, root=self.repo.parent,
            user="user root;" if os.getuid() == 0 else ""))
        cgi = self.run("fcgiwrap", "-c", "2", "-s", f"unix:{self.dir}/cgi")
        self.listening(cgi, self._reach_cgi)
        self.run_on_port("nginx", "-p", self.dir, "-e", "stderr", "-c",
                         self.dir / "nginx.conf")

    def _reach_cgi(self):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(self.dir / "cgi"))

    def url(self, port=None):
        return f"http://127.0.0.1:{port or self.port}/tasks.git"

    def token_file(self, token=TOKEN):
        file = self.dir / f"token-{len(token)}"
        file.write_text(token + "\n")
        file.chmod(0o600)
        return file

    def secrets(self, port):
        return {"ssot.token-file": self.token_file()}


SSHD = """
ListenAddress 127.0.0.1
Port {port}
HostKey {dir}/host
AuthorizedKeysFile {dir}/authorized_keys
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
"""


class Ssh(Folder):
    def serve(self):
        self.kept, self.port = kept_port()
        for name in ("host", "key", "stranger"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "",
                            "-C", name, "-f", self.dir / name], check=True)
        shutil.copy(self.dir / "key.pub", self.dir / "authorized_keys")
        (self.dir / "sshd.conf").write_text(SSHD.format(
            dir=self.dir, port=self.port))
        if os.getuid() == 0:
            os.makedirs("/run/sshd", 0o755, exist_ok=True)
        self.run_on_port(shutil.which("sshd", path=CLEAN["PATH"]), "-D", "-e",
                         "-f", self.dir / "sshd.conf")

    def url(self, port=None):
        return (f"ssh://{getpass.getuser()}@127.0.0.1:{port or self.port}"
                f"{self.repo}")

    def known_hosts(self, port, key="host"):
        file = self.dir / f"known-{port}-{key}"
        public = (self.dir / f"{key}.pub").read_text()
        file.write_text(f"[127.0.0.1]:{port} {public}")
        return file

    def secrets(self, port):
        return {"ssot.key-file": self.dir / "key",
                "ssot.known-hosts": self.known_hosts(port)}


class Proxy:
    """A wire to 127.0.0.1:target that can be cut, and healed again."""

    def __init__(self, target):
        self.target, self.mode, self.delay = target, "pass", 0
        self.seen = 0           # connections so far
        self.lock = threading.Lock()
        self.open = set()
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        self._drop()

    def cut(self):
        """Connections break, new ones too."""
        self._to("cut")
        self._drop()

    def heal(self):
        """New connections pass; those that hung break."""
        hung = self.mode == "hang"
        self._to("pass")
        if hung:
            self._drop()

    def hang(self):
        """Whoever connects is let in and hears nothing; neither does who
        is connected already."""
        self._to("hang")

    def slow(self, seconds):
        """Everything passes, each piece after so many seconds."""
        self._to("pass", seconds)

    def _to(self, mode, delay=0):
        with self.lock:
            self.mode, self.delay = mode, delay

    def _drop(self):
        with self.lock:
            connections, self.open = self.open, set()
        for s in connections:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _accept(self):
        while True:
            try:
                ours, _ = self.server.accept()
            except OSError:
                return
            with self.lock:
                self.seen += 1
                if self.mode != "cut":
                    self.open.add(ours)
            if self.mode == "cut":
                ours.close()
            else:
                threading.Thread(target=self._carry, args=(ours,),
                                 daemon=True).start()

    def _carry(self, ours):
        theirs = None
        try:
            if self.mode == "pass":
                theirs = socket.create_connection(
                    ("127.0.0.1", self.target), 5)
                with self.lock:
                    self.open.add(theirs)
            self._pump(ours, theirs)
        except OSError:
            pass
        with self.lock:
            self.open -= {ours, theirs}
        for s in (ours, theirs):
            if s:
                s.close()

    def _pump(self, ours, theirs):
        """Until one side ends; while it hangs, bytes are kept from both."""
        pair = [s for s in (ours, theirs) if s]
        while True:
            ready, _, _ = select.select(pair, [], [], 0.1)
            if self.mode == "hang":
                if ready and not ready[0].recv(1, socket.MSG_PEEK):
                    return
                select.select([], [], [], 0.02)
                continue
            if theirs is None:
                return
            for s in ready:
                data = s.recv(65536)
                if not data:
                    return
                if self.delay:
                    select.select([], [], [], self.delay)
                (theirs if s is ours else ours).sendall(data)
