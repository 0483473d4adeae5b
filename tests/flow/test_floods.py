"""Floods of refused requests: counted in few records, every one of them, and
none answered before it is; who is known is never among them."""
import signal
import socket
import struct

import kc
from flooding import Flood, counted
from wire import head_bytes

SOURCE = "127.9.8.7"
PEER = SOURCE + " (loopback)"


def request(agent, target="/api/tasks", **headers):
    return head_bytes(agent.address, "GET", target, headers)


def strangers(agent, peer=PEER):
    return [r for r in agent.journal() if r["data"].get("peer") == peer]


def test_a_flood_is_counted_to_the_last_request(fresh):
    sent = 3000
    with Flood(fresh.address, request(fresh), 400, SOURCE) as f:
        f.run(sent, 60 * kc.SLOW)
        assert f.statuses == {401: sent}, f.statuses
    for of in ("request", "auth_failed"):
        single, folded, records = counted(strangers(fresh), of)
        assert single + folded == sent, (single, folded)
        assert folded > 10 * records, (folded, records)
        print(f"{of}: {sent} refused, {single} recorded each, "
              f"{folded} folded into {records}")
    marks = {r["correlation_id"] for r in strangers(fresh)}
    assert f.marks <= marks, "an answer that no record is about"
    one = [r for r in strangers(fresh) if "folded" in r["data"]][0]
    assert one["status"] == 401 and one["actor"] is None
    assert one["data"]["error_code"] == "unauthenticated"
    when = one["data"]["folded"]
    assert when["first"] <= when["last"] <= one["ts"], one
    fresh.stop()
    assert fresh.chained()


def test_what_was_answered_is_counted_whenever_it_is_killed(fresh):
    sent = answered = 0
    for most in (300, 600, 900):
        with Flood(fresh.address, request(fresh), 250, SOURCE) as f:
            while f.answered < most:
                f.turn(1 << 30)
            fresh.kill9()
            f.drain()   # what was on its way
            sent, answered = sent + f.sent, answered + f.answered
        fresh.start()
        single, folded, _ = counted(strangers(fresh))
        assert answered <= single + folded <= sent, \
            (answered, single, folded, sent)
    print(f"{sent} sent, {answered} answered, {single + folded} on record")
    fresh.stop()
    assert fresh.chained()
    fresh.cli("audit", "verify")


def test_each_request_of_a_known_caller_has_a_record_of_its_own(agent):
    agent.token("watcher", "observer")
    data = request(agent, "/api/nowhere", Authorization="Bearer "
                   + agent.token("watcher"))
    with Flood(agent.address, data, 20, SOURCE) as f:
        f.run(300)
        assert f.statuses == {404: 300}, f.statuses
    found = agent.journal("request", actor="watcher")
    assert counted(found) == (300, 0, 0), counted(found)
    assert {r["correlation_id"] for r in found} == f.marks


def test_what_was_asked_with_an_id_is_answered_with_it(agent):
    data = request(agent, X_Correlation_Id="mine").replace(b"_", b"-")
    with Flood(agent.address, data, 100, "127.9.8.6") as f:
        f.run(300)
        assert f.marks == {"mine"}, f.marks
    single, folded, _ = counted(strangers(agent, "127.9.8.6 (loopback)"))
    assert single + folded == 300 and folded


def test_connections_that_are_cut_are_counted_too(agent):
    before = counted(strangers(agent))
    for _ in range(1000):
        s = socket.create_connection(agent.address, 10,
                                     source_address=(SOURCE, 0))
        s.sendall(b"GET /api/ta")
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                     struct.pack("ii", 1, 0))
        s.close()

    def all_there():
        single, folded, _ = counted(strangers(agent))
        return single + folded - before[0] - before[1] >= 1000
    kc.wait_for(all_there)
    agent.stop()
    after = counted(strangers(agent))
    assert sum(after[:2]) - sum(before[:2]) == 1000, (before, after)
    assert after[1] > before[1], "none was folded"


def test_each_address_and_each_error_is_counted_by_itself(fresh):
    want = {}
    for host in ("127.9.9.1", "127.9.9.2"):
        for target, status in (("/api/tasks", 401), ("/nowhere", 404)):
            with Flood(fresh.address, request(fresh, target), 60,
                       host) as f:
                f.run(120)
                assert f.statuses == {status: 120}, f.statuses
            want[host, status] = 120
    for (host, status), n in want.items():
        found = [r for r in strangers(fresh, host + " (loopback)")
                 if r["status"] == status]
        single, folded, _ = counted(found)
        assert single + folded == n and folded, (host, status, found)


def test_an_agent_that_stops_answers_whom_it_holds(fresh):
    with Flood(fresh.address, request(fresh), 100, SOURCE) as f:
        fresh.signal(signal.SIGTERM)
        f.drain()
    assert fresh.wait() == 0
    single, folded, _ = counted(strangers(fresh))
    assert f.answered <= single + folded <= f.sent, (f.answered, single)


kc.main(120, new_agent=lambda: kc.Agent(
    conf={"agent.auth-failures": 60000}))
