"""One canary in each place that holds a secret, through publishes, failures,
refusals, a restart, kill -9 and a crash: nowhere is it seen again."""
import base64
import contextlib
import http.server
import json
import os
import signal
import subprocess
import threading
from pathlib import Path

import kc
import remotes
from canaries import Canaries, children
from expect import refused

NOISY = """
word, number = args["word"], args.get("pin", 0)
print("noise with", word)
print("more noise with", word, number, file=sys.stderr)
print(json.dumps(call), file=sys.stderr)
say(progress=0.5, message="half of " + word)
open("note " + word + ".txt", "w").write("a note")
say(artifact={"name": "note " + word + ".txt", "media_type": "text/plain"})
while os.path.exists(%r):
    time.sleep(0.01)
if args["how"] == "crash":
    os.abort()
if args["how"] == "fail":
    fail("bad_" + "word", "it did not take " + word, "say not " + word)
result(said=word, pin=number, nested=[{word: word}])
"""
ARGS = {"word": {"type": "string", "secret": "true", "required": "true",
                 "max-length": "64"},
        "pin": {"type": "integer", "secret": "true"},
        "how": {"type": "enum", "values": "well fail crash",
                "default": "well"}}


class Echo(http.server.BaseHTTPRequestHandler):
    """A channel and a webhook that say back whatever they are told."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def say(self, status, value, **headers):
        data = json.dumps(value).encode()
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self):
        size = int(self.headers.get("Content-Length") or 0)
        told = self.rfile.read(size).decode("utf-8", "replace")
        told = (f"{self.headers.get('Authorization')} {self.path} {told} "
                f"{self.headers}")
        self.server.told.append(told)
        peer = self.server
        wrong = peer.wrong
        if self.path == "/token" and wrong != "token":
            self.say(200, {"access_token": peer.access})
        elif self.command == "POST" and wrong == "chunk":
            self.say(200, {}, Location=self.session())
        elif wrong:
            self.say(400, {"error": "invalid_grant", "error_description": told}
                     if wrong == "token" else
                     {"error": {"message": told, "errors": [
                         {"reason": "forbidden"}]}})
        elif self.command == "POST":
            self.say(200, {}, Location=self.session())
        else:
            self.say(200, {"id": "vid", "status": {
                "uploadStatus": "uploaded", "privacyStatus": "private"}})

    do_PUT = do_POST

    def session(self):
        return (f"http://127.0.0.1:{self.server.server_port}/upload/"
                f"{self.server.session}")

    def do_GET(self):
        self.say(404, {"error": {"message": str(self.headers)}})


@contextlib.contextmanager
def echo(secrets):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.told, server.wrong = [], None
    server.access = secrets.give("access token of the channel")
    server.session = secrets.give("session of an upload")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def private(path, text):
    path.write_text(text)
    path.chmod(0o600)
    return path


class World:
    """An agent with a canary in everything it is given."""

    def __init__(self, agent, channel, secrets):
        self.agent, self.channel, self.secrets = agent, channel, secrets
        self.folder = agent.dir / "given"
        self.folder.mkdir()
        self.hold = agent.dir / "hold"
        agent.tool("test.noisy", NOISY % str(self.hold), args=ARGS)
        agent.tool("test.publish", NOISY % str(self.hold),
                   "external_publish", ARGS)
        for key, value in self.conf().items():
            agent.conf(key, value)
        for name in ("admin", "codex", "coordinator"):
            secrets.take(f"token of {name}", agent.token(name))

    def conf(self):
        give, base = self.secrets.give, \
            f"http://127.0.0.1:{self.channel.server_port}"
        client = {"client_id": "me", "client_secret": give("client secret"),
                  "refresh_token": give("refresh token")}
        return {
            "policy.grace": "0s", "youtube.base-url": base,
            "youtube.token-url": f"{base}/token",
            "youtube.client-file": private(self.folder / "client",
                                           json.dumps(client)),
            "notify.url-file": private(
                self.folder / "url", f"{base}/hook/{give('webhook')}\n")}

    def ask(self, method, target, *args, **kw):
        return self.secrets.in_answer(
            self.agent.request(method, target, *args, **kw))

    def run(self, tool, level, args, approved=False):
        """A run to its end, asked for as often as it takes."""
        task = self.ask("POST", "/api/tasks", {
            "title": "a task", "acceptance_criteria": [
                {"id": "AC-1", "text": "done"}]}).json
        self.secrets.in_process(self.agent.proc.pid)
        answer = self.secrets.in_answer(self.agent.execute(
            tool, level, args, task, wait=30))
        if approved:
            allowed = self.agent.approve(answer.json["approval_id"],
                                         allow_external_publish=True)
            assert self.secrets.in_answer(allowed).status == 200, allowed
            answer = self.secrets.in_answer(self.agent.execute(
                tool, level, args, task, wait=30))
        run = self.ask("GET", f"/api/runs/{answer.json['id']}").json
        self.ask("GET", f"/api/audit/{run['correlation_id']}")
        return run

    def everywhere(self):
        """With the agent down."""
        agent, given = self.agent, set(self.folder.iterdir())
        self.secrets.in_folder(agent.dir, given | {
            agent.home / "admin.token", agent.home / "agent.conf"})
        self.secrets.in_folder(agent.home / "audit")
        self.secrets.in_database(agent.home / "index.db")
        self.secrets.none()


@contextlib.contextmanager
def world(agent):
    secrets = Canaries()
    agent.stop()
    with echo(secrets) as channel:
        w = World(agent, channel, secrets)
        agent.start()
        yield w
        if agent.running:
            secrets.in_process(agent.proc.pid)
            agent.stop()
        w.everywhere()
    print(f"      {len(secrets.known)} canaries, looked for in "
          f"{secrets.looks} places")


def words(w):
    return {"word": w.secrets.give(f"secret argument {len(w.secrets.known)}"),
            "pin": int(w.secrets.take(
                f"secret number {len(w.secrets.known)}",
                str(int.from_bytes(os.urandom(6), "big") + 10 ** 15)))}


def test_what_a_run_is_given_stays_with_it(fresh):
    with world(fresh) as w:
        for tool, level in (("test.noisy", "local_write"),
                            ("test.publish", "external_publish")):
            for how, end in (("well", "succeeded"), ("fail", "failed"),
                             ("crash", "failed")):
                run = w.run(tool, level, words(w) | {"how": how},
                            level == "external_publish")
                assert run["state"] in (end, "outcome_unknown"), run
        w.ask("GET", "/api/runs?limit=100")
        w.ask("GET", "/api/audit?limit=1000")
        for shown in w.ask("GET", "/api/evidence?limit=100").json["items"]:
            w.ask("GET", f"/api/evidence/{shown['sha256']}")
        fresh.restart()
        w.ask("GET", "/api/approvals?limit=100")


def test_killed_with_secrets_in_hand_it_leaves_none(fresh):
    with world(fresh) as w:
        w.hold.touch()
        task = fresh.task()
        fresh.execute("test.noisy", "local_write", words(w))
        parked = fresh.execute("test.publish", "external_publish", words(w),
                               task, on_approval="run")
        assert parked.status == 202, parked
        kc.wait_for(lambda: list(children(fresh.proc.pid)))
        w.secrets.in_process(fresh.proc.pid)
        fresh.kill9()
        w.hold.unlink()
        fresh.start()
        w.ask("GET", "/api/runs?limit=100")


def test_what_a_channel_or_a_webhook_says_back_is_not_told(fresh):
    with world(fresh) as w:
        private(w.folder / "video.mp4", "not much of a video")
        video = {"file": str(w.folder / "video.mp4"), "title": "a video"}
        for wrong, state in (("token", "failed"), ("upload", "failed"),
                             ("chunk", "failed"), (None, "succeeded")):
            w.channel.wrong = wrong
            run = w.run("youtube.upload", "external_publish",
                        video | {"title": f"a video, {wrong}"}, True)
            assert run["state"] == state, run
            if wrong:
                assert "*****" in run["error"]["detail"], run["error"]
                continue
        for wrong, state in (("hook", "failed"), (None, "succeeded")):
            w.channel.wrong = wrong
            run = w.run("notify.send", "local_write",
                        {"text": f"{wrong} is wrong"})
            assert run["state"] == state, run
        told = "".join(w.channel.told)
        for place in ("refresh token", "access token of the channel",
                      "webhook", "session of an upload"):
            assert w.secrets.known[place][0].decode() in told or any(
                form.decode() in told for form in w.secrets.known[place]
            ), f"{place} was never sent"


def test_addresses_with_a_password_are_refused_and_not_quoted(fresh):
    with world(fresh) as w:
        private(w.folder / "video.mp4", "not much of a video")
        with_password = f"127.0.0.1:{w.channel.server_port}"
        private(w.folder / "url",
                f"http://me:{w.secrets.give('userinfo of the webhook')}@"
                f"{with_password}/hook\n")
        assert w.run("notify.send", "local_write",
                     {"text": "t"})["state"] == "failed"
        for key in ("youtube.base-url", "youtube.token-url", "ssot.remote"):
            fresh.stop()
            fresh.conf(key, f"http://me:{w.secrets.give(key)}@"
                            f"{with_password}/x")
            said = fresh.cli("check", check=False)
            w.secrets.seen(f"check, with {key}",
                           (said.stdout + said.stderr).encode())
            if key == "ssot.remote":
                said = fresh.cli("run", "--listen", "127.0.0.1:0",
                                 check=False)
                assert said.returncode, said
                w.secrets.seen(f"run, with {key}",
                               (said.stdout + said.stderr).encode())
                fresh.conf(key, "")
            fresh.start()
            if key != "ssot.remote":
                w.run("youtube.upload", "external_publish", {
                    "file": str(w.folder / "video.mp4"), "title": key}, True)
                w.ask("GET", "/api/tools")
                w.ask("GET", "/api/health")


def test_a_token_in_the_wrong_place_is_nobodys_to_read(fresh):
    with world(fresh) as w:
        token = fresh.token("codex")
        almost = w.secrets.take("mistyped token", token[:-1] + (
            "a" if token[-1] != "a" else "b"))
        basic = base64.b64encode(
            f"me:{w.secrets.give('basic password')}".encode()).decode()
        fine = {"Authorization": f"Bearer {token}"}
        asked = [
            ("GET", "/api/tasks", {"Authorization": f"Bearer {almost}"}),
            ("GET", "/api/tasks", {"Authorization": almost}),
            ("GET", "/api/tasks", {"Authorization": f"Basic {basic}"}),
            ("GET", "/api/tasks", {"Proxy-Authorization": f"Basic {basic}",
                                   "Cookie": f"token={token}"}),
            ("GET", f"/api/tasks?token={token}", {}),
            ("GET", f"/api/tasks?token={token}", fine),
            ("GET", f"/api/tasks?{token}", fine),
            ("GET", f"/api/tasks?state={token}", fine),
            ("GET", f"/api/tasks?cursor={token}", fine),
            ("GET", f"/api/tasks?limit={token}", fine),
            ("GET", f"/api/tasks/{token}", {}),
            ("GET", f"/api/tasks/{token}", fine),
            ("GET", f"/api/tasks/{almost}", fine),
            ("GET", f"/api/runs/{token}", fine),
            ("GET", f"/api/evidence/{token}", fine),
            ("GET", f"/api/audit/{token}", fine),
            ("GET", f"/{token}", {}),
            ("GET", f"/api/{token}/x", fine),
            ("DELETE", f"/api/tasks/{token}", fine),
            ("OPTIONS", f"/api/tasks/{token}", fine),
            (token, "/api/tasks", fine),
            ("GET", "/api/tasks", fine | {"X-Correlation-Id": token}),
            ("GET", "/api/tasks", {"X-Correlation-Id": token}),
            ("GET", "/api/tasks", fine | {"X-Correlation-Id": token + "~"}),
            ("GET", "/api/tasks", fine | {"Host": f"me:{token}@127.0.0.1"}),
            ("GET", "/api/tasks", fine | {"Origin": f"http://{token}"}),
            ("GET", "/api/tasks", fine | {"Referer": f"http://{token}",
                                          "User-Agent": token}),
            ("GET", "/api/tasks", fine | {"Range": f"bytes={token}",
                                          "If-None-Match": token,
                                          "Prefer": f"wait={token}"}),
            ("GET", f"http://me:{token}@127.0.0.1/api/tasks", fine),
            ("GET", "/api/events?types=" + token, {}),
        ]
        for method, target, headers in asked:
            try:
                w.secrets.in_answer(fresh.request(method, target, by=None,
                                                  headers=headers))
            except (kc.Closed, OSError):
                pass
            w.secrets.told(method, target)
        # A conflict is recorded with what was thought to be there.
        at = f"/api/tasks/{fresh.task('mine')['id']}"
        refused(w.secrets.in_answer(fresh.patch(at, {"title": "x"}, headers={
            "If-Match": f'"{token}"'})), 400, "invalid_request")
        with fresh.ws(by=None, headers={
                "Sec-WebSocket-Protocol": f"kircerta.v1, {token}"}) as ws:
            w.secrets.seen("upgrade", repr((ws.status, ws.headers)).encode())
        with fresh.ws("codex") as ws:
            for n, frame in enumerate((
                    {"method": token, "params": {}},
                    {"method": "task.get", "params": {"id": token}},
                    {"method": "task.list", "params": {token: token}})):
                ws.send(json.dumps({"jsonrpc": "2.0", "id": n} | frame))
                while "id" not in (answer := ws.message()):
                    pass
                w.secrets.seen(f"frame {n}", json.dumps(answer).encode())


def test_the_body_of_a_refused_call_is_nobodys_to_read(fresh):
    with world(fresh) as w:
        word, key = w.secrets.give("body"), w.secrets.give("idempotency key")
        good = {"tool": "test.noisy", "side_effect_level": "local_write",
                "args": {"word": word}}
        bodies = [
            json.dumps(good)[:-1], json.dumps(good) + word,
            json.dumps(good)[:-1] + f",{word}}}",
            f'{{"args":{{"word":"{word}","word":"{word}"}}}}',
            f'{{"args":{{"word":{word}}}}}', f'{{"args":"{word}\n"}}',
            f'{{"args":{{"word":"{word}\\ud800"}}}}', word, f'"{word}"',
            json.dumps(good | {"args": {"word": word * 3}}),
            json.dumps(good | {"args": {"word": [word]}}),
            json.dumps(good | {"args": {"word": word, "how": word}}),
            json.dumps(good | {"side_effect_level": word}),
            json.dumps(good | {"tool": "test.publish"}),
            json.dumps(good | {"task_id": "t-none"}),
            json.dumps(good | {"args": {"word": word, "pin": "x"}}),
        ]
        for body in bodies:
            for by in ("codex", "coordinator", None):
                w.ask("POST", "/api/tools/execute", body.encode(), by=by,
                      headers={"Idempotency-Key": key})
            w.secrets.told(body)
        w.ask("POST", "/api/tools/execute", json.dumps(good).encode(),
              by="codex", headers={"Content-Type": f"text/{word}"})
        w.ask("POST", "/api/tools/execute",
              (word * (1 << 15)).encode() * 2, by="codex")
        for data in (word * 20000, f"POST /api/tasks HTTP/1.1\r\n{word}\r\n"
                     f"\r\n", f"\x16\x03\x01{word}\r\n\r\n"):
            with fresh.raw(data.encode()) as s:
                s.sock.shutdown(1)
                w.secrets.seen("answer to noise", s.to_end())
        fresh.restart()


def test_what_opens_the_remote_is_in_no_file_or_process(fresh):
    with world(fresh) as w, remotes.Http() as peer, peer.proxy() as net:
        w.secrets.take("token of the remote", remotes.TOKEN)
        given = private(w.folder / "remote", remotes.TOKEN + "\n")
        fresh.stop()
        for name, value in (peer.conf(port=net.port) | {
                "ssot.token-file": given}).items():
            fresh.conf(name, value)
        net.hang()
        fresh.start()
        fresh.task()
        kc.wait_for(lambda: list(children(fresh.proc.pid)), what="git")
        w.secrets.in_process(fresh.proc.pid)
        net.heal()
        kc.wait_for(lambda: peer.main())
        w.secrets.in_process(fresh.proc.pid)
        w.ask("GET", "/api/health", by="admin")
        fresh.stop()
        w.secrets.in_folder(peer.repo)


def test_a_token_in_a_text_is_refused_and_one_that_is_secret_is_taken(fresh):
    with world(fresh) as w:
        token = fresh.token("codex")
        task = {"title": "t", "acceptance_criteria": [
            {"id": "AC-1", "text": "done"}]}
        for body in (task | {"title": f"use {token}, please"},
                     task | {"meta": {"a": [{"b": token}]}},
                     task | {"meta": {token: 1}}, task | {token: 1}):
            refused(w.ask("POST", "/api/tasks", body), 400, "invalid_request")
        run = {"tool": "test.noisy", "side_effect_level": "local_write"}
        for args in ({"word": "word", "how": token}, {token: "word"}):
            answer = w.ask("POST", "/api/tools/execute", run | {"args": args},
                           by="codex")
            assert answer.status in (400, 422), answer
        refused(w.ask("POST", "/api/tools/execute", run | {
            "args": {"word": "word"}, "task_id": token}, by="codex"), 400,
                "invalid_request")
        done = w.run("test.noisy", "local_write", {"word": token})
        assert done["state"] == "succeeded", done


def core_of(agent, wrap):
    """How it ended under SIGABRT: os.CLD_DUMPED, or os.CLD_KILLED."""
    agent.start(wrap=wrap)
    agent.signal(signal.SIGABRT)
    end = os.waitid(os.P_PID, agent.proc.pid, os.WEXITED | os.WNOWAIT)
    agent.wait()
    return end.si_code


def runs_tool(pid):
    """Is this the tool's program? It may be gone by now."""
    try:
        return b"test.noisy" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def test_there_is_no_core_file_of_the_agent_or_of_what_it_runs(fresh):
    own = subprocess.Popen(["sh", "-c", "ulimit -c unlimited; kill -ABRT $$"],
                           cwd=fresh.dir)
    end = os.waitid(os.P_PID, own.pid, os.WEXITED | os.WNOWAIT)
    own.wait()
    if end.si_code != os.CLD_DUMPED:
        print("      this machine makes no core files at all")
    big = ["sh", "-c", f"cd {fresh.dir} && ulimit -c unlimited && exec \"$@\"",
           "sh"]
    with world(fresh) as w:
        fresh.stop()
        assert core_of(fresh, big) == os.CLD_KILLED
        w.hold.touch()
        fresh.start(wrap=big)
        answer = fresh.execute("test.noisy", "local_write",
                               words(w) | {"how": "crash"})
        pids = kc.wait_for(lambda: [pid for pid in children(
            fresh.proc.pid) if runs_tool(pid)])
        for each in (*pids, fresh.proc.pid):
            with open(f"/proc/{each}/limits") as limits:
                core, = [x.split()[4:6] for x in limits
                         if x.startswith("Max core file size")]
            # Of one byte a pipe in core_pattern gets nothing either.
            assert core == ["1", "1"], core
        w.hold.unlink()
        kc.wait_for(lambda: fresh.get(f"/api/runs/{answer.json['id']}"
                                      ).json["state"] == "failed")


kc.main()
