"""With a journal that cannot be written an admin can still stop everything:
kept in the home, also on a full disk, and recorded once the journal is back."""
import json
import os
import subprocess

import kc
from disks import MIB, fill, mounted, unmount
from expect import refused

LASTS = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(%r, "w").write(str(os.getpid()))
time.sleep(600)
"""
LINE = {"reason": "smoke in the studio"}


def new_agent():
    agent = kc.Agent(start=False, conf={"policy.grace": "0s"})
    agent.effects = agent.publisher()
    agent.tool("test.lasts", LASTS % str(agent.dir / "lasts"), timeout="10m")
    return agent


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def busy(agent):
    """A tool that runs and an approval that waits, read and ready to give:
    the tool's process, the run that waits, the word that would start it."""
    task = agent.task("t", by="admin", allow_external_publish=True)
    agent.execute("test.lasts", "local_write")
    waits = agent.execute("test.publish", "external_publish", {"text": "x"},
                          task, on_approval="run").json
    seen = agent.review(waits["approval_id"])
    file = agent.dir / "lasts"
    kc.wait_for(lambda: file.exists() and file.read_text())
    return int(file.read_text()), waits, {
        "request_sha256": seen["request_sha256"], "nonce": seen["nonce"],
        "reason": "r"}


def until_refused(agent, size=20):
    def refusal():
        answer = agent.post("/api/tasks", {"title": "more",
                                           "request_text": "r" * size})
        return answer if answer.status != 201 else None
    refused(kc.wait_for(refusal, 60), 503, "audit_unavailable")


def seal(agent):
    tracer = subprocess.Popen(
        ["strace", "-f", "-q", "-o", "/dev/null", "-e", "trace=fdatasync",
         "-e", "inject=fdatasync:error=EIO:when=1+", "-p",
         str(agent.proc.pid)], stderr=subprocess.DEVNULL)
    try:
        until_refused(agent)
    finally:
        tracer.terminate()
        tracer.wait()


def stop(agent):
    answer = agent.post("/api/mode", {"mode": "stopped"} | LINE, by="admin")
    assert answer.status == 200, answer
    assert answer.headers["kircerta-audit"] == "unavailable"
    assert answer.json["mode"] == "stopped" and answer.json["unrecorded"]
    assert answer.json["by"] == "admin" and answer.json["since"], answer
    return answer.json


def nobody_else_gets_anywhere(agent, waits, word):
    for body, by in (({"mode": "normal"} | LINE, "admin"),
                     ({"mode": "guarded"} | LINE, "admin")):
        refused(agent.post("/api/mode", body, by=by), 503,
                "audit_unavailable")
    for body, by in (({"mode": "stopped"}, "codex"),
                     ({"mode": "stopped"}, None),
                     ({"mode": "stopped", "force": True}, "admin"),
                     ({"mode": ["stopped"]}, "admin")):
        refused(agent.post("/api/mode", body, by=by), 503,
                "audit_unavailable")
    refused(agent.post(f"/api/approvals/{waits['approval_id']}/approve",
                       word, by="admin"), 503, "audit_unavailable")
    assert agent.get("/api/health").json["mode"] == "stopped"
    assert agent.get("/api/mode").json["mode"] == "stopped"


def is_recorded_once(agent, said, waits):
    """In order: the stop with who and when, and all that it ended."""
    record, = kc.wait_for(lambda: agent.journal("mode_changed"))
    data = record["data"]
    assert data["break_glass"] is True and data["to"] == "stopped", record
    assert data["from"] == "normal" and data["by"] == "admin", record
    assert data["since"] == said["since"] and data["token_id"], record
    assert data["reason"] == LINE["reason"], record
    stale = kc.wait_for(lambda: agent.journal(
        "approval_stale", approval_id=waits["approval_id"]))
    assert stale[0]["seq"] > record["seq"]
    kc.wait_for(lambda: not (agent.home / "stopped").read_text().strip())
    assert (agent.home / "stopped").stat().st_size == 4096
    shown = kc.wait_for(lambda: "unrecorded" not in agent.get(
        "/api/mode").json and agent.get("/api/mode").json)
    assert shown["mode"] == "stopped" and shown["by"] == "admin", shown
    assert shown["since"] == said["since"], shown
    run = agent.get(f"/api/runs/{waits['id']}").json
    assert run["state"] == "cancelled", run
    refused(agent.post("/api/tasks", {"title": "t"}), 403, "policy_denied",
            reason="mode_stopped")


def is_left_as_ever(agent):
    refused(agent.post("/api/mode", {"mode": "normal"}, by="admin"), 400,
            "invalid_request")
    left = agent.post("/api/mode", {"mode": "normal", "reason": "it is out"},
                      by="admin")
    assert left.json["mode"] == "normal", left
    agent.restart()
    assert agent.get("/api/mode").json["mode"] == "normal"
    assert len(agent.journal("mode_changed")) == 2
    assert agent.chained() and not agent.effects.read_text()


def test_sealed_it_stops_and_stays_so_until_it_is_recorded(fresh):
    fresh.start()
    pid, waits, word = busy(fresh)
    seal(fresh)
    said = stop(fresh)
    kc.wait_for(lambda: not alive(pid), 1)
    nobody_else_gets_anywhere(fresh, waits, word)
    note = json.loads((fresh.home / "stopped").read_text())
    assert note["by"] == "admin" and fresh.token("admin") not in str(note)
    assert not fresh.journal("mode_changed")
    fresh.kill9()
    fresh.start()
    is_recorded_once(fresh, said, waits)
    is_left_as_ever(fresh)


def test_whoever_stops_it_first_is_on_the_record(fresh):
    fresh.start()
    fresh.token("second", "admin")
    seal(fresh)
    said = stop(fresh)
    again = fresh.post("/api/mode", {"mode": "stopped", "reason": "me too"},
                       by="second")
    assert again.status == 200, again
    assert {k: again.json[k] for k in said} == said, again
    fresh.kill9()
    fresh.start()
    record, = kc.wait_for(lambda: fresh.journal("mode_changed"))
    data = record["data"]
    assert data["by"] == "admin" and data["from"] == "normal", record
    assert data["reason"] == LINE["reason"], record
    assert data["since"] == said["since"], record


def test_what_is_no_file_in_its_place_hangs_nobody(fresh):
    fresh.start()
    pid, _, _ = busy(fresh)
    note = fresh.home / "stopped"
    note.unlink()
    os.mkfifo(note, 0o600)
    seal(fresh)
    stop(fresh)
    kc.wait_for(lambda: not alive(pid))
    assert note.is_file() and json.loads(note.read_text())["by"] == "admin"
    fresh.kill9()
    for there in (lambda: os.mkfifo(note, 0o600),
                  lambda: note.symlink_to("nowhere")):
        note.unlink()
        there()
        fresh.start()
        assert fresh.get("/api/mode").json["mode"] == "stopped"
        kc.wait_for(lambda: note.is_file() and not note.is_symlink() and
                    not note.read_text().strip())
        fresh.stop()


def test_on_a_full_disk_it_stops_and_records_it_with_room(fresh):
    if not moved(fresh.home):
        print("      no file system may be mounted here")
        return
    try:
        on_a_full_disk(fresh)
    finally:
        if fresh.running:
            fresh.kill9()
        unmount(fresh.home)


def moved(folder):
    """32 MiB in place of the home, with what is in it."""
    keep = subprocess.run(["tar", "-C", folder, "-c", "."],
                          capture_output=True, check=True).stdout
    done = mounted(folder, 32 * MIB)
    if done:
        subprocess.run(["tar", "-C", folder, "-x"], input=keep, check=True)
    return done


def on_a_full_disk(agent):
    agent.start()
    reserve = agent.home / "audit" / "reserve"
    kc.wait_for(lambda: reserve.exists() and reserve.stat().st_size == MIB)
    pid, waits, word = busy(agent)
    agent.token("coordinator"), agent.token("codex")  # while there is room
    filler = fill(agent.home)
    until_refused(agent, 20000)
    said = stop(agent)
    kc.wait_for(lambda: not alive(pid), 1)
    nobody_else_gets_anywhere(agent, waits, word)
    agent.kill9()
    agent.start()
    try:
        nobody_else_gets_anywhere(agent, waits, word)
        assert not agent.journal("mode_changed")
    except AssertionError:
        if "the journal has room again" not in agent.log:
            raise
        print("      its start left it room, so that it went on")
        return
    filler.unlink()
    is_recorded_once(agent, said, waits)    # without anybody asking
    is_left_as_ever(agent)
    agent.stop()


def test_a_note_that_cannot_be_read_is_a_stop(fresh):
    for text in (b"{", b"[]", b"\0" * 4096, b"x" * 9000):
        (fresh.home / "stopped").write_bytes(text)
        fresh.start()
        mode = fresh.get("/api/mode").json
        assert mode["mode"] == "stopped" and mode["reason"], mode
        record = fresh.journal("mode_changed")[-1]
        assert record["data"]["break_glass"], record
        left = fresh.post("/api/mode", {"mode": "normal", "reason": "read"},
                          by="admin")
        assert left.json["mode"] == "normal", left
        fresh.stop()
    (fresh.home / "stopped").unlink()
    fresh.start()
    assert fresh.get("/api/mode").json["mode"] == "normal"
    assert (fresh.home / "stopped").stat().st_size == 4096


kc.main(new_agent=new_agent)
