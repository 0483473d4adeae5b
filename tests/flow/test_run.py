"""One publish, end to end: `make run` without a terminal, and the demo
Coordinator through what may happen to it on the way."""
import hashlib
import os
import re
import subprocess
import tempfile
from pathlib import Path

import kc
import x11


def processes_about(text):
    """Ids of the processes that have this in their command lines."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text.encode() in entry.read_bytes():
                found.append(int(entry.parent.name))
        except OSError:
            pass
    return found


def make_run(folder, **env):
    clean = {k: v for k, v in os.environ.items()
             if k not in ("DISPLAY", "KIRCERTA_YOUTUBE_CLIENT_FILE")}
    return subprocess.run(
        [kc.ROOT / "contrib/run.sh", kc.BUILD], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=clean | {"KIRCERTA_RUN_DIR": folder,
                     "KIRCERTA_PORT": "0"} | env, timeout=60 * kc.PATIENCE)


def test_make_run_publishes_once_and_goes_on_with_its_home():
    with tempfile.TemporaryDirectory(prefix="kc-run-") as folder:
        home = Path(folder, "home")
        subprocess.run([kc.BUILD / "kircerta-agent", "--home", home, "init"],
                       stdout=subprocess.DEVNULL, check=True)
        subprocess.run(["git", "config", "-f", home / "agent.conf",
                        "policy.grace", "0s"], check=True)
        for n in (1, 2):
            done = make_run(folder)
            said = done.stdout
            assert done.returncode == 0, said
            assert "NOT YouTube" in said and "complete: true" in said, said
            assert "403 policy_denied reason: approval_required" in said, said
            video = re.search(r"made ([0-9a-f]{64})", said)[1]
            kept = [hashlib.sha256(f.read_bytes()).hexdigest()
                    for f in Path(folder, "channel").rglob("*")
                    if f.is_file()]
            assert kept.count(video) == 1, (kept, said)
            assert not processes_about(folder), processes_about(folder)
        assert home.stat().st_mode & 0o777 == 0o700
        text = b"".join(f.read_bytes() for f in home.glob("audit/*.jsonl"))
        assert text.count(b'"type":"agent_started"') == 2


class Demo:
    """The demo Coordinator against an agent; says() waits for its words."""

    def __init__(self, agent, chain):
        self.log = agent.dir / f"{chain}.log"
        env = {"PATH": os.environ["PATH"], "KIRCERTA_CORRELATION_ID": chain,
               "KIRCERTA_URL": "http://127.0.0.1:%d" % agent.port,
               "KIRCERTA_PUBLISH_TOOL": "test.publish"}
        for role, name in (("COORDINATOR", "coordinator"),
                           ("EXECUTOR", "codex")):
            file = agent.dir / f"{name}.token"
            file.write_text(agent.token(name))
            env[f"KIRCERTA_{role}_TOKEN_FILE"] = str(file)
        with open(self.log, "wb") as log:
            self.proc = subprocess.Popen(
                [kc.ROOT / "contrib/coordinator/demo"], env=env,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def says(self, pattern, seconds=60):
        def look():
            text = self.log.read_text()
            found = re.search(pattern, text)
            assert found or self.proc.poll() is None, text
            return found
        return kc.wait_for(look, seconds, f"{pattern!r} in {self.log}")

    def end(self):
        code = self.proc.wait(100 * kc.SLOW)
        return code, self.log.read_text()


def with_display(test):
    """An agent with a display, a publish tool that counts, no grace."""
    def run():
        server = x11.Server()
        agent = None
        try:
            agent = kc.Agent(start=False, env={"DISPLAY": server.name},
                             conf={"policy.grace": "0s"})
            effects = agent.publisher(args={
                "file": {"type": "file", "required": "true"},
                "title": {"type": "string"}, "privacy": {"type": "string"}})
            agent.start()
            test(agent, effects)
            agent.close()
        finally:
            server.close()
    run.__name__ = test.__name__
    return run


@with_display
def test_kill_9_while_it_records_is_explained_and_repeated(agent, effects):
    demo = Demo(agent, "c-record")
    kc.wait_for(lambda: agent.journal("tool_started", tool="screen.record"))
    agent.kill9()
    agent.start()
    approval = demo.says(r"approval (a-\w+) is open")[1]
    assert agent.approve(approval, allow_external_publish=True).status == 200
    code, said = demo.end()
    assert code == 0, said
    assert len(effects.read_text().splitlines()) == 1
    started = {r["run_id"] for r in agent.journal("tool_started")}
    ended = {r["run_id"] for r in agent.journal("tool_finished", "tool_failed")}
    assert started == ended, (started, ended)


@with_display
def test_kill_9_while_it_waits_loses_no_approval(agent, effects):
    demo = Demo(agent, "c-wait")
    approval = demo.says(r"approval (a-\w+) is open")[1]
    agent.kill9()
    agent.start()
    assert agent.get(f"/api/approvals/{approval}").json["state"] == "pending"
    assert agent.approve(approval, allow_external_publish=True).status == 200
    code, said = demo.end()
    assert code == 0, said
    assert len(effects.read_text().splitlines()) == 1
    chain = agent.get("/api/audit/c-wait").json
    assert chain["complete"] is True, chain["missing"]
    assert {a["state"] for a in chain["approvals"]} == {"used"}
    assert agent.chained()


@with_display
def test_a_rejected_publish_is_reported_and_never_runs(agent, effects):
    demo = Demo(agent, "c-no")
    approval = demo.says(r"approval (a-\w+) is open")[1]
    answer = agent.post(f"/api/approvals/{approval}/reject",
                        {"reason": "not today"}, by="admin")
    assert answer.status == 200, answer
    code, said = demo.end()
    assert code == 3 and "not today" in said, said
    assert effects.read_text() == ""
    assert len(agent.journal("result_submitted")) == 1


kc.main(seconds=150)
