"""Something is wrong with the task repository: the agent answers as before,
health says what it is and what to do, nothing there is overwritten, and when
it is mended the agent goes on by itself. Mounts are made in a namespace of
the agent's own, which ends with it."""
import contextlib
import hashlib
import os
import shutil
import subprocess

import kc
from expect import git, task_path
from following import (alternate, follows, inject, row, settled, sound,
                       traced, troubles, undisturbed, untraceable)

ROOT = os.geteuid() == 0


def repository(agent):
    return agent.home / "ssot.git"


def contents(folder):
    """What is in there, to be compared."""
    return {str(p.relative_to(folder)): (
        p.lstat().st_mode, hashlib.sha256(p.read_bytes()).hexdigest()
        if p.is_file() else "") for p in sorted(folder.rglob("*"))}


def change(agent, task, title):
    answer = agent.patch(f"/api/tasks/{task['id']}", {
        "title": title, "base_sha": task["sha"]})
    assert answer.status == 200, answer
    return answer.json


@contextlib.contextmanager
def trouble(agent, *words, hint=()):
    """While it lasts the agent answers, and says what is the matter: words
    in the row's detail, and those of hint in what to do. Gives the tasks,
    which are followed after it."""
    tasks = [agent.task("in trouble")]
    yield tasks
    found = kc.wait_for(lambda: (r := row(agent))["status"] != "ok" and r,
                        what="a row")
    for word in words:
        assert word in found["detail"], found
    for word in ("", *hint):
        assert word in found["remediation_hint"], found
    assert found["effect"] and found["error_code"], found
    for n in range(3):
        tasks[0] = change(agent, tasks[0], f"in trouble {n}")
        tasks.append(agent.task(f"more {n}"))
    assert agent.get(f"/api/tasks/{tasks[0]['id']}").json == tasks[0]
    assert len(agent.get("/api/tasks?limit=100").json["items"]) >= 4
    kc.wait_for(lambda: troubles(agent)[-1:] == ["ssot_sync_failed"],
                what="the record of it")
    assert alternate(troubles(agent)), troubles(agent)
    record = agent.journal("ssot_sync_failed")[-1]
    assert record["data"]["detail"], record


def mended(agent, tasks):
    follows(agent, *tasks)
    settled(agent)
    assert alternate(troubles(agent)), troubles(agent)
    sound(agent)


def started(fresh):
    tasks = [fresh.task("before")]
    follows(fresh, *tasks)
    return tasks


def refuses(agent, *words):
    """It does not start, says why and what to do, and changes nothing."""
    before = contents(repository(agent))
    try:
        agent.start()
    except AssertionError as e:
        said = str(e)
    else:
        raise AssertionError("it started")
    agent.proc = None
    for word in words:
        assert word in said, said
    assert contents(repository(agent)) == before


def test_main_that_is_garbage_is_left_and_said(fresh):
    kept = started(fresh)
    main = repository(fresh) / "refs/heads/main"
    good = main.read_bytes()
    for bad in (b"garbage\n", b"", b"0" * 40 + b"\n", b"\0" * 41):
        main.write_bytes(bad)
        with trouble(fresh, "ssot.git") as tasks:
            pass
        assert main.read_bytes() == bad
        main.write_bytes(good)
        mended(fresh, tasks + kept)
        good = main.read_bytes()
    fresh.stop()
    main.write_bytes(b"garbage\n")
    refuses(fresh, "ssot.git")
    main.write_bytes(good)
    fresh.start()
    mended(fresh, kept)


def test_a_head_that_is_garbage_is_said(fresh):
    kept = started(fresh)
    head = repository(fresh) / "HEAD"
    good = head.read_bytes()
    for bad in (b"garbage\n", b""):
        head.write_bytes(bad)
        with trouble(fresh, "HEAD") as tasks:
            pass
        assert head.read_bytes() == bad
        head.write_bytes(good)
        mended(fresh, tasks + kept)
    fresh.stop()
    head.write_bytes(b"garbage\n")
    refuses(fresh, "HEAD")
    head.unlink()
    refuses(fresh, "ssot.git")


def test_a_lock_that_a_git_holds_is_not_taken_from_it(fresh):
    kept = started(fresh)
    lock = repository(fresh) / "refs/heads/main.lock"
    tip = git(fresh, "rev-parse", "main").strip()
    other = subprocess.Popen(
        ["git", "--git-dir", repository(fresh), "update-ref", "--stdin"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        with trouble(fresh, "main.lock",
                     hint=("main.lock", "If no git runs")) as tasks:
            other.stdin.write(f"start\nupdate refs/heads/main {tip} {tip}\n"
                              "prepare\n")
            other.stdin.flush()
            for line in ("start: ok\n", "prepare: ok\n"):
                assert other.stdout.readline() == line
            tasks.append(fresh.task("locked"))
        assert lock.exists() and other.poll() is None
        other.stdin.write("commit\n")
        other.stdin.close()
        assert other.wait() == 0, "it could end what it had begun"
    finally:
        other.kill()
        other.wait()
    mended(fresh, tasks + kept)


def test_a_lock_that_nobody_holds_goes_when_it_is_old(fresh):
    kept = started(fresh)
    lock = repository(fresh) / "refs/heads/main.lock"
    lock.touch()
    with trouble(fresh, "main.lock") as tasks:
        pass
    assert lock.exists()
    eleven = lock.stat().st_mtime - 660
    os.utime(lock, (eleven, eleven))
    mended(fresh, tasks + kept)
    assert "main.lock was left behind: removed" in fresh.log


def test_a_repository_that_is_taken_away_and_put_back(fresh):
    kept, away = started(fresh), fresh.dir / "away.git"
    repository(fresh).rename(away)
    with trouble(fresh, "ssot.git") as tasks:
        pass
    assert not repository(fresh).exists()
    away.rename(repository(fresh))
    mended(fresh, tasks + kept)


OTHERS = {
    "a source repository": "git init -q -b main . && echo x >f && git add f "
    "&& git commit -q -m theirs",
    "a bare one": "git init -q --bare -b main . && git update-ref "
    "refs/heads/main $(git commit-tree -m theirs $(git mktree </dev/null))",
    "no repository": "echo theirs >file",
    "an empty folder": ":",
}


def test_what_is_put_in_its_place_is_left_alone(fresh):
    kept, away = started(fresh), fresh.dir / "away.git"
    env = fresh.env | {f"GIT_{who}_{what}": "x" for who in (
        "AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    for name, make in OTHERS.items():
        repository(fresh).rename(away)
        repository(fresh).mkdir()
        subprocess.run(make, shell=True, check=True, env=env,
                       cwd=repository(fresh))
        before = contents(repository(fresh))
        with trouble(fresh, "ssot.git") as tasks:
            pass
        assert contents(repository(fresh)) == before, name
        shutil.rmtree(repository(fresh))
        away.rename(repository(fresh))
        mended(fresh, tasks + kept)
    fresh.stop()
    repository(fresh).rename(away)
    for name, make in OTHERS.items():
        if name == "an empty folder":
            continue
        repository(fresh).mkdir()
        subprocess.run(make, shell=True, check=True, env=env,
                       cwd=repository(fresh))
        refuses(fresh, "ssot.git", "move")
        shutil.rmtree(repository(fresh))
    away.rename(repository(fresh))
    fresh.start()
    mended(fresh, kept)


def flip(file, at=None):
    data = bytearray(file.read_bytes())
    data[at or len(data) // 2] ^= 0x55
    file.write_bytes(data)


DAMAGES = {
    "an old object": lambda pack, idx: flip(pack),
    "the newest commit": lambda pack, idx: flip(pack, 40),
    "truncated": lambda pack, idx: pack.write_bytes(pack.read_bytes()[:50]),
    "emptied": lambda pack, idx: pack.write_bytes(b""),
    "without index": lambda pack, idx: idx.unlink(),
    "index flipped": lambda pack, idx: flip(idx),
    "index emptied": lambda pack, idx: idx.write_bytes(b""),
    "gone": lambda pack, idx: (pack.unlink(), idx.unlink()),
}


def seen_by_git(agent, task):
    """It is there, or git cannot read what is there either."""
    try:
        return task_path(agent, task["id"])
    except AssertionError:
        return True


def test_damaged_objects_are_said_at_the_start_or_soon(fresh):
    """The one pack that has everything is damaged in every way: either it
    does not start and says why, or it is told when it is noticed."""
    kept = started(fresh)
    for n in range(5):
        kept[0] = change(fresh, kept[0], f"n {n}")
    follows(fresh, *kept)
    told = []
    for name, damage in DAMAGES.items():
        fresh.stop()
        git(fresh, "repack", "-adq")
        kept_pack = {p: p.read_bytes() for p in (
            repository(fresh) / "objects/pack").iterdir()}
        pack, = (p for p in kept_pack if p.suffix == ".pack")
        for part in kept_pack:
            part.chmod(0o600)
        damage(pack, pack.with_suffix(".idx"))
        before = contents(repository(fresh))
        try:
            fresh.start()
        except AssertionError as e:
            fresh.proc = None
            assert "ssot.git" in str(e) and "restart" in str(e), e
            assert contents(repository(fresh)) == before, name
            told.append((name, "at the start"))
        else:
            kept.append(fresh.task(name))
            kc.wait_for(lambda: row(fresh)["status"] != "ok" or
                        seen_by_git(fresh, kept[-1]))
            told.append((name, row(fresh)["status"]))
            fresh.stop()
        for part, data in kept_pack.items():
            part.write_bytes(data)
        fresh.start()
        mended(fresh, kept)
    print("     ", told)


def test_a_call_that_goes_on_failing_is_one_trouble(fresh):
    if untraceable():
        return
    kept = started(fresh)
    for name, error, word in (
            ("write", "ENOSPC", "No space left"),
            ("fsync", "EIO", "Input/output"),
            ("rename", "EACCES", "Permission denied"),
            ("openat", "EMFILE", "Too many open"),
            ("mmap", "ENOMEM", "ssot.git")):
        if name == "mmap" and kc.SLOW > 1:
            continue        # a sanitizer ends where it gets no memory
        with traced(fresh, *inject(name, f"error={error}", "1+")):
            with trouble(fresh, word) as tasks:
                pass
        mended(fresh, tasks + kept)
    assert git(fresh, "rev-parse", "main").strip() == undisturbed(fresh)


def inside(agent, *command):
    """Runs it where the agent's mounts are."""
    return subprocess.run(["nsenter", "-t", str(agent.proc.pid), "-m",
                           *command], check=True, capture_output=True)


def test_a_repository_that_is_read_only(fresh):
    kept = started(fresh)
    ssot = repository(fresh)
    if ROOT:
        fresh.stop()
        fresh.start(wrap=["unshare", "-m"])
        inside(fresh, "mount", "--bind", ssot, ssot)
        inside(fresh, "mount", "-o", "remount,bind,ro", ssot)
    else:
        folders = [ssot, *(p for p in ssot.rglob("*") if p.is_dir())]
        for folder in folders:
            folder.chmod(0o500)
    before = contents(ssot)
    with trouble(fresh, "Read-only" if ROOT else "denied") as tasks:
        pass
    assert contents(ssot) == before
    if ROOT:
        inside(fresh, "mount", "-o", "remount,bind,rw", ssot)
    else:
        for folder in folders:
            folder.chmod(0o700)
    mended(fresh, tasks + kept)


ON_TMPFS = 'mount -t tmpfs -o size=2m,mode=700 x "$1" && ' \
    'cp -a "$2/." "$1" && shift 2 && exec "$@"'


def test_a_disk_that_is_full_for_the_repository_alone(fresh):
    if not ROOT:
        return print("      not tested: mounts need root")
    kept = started(fresh)
    fresh.stop()
    ssot, copy = repository(fresh), fresh.dir / "copy.git"
    shutil.copytree(ssot, copy, symlinks=True)
    fresh.start(wrap=["unshare", "-m", "sh", "-c", ON_TMPFS, "sh", ssot,
                      copy])
    inside(fresh, "sh", "-c", f"head -c 4m /dev/zero >{ssot}/ballast; true")
    with trouble(fresh, "No space left") as tasks:
        pass
    inside(fresh, "mount", "-o", "remount,size=16m", ssot)
    settled(fresh)
    # From outside nothing of it is seen: it has to be brought out.
    shutil.rmtree(copy)
    inside(fresh, "rm", ssot / "ballast")
    inside(fresh, "cp", "-a", ssot, copy)
    fresh.stop()
    shutil.rmtree(ssot)
    copy.rename(ssot)
    fresh.start()
    mended(fresh, tasks + kept)


kc.main()
