"""Programs that are told, through [notify "NAME"] with a secret-file: every
event, in order, signed, whatever happens to the agent or to them."""
import base64
import hashlib
import hmac
import json

import kc
from receiving import Receiver

HOOK = Receiver()
KEYS = {n: "whsec_" + base64.b64encode(n.encode() * 8).decode()
        for n in ("one!", "two!")}
URL_SECRET = "tok3n-in-the-url"


def write(agent, name, text):
    file = agent.dir / name
    file.write_text(text + "\n")
    file.chmod(0o600)
    return file


def path(name):
    return f"/{name}/{URL_SECRET}"


def place(agent, name, key="one!", url=None, **conf):
    conf = {"kind": "webhook", "events": "task_created",
            "url-file": write(agent, f"{name}.url",
                              (url or HOOK.url) + path(name)),
            "secret-file": write(agent, f"{name}.key", KEYS[key])} | conf
    for k, value in conf.items():
        agent.conf(f"notify.{name}.{k}", value)


def agent_with(*names, **conf):
    agent = kc.Agent(start=False)
    for name in names:
        place(agent, name, **conf)
    return agent.start()


def health(agent, name):
    rows = agent.get("/api/health", by="admin").json["components"]
    row, = (r for r in rows if r["name"] == "notify")
    return next(p for p in row["places"] if p["name"] == f"notify.{name}")


def signature(key, headers, body):
    """As the specification has it, and nothing of ours."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}."
    mac = hmac.new(base64.b64decode(KEYS[key].removeprefix("whsec_")),
                   signed.encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(mac).decode()


def heard(name, n, keys=("one!",)):
    """The first n deliveries, each verified: [(id, record, delivery)]."""
    out = []
    for got in HOOK.at(path(name), n, 60):
        assert got["headers"]["webhook-signature"] == " ".join(
            signature(key, got["headers"], got["body"]) for key in keys), got
        assert got["headers"]["content-type"] == "application/json", got
        assert got["headers"]["webhook-id"].endswith(
            "-" + hashlib.sha256(got["body"]).hexdigest()[:12]), got
        out.append((got["headers"]["webhook-id"], json.loads(got["body"]),
                    got))
    return out


def told(name, n):
    """The first n events without those told again, which are the same."""
    first = {}

    def here():
        for one in HOOK.at(path(name)):
            id = one["headers"]["webhook-id"]
            assert first.setdefault(id, one["body"]) == one["body"], one
        return len(first) >= n
    kc.wait_for(here, 20, f"{n} events at {name}")
    return [json.loads(body) for body in first.values()]


def titles(records):
    return [r["data"]["put"]["task"]["title"] for r in records]


def tasks(agent, n, word="t"):
    """Makes n of them; their titles, in order."""
    names = [f"{word}{i}" for i in range(n)]
    for name in names:
        agent.task(name)
    return names


def settled(agent, name):
    """Everything was told, and that is on the record."""
    def here():
        row = health(agent, name)
        last = max(json.loads(g["body"])["seq"]
                   for g in HOOK.at(path(name)))
        done = max(r["data"]["to"] for r in agent.journal(
            "notify_sent", "notify_failed", what=f"notify.{name}"))
        return row["lag"] == 0 and last == done and row
    def ready():
        try:
            return here()
        except ValueError:      # nothing at all is told or recorded yet
            return False
    return kc.wait_for(ready, 30, f"{name} settled")


def test_a_program_gets_the_events_that_subscribers_get():
    agent = kc.Agent()
    agent.task("before anybody was to be told")
    agent.stop()
    place(agent, "all", events="all")
    place(agent, "too", events="all")       # and neither hears of the other
    agent.start()
    with_sse = agent.events(after_seq=0, by="observer")
    agent.task("one", request_text="with s3cret=\u00e9 \\ \"words\"")
    agent.execute("no.such.tool", "read_only")
    agent.task("two")
    agent.post("/api/mode", {"mode": "guarded", "reason": "x"}, by="admin")
    events = told("all", 6)
    assert events[0]["type"] == "agent_started", events[0]
    began, = agent.journal("notify_began", what="notify.all")
    assert began["data"]["after"] + 1 == events[0]["seq"], began
    log = kc.leaf(agent.lines()[0])[:16]
    sent = {id.rsplit("-", 1)[0]: got["body"]
            for id, _, got in heard("all", 6)}
    lines = {json.loads(line)["seq"]: line for line in agent.lines()}
    checked = 0
    while checked < len(events):
        event = with_sse.next()
        if event["data"]["seq"] > began["data"]["after"] and \
                not event["event"].startswith("notify_"):
            body = sent[f"{log}-{event['id']}"]
            assert body == lines[int(event["id"])], body
            assert json.loads(body) == event["data"], body
            checked += 1
    row = settled(agent, "all")
    assert row["status"] == "ok" and row["lag_s"] == 0, row
    assert row["last_error"] is None, row
    settled(agent, "too")
    behind = agent.task("behind the record of what was told")["id"]
    events = kc.wait_for(lambda: any(
        e["task_id"] == behind for e in told("all", 6)) and told("all", 6))
    assert agent.journal("notify_sent")[0]["seq"] < events[-1]["seq"]
    assert not any(e["type"].startswith("notify_") or e["type"] == "request"
                   for e in events)
    settled(agent, "all")
    assert sum(r["data"]["n"] for r in agent.journal(
        "notify_sent", what="notify.all")) == len(told("all", len(events)))
    agent.stop()
    kept = b"".join(p.read_bytes() for p in agent.home.rglob("*")
                    if p.is_file())
    for secret in (URL_SECRET, KEYS["one!"], KEYS["one!"][6:]):
        assert secret.encode() not in kept and secret not in agent.log


def test_what_a_receiver_does_loses_nothing_and_changes_no_order():
    def close(handler):
        handler.connection.close()

    def cut(handler):
        handler.wfile.write(b"HTTP/1.1 200 O")
        handler.connection.close()

    bad = [(500, {}, b""), close, (429, {"Retry-After": "1"}, b""),
           (404, {}, b"no"), cut, (307, {"Location": HOOK.url + "/x"}, b"")]
    ok = (204, {}, b"")
    HOOK.answers[path("odd")] = [ok, bad[0], ok, bad[1], ok, bad[2], ok, ok,
                                 bad[3], ok, bad[4], ok, bad[5]]
    agent = agent_with("odd")
    names = tasks(agent, 9)
    assert titles(told("odd", 9)) == names
    got = heard("odd", 15)
    ids = [id for id, _, _ in got]
    assert len(ids) == 15 and len(set(ids)) == 9, ids
    assert ids == sorted(ids, key=lambda i: int(i.split("-")[1]))
    assert not [g for g in HOOK.got if g["path"] == "/x"]
    row = settled(agent, "odd")
    assert row["status"] == "ok" and row["last_error"], row
    kc.wait_for(lambda: agent.journal("recovered", what="notify.odd"))
    assert sum(r["data"]["n"] for r in agent.journal("notify_sent")) == 9
    assert not agent.journal("notify_failed")


def test_what_is_refused_for_good_is_on_the_record_and_passed_over():
    HOOK.answers[path("picky")] = [(204, {}, b""), (422, {}, b""),
                                   (400, {}, b""), (400, {}, b""),
                                   (410, {}, b"")]
    agent = agent_with("picky")
    tasks(agent, 6)
    assert titles(told("picky", 6))[-1] == "t5"
    assert len(HOOK.at(path("picky"))) == 6
    settled(agent, "picky")
    skipped = [(r["data"]["error_code"], r["data"]["detail"][-3:])
               for r in agent.journal("notify_failed")
               for _ in range(r["data"]["n"])]
    assert skipped == [("notify_refused", "422"), ("notify_refused", "400"),
                       ("notify_refused", "400"), ("notify_gone", "410")]
    assert agent.journal("degraded", error_code="notify_gone")
    kc.wait_for(lambda: health(agent, "picky")["status"] == "ok")


def test_while_two_keys_count_both_sign_and_neither_needs_a_restart():
    agent = kc.Agent(start=False)
    place(agent, "turn")
    agent.conf("notify.turn.next-secret-file",
               write(agent, "turn.next", KEYS["two!"]))
    agent.start()
    agent.task("both")
    heard("turn", 1, ("one!", "two!"))
    settled(agent, "turn")
    write(agent, "turn.key", KEYS["two!"])
    write(agent, "turn.next", "whsec_short")
    agent.task("neither")
    row = kc.wait_for(lambda: (r := health(agent, "turn"))["status"] ==
                      "down" and r)
    assert row["error_code"] == "webhook_not_configured", row
    assert "turn.next" in row["detail"] and row["lag"] > 0, row
    assert len(HOOK.at(path("turn"))) == 1
    check = agent.cli("check", check=False)
    assert check.returncode == 1 and f"FAIL  turn: {agent.dir}" in \
        check.stdout and "short" not in check.stdout, check.stdout
    write(agent, "turn.next", KEYS["one!"])
    last = HOOK.at(path("turn"), 2)[1]
    assert last["headers"]["webhook-signature"] == " ".join(
        signature(k, last["headers"], last["body"]) for k in ("two!", "one!"))
    settled(agent, "turn")
    (agent.dir / "turn.next").rename(agent.dir / "turn.key")
    agent.task("turned")
    last = HOOK.at(path("turn"), 3)[2]
    assert last["headers"]["webhook-signature"] == signature(
        "one!", last["headers"], last["body"])
    (agent.dir / "turn.key").chmod(0o640)
    agent.task("loose")
    kc.wait_for(lambda: "open to others" in
                health(agent, "turn").get("detail", ""))


def test_after_kill_9_it_is_told_again_under_the_same_id():
    agent = agent_with("killed")
    first = tasks(agent, 3, "a")
    assert titles(told("killed", 3)) == first
    settled(agent, "killed")
    HOOK.open.clear()
    try:
        more = tasks(agent, 40, "b")
        HOOK.at(path("killed"), 4)
        agent.kill9()
    finally:
        HOOK.open.set()
    agent.start()
    assert titles(told("killed", 43)) == first + more
    ids = [id for id, _, _ in heard("killed", 44)]
    assert ids[3] in ids[4:] and ids[:3] == sorted(set(ids[:3]), key=ids.index)
    assert not set(ids[:3]) & set(ids[3:])      # what was told, was told once
    settled(agent, "killed")
    agent.restart()
    tasks(agent, 1, "c")
    assert titles(told("killed", 44)) == first + more + ["c0"]


def test_a_long_outage_is_made_up_for_from_the_journal():
    down = Receiver()
    down.server.shutdown()
    down.server.server_close()
    agent = kc.Agent(start=False)
    place(agent, "away", url=down.url, events="all")
    agent.start()
    for turn in range(2):               # more than memory keeps places of
        lag = health(agent, "away")["lag"]
        tasks(agent, (300, 50)[turn], f"{turn}-")
        assert health(agent, "away")["lag"] > lag + 50
        agent.kill9() if turn else agent.stop()
        agent.start()
    kc.wait_for(lambda: health(agent, "away")["status"] != "ok")
    write(agent, "away.url", HOOK.url + path("away"))
    kc.wait_for(lambda: health(agent, "away")["lag"] == 0, 60)
    settled(agent, "away")
    began, = agent.journal("notify_began")
    wanted = [r["seq"] for r in agent.journal()
              if r["type"] != "request" and r["seq"] > began["data"]["after"]
              and not r["type"].startswith("notify_") and
              r["data"].get("what") != "notify.away"]
    events = told("away", len(wanted))
    assert [e["seq"] for e in events] == wanted
    assert titles(e for e in events if e["type"] == "task_created") == [
        f"{turn}-{i}" for turn in range(2) for i in range((300, 50)[turn])]
    assert len(agent.journal("notify_sent")) < 100


def test_who_hangs_delays_nobody():
    stuck = Receiver()
    stuck.open.clear()
    agent = kc.Agent(start=False, conf={"timeouts.webhook": "5m"})
    place(agent, "stuck", url=stuck.url)
    place(agent, "well")
    agent.start()
    names = tasks(agent, 3)
    stuck.at(path("stuck"))
    assert titles(told("well", 3)) == names
    settled(agent, "well")
    assert health(agent, "stuck")["lag"] > 0
    agent.stop()                # it waits for no answer either
    agent.conf("timeouts.webhook", "1s")
    agent.start()
    kc.wait_for(lambda: agent.journal("degraded", what="notify.stuck"))
    stuck.open.set()
    kc.wait_for(lambda: agent.journal("recovered", what="notify.stuck"), 60)
    kc.wait_for(lambda: health(agent, "stuck")["lag"] == 0)


def test_two_that_fail_in_turn_do_not_keep_each_other_busy():
    for name in ("left", "right"):
        HOOK.answers[path(name)] = [(503, {}, b""), (204, {}, b"")] * 20
    agent = kc.Agent(start=False)
    for name in ("left", "right"):
        place(agent, name, events="all")
    agent.start()
    made = agent.task("one event")["id"]
    for name in ("left", "right"):
        kc.wait_for(lambda name=name: any(
            e["task_id"] == made for e in told(name, 1)))
        settled(agent, name)
        assert agent.journal("degraded", what=f"notify.{name}")
        assert not [e for e in told(name, 1) if (e["data"] or {}).get(
            "what", "").startswith("notify.")], name


def test_what_fails_for_too_long_is_given_up_and_the_next_is_tried():
    HOOK.answers[path("never")] = [(500, {}, b"")] * 4
    agent = agent_with("never", **{"give-up": "1s"})
    tasks(agent, 2)
    assert titles(told("never", 2)) == ["t0", "t1"]
    failed = kc.wait_for(lambda: agent.journal("notify_failed"))[0]["data"]
    assert failed["detail"] == "given up: the receiver answered 500", failed
    assert failed["n"] == 1 and failed["from"] == failed["to"], failed
    kc.wait_for(lambda: health(agent, "never")["lag"] == 0)


kc.main(120)
