"""The checkpoints that commits carry: every clone of the tasks remembers what
the journal was, and says so when it was changed, by whoever could change the
journal and the repository alike."""
import base64
import hashlib
import json
import re
import shutil
import subprocess
import tempfile

import kc
from expect import git
from witnessing import openssl, root_of

TRAILER = re.compile(r"^Audit-Checkpoint: (\d+) (\S+) (\S+)$", re.M)


made = []  # a folder with the home of the first agent, for the others


def new_agent():
    """One that has made history with checkpoints in it, and was stopped."""
    if made:
        agent = kc.Agent(start=False)
        shutil.rmtree(agent.home)
        shutil.copytree(f"{made[0].name}/home", agent.home)
        return agent
    agent = kc.Agent(conf={"audit.checkpoint-records": "2",
                           "audit.checkpoint-interval": "1h"})
    for n in range(6):
        agent.task(f"task {n}")
        kc.wait_for(lambda: len(agent.journal("checkpoint")) > n)
    agent.task("the last")
    agent.stop()
    made.append(tempfile.TemporaryDirectory(prefix="kc-made-"))
    shutil.copytree(agent.home, f"{made[0].name}/home")
    return agent


def marks(agent, ref="main"):
    """(size, root, signature), oldest commit first."""
    text = git(agent, "log", "--reverse", "--format=%B", ref)
    return [(int(s), r, g) for s, r, g in TRAILER.findall(text)]


def verify(agent, *options):
    """(exit code, what it says, the repository's part of the JSON)."""
    said = agent.cli("audit", "verify", "--with-ssot", *options, check=False)
    done = agent.cli("audit", "verify", "--with-ssot", "--json", *options,
                     check=False)
    report = json.loads(done.stdout)["ssot"]
    assert report["ok"] == (not report["problems"]), report
    return said.returncode, said.stdout + said.stderr, report


def kinds(report):
    return {p["what"] for p in report["problems"]}


def journal_file(agent):
    return max((agent.home / "audit").glob("*.jsonl"))


def rechain(agent, change):
    """Changes lines by change(n, text, leaves before) so that every link
    fits."""
    out, leaves = [], []
    for n, line in enumerate(agent.lines(), 1):
        text = change(n, line, leaves).decode()
        last = leaves[-1].hex() if leaves else "0" * 64
        text = re.sub(r'"prev":"[0-9a-f]{64}"', f'"prev":"{last}"', text)
        out.append(text.encode())
        leaves.append(bytes.fromhex(kc.leaf(out[-1])))
    journal_file(agent).write_bytes(b"\n".join(out) + b"\n")


def commits(agent):
    """How many there are on main; 0 while it is not there."""
    return len(subprocess.run(
        ["git", "--git-dir", agent.home / "ssot.git", "rev-list", "main"],
        capture_output=True).stdout.split())


def sign_anew(agent):
    """With the key that lies beside the journal, over what is there now."""
    lines = agent.lines()
    name, key_id, _ = (agent.home / "keys/journal.vkey").read_text().split(
        "+", 2)
    root = root_of([bytes.fromhex(kc.leaf(line)) for line in lines])
    text = f"{name}\n{len(lines)}\n{base64.b64encode(root).decode()}\n"
    (agent.dir / "text").write_text(text)
    sig = openssl("pkeyutl", "-sign", "-rawin", "-inkey", agent.home /
                  "keys/journal.key", "-in", agent.dir / "text",
                  check=True).stdout
    sig = base64.b64encode(bytes.fromhex(key_id) + sig).decode()
    (agent.home / "audit/checkpoint").write_text(
        f"{text}\n\u2014 {name} {sig}\n")


def made_anew(agent):
    """Whoever holds the machine forgets what remembers, and lets the agent
    make all of it again from the journal."""
    before = commits(agent)
    for file in agent.home.glob("index.db*"):
        file.unlink()
    for name in ("ssot.git", "tree"):
        shutil.move(agent.home / name, agent.dir / f"old-{name}")
    sign_anew(agent)
    agent.start()
    kc.wait_for(lambda: commits(agent) == before)
    agent.stop()


def victim_of(agent):
    """(record, the checkpoints around it): above one, under the next."""
    sizes = [s for s, _, _ in marks(agent)]
    return next((n, good, bad) for good, bad in zip(sizes[1:], sizes[2:])
                for n in range(good + 1, bad + 1)
                if forge(agent.lines()[n - 1]) != agent.lines()[n - 1])


def forge(line):
    return line.replace(b'"actor":"coordinator"', b'"actor":"mallory"')


def test_commits_carry_what_the_record_says(fresh):
    notes = {}
    for r in fresh.journal("checkpoint"):
        origin, size, root = r["data"]["note"].split("\n\n")[0].split("\n")
        sig = r["data"]["note"].rsplit(" ", 1)[1].strip()
        notes[int(size)] = root, sig
    carried = marks(fresh)
    assert len(carried) >= 4, carried
    assert all(notes[size] == (root, sig) for size, root, sig in carried)
    assert [s for s, _, _ in carried] == sorted({s for s, _, _ in carried})
    leaves = [bytes.fromhex(kc.leaf(line)) for line in fresh.lines()]
    for size, root, _ in carried:
        assert base64.b64encode(root_of(leaves[:size])).decode() == root
    code, said, report = verify(fresh)
    assert code == 0, said
    newest = max(s for s, _, _ in carried)
    assert report["checkpoints"]["count"] == len(carried), report
    assert report["checkpoints"]["signatures_checked"], report
    assert report["checkpoints"]["to"] == newest, report
    assert f"checkpoints in commits: {len(carried)}; the newest that agrees " \
        f"is of records 1 to {newest}, in commit " in said, said


def test_the_same_journal_makes_the_same_commits_again(fresh):
    tip = git(fresh, "rev-parse", "main")
    shutil.rmtree(fresh.home / "ssot.git")
    fresh.start()
    kc.wait_for(lambda: tip.strip() in subprocess.run(
        ["git", "--git-dir", fresh.home / "ssot.git", "rev-list", "main"],
        capture_output=True, text=True).stdout.split())
    fresh.stop()
    assert verify(fresh)[0] == 0


def test_a_journal_changed_with_all_links_contradicts_its_checkpoints(fresh):
    victim, good, bad = victim_of(fresh)
    rechain(fresh, lambda n, line, _: forge(line) if n == victim else line)
    code, said, report = verify(fresh)
    assert code == 6 and kinds(report) >= {"journal_changed",
                                           "checkpoint_differs"}, said
    found = next(p for p in report["problems"]
                 if p["what"] == "checkpoint_differs")
    assert found["seq"] == bad and "its signature is good" in \
        found["detail"], found
    assert f"changed between records {good + 1} and {bad}" in said, said


def test_all_made_anew_still_carries_the_old_roots(fresh):
    """Every Audit-Head fits then: only what was signed does not."""
    victim, good, bad = victim_of(fresh)
    rechain(fresh, lambda n, line, _: forge(line) if n == victim else line)
    made_anew(fresh)
    code, said, report = verify(fresh)
    assert code == 6 and kinds(report) == {"checkpoint_differs"}, said
    assert f"changed between records {good + 1} and {bad}" in said, said


def test_new_roots_under_old_signatures_are_forged(fresh):
    victim, _, bad = victim_of(fresh)

    def change(n, line, leaves):
        if n == victim:
            return forge(line)
        record = json.loads(line)
        if record["type"] != "checkpoint" or record["data"]["size"] < victim:
            return line
        old = record["data"]["root"]
        return line.replace(old.encode(), base64.b64encode(root_of(
            leaves[:record["data"]["size"]])))

    rechain(fresh, change)
    made_anew(fresh)
    code, said, report = verify(fresh)
    assert code == 6 and kinds(report) == {"checkpoint_forged"}, said
    assert "that the journal's key did not sign" in said, said
    # Without a key the roots agree: nobody can tell.
    (fresh.home / "keys/journal.vkey").rename(fresh.dir / "kept.vkey")
    code, said, report = verify(fresh)
    assert not report["problems"] and "no key to check signatures" in said
    assert not report["checkpoints"]["signatures_checked"], report
    code, said, report = verify(fresh, "--key", fresh.dir / "kept.vkey")
    assert code == 6 and kinds(report) == {"checkpoint_forged"}, said


def test_the_remotes_copy_remembers_what_was_made_anew_here(fresh):
    """No checkpoint is left on the record, and none in main."""
    victim, good, bad = victim_of(fresh)

    def change(n, line, _):
        line = line.replace(b'"type":"checkpoint"', b'"type":"checkpointed"')
        return forge(line) if n == victim else line

    rechain(fresh, change)
    made_anew(fresh)
    code, said, report = verify(fresh)
    assert not report["problems"], said
    git(fresh, "fetch", "-q", fresh.dir / "old-ssot.git",
        "main:refs/remotes/origin/main")
    code, said, report = verify(fresh)
    assert code == 6 and kinds(report) >= {"journal_changed",
                                           "checkpoint_differs"}, said
    assert "its signature is good" in said, said


def rewrite(agent, change):
    """Makes main anew from its oldest commit on, each text changed."""
    last = None
    for one in git(agent, "rev-list", "--reverse", "main").split():
        text = change(git(agent, "cat-file", "commit", one))
        if last:
            text = re.sub(r"\nparent \w{40}", f"\nparent {last}", text)
        last = subprocess.run(
            ["git", "--git-dir", agent.home / "ssot.git", "hash-object", "-t",
             "commit", "-w", "--stdin"], input=text, text=True, check=True,
            capture_output=True).stdout.strip()
    git(agent, "update-ref", "refs/heads/main", last)


def test_a_checkpoint_taken_out_of_a_commit_or_changed_is_told(fresh):
    tip = git(fresh, "rev-parse", "main").strip()
    size, root, _ = marks(fresh)[1]
    line = f"Audit-Checkpoint: {size} {root} "
    other = base64.b64encode(hashlib.sha256(b"x").digest()).decode()
    for change, what in (
            (lambda t: re.sub(re.escape(line) + r"\S+\n", "", t),
             {"checkpoint_missing"}),
            (lambda t: t.replace(line, f"Audit-Checkpoint: {size} {other} "),
             {"commit_changed", "checkpoint_forged"}),
            (lambda t: t.replace(line, f"Audit-Checkpoint: {size - 1} {root} "),
             {"commit_changed", "checkpoint_forged"}),
            (lambda t: t.replace(line, line[:-1]), {"commit_changed"})):
        rewrite(fresh, change)
        code, said, report = verify(fresh)
        assert code == 6 and kinds(report) - {"main_moved"} == what, said
        git(fresh, "update-ref", "refs/heads/main", tip)
    assert verify(fresh)[0] == 0


kc.main(new_agent=new_agent)
