"""kill -9 under 32 writers of records and of evidence, over many files of the
journal and many checkpoints; and each call that the writers make failing.
$KIRCERTA_KILLS is how many kills; KIRCERTA_SOAK=1 tries every call."""
import hashlib
import os
import random
import re
import subprocess
import threading

import kc
from following import untraceable

KILLS = int(os.environ.get("KIRCERTA_KILLS", 6))
SEED = int(os.environ.get("KIRCERTA_SEED", 1))
SOAK = os.environ.get("KIRCERTA_SOAK")
RNG = random.Random(SEED)
CONF = {"audit.segment-size": "64k", "audit.checkpoint-records": "50",
        "audit.checkpoint-interval": "1s"}


class Writer(threading.Thread):
    """Adds evidence and tasks until the agent is gone; remembers what was
    acknowledged."""

    def __init__(self, agent, n):
        super().__init__()
        self.agent, self.n = agent, n
        self.tasks, self.files, self.wrong = [], {}, None

    def run(self):
        i = 0
        while not self.wrong:
            i += 1
            try:
                if (i + self.n) % 2:
                    self.task(f"{self.n}.{i}")
                else:
                    self.evidence(os.urandom(RNG.randrange(1, 9000)))
            except (kc.Closed, OSError):
                return

    def task(self, title):
        answer = self.agent.post("/api/tasks", {
            "title": title, "meta": {"text": "x" * 800}}, timeout=20)
        if answer.status == 201:
            self.tasks.append(answer.json["id"])
        else:
            self.wrong = answer

    def evidence(self, data):
        answer = self.agent.post(
            "/api/evidence?name=a.bin", data, timeout=20,
            headers={"Content-Type": "application/octet-stream"})
        if answer.status in (200, 201):
            self.files[hashlib.sha256(data).hexdigest()] = data
        else:
            self.wrong = answer


def holds(agent, tasks, files):
    """All that was acknowledged is there, on disk and over the API."""
    recorded = {r["task_id"] for r in agent.journal("task_created")}
    assert tasks <= recorded, tasks - recorded
    added = {r["data"]["sha256"] for r in agent.journal("evidence_added")}
    assert set(files) <= added, set(files) - added
    for sha, data in files.items():
        stored = agent.home / "evidence" / sha[:2] / sha
        assert stored.read_bytes() == data, sha
    for sha in list(files)[-3:]:
        assert agent.get(f"/api/evidence/{sha}").body == files[sha]
    verified = agent.cli("audit", "verify", check=False)
    assert verified.returncode == 0, verified.stdout


def test_killed_under_32_writers_nothing_acknowledged_is_lost():
    agent = kc.Agent(conf=CONF)
    tasks, files = set(), {}
    try:
        agent.token("coordinator")
        for _ in range(KILLS):
            writers = [Writer(agent, n) for n in range(32)]
            for w in writers:
                w.start()
            enough = RNG.randrange(5, 60)
            kc.wait_for(lambda: sum(len(w.tasks) + len(w.files)
                                    for w in writers) >= enough
                        or any(w.wrong for w in writers), 30)
            agent.kill9()
            for w in writers:
                w.join()
                assert w.wrong is None, w.wrong
                tasks |= set(w.tasks)
                files |= w.files
            agent.start()
        holds(agent, tasks, files)
        assert agent.chained()
        left = list((agent.home / "evidence" / "tmp").iterdir())
        assert not left, left
        parts = len(list((agent.home / "audit").glob("*.jsonl")))
        print(f"      seed {SEED}: {KILLS} kills, {len(tasks)} tasks and "
              f"{len(files)} files acknowledged, {parts} files of the "
              f"journal, {len(agent.journal('checkpoint'))} checkpoints")
    finally:
        agent.close()


CALLS = ("openat", "pwrite64", "write", "fsync", "fdatasync", "ftruncate",
         "rename", "link", "linkat", "unlink")


def calls_of(agent):
    """[(call, how many-th)] of a start, some work and a stop."""
    log = agent.dir / "calls"
    agent.start(wrap=["strace", "-D", "-f", "-qq", "-o", log, "-e",
                      "trace=" + ",".join(CALLS)])
    work(agent, 0)
    agent.stop()
    counts, found = {}, []
    for name in re.findall(r"^\d+ +(\w+)\(", log.read_text(), re.M):
        counts[name] = counts.get(name, 0) + 1
        found.append((name, counts[name]))
    return found


def work(agent, n):
    """Tasks and evidence; what was acknowledged, until it says no more."""
    tasks, files = set(), {}
    for i in range(6):
        w = Writer(agent, 0)
        try:
            w.task(f"work {n}.{i}") if i % 2 else w.evidence(os.urandom(500))
        except (kc.Closed, OSError, TimeoutError):
            break
        tasks |= set(w.tasks)
        files |= w.files
    return tasks, files


def test_whichever_call_fails_what_was_acknowledged_is_there():
    """Of the whole agent, at the start too, once and from then on."""
    if untraceable():
        return
    agent = kc.Agent(start=False, conf=CONF, env={
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1"})
    tasks, files, refused, killed = set(), {}, 0, 0
    try:
        agent.token("coordinator")
        agent.start()
        agent.stop()
        cases = [(name, n, what) for name, n in calls_of(agent)
                 for what in ("error=EIO:when=%d", "error=ENOSPC:when=%d",
                              "error=EIO:when=%d+", "signal=KILL:when=%d")]
        cases = cases if SOAK else RNG.sample(cases, 8)
        for i, (name, n, what) in enumerate(cases):
            try:
                agent.start(wrap=[
                    "strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e",
                    f"trace={name}", "-e", f"inject={name}:{what % n}"])
                more = work(agent, i)
                tasks |= more[0]
                files |= more[1]
            except (AssertionError, TimeoutError):
                refused += 1    # it did not start, and said so
            if agent.running:
                agent.signal(15)
                try:
                    agent.wait(10)
                except subprocess.TimeoutExpired:
                    agent.kill9()
                    killed += 1
            agent.proc = None
            agent.start()
            holds(agent, tasks, files)
            agent.stop()
        print(f"      seed {SEED}: {len(cases)} faults, {refused} starts "
              f"refused, {killed} that could not stop, {len(tasks)} tasks "
              f"and {len(files)} files acknowledged and there")
    finally:
        agent.close()


kc.main(seconds=36000 if SOAK or KILLS > 50 else 120)
