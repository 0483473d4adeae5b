"""Tokens that change while they are used: what is open ends, what comes next
is refused, and both are on record."""
import json
import os
import time

import kc
from expect import refused


def token_id(agent, name):
    listed = json.loads(agent.cli("token", "list", "--json").stdout)
    return [t["id"] for t in listed if t["name"] == name][-1]


class Open:
    """A stream of events and a websocket that is subscribed, both quiet."""

    def __init__(self, agent, by):
        self.events = agent.events(by=by, types="task_created")
        self.ws = agent.ws(by)
        self.ws.note("hello")
        self.ws.call("events.subscribe", types="task_created")

    def ended(self):
        """Both end, having said nothing; the websocket says why it does."""
        for more in (self.events.next,
                     lambda seconds: self.ws.note("event", seconds)):
            try:
                raise AssertionError(f"it was told: {more(30 * kc.SLOW)}")
            except kc.Closed:
                pass
        assert self.ws.close_code == 1008, self.ws.close_code

    def close(self):
        self.events.close()
        self.ws.close()


def ends_with(agent, name, reason, change):
    """change() ends what is open of this token, within a second where the
    machine is not busy; nobody has to ask anything for that."""
    streams, gone = Open(agent, name), token_id(agent, name)
    change(gone)
    began = time.monotonic()
    streams.ended()
    took = time.monotonic() - began
    streams.close()
    ended = kc.wait_for(lambda: (r := agent.journal(
        "stream_ended", token_id=gone)) and len(r) == 2 and r)
    assert {(r["data"]["stream"], r["data"]["reason"]) for r in ended} == \
        {("events", reason), ("websocket", reason)}, ended
    assert all(r["actor"] == "agent" and r["data"]["name"] == name and
               r["data"]["peer"] == "127.0.0.1 (loopback)"
               for r in ended), ended
    print(f"{reason}: ended after {took:.2f} s")
    return gone


def test_a_revoked_token_ends_what_is_open(agent):
    agent.token("gone")
    gone = ends_with(agent, "gone", "revoked",
                     lambda i: agent.cli("token", "revoke", i))
    refused(agent.get("/api/tasks", by="gone"), 401, "unauthenticated")
    assert len(agent.journal("token_revoked", token_id=gone)) == 1


def test_an_expired_token_ends_what_is_open(agent):
    agent.token("late")
    ends_with(agent, "late", "expired", lambda i: agent.cli(
        "token", "narrow", i, "--expires", "500ms"))
    refused(agent.get("/api/tasks", by="late"), 401, "unauthenticated")


def test_a_narrowed_token_ends_what_is_open_and_keeps_the_rest(agent):
    agent.token("less", "admin", "observer")
    gone = ends_with(agent, "less", "narrowed", lambda i: agent.cli(
        "token", "narrow", i, "--scope", "observer"))
    assert agent.get("/api/tasks", by="less").status == 200
    refused(agent.post("/api/mode", {"mode": "guarded"}, by="less"), 403,
            "insufficient_scope")
    record, = agent.journal("token_changed", token_id=gone)
    assert record["data"]["scopes"] == ["observer"], record
    assert record["data"]["was"] == {"scopes": ["admin", "observer"]}, record
    open_again = Open(agent, "less")
    made = agent.task("after")["id"]
    assert open_again.events.next()["data"]["task_id"] == made
    assert open_again.ws.note("event")["task_id"] == made
    open_again.close()


def test_a_token_that_is_gone_from_the_file_counts_as_revoked(agent):
    agent.token("cut")

    def cut(gone):
        file = agent.home / "tokens"
        rest = [line for line in file.read_text().splitlines(True)
                if gone not in line]
        beside = agent.home / "tokens.new"
        beside.write_text("".join(rest))
        beside.chmod(0o600)
        beside.rename(file)
    gone = ends_with(agent, "cut", "unknown", cut)
    record, = agent.journal("token_revoked", token_id=gone)
    assert record["data"]["was"] == {"in_file": True}, record
    agent.restart()
    assert agent.get("/api/tasks").status == 200
    assert len(agent.journal("token_revoked", token_id=gone)) == 1


def test_tokens_that_others_may_read_let_nobody_in(agent):
    agent.token("seen")
    file = agent.home / "tokens"
    ends_with(agent, "seen", "unreadable", lambda _: file.chmod(0o644))
    refused(agent.get("/api/tasks", by="admin"), 500, "io")
    assert agent.get("/api/health", by=None).json == {"status": "failing"}
    kc.wait_for(lambda: agent.journal("degraded", what="auth",
                                      error_code="tokens_unreadable"))
    assert not agent.journal("recovered", what="auth")
    file.chmod(0o600)
    kc.wait_for(lambda: agent.journal("recovered", what="auth"))
    kc.wait_for(lambda: agent.get("/api/tasks", by="seen").status == 200)


def test_both_tokens_count_until_the_overlap_ends(agent):
    agent.token("turn", "admin", "tool_runner", "observer")
    assert agent.get("/api/tasks", by="turn").status == 200  # noticed
    old = token_id(agent, "turn")
    agent.tokens["next"] = agent.cli("token", "rotate", old).stdout.strip()
    new = token_id(agent, "turn")
    assert new != old and agent.tokens["next"] != agent.tokens["turn"]
    for by in ("turn", "next"):
        assert agent.get("/api/tasks", by=by).status == 200
    made, = agent.journal("token_created", token_id=new)
    assert made["data"]["rotates"] == old and made["actor"] == "agent", made
    changed, = agent.journal("token_changed", token_id=old)
    assert changed["data"]["rotated_by"] == new, changed
    assert changed["data"]["was"] == {"expires_at": None}, changed
    assert changed["data"]["expires_at"], changed
    # who asked with the one does not approve with the other
    file = agent.publisher()
    agent.reload()
    kc.wait_for(lambda: any(t["name"] == "test.publish" for t in
                            agent.get("/api/tools").json["items"]))
    task = agent.task("turned")
    asked = agent.execute("test.publish", "external_publish", {"text": "x"},
                          task, by="turn")
    refused(agent.approve(asked.json["approval_id"], by="next",
                          allow_external_publish=True), 403, "self_approval")
    assert not file.read_text()
    streams = Open(agent, "turn")
    agent.cli("token", "narrow", old, "--expires", "1ms")
    streams.ended()
    streams.close()
    refused(agent.get("/api/tasks", by="turn"), 401, "unauthenticated")
    assert agent.get("/api/tasks", by="next").status == 200


def test_the_admins_own_file_has_the_rotated_one(fresh):
    old, before = token_id(fresh, "admin"), fresh.token("admin")
    said = fresh.cli("token", "rotate", old, "--overlap", "0").stdout.strip()
    assert said == fresh.token("admin") != before
    assert (fresh.home / "admin.token").stat().st_mode & 0o777 == 0o600
    assert fresh.get("/api/tasks", by="admin").status == 200
    fresh.tokens["before"] = before
    refused(fresh.get("/api/tasks", by="before"), 401, "unauthenticated")
    again = fresh.cli("token", "rotate", old, check=False)
    assert again.returncode == 1 and "has expired" in again.stderr, again


def test_the_list_says_when_each_was_last_used_and_no_secret(fresh):
    used, idle = fresh.token("used"), fresh.token("idle")
    assert fresh.get("/api/tasks", by="used").status == 200
    fresh.stop()
    listed = fresh.cli("token", "list", "--json").stdout
    plain = fresh.cli("token", "list").stdout
    by_name = {t["name"]: t["last_used_at"] for t in json.loads(listed)}
    assert by_name["idle"] is None and by_name["used"], by_name
    assert by_name["used"].endswith(".000000Z"), by_name
    line = next(x for x in plain.splitlines() if " idle " in x)
    assert " - " in line and " - " not in next(
        x for x in plain.splitlines() if " used " in x)
    for secret in (used, idle, fresh.token("admin")):
        assert secret[4:] not in listed + plain + fresh.log
        assert secret[4:] not in (fresh.home / "tokens.used").read_text()
    assert (fresh.home / "tokens.used").stat().st_mode & 0o777 == 0o600


def test_what_is_no_record_of_uses_hides_none_and_hangs_nobody(fresh):
    fresh.token("codex")
    this = token_id(fresh, "codex")
    fresh.stop()
    used = fresh.home / "tokens.used"
    for text in (b'{"%s":"\\u001b[2J"}' % this.encode(), b"[1]", b"{",
                 b'{"%s":[{}]}' % this.encode()):
        used.write_bytes(text)
        listed = fresh.cli("token", "list").stdout
        row, = [line for line in listed.splitlines() if this in line]
        assert " - " in row and "\x1b" not in listed, (text, listed)
    used.unlink()
    os.mkfifo(used, 0o600)
    fresh.start()
    assert fresh.get("/api/mode", by="codex").status == 200
    fresh.stop()
    assert used.is_file() and this in used.read_text()


def test_check_says_which_tokens_end_soon(fresh):
    for name, expires in (("soon", "3d"), ("later", "30d"), ("never", None),
                          ("turned", "2d"), ("over", "1ms"), ("gone", None)):
        fresh.token(name, expires=expires)
    soon, turned = (token_id(fresh, n) for n in ("soon", "turned"))
    fresh.cli("token", "rotate", turned, "--expires", "30d")
    fresh.cli("token", "revoke", token_id(fresh, "gone"))
    said = fresh.cli("check").stdout
    assert "tokens     ok    6 good" in said, said
    rows = [x for x in said.splitlines() if x.startswith("token  ")]
    assert len(rows) == 1 and "soon  soon ends at" in rows[0], said
    assert f"token rotate {soon}" in said and turned not in said, said
    (fresh.home / "tokens").chmod(0o640)
    said = fresh.cli("check", check=False)
    assert said.returncode == 1 and "tokens     FAIL" in said.stdout, said
    assert "chmod 600" in said.stdout, said


kc.main()
