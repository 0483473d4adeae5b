#!/usr/bin/env python3
"""Durable compare-and-swap of task documents over HTTP, with 1, 16 and 64 in
flight, beside etcd and PostgreSQL on the same disk; then GET beside nginx
answering the same bytes from its configuration. Rounds take turns.

    tests/bench/cas.py BUILD_DIR [TASKS [SECONDS]]

Everybody syncs to disk, as they do unless told otherwise. cpu is user and
system time of the server's processes per operation, until they are idle
again: what is done behind the answer counts (busy_after says how long).
contrib/bootstrap.sh --bench installs the peers."""
import glob
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "flow"))
import kc  # noqa: E402
from wire import http  # noqa: E402

TASKS = int(sys.argv[2]) if len(sys.argv) > 2 else 100000
SECONDS = float(sys.argv[3]) if len(sys.argv) > 3 else 1.5
FEW, FLIGHTS, ROUNDS = 1000, (1, 16, 64), 3
LOAD = Path(sys.argv[1]).resolve() / "tests/bench/cas_load"
TICK = os.sysconf("SC_CLK_TCK")
WORK = Path(tempfile.mkdtemp(prefix="cas-"))


def say(name, value, unit):
    print(f"{name} {value:.6g} {unit}", flush=True)


def free_port():
    import socket
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def stat(pid):
    """The parent of a process, and what it and its ended children took."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0, 0
    field = text.rpartition(")")[2].split()
    return int(field[1]), sum(map(int, field[11:15]))


def pause(seconds):
    kc.select.select([], [], [], seconds)


class Peer:
    """A server under load. swap() and get(): operations, seconds, p50, p99."""

    def __init__(self, name, proc):
        self.name, self.proc, self.load = name, proc, None

    def begin(self, kind, port, extra):
        self.load = subprocess.Popen([LOAD, kind, str(port), extra],
                                     stdin=subprocess.PIPE, text=True,
                                     stdout=subprocess.PIPE)
        return self

    def ask(self, line):
        self.load.stdin.write(line + "\n")
        self.load.stdin.flush()
        answer = self.load.stdout.readline().split()
        assert answer, f"the load on {self.name} ended"
        n, seconds, p50, p99 = map(float, answer)
        return n, seconds, p50 / 1e3, p99 / 1e3

    def make(self, n):
        count, seconds, p50, p99 = self.ask(f"make {n} 64")
        say(f"{self.name}_create_64", count / seconds, "1/s")
        say(f"{self.name}_create_64_p99", p99, "ms")
        self.quiet()
        return self

    def swap(self, flight):
        return self.ask(f"swap {flight} {SECONDS}")

    def get(self, flight):
        return self.ask(f"get {flight} {SECONDS}")

    def ticks(self):
        pid = self.proc.pid
        return stat(pid)[1] + sum(
            used for parent, used in (stat(os.path.basename(p))
                                      for p in glob.glob("/proc/[0-9]*"))
            if parent == pid)

    def quiet(self):
        """Waits until it has nothing to do; the seconds until it was so."""
        begun, idle, before = time.monotonic(), 0, self.ticks()
        while idle < 3:
            pause(0.1)
            now = self.ticks()
            idle = idle + 1 if now - before <= 1 else 0
            before = now
        return time.monotonic() - begun - 0.3

    def end(self):
        if self.load:
            self.load.stdin.close()
            self.load.wait()
        if self.proc:
            self.proc.terminate()
            self.proc.wait(30)


class Kircerta(Peer):
    def __init__(self, name):
        self.agent = kc.Agent()
        super().__init__(name, self.agent.proc)
        self.begin("kircerta", self.agent.port,
                   self.agent.token("coordinator"))

    def end(self):
        self.load.stdin.close()
        self.load.wait()
        self.agent.close()


def start(name, argv, **how):
    log = open(WORK / f"{name}.log", "wb")
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log,
                            stderr=log, preexec_fn=lambda:
                            kc._die_with_parent(1, 15), **how)


def answers(port, path):
    def ask():
        try:
            return http(("127.0.0.1", port), "GET", path, None, {}, 5)
        except OSError:
            return None
    return ask


def etcd():
    program = shutil.which("etcd")
    if not program:
        return None
    port, other = free_port(), free_port()
    url, peers = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{other}"
    proc = start("etcd", [
        program, "--data-dir", WORK / "etcd", "--listen-client-urls", url,
        "--advertise-client-urls", url, "--listen-peer-urls", peers,
        "--initial-advertise-peer-urls", peers, "--initial-cluster",
        f"default={peers}", "--quota-backend-bytes", str(8 << 30)])
    kc.wait_for(answers(port, "/health"), 20, "etcd")
    return Peer("etcd", proc).begin("etcd", port, "")


class Postgres(Peer):
    """One UPDATE ... WHERE version a transaction, prepared, by pgbench. It
    keeps no versions between transactions, so the one compared is read in
    the same statement."""
    SCRIPT = """\\set id random(0, {last})
\\set letter random(97, 122)
UPDATE task SET version = version + 1, doc = repeat(chr(:letter), 1200)
 WHERE id = :id AND version = (SELECT version FROM task WHERE id = :id);
"""

    def __init__(self, bin_dir, owner):
        self.bin, self.owner, self.dir = bin_dir, owner, WORK / "postgres"
        self.dir.mkdir()
        if owner:
            WORK.chmod(0o711)   # it has to get there
            shutil.chown(self.dir, owner)
        self.run("initdb", "-A", "trust", "-U", "bench", "-D",
                 self.dir / "data", "--no-instructions")
        super().__init__("postgres", start("postgres", self.as_owner(
            "postgres", "-D", self.dir / "data", "-k", self.dir,
            "-c", "listen_addresses=", "-c", "shared_buffers=512MB",
            "-c", "max_connections=100")))
        self.where = ["-h", self.dir, "-U", "bench"]
        kc.wait_for(lambda: self.run("pg_isready", *self.where,
                                     check=False).returncode == 0, 20)
        if owner:       # setpriv has become the server: its id stays
            assert stat(self.proc.pid)[0] == os.getpid()
        self.sql("CREATE TABLE task(id int PRIMARY KEY, version bigint, "
                 "doc text)")
        self.sql("INSERT INTO task SELECT n, 0, repeat('a', 1200) FROM "
                 f"generate_series(0, {TASKS - 1}) n")
        self.sql("VACUUM ANALYZE task")
        self.sql("CHECKPOINT")
        (WORK / "swap.sql").write_text(self.SCRIPT.format(last=TASKS - 1))

    def as_owner(self, program, *args):
        become = ["setpriv", "--reuid", self.owner, "--regid", self.owner,
                  "--clear-groups"] if self.owner else []
        return [*become, self.bin / program, *args]

    def run(self, program, *args, check=True):
        return subprocess.run(self.as_owner(program, *args), check=check,
                              capture_output=True, text=True, cwd=self.dir)

    def sql(self, text):
        self.run("psql", *self.where, "-q", "-c", text, "postgres")

    def swap(self, flight):
        log = self.dir / "log"
        self.run("pgbench", *self.where, "-n", "-M", "prepared", "-f",
                 WORK / "swap.sql", "-c", str(flight), "-j", "1", "-T",
                 str(max(1, round(SECONDS))), "-l", "--log-prefix", log,
                 "postgres")
        rows = []
        for file in self.dir.glob("log.*"):
            rows += [line.split() for line in file.read_text().splitlines()]
            file.unlink()
        ends = [int(r[4]) + int(r[5]) / 1e6 for r in rows]
        took = sorted(int(r[2]) / 1e3 for r in rows)
        return (len(rows), max(ends) - min(ends), took[len(took) // 2],
                took[len(took) * 99 // 100])


def postgres():
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    there = shutil.which("initdb")
    if not found and not there:
        return None
    owner = "postgres" if os.geteuid() == 0 else None
    return Postgres(Path(there or found[-1]).resolve().parent, owner)


def nginx(body):
    """One worker that answers these bytes out of its configuration."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if not program:
        return None
    port, text = free_port(), body.replace("\\", "\\\\").replace("'", "\\'")
    conf = WORK / "nginx.conf"
    conf.write_text(f"""daemon off; master_process off; pid {WORK}/nginx.pid;
error_log {WORK}/nginx.log; events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_requests 100000000;
client_body_temp_path {WORK}/n1; proxy_temp_path {WORK}/n2;
fastcgi_temp_path {WORK}/n3; uwsgi_temp_path {WORK}/n4;
scgi_temp_path {WORK}/n5; default_type application/json;
server {{ listen 127.0.0.1:{port}; location / {{ return 200 '{text}'; }} }} }}
""")
    proc = start("nginx", [program, "-c", conf, "-e", WORK / "nginx.log"])
    kc.wait_for(answers(port, "/"), 20, "nginx")
    return Peer("nginx", proc).begin("static", port, "/")


def rounds(peers, what, flight):
    """In turns; medians by name."""
    seen = {p: [] for p in peers}
    for _ in range(ROUNDS):
        for p in peers:
            before = p.ticks()
            n, seconds, p50, p99 = getattr(p, what)(flight)
            after = p.quiet()
            cpu = (p.ticks() - before) * 1e6 / TICK / n
            seen[p].append((n / seconds, p50, p99, cpu, after))
    return {p.name: [statistics.median(column) for column in zip(*all_of)]
            for p, all_of in seen.items()}


def report(what, flight, found):
    for name, row in found.items():
        for suffix, value, unit in zip(
                ("", "_p50", "_p99", "_cpu", "_busy_after"), row,
                ("1/s", "ms", "ms", "us", "s")):
            say(f"{name}_{what}_{flight}{suffix}", value, unit)


def compare(ours, name, what, flight, found):
    if name in found:
        say(f"{what}_{flight}_to_{name}", found[ours][0] / found[name][0],
            "ratio")
        say(f"{what}_{flight}_p50_to_{name}", found[ours][1] / found[name][1],
            "ratio")


def measure(peers):
    many, few = Kircerta("kircerta"), Kircerta(f"kircerta_{FEW}")
    peers += [many.make(TASKS), few.make(FEW)]
    for name, begin in (("etcd", etcd), ("postgres", postgres)):
        peer = begin()
        if peer:
            peers.append(peer)
        else:
            print(f"# {name} is absent", flush=True)
        if peer and peer.load:
            peer.make(TASKS)
    for flight in FLIGHTS:
        found = rounds(peers, "swap", flight)
        report("swap", flight, found)
        for name in ("etcd", "postgres", few.name):
            compare("kircerta", name, "swap", flight, found)
    text = many.agent.get("/api/tasks/t-bench-000000").body.decode()
    peers.append(nginx(text))
    if not peers[-1]:
        print("# nginx is absent", flush=True)
        peers.pop()
    found = rounds([p for p in peers if p.name in ("kircerta", "nginx")],
                   "get", 64)
    report("get", 64, found)
    compare("kircerta", "nginx", "get", 64, found)


def main():
    peers = []
    try:
        measure(peers)
    finally:
        for p in peers:
            p.end()
        shutil.rmtree(WORK, ignore_errors=True)


main()
