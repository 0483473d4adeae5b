"""Mode mirror: the tasks at a remote, reached by stock git over each of its
transports, and what is never done to what is there."""
import json
import os
import shutil

import kc
import remotes
from expect import task_path
from mirroring import (arrives, fault, local, mirror, nowhere, row, settled,
                       side_by_side, well, works)


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


kc.main()
