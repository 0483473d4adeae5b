"""HTTP as clients use it: connections, bodies, files, and how it ends."""
import hashlib
import json
import os
import signal
import socket

import kc
from wire import Closed, head_bytes


def ask(agent, method, target, body=b"", by="coordinator", **headers):
    """Bytes of a request, to be sent by hand."""
    h = {"Authorization": "Bearer " + agent.token(by)} if by else {}
    h |= {k.replace("_", "-"): v for k, v in headers.items()}
    if body or method in ("POST", "PATCH"):
        h = {"Content-Length": str(len(body))} | h
    return head_bytes(agent.address, method, target, h) + body


# HTTP.

def test_one_connection_serves_many_requests(agent):
    body = b'{"title":"kept alive"}'
    with agent.raw() as s:
        for i in range(200):
            s.send(ask(agent, "GET", "/api/tasks?limit=1",
                       X_Correlation_Id=f"many-{i}"))
            got = s.response()
            assert got.status == 200
            assert got.headers["x-correlation-id"] == f"many-{i}"
            assert "connection" not in got.headers
            if i % 10 == 0:
                s.send(ask(agent, "POST", "/api/tasks", body,
                           Content_Type="application/json"))
                assert s.response().status == 201
    for i in range(200):
        assert len(agent.journal("request", correlation_id=f"many-{i}")) == 1


def test_http_1_0_and_connection_close_end_with_the_answer(agent):
    for data in (b"GET /api/health HTTP/1.0\r\nHost: localhost:%d\r\n\r\n"
                 % agent.port, ask(agent, "GET", "/api/health",
                                   Connection="close")):
        with agent.raw(data) as s:
            got = s.response()
            assert got.status == 200
            assert got.headers["connection"] == "close"
            assert s.to_end() == b""


def test_head_options_and_wrong_methods(agent):
    get = agent.get("/api/tasks?limit=1")
    head = agent.request("HEAD", "/api/tasks?limit=1")
    assert head.status == 200 and head.body == b""
    assert head.headers["content-length"] == get.headers["content-length"]
    for target, allow in (("/api/tasks", "GET, HEAD, POST, OPTIONS"),
                          ("/api/mode", "GET, HEAD, POST, OPTIONS"),
                          ("/api/tasks/x", "GET, HEAD, PATCH, OPTIONS"),
                          ("/api/tasks/x/ack", "POST, OPTIONS")):
        for by in ("coordinator", None):
            got = agent.request("OPTIONS", target, by=by)
            assert got.status == 204 and got.headers["allow"] == allow, got
            assert "content-length" not in got.headers
        got = agent.request("DELETE", target)
        assert got.status == 405 and got.headers["allow"] == allow, got
        assert got.json["error_code"] == "method_not_allowed"
    assert agent.journal("request", method="OPTIONS", status=204)
    for target in ("/", "/api", "/api/tasks/", "/api/tasks/a/b/c", "/ap",
                   "/api/tasks/x/ack/", "/api/taskss"):
        got = agent.get(target)
        assert got.status == 404, (target, got)
        assert got.json["error_code"] == "not_found"


def test_paths_and_queries_are_decoded_once(agent):
    task = agent.task("decoded")
    slashes = "/api//./x/../tasks/" + task["id"]
    assert agent.get(slashes).json["id"] == task["id"]
    got = agent.get("/api/tasks?q=%64eco%64ed&&limit=5")
    assert [t["id"] for t in got.json["items"]] == [task["id"]]
    assert agent.get("/api/tasks?q=%2564ecoded").json["items"] == []
    assert agent.get("/api/tasks?nosuch=1").status == 400


def test_a_body_that_is_not_json_is_refused(agent):
    for kind, status in (("text/plain", 400), ("application/json", 201),
                         ("application/x-www-form-urlencoded", 400),
                         ("application/json; charset=utf-8", 201),
                         (None, 201)):
        got = agent.post("/api/tasks", b'{"title":"typed"}',
                         headers={"Content-Type": kind})
        assert got.status == status, (kind, got)


def test_correlation_comes_from_the_caller(agent):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    parent = f"00-{trace}-00f067aa0ba902b7-01"
    for headers, want in (
            ({"X-Correlation-Id": "mine:1"}, "mine:1"),
            ({"traceparent": parent}, trace),
            ({"traceparent": parent, "X-Correlation-Id": "both"}, "both")):
        got = agent.get("/api/mode", headers=headers)
        assert got.headers["x-correlation-id"] == want, got.headers
    for headers in ({}, {"traceparent": "00-zz"},
                    {"traceparent": f"00-{'0' * 32}-00f067aa0ba902b7-01"}):
        got = agent.get("/api/mode", headers=headers)
        assert got.headers["x-correlation-id"].startswith("c-")
    got = agent.get("/api/mode", headers={"X-Correlation-Id": "no spaces"})
    assert got.status == 400
    assert got.json["error_code"] == "invalid_request"


def test_expect_100_is_answered_before_the_body(agent):
    body = json.dumps({"title": "expected"}).encode()
    head = ask(agent, "POST", "/api/tasks", Expect="100-continue",
               Content_Length=str(len(body)))
    with agent.raw(head) as s:
        assert s.head()[0] == 100
        s.send(body)
        assert s.response().status == 201
    with agent.raw(ask(agent, "POST", "/api/tasks", Expect="100-continue",
                       Content_Length="9999999")) as s:
        assert s.response().status == 413


def test_answers_larger_than_any_buffer_arrive_whole(agent):
    for i in range(60):
        agent.task(f"large {i}", request_text="x" * 39000)
    plain = agent.get("/api/tasks?limit=1000&q=large")
    assert len(plain.body) > 2000000
    with agent.raw(ask(agent, "GET", "/api/tasks?limit=1000&q=large")) as s:
        s.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        assert s.response().body == plain.body
        s.send(ask(agent, "GET", "/api/mode"))
        assert s.response().status == 200


# Files.

def add(agent, data, name="f.bin", by="coordinator", **headers):
    headers = {"Content-Type": "application/octet-stream"} | headers
    return agent.post(f"/api/evidence?name={name}", data, by=by,
                      headers=headers)


def test_files_go_in_and_come_out_whole(agent):
    for size in (0, 1, 65536, 300000, 262144, 20 << 20):
        data = os.urandom(size)
        got = add(agent, data)
        assert got.status == 201, got
        sha = hashlib.sha256(data).hexdigest()
        assert got.json["sha256"] == sha and got.json["size"] == size
        out = agent.get(f"/api/evidence/{sha}")
        assert out.status == 200 and out.body == data
        assert out.headers["etag"] == f'"{sha}"'
        assert out.headers["accept-ranges"] == "bytes"


def test_parts_of_a_file_can_be_asked_for(agent):
    data = os.urandom(1 << 20)
    path = "/api/evidence/" + add(agent, data).json["sha256"]
    for text, a, b in (("0-0", 0, 1), ("0-", 0, 1 << 20),
                       ("500000-700000", 500000, 700001),
                       ("-5", (1 << 20) - 5, 1 << 20),
                       ("1048570-9999999", 1048570, 1 << 20)):
        got = agent.get(path, headers={"Range": "bytes=" + text})
        assert got.status == 206 and got.body == data[a:b], text
        assert got.headers["content-range"] == \
            f"bytes {a}-{b - 1}/{len(data)}"
    got = agent.get(path, headers={"Range": "bytes=1048576-"})
    assert got.status == 416, got
    assert got.headers["content-range"] == "bytes */1048576"
    head = agent.request("HEAD", path)
    assert head.headers["content-length"] == "1048576" and not head.body
    same = agent.get(path, headers={"If-None-Match": head.headers["etag"]})
    assert same.status == 304 and not same.body


def test_files_keep_the_connection(agent):
    data = os.urandom(700000)
    path = "/api/evidence/" + add(agent, data).json["sha256"]
    with agent.raw() as s:
        for _ in range(5):
            s.send(ask(agent, "GET", path))
            assert s.response().body == data
            s.send(ask(agent, "GET", "/api/mode"))
            assert s.response().status == 200


def test_a_reader_in_the_middle_of_a_file_may_leave(agent):
    path = "/api/evidence/" + add(agent, os.urandom(8 << 20)).json["sha256"]
    for n in (1, 1000, 100000, 3000000):
        with agent.raw(ask(agent, "GET", path)) as s:
            s.exactly(n)
    assert agent.get("/api/mode").status == 200


def test_a_file_from_somebody_who_may_not_is_not_taken(agent):
    for by, status in ((None, 401), ("watcher", 403)):
        if by:
            agent.token(by, "observer")
        head = ask(agent, "POST", "/api/evidence?name=x", by=by,
                   Content_Length=str(1 << 30))
        with agent.raw(head) as s:
            assert s.response().status == status
    assert agent.journal("request", operation="evidence.add", status=403)


def test_a_file_needs_its_length_and_a_limit(agent):
    with agent.raw(ask(agent, "POST", "/api/evidence?name=x",
                       Content_Length=None)) as s:
        assert s.response().status == 411
    with agent.raw(ask(agent, "POST", "/api/evidence?name=x",
                       Content_Length=str(1 << 40))) as s:
        got = s.response()
        assert got.status == 413
        assert got.json["error_code"] == "body_too_large"


def test_half_a_file_leaves_nothing_but_its_record(agent):
    def files():
        return sorted(p.name for p in (agent.home / "evidence").rglob("*")
                      if p.is_file())
    before = files()
    head = ask(agent, "POST", "/api/evidence?name=x",
               Content_Length=str(4 << 20), X_Correlation_Id="half-a-file")
    with agent.raw(head + os.urandom(1 << 20)):
        kc.wait_for(lambda: files() != before, what="a file being written")
    found = kc.wait_for(lambda: agent.journal(
        "request", correlation_id="half-a-file"))
    assert found[0]["data"]["error_code"] == "bad_framing", found
    kc.wait_for(lambda: files() == before, what="its removal")


# How it ends.

def test_who_is_still_sending_is_told_that_it_stops(fresh):
    mark = "half-a-body"
    with fresh.raw(ask(fresh, "POST", "/api/tasks", Content_Length="100",
                       X_Correlation_Id=mark) + b"{") as s, \
            fresh.raw(ask(fresh, "GET", "/api/mode")) as idle:
        assert idle.response().status == 200
        fresh.signal(signal.SIGTERM)
        got = s.response()
        assert got.status == 503 and got.json["error_code"] == "stopping"
        try:
            idle.exactly(1, 5)
            raise AssertionError("more after the end")
        except Closed:
            pass
    assert fresh.wait() == 0
    assert len(fresh.journal("request", correlation_id=mark)) == 1
    assert fresh.journal("agent_stopped")
    try:
        fresh.raw().close()
        raise AssertionError("still listening")
    except ConnectionRefusedError:
        pass


def test_the_service_manager_is_told(fresh):
    fresh.stop()
    path = fresh.dir / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(str(path))
        s.settimeout(10)
        fresh.env["NOTIFY_SOCKET"] = str(path)
        fresh.start()
        assert s.recv(100) == b"READY=1"
        fresh.stop()
        assert s.recv(100) == b"STOPPING=1"


def test_a_port_in_use_is_said_with_what_to_do(agent):
    fresh = kc.Agent(start=False)
    done = fresh.cli("run", "--listen", "127.0.0.1:%d" % agent.port,
                     check=False)
    assert done.returncode == 1
    assert f"127.0.0.1:{agent.port}" in done.stderr
    assert "--listen" in done.stderr
    for bad in ("8787", "example.org:1", "127.0.0.1:99999", "[::1]:8787"):
        done = fresh.cli("run", "--listen", bad, check=False)
        assert done.returncode == 1 and "HOST:PORT" in done.stderr, done
    fresh.close()


def test_the_journal_still_verifies(agent):
    agent.stop()
    assert agent.chained()
    agent.cli("audit", "verify")


def test_an_empty_query_is_no_parameter(agent):
    for target in ("/api/tasks?", "/api/tasks?&", "/api/tasks?limit=5&"):
        assert agent.get(target).status == 200, target
    with agent.events(after_seq=0) as e:
        assert e.next()["id"] == "1"


kc.main(120)
