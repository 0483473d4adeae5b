"""Mode mirror when the remote does not play along: it hangs, is slow, breaks
off, or cannot be reached for want of something here."""
import os
import shutil
import tempfile
from pathlib import Path

import kc
import remotes
from expect import fsck
from mirroring import (arrives, fault, mirror, nowhere, row, settled,
                       side_by_side, well, works)


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
            refs = agent.home / "ssot.git/refs/remotes/origin"
            refs.mkdir(parents=True, exist_ok=True)
            for name in ("main", "incoming"):   # what a killed git leaves
                (refs / f"{name}.lock").touch()
            agent.start()
            works(agent)
            net.heal()
            agent.reload()
            arrives(agent, peer, task)
            well(agent)
            kc.wait_for(lambda: row(agent)["ahead"] == 0)
        assert agent.chained()
        kc.wait_for(lambda: fsck(agent), 10, "fsck")
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
            kc.wait_for(lambda: row(agent)["ahead"] == 0)


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
