"""Mode mirror: the tasks at a remote, reached by stock git over each of its
transports, and what is said and kept when the remote does not play along."""
import json
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import kc
import remotes
from expect import git, task_path


@contextmanager
def mirror(peer, port=None, start=True, **conf):
    agent = kc.Agent(start=start, conf=peer.conf(port, **conf))
    try:
        yield agent
    finally:
        agent.close()


def side_by_side(work, cases):
    """Most of it is waiting. What one of them fails with is raised."""
    with ThreadPoolExecutor(len(cases)) as pool:
        for _ in pool.map(work, cases):
            pass


def local(agent):
    """Main, or "" if there is none yet."""
    return git(agent, "for-each-ref", "--format=%(objectname)",
               "refs/heads/main").strip()


def row(agent):
    rows = agent.get("/api/health", by="admin").json["components"]
    return next((r for r in rows if r["name"] == "ssot_remote"), None)


def settled(agent, task):
    """Local main once it has this version of the task."""
    kc.wait_for(lambda: task_path(agent, task["id"]) and
                git(agent, "rev-parse", "main:" + task_path(
                    agent, task["id"])).strip() == task["sha"], 10)
    return local(agent)


def arrives(agent, peer, task, seconds=15):
    """The remote's main is ours and has the task."""
    settled(agent, task)
    kc.wait_for(lambda: peer.main() == local(agent), seconds,
                "the remote having main")


def fault(agent, code, seconds=15):
    """Waits for this error_code in the row of health; the row."""
    kc.wait_for(lambda: (row(agent) or {}).get("error_code") == code, seconds,
                code)
    found = row(agent)
    assert found["status"] in ("degraded", "down"), found
    assert found["effect"] and found["remediation_hint"], found
    assert found["detail"] and found["since"], found
    assert agent.get("/api/health", by="admin").json["status"] == "degraded"
    failed = kc.wait_for(lambda: agent.journal("ssot_sync_failed",
                                               what="ssot_remote"))
    assert failed[-1]["data"]["detail"], failed
    return found


def well(agent, seconds=15):
    kc.wait_for(lambda: row(agent)["status"] == "ok", seconds, "ok")


def works(agent, n=3):
    """Local work goes on, whatever the remote does."""
    return [agent.task(f"meanwhile {i}") for i in range(n)][-1]


def nowhere(agent, peer, secret):
    """The secret is in no file of ours but its own, and not there either."""
    for folder, _, files in os.walk(agent.dir):
        for name in files:
            data = Path(folder, name).read_bytes()
            assert secret.encode() not in data, f"{folder}/{name}"
    health = json.dumps(agent.get("/api/health", by="admin").json)
    assert secret not in health
    for repo in (agent.home / "ssot.git", peer.repo):
        text = remotes.git(repo, "log", "--all", "--format=raw", "-p")
        assert secret not in text


def test_four_transports_end_with_main_equal_and_a_clone_that_reads_well():
    def shares(kind):
        with kind() as peer, mirror(peer) as agent:
            task = agent.task("shared")
            agent.ack(task)
            task = agent.get(f"/api/tasks/{task['id']}").json
            arrives(agent, peer, task)
            well(agent)
            found = row(agent)
            assert (found["ahead"], found["behind"]) == (0, 0), found
            assert found["last_synced"] and "error_code" not in found
            copy = peer.clone(agent.dir / "copy")
            path = task_path(agent, task["id"])
            assert json.loads((copy / path).read_text())["id"] == task["id"]
            log = remotes.git(copy, "log", "--format=%s", "--", path)
            assert len(log.splitlines()) == 2, log
            assert "README.md" in os.listdir(copy)
            assert remotes.git(copy, "fsck", "--strict") == ""
            nowhere(agent, peer, remotes.TOKEN)
            assert not agent.journal("ssot_sync_failed")

    side_by_side(shares, (remotes.Folder, remotes.Daemon, remotes.Http,
                          remotes.Ssh))


def test_what_is_committed_before_the_stop_is_pushed_before_the_end():
    with remotes.Daemon() as peer, mirror(peer, interval="1h") as agent:
        kc.wait_for(lambda: row(agent)["status"] == "ok")
        task = works(agent, 20)
        settled(agent, task)
        agent.stop()
        assert peer.main() == local(agent)


def test_who_is_not_let_in_says_so_and_goes_on_when_the_key_fits():
    def token():
        with remotes.Http() as peer, mirror(peer, token_file=peer.token_file(
                "wrong-token")) as agent:
            found = fault(agent, "ssot_remote_auth")
            assert found["status"] == "down", found
            assert "Authentication failed" in found["detail"], found
            task = works(agent)
            agent.conf("ssot.token-file", peer.token_file())
            agent.restart()
            arrives(agent, peer, task)
            well(agent)
            nowhere(agent, peer, "wrong-token")

    def key():
        with remotes.Ssh() as peer, mirror(
                peer, key_file=peer.dir / "stranger") as agent:
            found = fault(agent, "ssot_remote_auth")
            assert "Permission denied" in found["detail"], found

    def host_key():
        with remotes.Ssh() as peer, mirror(peer, known_hosts=peer.known_hosts(
                peer.port, "stranger")) as agent:
            found = fault(agent, "ssot_remote_auth")
            assert "HOST IDENTIFICATION HAS CHANGED" in found["detail"], found
            # nobody is known but by known-hosts
            (peer.dir / "empty").touch()
            agent.conf("ssot.known-hosts", peer.dir / "empty")
            agent.restart()
            found = fault(agent, "ssot_remote_auth")
            assert "Host key verification failed" in found["detail"], found
            assert (peer.dir / "empty").read_text() == ""

    side_by_side(lambda case: case(), (token, key, host_key))


def test_a_hook_that_declines_is_quoted_and_asked_again():
    with remotes.Daemon() as peer:
        peer.hook("pre-receive", r"printf 'main is \033[31mclosed\n' >&2;"
                  " exit 1")
        with mirror(peer) as agent:
            task = works(agent)
            found = fault(agent, "ssot_remote_refused")
            assert found["status"] == "down", found
            assert "pre-receive hook declined" in found["detail"], found
            assert "main is <U+001B>[31mclosed" in found["detail"], found
            kc.wait_for(lambda: row(agent)["ahead"] >= 3)
            assert peer.main() == ""
            peer.hook("pre-receive")
            agent.reload()
            arrives(agent, peer, task)
            well(agent)
            kc.wait_for(lambda: agent.journal("ssot_synced",
                                              what="ssot_remote"))
            assert len(agent.journal("ssot_sync_failed")) == 1


def test_a_server_that_says_the_token_back_does_not_get_it_into_the_record():
    with remotes.Http() as peer:
        peer.hook("pre-receive", f"echo you said {remotes.TOKEN} >&2; exit 1")
        with mirror(peer) as agent:
            works(agent)
            found = fault(agent, "ssot_remote_refused")
            assert "you said ****" in found["detail"], found
            nowhere(agent, peer, remotes.TOKEN)


def test_commits_that_are_not_ours_are_not_pushed_over_but_accepted():
    with remotes.Daemon() as peer, mirror(peer) as agent:
        arrives(agent, peer, works(agent))
        theirs = peer.commit(subject="a person's\tnote")
        task = works(agent)
        found = fault(agent, "ssot_remote_diverged")
        assert found["status"] == "down", found
        assert "Ann: a person" in found["detail"], found
        assert "--accept-remote" in found["remediation_hint"], found
        kc.wait_for(lambda: (row(agent)["ahead"], row(agent)["behind"]) ==
                    (3, 1))
        assert peer.main() == theirs
        agent.stop()
        assert peer.main() == theirs
        agent.start("--accept-remote")
        arrives(agent, peer, task)
        well(agent)
        merged, = agent.journal("ssot_merged")
        assert merged["data"].items() >= {
            "commit": theirs, "from": "remote", "by": "Ann", "records": 0,
            "taken": 0, "conflicts": 0, "strategy": "ours"}.items(), merged
        assert theirs in peer.git("log", "--format=%P", "main").split()
        agent.restart()
        arrives(agent, peer, works(agent))
        assert len(agent.journal("ssot_merged")) == 1


def test_a_lost_repository_comes_again_from_journal_and_remote():
    with remotes.Daemon() as peer, mirror(peer) as agent:
        arrives(agent, peer, works(agent))
        for accepted in (False, True):
            if accepted:
                peer.commit()
                works(agent)
                fault(agent, "ssot_remote_diverged")
                agent.stop()
                agent.start("--accept-remote")
                arrives(agent, peer, works(agent))
            before = local(agent)
            agent.stop()
            shutil.rmtree(agent.home / "ssot.git")
            agent.cli("init")
            agent.start()
            kc.wait_for(lambda: local(agent) == before, 15, "the same main")
            arrives(agent, peer, works(agent))
            well(agent)
        assert not [r for r in agent.journal("ssot_sync_failed",
                                             what="ssot_remote")
                    if r["data"]["error_code"] != "ssot_remote_diverged"]


def test_what_somebody_puts_on_our_main_is_shared_only_once_it_is_taken_in():
    with remotes.Folder() as peer, mirror(peer) as agent:
        arrives(agent, peer, works(agent))
        for text, taken in (("a note\n", True), ("no task\n", False)):
            before = peer.main()
            name = "note.txt" if taken else "tasks/0/0/0/none.json"
            copy = agent.dir / f"copy-{taken}"
            remotes.git("/", "clone", "-q", agent.home / "ssot.git", copy)
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_text(text)
            remotes.git(copy, "add", "-A")
            remotes.git(copy, "commit", "-q", "-m", "by hand")
            remotes.git(copy, "push", "-q", "origin", "HEAD:main")
            moved = local(agent)
            if taken:
                kc.wait_for(lambda: peer.main() == moved)
            else:
                kc.wait_for(lambda: agent.journal("ssot_sync_failed",
                                                  what="ssot"))
                agent.reload()
                agent.restart()
                well(agent)
                assert peer.main() == before


def test_to_accept_a_remote_there_has_to_be_one(fresh):
    fresh.stop()
    done = fresh.cli("run", "--accept-remote", "--listen", "127.0.0.1:0",
                     check=False)
    assert done.returncode == 1, done
    assert "there is no remote" in done.stderr, done.stderr
    assert "ssot.remote" in done.stderr, done.stderr
    fresh.start()
    assert row(fresh) is None
    fresh.conf("ssot.remote", "https://ann:s3cret@git.example/tasks.git")
    fresh.stop()
    for command in (("run",), ("check",)):
        done = fresh.cli(*command, check=False)
        assert done.returncode == 1, done
        said = done.stdout + done.stderr
        assert "ssot.remote: the value has a name or password" in said, said
        assert "s3cret" not in said, said


def test_a_rewritten_remote_is_refused_and_accepted():
    def is_noticed(how):
        with remotes.Folder() as peer, mirror(peer) as agent:
            arrives(agent, peer, works(agent))
            if how == "rewrite":
                there = peer.rewrite(2)
            elif how == "rewind":
                peer.git("update-ref", "refs/heads/main", "main~2")
                there = peer.main()
            else:
                peer.git("update-ref", "-d", "refs/heads/main")
                there = ""
            agent.reload()              # nothing is new, so it is asked to
            found = fault(agent, "ssot_remote_rewritten")
            task = works(agent)
            assert "--accept-remote" in found["remediation_hint"], found
            assert peer.main() == there, how
            agent.restart()
            fault(agent, "ssot_remote_rewritten")
            assert peer.main() == there, how
            agent.stop()
            agent.start("--accept-remote")
            arrives(agent, peer, task)
            well(agent)
            agent.restart()
            arrives(agent, peer, works(agent))
            well(agent)
            assert peer.git("fsck", "--strict") == ""

    side_by_side(is_noticed, ("rewrite", "rewind", "delete"))


def test_a_remote_with_other_work_in_it_is_left_alone():
    with remotes.Folder() as peer:
        tree = peer.git("mktree", text="")
        other = peer.git("commit-tree", tree, "-m", "another project")
        peer.git("update-ref", "refs/heads/main", other)
        with mirror(peer) as agent:
            works(agent)
            fault(agent, "ssot_remote_diverged")
            assert peer.main() == other


def children(agent):
    """Command lines of all processes under the agent."""
    parents, lines = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text().rpartition(")")[2].split()
            lines[int(folder.name)] = (folder / "cmdline").read_bytes()
            parents[int(folder.name)] = int(stat[1])
        except OSError:
            continue
    below = {agent.proc.pid}
    while more := {p for p, up in parents.items() if up in below} - below:
        below |= more
    return {p: lines[p].replace(b"\0", b" ").decode()
            for p in below - {agent.proc.pid}}


def test_a_server_that_hangs_is_left_at_the_deadline_and_shows_no_secret():
    def is_left(case):
        kind, silence = case
        with kind() as peer, peer.proxy() as net:
            net.hang()
            silence = f"{silence * kc.SLOW}s"
            with mirror(peer, net.port, timeout=silence) as agent:
                kc.wait_for(lambda: net.seen)
                seen = kc.wait_for(lambda: children(agent))
                assert not any(remotes.TOKEN in s for s in seen.values())
                found = fault(agent, "ssot_remote_unreachable")
                assert found["status"] == "degraded", found
                net.heal()
                agent.reload()
                arrives(agent, peer, works(agent))
                nowhere(agent, peer, remotes.TOKEN)
                if kind != remotes.Http:
                    return
                net.hang()          # now a push
                task = works(agent)
                fault(agent, "ssot_remote_unreachable")
                nowhere(agent, peer, remotes.TOKEN)
                net.heal()
                arrives(agent, peer, task)

    side_by_side(is_left, ((remotes.Daemon, 1), (remotes.Http, 1),
                           (remotes.Ssh, 2)))


def test_the_stop_does_not_wait_for_a_server_that_hangs():
    with remotes.Daemon() as peer, peer.proxy() as net:
        net.hang()
        with mirror(peer, net.port) as agent:
            works(agent)
            kc.wait_for(lambda: children(agent))
            agent.signal(15)
            agent.wait(4)


def test_a_cut_network_loses_nothing_and_refuses_nobody():
    with remotes.Http() as peer, peer.proxy() as net, \
            mirror(peer, net.port, timeout=f"{2 * kc.SLOW}s") as agent:
        arrives(agent, peer, works(agent))
        for _ in range(2):
            net.slow(0.01)
            works(agent, 5)
            net.cut()
            task = works(agent, 20)
            found = fault(agent, "ssot_remote_unreachable")
            assert found["status"] == "degraded", found
            settled(agent, task)
            kc.wait_for(lambda: row(agent)["ahead"] >= 20)
            agent.kill9()
            for ref in ("main", "incoming"):    # what a killed git leaves
                (agent.home / "ssot.git/refs/remotes/origin" /
                 f"{ref}.lock").touch()
            agent.start()
            works(agent)
            net.heal()
            agent.reload()
            arrives(agent, peer, task)
            well(agent)
            assert row(agent)["ahead"] == 0
        assert agent.chained()
        assert git(agent, "fsck", "--strict").strip() == ""
        nowhere(agent, peer, remotes.TOKEN)


def test_a_push_whose_answer_is_lost_is_no_conflict():
    with remotes.Daemon() as peer, peer.proxy() as net:
        ran = peer.dir / "ran"
        with mirror(peer, net.port, timeout=f"{kc.SLOW}s") as agent:
            arrives(agent, peer, works(agent))
            # the remote has it, and we do not hear of it
            peer.hook("post-receive", f"touch {ran}; exec sleep {3 * kc.SLOW}")
            task = works(agent)
            kc.wait_for(ran.exists)
            fault(agent, "ssot_remote_unreachable")
            peer.hook("post-receive")
            works(agent)
            arrives(agent, peer, task)
            well(agent)


def test_a_remote_that_is_too_slow_for_all_gets_it_in_parts():
    with remotes.Daemon() as peer:
        peer.hook("pre-receive", "while read old new ref; do case $old in "
                  "*[!0]*) new=$old..$new;; esac; n=$(git rev-list --count "
                  f"$new); [ $n -le 50 ] || exec sleep {10 * kc.SLOW}; done")
        with mirror(peer, timeout=f"{kc.SLOW}s") as agent:
            agent.stop()            # so that all of it is there at once
            agent.conf("ssot.remote", peer.dir / "nowhere")
            agent.start()
            task = works(agent, 120)
            settled(agent, task)
            agent.conf("ssot.remote", peer.url())
            agent.restart()
            arrives(agent, peer, task, 30)
            well(agent)
            assert row(agent)["ahead"] == 0


def test_a_token_that_others_may_read_is_not_used():
    with remotes.Http() as peer:
        with mirror(peer, start=False) as agent:
            peer.token_file().chmod(0o640)
            done = agent.cli("run", "--listen", "127.0.0.1:0", check=False)
            assert done.returncode == 1, done
            assert "may be read by others" in done.stderr, done.stderr
            assert "chmod 600" in done.stderr, done.stderr
            done = agent.cli("check", check=False)
            assert "may be read by others" in done.stdout, done.stdout
            peer.token_file().chmod(0o600)
            agent.start()
            well(agent)
            peer.token_file().chmod(0o640)
            works(agent)
            found = fault(agent, "ssot_remote_auth")
            assert "may be read by others" in found["detail"], found


def test_a_path_of_another_user_is_used_once_git_is_told_to_trust_it():
    if os.getuid() != 0:
        return                      # nothing can be given away
    with remotes.Folder() as peer, mirror(peer) as agent:
        arrives(agent, peer, works(agent))
        for folder, _, files in os.walk(peer.repo):
            for name in (".", *files):
                os.chown(os.path.join(folder, name), 65534, -1)
        works(agent)
        found = fault(agent, "ssot_remote_auth")
        assert "dubious ownership" in found["detail"], found
        (agent.dir / ".gitconfig").write_text(
            f"[safe]\n\tdirectory = {peer.repo}\n")
        agent.reload()
        kc.wait_for(lambda: row(agent)["status"] == "ok", 15)


def test_a_machine_without_git_says_so():
    folder = Path(tempfile.mkdtemp(prefix="kc-nogit-"))
    for name in ("sh", "env"):
        (folder / name).symlink_to(shutil.which(name))
    try:
        with remotes.Folder() as peer, mirror(peer, start=False) as agent:
            agent.env["PATH"] = str(folder)
            agent.start()
            works(agent)
            found = fault(agent, "git_missing")
            assert found["status"] == "down", found
            assert "FAIL" in next(
                line for line in agent.cli("check", check=False)
                .stdout.splitlines() if line.startswith("git "))
    finally:
        shutil.rmtree(folder)


kc.main()
