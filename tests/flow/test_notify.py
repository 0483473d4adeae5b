"""Who is told, through [notify "NAME"]: of what, how often, and that nobody
ever waits for it."""
import http.server
import json
import threading

import kc
from publishing import approval, approved, ask, asked

SECRET = "tok3n-in-the-url"


class Hooks:
    """A receiving service: what it got by path, and what it will answer."""

    def __init__(self):
        self.got, self.answers, self.changed = [], {}, threading.Condition()
        self.open = threading.Event()
        self.open.set()
        hooks = self

        class Hook(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hooks.open.wait(100)
                where = self.path.split("/")[1]
                with hooks.changed:
                    hooks.got.append((where, body.decode(),
                                      dict(self.headers)))
                    later = hooks.answers.get(where, [])
                    status, headers = later.pop(0) if later else (204, {})
                    hooks.changed.notify_all()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever,
                         daemon=True).start()

    def at(self, where, n=1, seconds=20):
        """The first n bodies that came to this path; waits for them."""
        def here():
            return [body for path, body, _ in self.got if path == where]
        with self.changed:
            assert self.changed.wait_for(lambda: len(here()) >= n,
                                         seconds * kc.PATIENCE), (where, n)
            return [json.loads(b) if b[:1] == "{" else b for b in here()]


HOOKS = Hooks()


def place(agent, name, kind="webhook", **conf):
    file = agent.dir / f"{name}.url"
    file.write_text(f"http://127.0.0.1:{HOOKS.server.server_port}/{name}/"
                    f"{SECRET}\n")
    file.chmod(0o600)
    for key, value in ({"kind": kind, "url-file": file} | conf).items():
        agent.conf(f"notify.{name}.{key}", value)


def agent_with(*places, **conf):
    agent = kc.Agent(start=False, conf={"policy.grace": "0s"} | conf)
    agent.effects = {n: agent.publisher(n)
                     for n in ("test.publish", "test.brief")}
    agent.tool("test.fails", "fail('broken', 'it said s3cret')")
    for name, options in places:
        place(agent, name, **options)
    return agent.start()


def row(agent):
    rows = agent.get("/api/health", by="admin").json["components"]
    return next(r for r in rows if r["name"] == "notify")


def test_people_are_told_what_waits_in_titles_and_ids_alone():
    agent = agent_with(("phone", {}), ("chat", {"kind": "slack", "events":
                       "approval_requested,tool_failed"}),
                       ("topic", {"kind": "ntfy", "events": "mode_changed"}))
    task = agent.task("Publish <@all> the film")
    name = asked(agent, task, args={"text": "s3cret words"})
    first, = HOOKS.at("phone")
    shown = approval(agent, name)
    assert first["event"] == "approval_requested" and first["title"], first
    assert first["approval_id"] == name and first["task_id"] == task["id"]
    assert first["correlation_id"] == shown["correlation_id"]
    assert "test.publish" in first["text"] and task["title"] in first["text"]
    said, = HOOKS.at("chat")
    assert list(said) == ["text"] and "&lt;@all&gt;" in said["text"], said
    run = agent.execute("test.fails", "local_write").json
    failed = HOOKS.at("phone", 2)[1]
    assert failed["event"] == "tool_failed" and failed["run_id"] == run["id"]
    assert "broken" in failed["text"], failed
    agent.post("/api/mode", {"mode": "guarded", "reason": "s3cret"},
               by="admin")
    assert "to guarded" in HOOKS.at("topic")[0]
    sent = kc.wait_for(lambda: agent.journal("notify_sent", what="notify.phone",
                                             approval_id=name))[0]
    assert sent["correlation_id"] == shown["correlation_id"], sent
    assert sent["task_id"] == task["id"] and sent["data"]["tries"] == 1
    kc.wait_for(lambda: row(agent)["status"] == "ok")
    assert {p["name"] for p in row(agent)["places"]} == {
        "notify.phone", "notify.chat", "notify.topic"}
    assert not any("s3cret" in body for _, body, _ in HOOKS.got)
    agent.stop()
    kept = b"".join(p.read_bytes() for p in agent.home.rglob("*")
                    if p.is_file())
    assert SECRET.encode() not in kept and SECRET not in agent.log


def test_later_is_tried_again_and_no_is_on_the_record():
    HOOKS.answers["later"] = [(503, {}), (429, {"Retry-After": "1"})]
    HOOKS.answers["never"] = [(404, {})]
    agent = agent_with(("later", {}), ("never", {}))
    task = agent.task("later")
    name = asked(agent, task)
    assert len({b["approval_id"] for b in HOOKS.at("later", 3)}) == 1
    sent = kc.wait_for(lambda: agent.journal("notify_sent",
                                             what="notify.later"))[0]
    assert sent["data"]["tries"] == 3, sent
    kc.wait_for(lambda: agent.journal("recovered", what="notify.later"))
    failed, = kc.wait_for(lambda: agent.journal("notify_failed"))
    assert failed["data"]["what"] == "notify.never", failed
    assert failed["data"]["error_code"] == "notify_refused", failed
    assert failed["data"]["approval_id"] == name
    assert agent.journal("degraded", what="notify.never")
    # The other is told of it, and who was refused of what comes next.
    events = [b["event"] for b in HOOKS.at("later", 4)]
    assert events[3] in ("degraded", "approval_requested"), events
    asked(agent, task, args={"text": "more"})
    kc.wait_for(lambda: agent.journal("recovered", what="notify.never"))
    kc.wait_for(lambda: row(agent)["status"] == "ok")
    assert SECRET not in json.dumps(agent.journal())


def test_escalation_is_for_what_nobody_has_looked_at():
    agent = agent_with(("first", {}), ("boss", {"escalate": "true"}),
                       **{"policy.test.brief.approval-ttl": "4s"})
    task = agent.task("late")
    asked(agent, task)
    late = asked(agent, task, "test.brief")
    told = HOOKS.at("boss")[0]
    assert told["event"] in ("approval_reminder", "approval_expired"), told
    assert told["approval_id"] == late
    assert "approval_requested" in {b["event"] for b in HOOKS.at("first", 2)}


def test_nobody_waits_for_who_does_not_answer():
    HOOKS.open.clear()
    try:
        agent = agent_with(("stuck", {}))
        name = asked(agent, agent.task("stuck"))
        approved(agent, name)
        done = ask(agent, {"id": approval(agent, name)["task_id"]}, wait=20)
        assert done.json["state"] == "succeeded", done
        for n in range(70):
            mode = ("guarded", "normal")[n % 2]
            assert agent.post("/api/mode", {"mode": mode, "reason": "x"},
                              by="admin").status == 200
        kc.wait_for(lambda: row(agent)["waiting"] == 64)
    finally:
        HOOKS.open.set()
    HOOKS.at("stuck", 64)
    much = kc.wait_for(lambda: agent.journal(
        "notify_failed", error_code="notify_too_many"))[0]
    assert "before it were not told" in much["data"]["detail"], much
    kc.wait_for(lambda: row(agent)["waiting"] == 0)


def test_an_agent_stops_although_somebody_is_being_told():
    HOOKS.open.clear()
    try:
        agent = agent_with(("asleep", {}))
        asked(agent, agent.task("asleep"))
        kc.wait_for(lambda: row(agent)["waiting"] == 1)
        agent.stop()
    finally:
        HOOKS.open.set()


kc.main()
