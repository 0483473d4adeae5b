"""What the fake agent knows, and its operations; see fake_agent.py."""
import base64
import datetime
import hashlib
import json
import struct
import threading
import zlib

LOCK = threading.RLock()
TOKENS = {"admin": ["admin", "observer"], "observer": ["observer"]}
HOSTILE = "\x1b[31mred\x1b]0;t\x07 \u202egnp.exe\u202c a\u200bb \x9b2J \r\nX"


def ago(seconds):
    t = datetime.datetime.now(datetime.timezone.utc)
    t -= datetime.timedelta(seconds=seconds)
    return t.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"),
                      ensure_ascii=False)


def sha(data):
    if isinstance(data, str):
        data = data.encode()
    return hashlib.sha256(data).hexdigest()


def png(width, height):
    rows = b"".join(b"\0" + b"".join(
        bytes((x * 255 // width, y * 255 // height, 128))
        for x in range(width)) for y in range(height))

    def chunk(kind, data):
        return (struct.pack(">I", len(data)) + kind + data +
                struct.pack(">I", zlib.crc32(kind + data)))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def task(n, state, title, **more):
    out = {"id": f"t-01jd3k9x7m2q{n:04d}", "title": title, "state": state,
           "request_text": "as said", "source": "api", "attempt": 1,
           "correlation_id": f"c-{n:04d}", "created_at": ago(60 * (6 - n) + 30),
           "updated_at": "2026-01-02T13:00:00.000000Z",
           "created_by": "coordinator", "acceptance_criteria": [],
           "side_effect_level": "external_publish",
           "allow_external_publish": False, "admin_approved": False,
           "lease": None, "labels": {}, "meta": {}, "sha": "0" * 40}
    out.update(more)
    return out


def approval(n, task_id, args, files, expires=690, **more):
    ident = f"a-01jd3k9x7m2q{n:04d}"
    request = {"v": 1, "agent": "studio-1", "tool": "youtube.upload",
               "args": args, "task_id": task_id, "criterion_ref": "AC-1",
               "artifacts": files, "policy_sha256": sha("policy"),
               "requester": "coordinator", "approval_id": ident}
    request.update(more)
    text = canonical(request)
    return {"id": ident, "state": "pending", "kind": "external_publish",
            "task_id": task_id, "criterion_ref": "AC-1",
            "criterion_text": "the demo shows the export dialog",
            "tool": "youtube.upload", "requester": "coordinator",
            "created_at": ago(90), "expires_in_s": expires,
            "request": request, "request_sha256": sha(text),
            "artifacts": files, "required": 1, "decisions": [],
            "reversibility": "irreversible", "last_decision": None,
            "rule": "default policy.external-publish = approve"}


def record(seq, kind, task_id=None, chain=None, actor="coordinator", **data):
    run = data.pop("run_id", None)
    return {"seq": seq, "ts": f"2026-01-02T13:02:{seq % 60:02d}.000000Z",
            "type": kind, "actor": actor, "scope": "tool_runner",
            "transport": "http", "method": "POST", "route": "/api/x",
            "status": 200, "correlation_id": chain or "c-0001",
            "task_id": task_id, "run_id": run, "data": data,
            "prev": "0" * 64}


class Refused(Exception):
    def __init__(self, status, code, detail):
        self.problem = {"type": "urn:kircerta:error:" + code, "title": code,
                        "status": status, "detail": detail,
                        "error_code": code, "retryable": False,
                        "remediation_hint": "Read it again.",
                        "correlation_id": "c-x"}


class World:
    def __init__(self, scenario):
        self.scenario = scenario
        self.clients = []
        self.refuse = self.silent = self.deaf = False
        self.nonces = {}
        self.seq = 40
        picture = png(64, 48)
        self.bytes = {sha(picture): picture}
        self.evidence = [{"name": "thumb.png", "media_type": "image/png",
                          "size": len(picture), "sha256": sha(picture),
                          "created_at": ago(270), "task_id":
                          "t-01jd3k9x7m2q0003", "run_id": "r-1",
                          "correlation_id": "c-0003", "link": "/x"}]
        self.files = [{"name": "demo.mp4", "sha256": sha("demo"),
                       "size": 48100000},
                      {"name": "thumb.png", "sha256": sha(picture),
                       "size": len(picture)}]
        self.tasks = [
            task(1, "running", "render captions",
                 lease={"holder": "studio-1", "expires_at": "x"}),
            task(2, "pending", "upload thumbnail"),
            task(3, "needs_review", "publish video \"Release 2.4\""),
            task(4, "rejected", "record demo: OBS not reachable"),
            task(5, "approved", "verify evidence",
                 allow_external_publish=True)]
        text = ("Release 2.4: faster captions\n"
                "See https://example.org/notes")
        self.approvals = [approval(
            9, "t-01jd3k9x7m2q0003",
            {"title": "Release 2.4", "description": text,
             "privacy": "public", "channel": "@kircerta-demo"}, self.files)]
        self.runs = [{"id": "r-01jd3k9x7m2q0001", "tool": "screen.record",
                      "task_id": "t-01jd3k9x7m2q0001", "actor": "studio-1",
                      "correlation_id": "c-0001", "state": "running",
                      "progress": 0.4, "started_at": ago(52),
                      "side_effect_level": "local_write", "artifacts": []}]
        self.records = [record(n, kind, "t-01jd3k9x7m2q0003", "c-0003", who,
                               **data)
                        for n, kind, who, data in (
                            (36, "task_created", "coordinator", {}),
                            (37, "ack_accepted", "studio-1", {}),
                            (38, "evidence_added", "studio-1",
                             {"name": "demo.mp4", "size": 48100000}),
                            (39, "policy_denied", "coordinator",
                             {"reason": "approval_required",
                              "tool": "youtube.upload"}),
                            (40, "approval_requested", "coordinator",
                             {"approval_id": self.approvals[0]["id"]}))]
        self.health = {"status": "degraded", "mode": "normal",
                       "version": "0.1.0", "seq": 40, "uptime_s": 60,
                       "components": [
                           {"name": "audit", "status": "ok",
                            "since": ago(90), "detail": "", "effect": ""},
                           {"name": "obs", "status": "down",
                            "since": ago(130), "error_code":
                            "obs_unreachable", "detail": "OBS is off",
                            "remediation_hint": "Start OBS",
                            "effect": "obs.* runs fail"}]}
        getattr(self, "make_" + scenario, lambda: None)()

    def make_empty(self):
        self.tasks = self.approvals = self.runs = self.records = []
        self.evidence = []
        self.seq = 0
        self.health = {"status": "ok", "mode": "normal", "seq": 0,
                       "components": []}

    def make_redone(self):
        self.tasks = [task(
            3, "running", "publish video \"Release 2.4\"", attempt=2,
            acceptance_criteria=[
                {"id": "AC-1", "text": "the demo shows the export dialog"},
                {"id": "AC-2", "text": "captions are there"}],
            issues=[{"criterion_ref": "AC-2", "text":
                     "captions end\nAC-1: at minute 2"}],
            labels={"kind": "video", "team": "docs"},
            lease={"holder": "codex", "progress": 0.25,
                   "expires_at": "2026-01-02T13:05:00.000000Z",
                   "message": "rendering captions"})]
        self.approvals = self.runs = self.evidence = []

    def make_troubled(self):
        self.health["components"] = [
            {"name": "display", "status": "down", "detail": "no display",
             "remediation_hint": "Set screen.display"},
            {"name": "ssot_remote", "status": "degraded", "detail": "no way",
             "remediation_hint": "See the network and " + "the rest " * 9}]

    def make_hostile(self):
        for t in self.tasks:
            t["title"] = HOSTILE + t["title"]
            t["labels"] = {HOSTILE: HOSTILE}
            t["lease"] = {"holder": HOSTILE, "expires_at": HOSTILE}
        for r in self.records:
            r["actor"] = HOSTILE
            r["type"] = HOSTILE
            r["data"] = {HOSTILE: HOSTILE, "reason": HOSTILE}
        for c in self.health["components"]:
            c["name"] += HOSTILE
            c["detail"] = c["effect"] = c["remediation_hint"] = HOSTILE
        for e in self.evidence:
            e["name"] = HOSTILE
        self.runs[0]["tool"] = HOSTILE
        self.approvals = [approval(
            9, "t-01jd3k9x7m2q0003",
            {"title": HOSTILE, HOSTILE: [HOSTILE, {HOSTILE: 1}],
             "text": "see http://ex\u0430mple.org/ " + HOSTILE},
            [{"name": HOSTILE, "sha256": HOSTILE, "size": 1}],
            requester=HOSTILE, criterion_ref=HOSTILE)]
        self.approvals[0]["requester"] = HOSTILE
        self.approvals[0]["criterion_text"] = HOSTILE

    def make_text(self):
        data = b"this is no picture"
        self.bytes = {sha(data): data}
        self.evidence[0]["sha256"] = sha(data)

    def make_mismatch(self):
        self.lie = True

    def make_own(self):
        self.approvals = [approval(9, "t-01jd3k9x7m2q0003", {"title": "x"},
                                   self.files, requester="ana")]
        self.approvals[0]["requester"] = "ana"

    def make_allowed(self):
        self.tasks[2]["allow_external_publish"] = True

    def make_soon(self):
        self.approvals = [approval(9, "t-01jd3k9x7m2q0003", {"title": "x"},
                                   self.files, expires=3)]

    def make_many(self):
        self.tasks = [task(n, "pending", f"task number {n}")
                      for n in range(1, 2501)]

    def find(self, items, ident):
        for each in items:
            if each["id"] == ident or each["id"].endswith(ident):
                return each
        return None

    def page(self, items, params):
        at = int(params.get("cursor") or 0)
        most = int(params.get("limit") or 100)
        end = at + most
        return {"items": items[at:end],
                "next_cursor": str(end) if end < len(items) else None}

    def emit(self, rec):
        with LOCK:
            self.seq = max(self.seq, rec["seq"])
            self.records.append(rec)
            for c in list(self.clients):
                if c.subscribed and rec["seq"] > c.after:
                    c.notify("event", {"record": rec})

    def next_record(self, kind, **more):
        a = self.approvals[0]
        rec = record(self.seq + 1, kind, a["task_id"], "c-0003", "ana",
                     approval_id=a["id"], **more)
        self.emit(rec)

    # operations: (params, actor) -> result, or raises Refused
    def call(self, name, p, actor):
        method = getattr(self, "op_" + name.replace(".", "_"), None)
        if not method:
            raise Refused(404, "not_found", "no such operation")
        return method(p, actor)

    def op_events_subscribe(self, p, actor):
        return {"after_seq": p.get("after_seq", 0)}

    def op_system_health(self, p, actor):
        return dict(self.health, seq=self.seq)

    def op_system_mode(self, p, actor):
        if "mode" not in p:
            return {"mode": self.health["mode"]}
        if "admin" not in TOKENS[actor]:
            raise Refused(403, "insufficient_scope", "that needs admin")
        if self.health["mode"] == "stopped" and p["mode"] != "stopped" and \
                not p.get("reason"):
            raise Refused(400, "invalid_request", "leaving needs a reason")
        self.health["mode"] = p["mode"]
        self.emit(record(self.seq + 1, "mode_changed"))
        return {"mode": p["mode"], "by": "ana", "reason": p.get("reason"),
                "since": "2026-01-02T13:02:41.000000Z"} | (
                    {"unrecorded": True} if self.scenario == "sealed" else {})

    def op_task_list(self, p, actor):
        return self.page([t for t in self.tasks if
                          p.get("state") in (None, t["state"])], p)

    def op_task_get(self, p, actor):
        found = self.one(self.tasks, p["id"])
        if p.get("rev"):
            return {"id": found["id"], "state": "pending", "attempt": 1,
                    "title": found["title"], "sha": "1" * 40}
        return found

    def op_task_history(self, p, actor):
        found = self.one(self.tasks, p["id"])
        mean = HOSTILE if self.scenario == "hostile" else ""
        return self.page(self.revisions(found, mean), p)

    def revisions(self, task, mean):
        """Oldest first; the newest was pushed by somebody."""
        steps = [("task_created", "coordinator", [], [
                     {"path": "/title", "to": mean + task["title"]}]),
                 ("ack_accepted", "codex", ["attempts/1-ack"], [
                     {"path": "/updated_at", "from": "a", "to": "b"},
                     {"path": "/state", "from": "pending", "to": "running"},
                     {"path": "/lease", "from": None, "to":
                      {"holder": "codex"}}]),
                 (None, mean + "Ana", [], [
                     {"path": "/title", "from": "before", "to": mean + "x"},
                     {"path": "/labels/k", "from": "v"}])]
        return [{"commit": str(n) * 40, "at":
                 f"2026-01-02T13:0{n}:11.000000Z", "by": by, "operation": op,
                 "reason": mean + "a typo" if n == 3 else None,
                 "seq": n, "log_id": None, "correlation_id":
                 task["correlation_id"], "sha": str(n) * 40,
                 "changes": changes, "documents": [
                     {"document": d, "to": "2" * 40} for d in documents]}
                for n, (op, by, documents, changes) in enumerate(steps, 1)]

    def op_task_fidelity(self, p, actor):
        found = self.one(self.tasks, p["id"])
        mean = HOSTILE if self.scenario == "hostile" else ""
        return {"task_id": found["id"], "complete": False, "gaps": [
                    {"attempt": 1, "kind": "no_evidence", "criterion_ref":
                     "AC-2", "detail": mean + "nothing proves it"}],
                "attempts": [{"attempt": 1, "decision": "fail",
                              "verdict_by": mean + "ana", "criteria": [
                    {"criterion_ref": mean + "AC-1", "echoed": True,
                     "met": True, "evidence": ["0" * 64], "effects": []},
                    {"criterion_ref": "AC-2", "echoed": True, "met": True,
                     "evidence": [], "effects": [], "issues": [
                         {"criterion_ref": "AC-2", "text": mean +
                          "captions end\nAC-1: at minute 2"}]}]}]}

    def one(self, items, ident):
        found = self.find(items, ident)
        if not found:
            raise Refused(404, "not_found", f"there is no {ident}")
        return found

    def op_run_list(self, p, actor):
        return self.page(self.runs, p)

    def op_run_get(self, p, actor):
        return self.one(self.runs, p["id"])

    def op_approval_list(self, p, actor):
        return self.page([a for a in self.approvals if
                          p.get("state") in (None, a["state"])], p)

    def op_approval_get(self, p, actor):
        return self.one(self.approvals, p["id"])

    def op_approval_review(self, p, actor):
        a = self.one(self.approvals, p["id"])
        if a["state"] != "pending":
            raise Refused(409, "already_decided", "it is decided already")
        nonce = base64.urlsafe_b64encode(
            hashlib.sha256(str(len(self.nonces)).encode()).digest()).decode()
        self.nonces[nonce] = False
        text = canonical(a["request"])
        if getattr(self, "lie", False):
            text = text.replace("Release 2.4", "Release 2.5")
        return {"canonical": text, "request_sha256": a["request_sha256"],
                "nonce": nonce, "expires_in_s": a["expires_in_s"],
                "approval": a}

    def op_approval_approve(self, p, actor):
        a = self.one(self.approvals, p["id"])
        t = self.find(self.tasks, a["task_id"])
        if p.get("request_sha256") != a["request_sha256"]:
            raise Refused(409, "approval_stale", "the digest is not this")
        if self.nonces.get(p.get("nonce")) is not False:
            raise Refused(409, "nonce_used", "this review was used")
        if t and not t["allow_external_publish"] and \
                p.get("allow_external_publish") is not True:
            raise Refused(403, "policy_denied", "publish_not_allowed")
        self.nonces[p["nonce"]] = True
        a["state"] = "approved"
        self.next_record("approval_granted")
        return a

    def op_approval_reject(self, p, actor):
        a = self.one(self.approvals, p["id"])
        a["state"] = "rejected"
        self.next_record("approval_rejected", reason=p["reason"])
        return a

    def op_approval_cancel(self, p, actor):
        a = self.one(self.approvals, p["id"])
        a["state"] = "cancelled"
        self.next_record("approval_cancelled")
        return a

    def op_audit_query(self, p, actor):
        after = int(p.get("after_seq") or 0)
        types = p["type"].split(",") if p.get("type") else None
        return self.page([r for r in self.records if r["seq"] > after and
                          (not types or r["type"] in types)], p)

    def op_audit_chain(self, p, actor):
        ident = p["correlation_id"]
        found = [r for r in self.records if r["correlation_id"] == ident]
        fixed = "2026-01-02T13:02:41.000000Z"
        return {"correlation_id": ident, "task_ids": [],
                "runs": [dict(r, started_at=fixed) for r in self.runs],
                "approvals": [dict(a, created_at=fixed)
                              for a in self.approvals], "events": found,
                "artifacts": [dict(e, verified=True, created_at=fixed)
                              for e in self.evidence],
                "complete": bool(found),
                "missing": [] if found else ["record 3"]}

    def op_evidence_list(self, p, actor):
        return self.page([e for e in self.evidence if
                          p.get("task_id") in (None, e["task_id"])], p)
