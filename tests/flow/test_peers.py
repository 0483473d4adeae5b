"""Who comes in without a token: a user of this machine over the UNIX socket,
and who shows a certificate over TLS."""
import os
import pty
import re
import select
import ssl
import stat
import subprocess
import sys
import time

import kc
from certificates import Certificates, fingerprint
from transports import ME, Over, last, peer, plain, says
from wire import Events, Tls, connect, http
from ws import WebSocket


def test_a_user_of_this_machine_needs_no_token():
    agent = Over("unix", start=False)
    peer(agent, "ana", "observer tool_runner", user=ME)
    agent.start()
    got = plain(agent)
    assert got.status == 200 and got.json["version"], got
    found = last(agent)
    assert found["actor"] == "ana", found
    assert found["scope"] == "observer,tool_runner", found
    assert found["data"]["over"] == "unix", found
    assert found["data"]["peer"] == f"uid:{ME}", found
    made = plain(agent, "/api/tasks", "POST", {"title": "hers"})
    assert made.status == 201 and made.json["created_by"] == "ana", made
    mode = {"mode": "stopped", "reason": "x"}
    assert plain(agent, "/api/mode", "POST", mode).status == 403
    # The same over TCP is nobody's.
    tcp = ("127.0.0.1", agent.port)
    assert http(tcp, "GET", "/api/tasks").status == 401
    with WebSocket(agent.address) as w, \
            Events(agent.address, "/api/events?after_seq=0", {}) as e:
        assert w.note("hello")["actor"] == "ana"
        assert w.call("task.list")["items"][0]["title"] == "hers"
        assert e.status == 200 and e.next()["id"] == "1"
        # ... and is not taken for a token that was revoked.
        agent.token("other")
        until = e.until("token_created")
        assert until["data"]["data"]["name"] == "other"
        assert w.call("system.mode")["mode"] == "normal"
    agent.close()


def test_a_bearer_that_is_sent_counts_and_nothing_else():
    agent = Over("unix", start=False)
    peer(agent, "ana", "admin observer", user=ME)
    agent.start()
    by = "Bearer " + agent.token("watcher", "observer")
    assert plain(agent, "/api/tasks", Authorization=by).status == 200
    assert last(agent)["actor"] == "watcher"
    for wrong in ("Bearer ", "Bearer kca_" + "0" * 36, "Basic YTpi", "x",
                  "Bearer x", by + "x", by[:-1]):
        got = plain(agent, "/api/tasks", Authorization=wrong)
        assert got.status == 401, (wrong, got)
        assert last(agent)["actor"] is None
    with WebSocket(agent.address,
                   headers={"Authorization": "Bearer no"}) as w:
        assert w.status == 401
    agent.close()


ASK = """
import os, sys
sys.path.insert(0, sys.argv[1])
from wire import http
os.setgroups([]); os.setgid(54321); os.setuid(54321)
print(http(sys.argv[2], "GET", "/api/tasks").status)
"""


def test_another_user_is_nobody_until_it_is_mapped():
    agent = Over("unix", start=False)
    peer(agent, "ana", "observer", user=ME)
    agent.conf("agent.socket-mode", "0666")
    agent.start()
    mode = os.stat(agent.address).st_mode
    assert stat.S_IMODE(mode) == 0o666, oct(mode)
    if ME:
        agent.close()   # only root can be somebody else
        return
    for folder in (agent.dir, agent.dir / "kircerta"):
        folder.chmod(0o711)

    def asked():
        here = os.path.dirname(os.path.abspath(__file__))
        done = subprocess.run([sys.executable, "-c", ASK, here,
                               agent.address], capture_output=True, text=True,
                              env={"PYTHONDONTWRITEBYTECODE": "1"})
        assert done.returncode == 0, done.stderr
        return int(done.stdout)
    assert asked() == 401
    found = last(agent)
    assert found["actor"] is None, found
    assert found["data"]["peer"] == "uid:54321", found
    failed = agent.journal("auth_failed")[-1]
    assert failed["data"]["peer"] == "uid:54321", failed
    agent.stop()
    peer(agent, "ben", "observer", user=54321)
    agent.start()
    assert asked() == 200
    assert last(agent)["actor"] == "ben"
    agent.close()


def test_who_asked_by_its_user_does_not_approve():
    agent = Over("unix", start=False)
    peer(agent, "ana", "admin observer tool_runner", user=ME)
    agent.conf("policy.grace", "0s")
    agent.publisher()
    agent.start()
    task = plain(agent, "/api/tasks", "POST", {
        "title": "t", "side_effect_level": "external_publish",
        "acceptance_criteria": [{"id": "AC-1", "text": "x"}]}).json
    call = {"tool": "test.publish", "side_effect_level": "external_publish",
            "args": {"text": "x"}, "task_id": task["id"],
            "criterion_ref": "AC-1"}
    got = plain(agent, "/api/tools/execute", "POST", call)
    assert got.status == 403, got
    path = "/api/approvals/" + got.json["approval_id"]
    seen = plain(agent, path + "/review", "POST", {})
    own = plain(agent, path + "/approve", "POST", {
        "request_sha256": seen.json["request_sha256"],
        "nonce": seen.json["nonce"], "reason": "mine",
        "allow_external_publish": True})
    assert own.status == 403, own
    assert own.json["error_code"] == "self_approval", own
    agent.close()


# Certificates of clients.

def with_clients(mode, start=True):
    agent = Over("tls", start=False)
    agent.conf("tls.client-certificate", mode)
    agent.conf("tls.client-ca-file", agent.certs.issuer + ".pem")
    agent.pair = agent.certs.sign("ben")
    peer(agent, "ben", "observer", certificate=fingerprint(agent.pair))
    return agent.start() if start else agent


def by_certificate(agent, pair):
    return Tls("127.0.0.1", agent.port, agent.certs.client(pair))


def test_a_certificate_says_who_it_is():
    agent = with_clients("optional")
    ben = by_certificate(agent, agent.pair)
    got = http(ben, "GET", "/api/tasks")
    assert got.status == 200, got
    found = last(agent)
    assert found["actor"] == "ben" and found["data"]["over"] == "tls", found
    mark = "cert:" + fingerprint(agent.pair)[:16]
    assert found["data"]["certificate"] == mark, found
    other = agent.certs.sign("other")
    assert http(by_certificate(agent, other), "GET",
                "/api/tasks").status == 401
    assert agent.get("/api/tasks").status == 200    # with a token and none
    assert http(ben, "GET", "/api/tasks", headers={
        "Authorization": "Bearer no"}).status == 401
    with WebSocket(ben) as w:
        assert w.note("hello")["actor"] == "ben"
    agent.close()


def refused(agent, address):
    """The handshake's end, or the first read, tells it."""
    before = len(agent.journal("request", status=400))
    try:
        with connect(address) as s:
            s.sendall(b"GET /api/health HTTP/1.1\r\n\r\n")
            got = s.recv(100)
        assert not got, got
    except (ssl.SSLError, ConnectionError):
        pass
    found = kc.wait_for(
        lambda: agent.journal("request", status=400)[before:])
    assert len(found) == 1, found
    return found[0]["data"]["detail"]


def test_strange_and_expired_certificates_end_the_handshake():
    agent = with_clients("optional")
    (agent.dir / "else").mkdir()
    others = Certificates(agent.dir / "else", "others")
    forged = others.sign("ben")
    expired = agent.certs.sign("late", days="-1")
    server = agent.certs.sign("wrong-use", "server")
    for pair in (forged, expired, server):
        assert "certificate" in refused(agent, by_certificate(agent, pair))
    assert len(agent.journal("request", status=400)) == 3
    assert not agent.journal("request", status=200)
    agent.close()


def test_without_a_certificate_nobody_connects_where_it_is_required():
    agent = with_clients("required")
    why = refused(agent, Tls("127.0.0.1", agent.port, agent.certs.client()))
    assert "certificate" in why, why
    got = http(by_certificate(agent, agent.pair), "GET", "/api/tasks")
    assert got.status == 200, got
    agent.close()


# The console and its command line.

class Terminal:
    """The console on a terminal of its own, 100 by 30."""

    def __init__(self, agent, **env):
        env = agent.env | {"TERM": "xterm", "LINES": "30",
                           "COLUMNS": "100"} | env
        self.text = ""
        self.pid, self.master = pty.fork()
        if not self.pid:
            os.execve(kc.BUILD / "kircerta", ["kircerta"], env)

    def until(self, pattern, seconds=10):
        end = time.monotonic() + seconds * kc.PATIENCE
        while not re.search(pattern, self.text):
            assert time.monotonic() < end, self.text
            if select.select([self.master], [], [], 1)[0]:
                self.text += os.read(self.master, 65536).decode(
                    "utf-8", "replace")

    def close(self):
        os.write(self.master, b"Q")
        try:
            while os.read(self.master, 65536):
                pass
        except OSError:     # nobody has it open any more
            pass
        assert os.waitpid(self.pid, 0)[1] == 0
        os.close(self.master)


def status(agent, check=True, **env):
    return agent.cli("status", program="kircerta", check=check,
                     env={"TERM": "dumb"} | env)


def config(agent, **keys):
    folder = agent.dir / ".config" / "kircerta"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"\t{k.replace('_', '-')} = {v}\n" for k, v in keys.items()]
    (folder / "console.conf").write_text("[agent]\n" + "".join(lines))


def test_the_console_needs_no_token_where_the_agent_knows_it():
    agent = Over("unix", start=False)
    peer(agent, "ana", "observer", user=ME)
    agent.start()
    tty = Terminal(agent)       # finds the socket by itself
    tty.until("as ana")
    assert agent.journal("request", actor="ana", route="/ws")
    tty.close()
    status(agent)
    assert last(agent)["data"]["peer"] == f"uid:{ME}"
    named = f"unix:{agent.address}"
    assert "normal" in status(agent, KIRCERTA_AGENT=named).stdout
    none = status(agent, False, KIRCERTA_AGENT=f"http://127.0.0.1:{agent.port}")
    assert none.returncode == 4 and "no token" in none.stderr, none
    agent.stop()        # nobody answers there: not even tried
    gone = status(agent, False)
    assert "127.0.0.1:8787" in gone.stderr or "no token" in gone.stderr, gone
    agent.close()


def test_the_console_shows_its_certificate_and_checks_the_agents():
    agent = with_clients("optional")
    url = f"https://127.0.0.1:{agent.port}"
    keys = {"url": url, "ca_file": agent.certs.issuer + ".pem",
            "client_certificate_file": agent.pair + ".pem",
            "client_key_file": agent.pair + ".key"}
    config(agent, **keys)
    assert "normal" in status(agent).stdout
    assert last(agent)["actor"] == "ben"
    for name in ("127.0.0.1", "localhost"):
        config(agent, **(keys | {"url": url.replace("127.0.0.1", name)}))
        tty = Terminal(agent)
        tty.until("as ben")
        tty.close()
    (agent.dir / "else").mkdir()
    others = Certificates(agent.dir / "else", "others")
    keys["ca_file"] = others.issuer + ".pem"    # not who signed the agent's
    config(agent, **keys)
    wrong = status(agent, False)
    assert wrong.returncode == 7 and "certificate" in wrong.stderr, wrong
    before = len(agent.journal("request", status=400))
    tty = Terminal(agent)       # it hangs up, with an alert
    kc.wait_for(lambda: len(agent.journal("request", status=400)) > before)
    tty.close()
    assert len(agent.journal("request", route="/ws")) == 2
    agent.close()


def test_the_console_trusts_no_certificate_of_another_name():
    agent = Over("tls", start=False)
    pair = agent.certs.sign("elsewhere", "elsewhere")
    agent.conf("tls.certificate-file", pair + ".pem")
    agent.conf("tls.key-file", pair + ".key")
    agent.start()
    file = agent.dir / "token"
    file.write_text(agent.token("admin") + "\n")
    file.chmod(0o600)
    config(agent, url=f"https://127.0.0.1:{agent.port}",
           ca_file=agent.certs.issuer + ".pem", token_file=str(file))
    tty = Terminal(agent)       # it hangs up, with an alert
    kc.wait_for(lambda: agent.journal("request", status=400))
    tty.close()
    told = status(agent, False)
    assert told.returncode == 7
    assert "agent.ca-file" in told.stderr, told.stderr
    agent.stop()
    assert not agent.journal("request", route="/ws"), "it gave its token"
    assert not agent.journal("request", status=200), "it gave its token"
    agent.close()


# Configuration.

def test_a_peer_that_is_not_whole_is_refused_with_its_line():
    agent = kc.Agent(start=False)
    conf = agent.home / "agent.conf"
    text = conf.read_text()
    for lines, why in (
            ('[peer "a"]\n\tuser = 0\n', "no scope"),
            ('[peer "a"]\n\tscope = admin\n', "neither user nor"),
            ('[peer "a"]\n\tscope = root\n\tuser = 0\n', "no scope root"),
            ('[peer "a"]\n\tscope = admin\n\tuser = no-such-user\n',
             "no user"),
            ('[peer "a"]\n\tscope = admin\n\tuser = 65534\n', "no number"),
            ('[peer "a"]\n\tscope = admin\n\tuser = 4294967295\n', "no user"),
            ('[peer "a"]\n\tscope = admin\n\tcertificate = 12\n', "SHA-256"),
            ('[peer "a b"]\n\tscope = admin\n', "name of an actor"),
            ('[peer "a"]\n\tname = x\n', "unknown"),
            ('[peer "a"]\n\tscope = admin\n\tuser = 7\n[peer "b"]\n'
             '\tscope = observer\n\tuser = 7\n', "another peer")):
        conf.write_text(text + lines)
        said = says(agent, "check")
        assert why in said and "agent.conf:" in said, (lines, said)
    agent.close()


kc.main(120)
