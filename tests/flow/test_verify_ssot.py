"""`audit verify --with-ssot`: the journal and the task repository vouch for
each other, and whichever of the two was changed is told."""
import json
import re
import shutil
import subprocess

import kc
import remotes
import sharing
from chains import new_agent as chain_agent, whole
from expect import committed, git, sha256, task_path
from following import follows
from person import Person, by_hand


def new_agent():
    """One that has made history and was stopped."""
    agent = chain_agent()
    whole(agent, "c-verify")
    for n in range(6):
        agent.task(f"task {n}")
    agent.stop()
    return agent


def verify(agent, *options):
    """(exit code, what it says, the repository's part of the JSON)."""
    said = agent.cli("audit", "verify", "--with-ssot", check=False)
    done = agent.cli("audit", "verify", "--with-ssot", "--json", check=False)
    assert done.returncode == said.returncode, (done, said)
    report = json.loads(done.stdout) if done.stdout else {"ssot": None}
    assert not done.stdout or report["ok"] == (done.returncode == 0), done
    return said.returncode, said.stdout + said.stderr, report["ssot"]


def wrong(agent, what, code=6):
    """That and nothing else is wrong; returns what is said, and the first
    problem."""
    exit_code, said, report = verify(agent)
    assert exit_code == code, (exit_code, said)
    found = [p for p in report["problems"] if p["what"] == what]
    others = {p["what"] for p in report["problems"]} - {what}
    assert found and others <= {"main_moved"}, said
    assert f"NOT OK: {what}: " in said and not report["ok"], said
    return said, found[0]


def journal_file(agent):
    file, = (agent.home / "audit").glob("*.jsonl")
    return file


def rechain(agent, change):
    """Changes lines (a list of dicts with text) and makes every link fit."""
    lines, out, last = agent.lines(), [], "0" * 64
    for n, line in enumerate(lines, 1):
        text = change(n, line.decode())
        text = re.sub(r'"prev":"[0-9a-f]{64}"', f'"prev":"{last}"', text)
        out.append(text.encode())
        last = kc.leaf(out[-1])
    journal_file(agent).write_bytes(b"\n".join(out) + b"\n")


def forget(agent):
    """What else remembers: the read model, the tree and the checkpoint."""
    for file in [*agent.home.glob("index.db*"), *agent.home.glob("tree/*"),
                 agent.home / "audit/checkpoint"]:
        file.unlink()


def rewrite(agent, change):
    """Makes main anew from its oldest commit on, each commit's text given to
    change(n, text); the tip's id."""
    last = None
    for n, one in enumerate(git(agent, "rev-list", "--reverse",
                                "main").split()):
        text = change(n, git(agent, "cat-file", "commit", one))
        if last:
            text = re.sub(r"\nparent \w{40}", f"\nparent {last}", text)
        last = subprocess.run(
            ["git", "--git-dir", agent.home / "ssot.git", "hash-object", "-t",
             "commit", "-w", "--stdin"], input=text, text=True, check=True,
            capture_output=True).stdout.strip()
    git(agent, "update-ref", "refs/heads/main", last)
    return last


def with_file(agent, path, text):
    """The tree of main with that file; its id."""
    env = {"GIT_DIR": str(agent.home / "ssot.git"), "PATH": agent.env["PATH"],
           "GIT_INDEX_FILE": str(agent.dir / "git-index")}

    def run(*args, **kw):
        return subprocess.run(["git", *args], env=env, check=True, text=True,
                              capture_output=True, **kw).stdout.strip()

    run("read-tree", "main")
    blob = run("hash-object", "-w", "--stdin", input=text)
    run("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
    return run("write-tree")


def test_it_says_how_far_git_vouches_for_the_journal(fresh):
    code, said, report = verify(fresh)
    assert code == 0, said
    newest = max(r["seq"] for r in fresh.journal() if
                 {"task", "ack", "result", "package"} & set(
                     r["data"].get("put", {})))
    tip = git(fresh, "rev-parse", "main").strip()
    head = len(fresh.lines())
    assert report["main"] == tip
    assert report["anchored"] == {"from": 1, "to": newest, "commit": tip}
    assert report["unanchored"] == {"from": newest + 1, "to": head}
    assert report["remote"] is None and report["problems"] == []
    assert f"anchored by main: records 1 to {newest}, by commit {tip[:12]}" \
        in said and f"not anchored: records {newest + 1} to {head}" in said
    count = len(committed(fresh)) - 1
    assert report["documents"] == {"all": count, "equal": count, "behind": 0,
                                   "other": 0, "unknown_files": 0}, report
    plain = fresh.cli("audit", "verify", "--json")
    assert "ssot" not in json.loads(plain.stdout)
    for bad in (["--with"], ["x", "y"], ["--json", "--no"]):
        assert fresh.cli("audit", "verify", *bad,
                         check=False).returncode == 2, bad


def test_the_remote_vouches_apart(fresh):
    commits = git(fresh, "rev-list", "main").split()
    git(fresh, "update-ref", "refs/remotes/origin/main", commits[3])
    code, said, report = verify(fresh)
    assert code == 0, said
    named = int(re.search(r"Audit-Head: (\d+)", git(
        fresh, "cat-file", "commit", commits[3]))[1])
    assert report["remote"] == {
        "commit": commits[3], "ahead": 3, "behind": 0,
        "anchored": {"from": 1, "to": named, "commit": commits[3]}}, report
    assert f"anchored by the remote, as last fetched: records 1 to {named}, " \
        in said and "3 commits ahead and 0 behind" in said, said
    git(fresh, "update-ref", "refs/remotes/origin/main", commits[0])
    git(fresh, "update-ref", "refs/heads/main", commits[2])
    said, problem = wrong(fresh, "rolled_back")
    assert "the remote has our commit of record" in said, said
    assert problem["seq"] == int(re.search(r"Audit-Head: (\d+)", git(
        fresh, "cat-file", "commit", commits[0]))[1])


def test_it_can_be_asked_while_the_agent_writes(fresh):
    fresh.start()
    task = fresh.task("busy")
    for n in range(30):
        task = fresh.patch(f"/api/tasks/{task['id']}", {
            "title": f"busy {n}", "base_sha": task["sha"]}).json
        if n % 6 == 0:
            code, said, report = verify(fresh)
            assert code == 0, said
            assert report["documents"]["other"] == 0, said
    kc.wait_for(lambda: committed(fresh)[task_path(fresh, task["id"])]
                == task["sha"], 5)
    assert verify(fresh)[2]["documents"]["behind"] == 0


def test_what_git_had_no_time_for_is_behind_and_no_failure(fresh):
    lock = fresh.home / "ssot.git/refs/heads/main.lock"
    fresh.start()
    fresh.task("first")
    kc.wait_for(lambda: verify(fresh)[2]["documents"]["behind"] == 0, 5)
    before = git(fresh, "rev-parse", "main")
    lock.touch()
    task = fresh.task("behind")
    fresh.kill9()
    lock.unlink()
    git(fresh, "update-ref", "refs/heads/main", before.strip())
    code, said, report = verify(fresh)
    assert code == 0 and report["documents"]["behind"] == 1, said
    assert "not in git yet 1" in said, said
    fresh.start()
    kc.wait_for(lambda: task_path(fresh, task["id"]), 5)
    assert verify(fresh)[2]["documents"]["behind"] == 0


def test_a_journal_that_lost_its_end_is_told_by_the_commits(fresh):
    file = journal_file(fresh)
    lines = fresh.lines()
    newest = verify(fresh)[2]["anchored"]["to"]
    file.write_bytes(b"\n".join(lines[:newest - 5]) + b"\n")
    assert fresh.cli("audit", "verify", check=False).returncode == 6
    forget(fresh)
    assert fresh.cli("audit", "verify").returncode == 0, "nobody remembers"
    said, problem = wrong(fresh, "journal_cut")
    assert f"git has seen record {newest}" in said, said
    assert f"the journal ends at {newest - 5}" in said, said
    assert problem["seq"] == newest - 4, problem
    assert problem["commit"] == git(fresh, "rev-parse", "main").strip()


def test_a_record_changed_with_all_links_is_told_by_the_commits(fresh):
    records = fresh.journal()
    anchors = [int(a) for a in re.findall(
        r"Audit-Head: (\d+)", git(fresh, "log", "--format=%B", "main"))]
    victim = next(r["seq"] for r in records if r["type"] == "policy_denied")
    after = min(a for a in anchors if a >= victim)
    before = max(a for a in anchors if a < victim)
    rechain(fresh, lambda n, text: text.replace(
        '"actor":"codex"', '"actor":"admin"') if n == victim else text)
    forget(fresh)
    assert fresh.cli("audit", "verify").returncode == 0, "the links hold"
    said, problem = wrong(fresh, "journal_changed")
    assert f"changed between records {before + 1} and {after}" in said, said
    assert problem["seq"] == after and problem["commit"], problem


def test_a_journal_of_another_agent_is_no_journal_of_this_repository(fresh):
    other = new_agent()
    shutil.copyfile(journal_file(other), journal_file(fresh))
    other.close()
    forget(fresh)
    assert fresh.cli("audit", "verify").returncode == 0
    said, problem = wrong(fresh, "other_journal")
    assert "another agent's, or the journal was replaced" in said, said


def test_a_rewritten_commit_is_told(fresh):
    tip = git(fresh, "rev-parse", "main").strip()
    for old, new in ((r"\nauthor \w+ <\w+", r"\nauthor mallory <mallory"),
                     (r"\n\n(\w+) ", r"\n\nforged "),
                     (r"Actor: .*", "Actor: mallory"),
                     (r"\nCorrelation-Id: .*", "")):
        def change(n, text):
            return re.sub(old, new, text, count=1) if n == 4 else text
        rewrite(fresh, change)
        said, problem = wrong(fresh, "commit_changed")
        named = int(re.search(r"Audit-Head: (\d+)", git(
            fresh, "log", "--reverse", "--format=%B%x00", "main"
            ).split("\0")[4])[1])
        assert problem["seq"] == named and "rewritten" in said, said
        git(fresh, "update-ref", "refs/heads/main", tip)
    assert verify(fresh)[0] == 0


def test_a_commit_that_borrows_our_trailers_is_told(fresh):
    theirs = subprocess.run(
        ["git", "--git-dir", fresh.home / "ssot.git", "hash-object", "-t",
         "commit", "-w", "--stdin"], text=True, check=True,
        capture_output=True, input=re.sub(
            r"\n(parent \w{40}\n)?author .*", "\nparent " + git(
                fresh, "rev-parse", "main").strip() +
            "\nauthor mallory <m@m> 1 +0000", git(
                fresh, "cat-file", "commit", "main"), count=1)
        ).stdout.strip()
    git(fresh, "update-ref", "refs/heads/main", theirs)
    said, problem = wrong(fresh, "commit_changed")
    assert problem["commit"] == theirs, problem


def test_a_commit_taken_out_of_history_is_told(fresh):
    commits = git(fresh, "rev-list", "--reverse", "main").split()
    gone = int(re.search(r"Audit-Head: (\d+)", git(
        fresh, "cat-file", "commit", commits[3]))[1])
    last = commits[2]
    for one in commits[4:]:
        text = re.sub(r"\nparent \w{40}", f"\nparent {last}",
                      git(fresh, "cat-file", "commit", one))
        last = subprocess.run(
            ["git", "--git-dir", fresh.home / "ssot.git", "hash-object", "-t",
             "commit", "-w", "--stdin"], input=text, text=True, check=True,
            capture_output=True).stdout.strip()
    git(fresh, "update-ref", "refs/heads/main", last)
    said, problem = wrong(fresh, "commit_missing")
    assert problem["seq"] == gone, (problem, gone)


def test_a_document_changed_added_or_taken_away_in_git_is_told(fresh):
    task, = (r["task_id"] for r in fresh.journal("task_created")
             if r["data"]["put"]["task"]["title"] == "task 3")
    path = task_path(fresh, task)
    seq = fresh.journal("task_created", task_id=task)[0]["seq"]
    tip = git(fresh, "rev-parse", "main").strip()
    count = len(git(fresh, "rev-list", "main").split())

    def at_tip(tree):
        return rewrite(fresh, lambda n, text: re.sub(
            r"^tree \w{40}", f"tree {tree}", text) if n == count - 1
            else text)

    forged = git(fresh, "show", f"main:{path}").replace("task 3", "task x")
    new = at_tip(with_file(fresh, path, forged))
    said, problem = wrong(fresh, "document_differs")
    assert (problem["seq"], problem["task_id"], problem["path"],
            problem["commit"]) == (seq, task, path, new), problem
    assert task in said and f"record {seq}" in said and new[:12] in said
    git(fresh, "update-ref", "refs/heads/main", tip)

    h = sha256("t-forged")
    other = f"tasks/{h[0]}/{h[1]}/{h[2]}/t-forged.json"
    at_tip(with_file(fresh, other, "{}\n"))
    said, problem = wrong(fresh, "document_unknown")
    assert problem["path"] == other and problem["task_id"] == "t-forged"
    git(fresh, "update-ref", "refs/heads/main", tip)

    folder, name = path.rsplit("/", 1)
    entries = git(fresh, "ls-tree", "-r", "main").replace(path, "x")
    assert name not in entries
    at_tip(subprocess.run(
        "git read-tree main && git rm -q --cached " + path +
        " && git write-tree", shell=True, text=True, check=True,
        capture_output=True, cwd=fresh.home / "ssot.git",
        env=fresh.env | {"GIT_DIR": ".", "GIT_WORK_TREE": "/nonexistent",
                         "GIT_INDEX_FILE": str(fresh.dir / "index2")}
        ).stdout.strip())
    said, problem = wrong(fresh, "document_missing")
    assert problem["path"] == path and problem["seq"] == seq, problem
    git(fresh, "update-ref", "refs/heads/main", tip)
    assert verify(fresh)[0] == 0


def test_an_older_copy_of_the_repository_is_told(fresh):
    commits = git(fresh, "rev-list", "main").split()
    git(fresh, "update-ref", "refs/heads/main", commits[4])
    said, problem = wrong(fresh, "rolled_back")
    assert "the repository is an older copy" in said, said
    git(fresh, "update-ref", "-d", "refs/heads/main")
    said, problem = wrong(fresh, "rolled_back")
    assert "the repository is empty" in said, said


def test_main_that_was_moved_back_is_told_at_once(fresh):
    """Also where there was no time to see that it ought to be further on."""
    fresh.start()
    tasks = [fresh.task(f"moved {n}") for n in range(3)]
    follows(fresh, *tasks)
    fresh.kill9()
    tip, *before = git(fresh, "rev-list", "main").split()
    assert verify(fresh)[0] == 0
    git(fresh, "update-ref", "refs/heads/main", tip + "~5")
    said, problem = wrong(fresh, "main_moved")
    assert problem["commit"] in before[:4], problem
    git(fresh, "update-ref", "refs/heads/main", tip)
    assert verify(fresh)[0] == 0


def test_a_repository_that_is_anothers_or_none_is_told(fresh):
    ssot, kept = fresh.home / "ssot.git", fresh.dir / "kept.git"
    other = new_agent()
    ssot.rename(kept)
    shutil.copytree(other.home / "ssot.git", ssot)
    other.close()
    said, problem = wrong(fresh, "other_journal")
    shutil.rmtree(ssot)
    subprocess.run(
        "git init -q --bare -b main $D && cd $D && git update-ref "
        "refs/heads/main $(git -c user.name=x -c user.email=x@x commit-tree "
        "-m x $(git mktree </dev/null))", shell=True, check=True,
        env=fresh.env | {"D": str(ssot)})
    said, problem = wrong(fresh, "other_repository")
    shutil.rmtree(ssot)
    exit_code, said, report = verify(fresh)
    assert exit_code == 1 and "is missing" in said and not report, said
    ssot.mkdir()
    (ssot / "file").touch()
    exit_code, said, report = verify(fresh)
    assert exit_code == 1 and "opening" in said, said
    shutil.rmtree(ssot)
    kept.rename(ssot)
    for pack in (ssot / "objects/pack").glob("*.pack"):
        pack.chmod(0o600)
        pack.write_bytes(pack.read_bytes()[:40])
    exit_code, said, report = verify(fresh)
    assert exit_code == 1 and "fsck" in said, said


def test_commits_that_wait_to_be_taken_in_are_counted_apart(fresh):
    tree = git(fresh, "rev-parse", "main^{tree}").strip()
    theirs = subprocess.run(
        ["git", "-c", "user.name=x", "-c", "user.email=x@x", "commit-tree",
         "-m", "theirs", "-p", "main", tree], text=True, check=True,
        cwd=fresh.home / "ssot.git", capture_output=True).stdout.strip()
    git(fresh, "update-ref", "refs/heads/main", theirs)
    code, said, report = verify(fresh)
    assert code == 0 and report["not_taken"] == 1, said
    assert "not taken into the journal yet: the newest 1;" in said, said


def test_what_others_committed_and_was_taken_in_counts(fresh):
    fresh.start()
    task = fresh.task("shared")
    follows(fresh, task)
    ann = Person(fresh)
    ann.write("docs/notes.txt", b"hers\n")
    theirs = []
    for n, plain in enumerate((False, True)):
        theirs.append(by_hand(ann, task, plain, title=f"by ann {n}"))
        ann.push()
        kc.wait_for(lambda: fresh.get(f"/api/tasks/{task['id']}").json[
            "title"] == f"by ann {n}")
        code, said, report = verify(fresh)
        assert code == 0 and report["not_taken"] == 0, said
        task = fresh.patch(f"/api/tasks/{task['id']}", {
            "title": f"mine {n}", "base_sha": fresh.get(
                f"/api/tasks/{task['id']}").json["sha"]}).json
        follows(fresh, task)
        ann.pull()
        code, said, report = verify(fresh)
        assert code == 0 and report["documents"]["unknown_files"] == 1, said
        assert report["documents"]["behind"] == 0, said
    assert (ann.dir / "docs/notes.txt").read_text() == "hers\n"
    fresh.stop()
    assert verify(fresh)[0] == 0
    # Not so if history has another commit than the one that was taken in;
    # where the document was not taken as it stood there, it is told only.
    order = git(fresh, "rev-list", "--reverse", "main").split()
    tip = order[-1]
    # Where the agent left main is told apart, if it moved since the forgery.
    for forged, missed in ((theirs[1], False), (theirs[0], True)):
        rewrite(fresh, lambda n, text: text.replace("by hand", "forged")
                if order[n] == forged else text)
        exit_code, said, report = verify(fresh)
        assert report["taken_and_lost"] >= 1, said
        told = {p["what"] for p in report["problems"]} - {"main_moved"}
        assert told == ({"commit_missing"} if missed else set()), said
        assert "taken in, and that main does not have" in said, said
        git(fresh, "update-ref", "refs/heads/main", tip)
    rewrite(fresh, lambda n, text: text.replace("by hand", "forged")
            if order[n] == theirs[0] else text)
    wrong(fresh, "commit_missing")


def signs_often(conf):
    return kc.Agent(conf=conf | {"audit.checkpoint-records": "2"})


def test_it_holds_while_two_agents_share_their_tasks():
    """What the remote decides carries no checkpoint of either journal."""
    with remotes.Folder() as peer, \
            sharing.team(peer, new_agent=signs_often) as team:
        task = team[0].task("shared")
        for n in range(8):
            one, other = team[n % 2], team[1 - n % 2]
            sharing.seen(one, task)
            task = one.patch(f"/api/tasks/{task['id']}", {
                "title": f"step {n}", "base_sha": task["sha"]}).json
            for agent in team:
                code, said, report = verify(agent)
                assert code == 0, said
        sharing.seen(team[0], task)
        for agent in team:
            agent.stop()
            code, said, report = verify(agent)
            assert code == 0 and report["remote"]["ahead"] == 0, said
            assert report["documents"]["equal"] == 1, said
            assert report["checkpoints"]["count"] == 0, said
            assert len(agent.journal("checkpoint")) > 2


kc.main(new_agent=new_agent)
