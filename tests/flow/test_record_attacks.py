"""The journal attacked: while it is written in, and by who has the whole home
and time. Each is noticed by the agent, by its next start, or by who kept a
checkpoint or the key."""
import json
import os
import shutil

import kc

SMALL = {"audit.segment-size": "64k", "audit.checkpoint-records": "20"}


def new_agent():
    return kc.Agent(conf=SMALL)


def segments(agent, folder=None):
    return sorted((folder or agent.home / "audit").glob("*.jsonl"))


def grow(agent, files=3):
    """Work until the journal lies in so many files."""
    while len(segments(agent)) < files:
        for _ in range(6):
            agent.task("a task", meta={"text": "x" * 3500})


def sealed(agent):
    """Within one more change it says so, and nothing is acknowledged."""
    answer = agent.post("/api/tasks", {"title": "after the attack"})
    return answer.status == 503 and \
        answer.json["error_code"] == "audit_unavailable"


def unlinked(file):
    file.unlink()


def renamed(file):
    file.rename(file.with_suffix(".away"))


def replaced(file):
    copy = file.with_suffix(".copy")
    shutil.copy2(file, copy)
    copy.rename(file)


def emptied(file):
    os.truncate(file, 0)


def cut(file):
    os.truncate(file, len(file.read_bytes().rstrip(b"\n")) // 2)


def lengthened(file):
    with open(file, "ab") as f:
        f.write(b"{}\n" * (1 << 20))


def folder_renamed(file):
    file.parent.rename(file.parent.with_name("away"))


LIVE = (unlinked, renamed, replaced, emptied, cut, lengthened,
        folder_renamed)


def test_what_is_done_to_the_live_file_ends_all_acknowledging():
    for attack in LIVE:
        agent = new_agent()
        try:
            agent.task()
            attack(segments(agent)[-1])
            assert sealed(agent), attack
            row, = [c for c in agent.get("/api/health").json["components"]
                    if c["name"] == "audit"]
            assert row["status"] == "down" and row["detail"], row
            agent.signal(15)
            assert agent.wait() != 0, attack
        finally:
            agent.close()
    print(f"      {len(LIVE)} attacks on the live file")


def verify(agent, *args, folder=None):
    done = agent.cli("audit", "verify", *([folder] if folder else []), *args,
                     check=False)
    return done.returncode, done.stdout + done.stderr


def kept(agent):
    """What a sceptic has put aside: the key and the newest checkpoint."""
    note, vkey = agent.dir / "kept.note", agent.dir / "kept.vkey"
    shutil.copy(agent.home / "audit" / "checkpoint", note)
    shutil.copy(agent.home / "keys" / "journal.vkey", vkey)
    return note, vkey


def test_files_of_the_journal_that_are_moved_about_are_named(fresh):
    grow(fresh, 4)
    fresh.stop()
    other = new_agent()
    try:
        grow(other, 3)
        other.stop()
        theirs = segments(other)
        note, vkey = kept(fresh)
        home = fresh.home / "audit"
        saved = fresh.dir / "saved"
        shutil.copytree(home, saved)
        names = [f.name for f in segments(fresh)]
        assert verify(fresh, "--since", note, "--key", vkey)[0] == 0

        def missing(n):
            return lambda: (home / names[n]).unlink()

        def swapped():
            first, second = (home / names[1]), (home / names[2])
            data = first.read_bytes()
            first.write_bytes(second.read_bytes())
            second.write_bytes(data)

        def doubled():
            shutil.copy(home / names[1], home / f"{2:020}.jsonl")

        def mixed():
            shutil.copy(theirs[1], home / names[1])

        def all_theirs():
            for file in segments(fresh):
                file.unlink()
            for file in theirs:
                shutil.copy(file, home)

        def added():
            data = (home / names[0]).read_bytes()
            (home / names[0]).write_bytes(data + data.splitlines(True)[-1])

        attacks = [missing(n) for n in range(len(names))] + [
            swapped, doubled, mixed, all_theirs, added]
        for n, attack in enumerate(attacks):
            attack()
            code, said = verify(fresh, "--since", note, "--key", vkey)
            assert code not in (0, 2), (n, code, said)
            started = fresh.cli("run", "--listen", "127.0.0.1:0",
                                check=False) if n < 6 else None
            assert started is None or started.returncode, (n, said)
            shutil.rmtree(home)
            shutil.copytree(saved, home)
            os.chmod(home, 0o700)
        print(f"      {len(attacks)} ways to move files about")
        assert verify(fresh, "--since", note, "--key", vkey)[0] == 0
        fresh.start()
    finally:
        other.close()


def test_an_older_copy_of_the_whole_home_is_told_by_who_kept_more(fresh):
    fresh.task("early")
    fresh.stop()
    old = fresh.dir / "old"
    shutil.copytree(fresh.home, old, symlinks=True)
    fresh.start()
    fresh.task("late")
    fresh.stop()
    note, vkey = kept(fresh)
    shutil.rmtree(fresh.home)
    old.rename(fresh.home)
    assert verify(fresh)[0] == 0  # of itself it is whole
    code, said = verify(fresh, "--since", note, "--key", vkey)
    assert code != 0 and "record" in said, said
    fresh.start()  # also when it has grown again, it is another journal
    for n in range(30):
        fresh.task(f"instead {n}")
    fresh.stop()
    code, said = verify(fresh, "--since", note, "--key", vkey)
    assert code != 0, said


def test_the_journal_alone_put_back_refuses_the_start(fresh):
    fresh.task("early")
    fresh.stop()
    old = {f.name: f.read_bytes() for f in segments(fresh)}
    fresh.start()
    fresh.task("late")
    fresh.stop()
    for file in segments(fresh):
        file.write_bytes(old[file.name])
    assert fresh.cli("run", "--listen", "127.0.0.1:0",
                     check=False).returncode
    assert verify(fresh)[0] != 0


def rechained(lines, change):
    """The lines with one changed and every link behind it made to fit."""
    out = []
    for n, line in enumerate(lines):
        record = json.loads(line)
        text = change(record, line)
        if out:
            text = text.replace(f'"prev":"{record["prev"]}"'.encode(),
                                f'"prev":"{kc.leaf(out[-1])}"'.encode())
        out.append(text)
    return out


def test_all_changed_linked_and_signed_anew_is_told_by_note_or_key(fresh):
    fresh.task("the truth")
    fresh.stop()
    note, vkey = kept(fresh)
    lines = rechained(fresh.lines(), lambda _, line: line.replace(
        b"the truth", b"the untrh"))
    assert lines != fresh.lines()
    file, = segments(fresh)
    file.write_bytes(b"".join(x + b"\n" for x in lines))
    for path in ("audit/checkpoint", "index.db", "tree", "keys", "ssot.git"):
        path = fresh.home / path
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    fresh.cli("init")
    forged = fresh.home / "keys" / "journal.vkey"
    assert forged.read_text() != vkey.read_text()
    fresh.start()
    fresh.stop()
    assert verify(fresh)[0] == 0  # of itself it is whole
    for args in (("--since", note, "--key", vkey), ("--key", vkey),
                 ("--since", note)):
        code, said = verify(fresh, *args)
        assert code == 6, (args, said)


kc.main(new_agent=new_agent)
