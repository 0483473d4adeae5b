"""`audit compress` ended or failed at each of its calls: the journal stays
whole, and asked again it comes to the same end."""
import shutil
import subprocess
import tempfile
from pathlib import Path

import kc
import notes

BASE = Path(tempfile.mkdtemp(prefix="kc-compress-"))
LINES = notes.journal(40)
CUTS = (1, 12, 25)


def agent(*args):
    return subprocess.run([kc.BUILD / "kircerta-agent", "audit", *args],
                          capture_output=True, text=True, timeout=60)


def injected(where, call, what, when):
    """Whether it came so far; strace ends as what it runs does."""
    trace = where.parent / f"{where.name}.trace"
    done = subprocess.run(
        ["strace", "-qq", "-o", trace, "-e", f"trace={call}", "-e",
         f"inject={call}:{what}:when={when}", kc.BUILD / "kircerta-agent",
         "audit", "compress", where], capture_output=True, text=True,
        env={"ASAN_OPTIONS": "detect_leaks=0", "LC_ALL": "C.UTF-8"},
        timeout=60)
    text = trace.read_text()
    return "INJECTED" in text or "killed by" in text, done.returncode


def whole(where, how):
    done = agent("verify", where)
    assert done.returncode == 0 and notes.b64(notes.root(LINES)) in \
        done.stdout, (how, done)


def ends(what, calls):
    count = 0
    for call in calls:
        for when in range(1, 200):
            where = notes.folder(BASE / f"{call}-{count}", LINES, CUTS)
            how = (call, what, when)
            hit, _ = injected(where, call, what, when)
            whole(where, how)
            done = agent("compress", where)
            assert done.returncode == 0, (how, done)
            assert sorted(f.name[18:] for f in where.iterdir()) == [
                "01.jsonl.zst", "12.jsonl.zst", "25.jsonl"], \
                (how, list(where.iterdir()))
            whole(where, how)
            shutil.rmtree(where)
            if not hit:
                break
            count += 1
    return count


def test_it_may_be_killed_at_any_of_its_calls():
    count = ends("signal=KILL", ("fsync", "rename", "unlink", "ftruncate",
                                 "write", "flock"))
    assert count >= 14, count
    print(f"      killed at {count} calls, whole after each")


def test_any_of_its_calls_may_fail():
    count = ends("error=EIO", ("fsync", "rename", "unlink", "ftruncate",
                               "write", "flock"))
    assert count >= 14, count
    print(f"      {count} calls failed, whole after each")


def test_a_full_disk_takes_nothing_away():
    count = ends("error=ENOSPC", ("write",))
    assert count >= 4, count


try:
    kc.main()
finally:
    shutil.rmtree(BASE)
