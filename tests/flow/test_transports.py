"""The same agent over TCP, TLS and a UNIX socket: the same answers, refusals
and records, also for what is no request; and where it listens at all."""
import os
import socket
import ssl
import stat

import kc
import test_attacks
import test_net
import test_request_records as records
from certificates import Certificates
from transports import ME, Over, peer, plain, says
from wire import Stream, Tls, connect, http

_agents = {}


def over_each(test, overs):
    """The test of another file, over these; each has one agent for all."""
    def each():
        for over in overs:
            agent = _agents.setdefault(over, None) or Over(over)
            _agents[over] = agent
            try:
                test(agent)
            except Exception as e:
                raise AssertionError(f"over {over}") from e
    return each


for _test in (
        test_net.test_one_connection_serves_many_requests,
        test_net.test_answers_larger_than_any_buffer_arrive_whole,
        test_net.test_files_go_in_and_come_out_whole,
        test_net.test_half_a_file_leaves_nothing_but_its_record,
        test_attacks.test_three_requests_in_one_packet_do_not_hang_it,
        test_attacks.test_a_request_behind_one_that_waits_is_never_run,
        test_attacks.test_a_refused_body_is_answered_while_it_is_still_sent):
    globals()[_test.__name__ + "_over_both"] = over_each(
        _test, ("tls", "unix"))
# These know who they are by an address of their own.
for _test in (
        test_attacks.test_framing_that_could_hide_a_request_is_refused,):
    globals()[_test.__name__ + "_over_tls"] = over_each(_test, ("tls",))


def test_they_end_in_order_and_with_whole_journals():
    while _agents:
        agent = _agents.popitem()[1]
        agent.stop()
        assert agent.chained()
        agent.close()


# Records.

def test_every_request_over_tls_leaves_exactly_one_record():
    agent = Over("tls")
    agent.token("watcher", "observer")
    agent.token("coordinator")
    rows = []
    for i, (name, play, want) in enumerate(records.ROWS):
        rows.append((records.Row(agent, i, name), want))
        play(rows[-1][0])
    try:
        kc.wait_for(lambda: not records.wrong(agent, rows))
    except TimeoutError:
        pass    # told below
    agent.stop()
    bad = records.wrong(agent, rows)
    assert not bad, "\n".join(map(str, bad))
    for r in agent.journal("request"):
        assert r["data"]["over"] == "tls", r
    agent.close()


def test_every_request_over_a_socket_leaves_exactly_one_record():
    """There is no address to tell them apart: one after the other."""
    agent = Over("unix")
    agent.token("watcher", "observer")
    agent.token("coordinator")
    agent.get("/api/mode")
    bad = []
    for i, (name, play, want) in enumerate(records.ROWS):
        before = len(agent.journal("request"))
        row = records.Row.__new__(records.Row)
        row.agent, row.name, row.mark = agent, name, f"row-{i}"
        row.s = Stream(agent.address, 30 * kc.SLOW)
        play(row)

        def fates():
            # what the row has asked for besides is not its own
            return [(r["status"], r["data"].get("error_code"), r["method"],
                     r["route"]) for r in agent.journal("request")[before:]
                    if not (r["route"] == "/api/tasks" and r["status"] == 201
                            and r["correlation_id"] != row.mark)]
        try:
            kc.wait_for(lambda: len(fates()) >= len(want), 5)
        except TimeoutError:
            pass    # told below
        if sorted(map(str, fates())) != sorted(map(str, want)):
            bad.append((name, want, fates()))
    assert not bad, "\n".join(map(str, bad))
    for r in agent.journal("request"):
        assert r["data"]["peer"] == f"uid:{ME}", r
    agent.stop()
    assert agent.chained()
    agent.close()


def failed(agent, data):
    """What a connection to the TLS port leaves that is no TLS."""
    before = len(agent.journal("request"))
    with socket.create_connection(("127.0.0.1", agent.port), 30) as s:
        try:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            while s.recv(4096):
                pass
        except OSError:
            pass    # cut: it had seen enough
    found = kc.wait_for(lambda: agent.journal("request")[before:])
    assert len(found) == 1, found
    return found[0]["status"], found[0]["data"]["detail"]


def test_what_is_no_handshake_leaves_one_record():
    agent = Over("tls")
    status, why = failed(agent, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert status == 400 and "https://" in why, why
    for data in (b"\0", b"hello\r\n", records.TLS[:60], records.TLS,
                 os.urandom(500), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
        status, why = failed(agent, data)
        assert status == 400 and "handshake" in why, (data, why)
    before = len(agent.journal("request"))
    for _ in range(3):      # whoever says nothing asked for nothing
        socket.create_connection(("127.0.0.1", agent.port), 30).close()
    assert agent.get("/api/mode").status == 200
    agent.stop()
    assert len(agent.journal("request")) == before + 1
    agent.close()


def test_http_2_and_old_tls_are_not_spoken():
    agent = Over("tls")
    h2 = agent.certs.client()
    h2.set_alpn_protocols(["h2"])
    old = agent.certs.client()
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    for context in (h2, old):
        try:
            connect(Tls(*agent.address, context)).close()
            raise AssertionError("it was spoken")
        except (ssl.SSLError, ConnectionError):
            pass
    both = agent.certs.client()
    both.set_alpn_protocols(["h2", "http/1.1"])
    with connect(Tls(*agent.address, both)) as s:
        assert s.selected_alpn_protocol() == "http/1.1"
    agent.close()


def test_who_hangs_in_a_handshake_delays_nobody():
    agent = Over("tls")
    held = [socket.create_connection(("127.0.0.1", agent.port), 30)
            for _ in range(50)]
    for s in held:
        s.sendall(records.TLS[:20])
    assert agent.get("/api/mode").status == 200
    agent.stop()
    for s in held:
        s.close()
    found = agent.journal("request", error_code="stopping")
    single = sum(r["data"].get("folded", {"count": 1})["count"]
                 for r in found)
    assert single == 50, found
    agent.close()


def sockets(agent):
    """How many the agent has open."""
    folder, n = f"/proc/{agent.proc.pid}/fd", 0
    for name in os.listdir(folder):
        try:
            n += os.readlink(f"{folder}/{name}").startswith("socket:")
        except FileNotFoundError:
            pass    # closed meanwhile
    return n


def test_who_fills_a_port_keeps_nobody_from_the_socket():
    agent = Over("unix", start=False)
    peer(agent, "ana", "admin observer", user=ME)
    agent.start(wrap=["prlimit", "--nofile=128:128"])
    by = agent.token("watcher", "observer")
    ask = (f"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1:{agent.port}\r\n"
           f"Authorization: Bearer {by}\r\n\r\n").encode()
    held = []
    for _ in range(80):     # room for 64 in all
        held.append(socket.create_connection(("127.0.0.1", agent.port), 30))
        held[-1].sendall(ask)
    kc.wait_for(lambda: sockets(agent) >= 48)
    for mode in ("stopped", "normal"):
        got = plain(agent, "/api/mode", "POST", {"mode": mode, "reason": "x"})
        assert got.status == 200 and got.json["mode"] == mode, got
    for s in held:
        s.close()
    agent.close()


def test_who_reads_late_gets_all_of_it():
    """What the kernel took of an answer arrives after the agent's end."""
    agent = Over("tls")
    data = os.urandom(300000)
    sha = test_net.add(agent, data).json["sha256"]
    kc.wait_for(lambda: sockets(agent) == 2)     # it listens on
    with agent.raw() as s:
        s.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        s.send(test_net.ask(agent, "GET", f"/api/evidence/{sha}",
                            Connection="close"))
        kc.wait_for(lambda: agent.journal("request", status=200,
                                          operation="evidence.get"))
        kc.wait_for(lambda: sockets(agent) == 2)
        assert s.response().body == data
    agent.close()


# Hosts.

def test_only_known_hosts_and_no_origin_are_served_over_both():
    for over in ("unix", "tls"):
        agent = Over(over, conf={"agent.host": "proxy.example"})
        name, port = "studio.example", agent.port
        good = ["proxy.example", f"localhost:{port}", f"127.0.0.1:{port}"]
        bad = ["evil.example", f"evil.example:{port}", "", "localhost.evil",
               f"{name}.evil:{port}"]
        (good if over == "unix" else bad).append("localhost")
        (good if over == "tls" else bad).append(f"{name}:{port}")
        for host in good:
            assert plain(agent, Host=host).status == 200, (over, host)
        for host in bad:
            got = plain(agent, Host=host)
            assert got.status == 403, (over, host, got)
        assert plain(agent, Origin="http://localhost").status == 403
        agent.close()


# Where it listens.

def test_beyond_loopback_only_with_tls():
    agent = kc.Agent(start=False)
    for text in (says(agent, "run", "--listen", "0.0.0.0:0"),):
        assert "TLS" in text and "ssh -L" in text, text
        assert "certificate-file" in text, text
    agent.conf("agent.listen", "0.0.0.0:0")
    text = says(agent, "check")
    assert "ssh -L" in text, text
    certs = Certificates(agent.dir)
    agent.conf("tls.certificate-file", certs.server + ".pem")
    assert "key-file" in says(agent, "check")
    agent.conf("tls.key-file", certs.issuer + ".key")
    assert "key-file" in says(agent, "check")       # another one's
    agent.conf("tls.key-file", certs.server + ".key")
    assert "https://0.0.0.0:0" in agent.cli("check").stdout
    os.chmod(certs.server + ".key", 0o644)
    text = says(agent, "check")
    assert "chmod 600" in text, text
    agent.close()


def test_the_socket_and_its_folder_are_the_users_own():
    agent = Over("unix")
    st = os.stat(agent.address)
    assert stat.S_IMODE(st.st_mode) == 0o600 and stat.S_ISSOCK(st.st_mode)
    folder = os.stat(os.path.dirname(agent.address))
    assert stat.S_IMODE(folder.st_mode) == 0o700
    agent.stop()
    assert not os.path.exists(agent.address)
    agent.close()


def test_a_socket_that_is_served_is_not_taken_and_a_dead_one_is():
    one = Over("unix")
    other = kc.Agent(start=False, env={"XDG_RUNTIME_DIR": str(one.dir)})
    other.start()       # goes on without
    assert "there is no UNIX socket" in other.log
    row, = [r for r in other.get("/api/health").json["components"]
            if r["name"] == "listen"]
    assert row["status"] == "degraded" and "another" in row["detail"], row
    assert one.get("/api/mode").status == 200
    other.stop()
    assert one.get("/api/mode").status == 200       # and left it alone
    other.conf("agent.listen-unix", one.address)
    assert "another agent" in says(other, "run", "--listen", "127.0.0.1:0")
    one.kill9()
    assert os.path.exists(one.address)
    other.start()
    assert http(one.address, "GET", "/api/health").status == 200
    other.stop()
    with socket.socket(socket.AF_UNIX) as s:        # of another program
        s.bind(one.address)
        s.listen(1)
        assert "somebody" in says(other, "run", "--listen", "127.0.0.1:0")
        assert os.path.exists(one.address)
    os.unlink(one.address)
    with open(one.address, "w") as f:
        f.write("precious")
    assert "no socket" in says(other, "run", "--listen", "127.0.0.1:0")
    with open(one.address) as f:
        assert f.read() == "precious"
    other.close()
    one.close()


def test_no_socket_is_made_where_none_is_wanted():
    agent = kc.Agent(conf={"agent.listen-unix": ""})
    assert not (agent.dir / "kircerta").exists()
    row, = [r for r in agent.get("/api/health").json["components"]
            if r["name"] == "listen"]
    assert row["status"] == "ok", row
    agent.close()


kc.main(120)
