"""`kircerta-agent webhook test`: signs as the sender would, says what came of
it, and shows nothing of the secret."""
import base64
import hashlib
import hmac
import json
import subprocess
import time

import kc
from receiving import Receiver

HOOK = Receiver()
SECRET, NEXT = "It's a Secret to Everybody", "another Secret to Everybody"


def new_agent():
    """Only a home: nobody runs."""
    agent = kc.Agent(start=False)
    for name, text in (("secret", SECRET), ("next", NEXT), ("loose", SECRET),
                       ("standard", "whsec_" + base64.b64encode(
                           SECRET.encode()).decode())):
        file = agent.dir / name
        file.write_text(text + "\n")
        file.chmod(0o640 if name == "loose" else 0o600)
    for name, scheme, files in (
            ("gh", "github", {"secret-file": "secret",
                              "next-secret-file": "next"}),
            ("std", "standard", {"secret-file": "standard"}),
            ("pay", "stripe", {"secret-file": "secret"}),
            ("own", "hmac-sha256", {"secret-file": "secret"}),
            ("loose", "github", {"secret-file": "loose"}),
            ("none", "github", {})):
        agent.conf(f"webhook.{name}.scheme", scheme)
        for key, file in files.items():
            agent.conf(f"webhook.{name}.{key}", agent.dir / file)
    return agent


def event(agent, body=b'{"n":1}\n'):
    file = agent.dir / "event.json"
    file.write_bytes(body)
    return file


def webhook(agent, *args, code=0):
    done = agent.cli("webhook", "test", *args, check=False)
    assert done.returncode == code, done
    assert "to Everybody" not in done.stdout + done.stderr, done
    return done


def mac(secret, data):
    return hmac.new(secret.encode(), data, hashlib.sha256)


AGENT = new_agent()
URL = HOOK.url + "/hook"


def test_a_file_is_sent_as_it_is_and_signed():
    body = bytes(range(256)) * 40 + '{"é":"世界"}\r\n'.encode()
    HOOK.answers["/hook"] = [(202, {}, b'{"ok":true}\n')]
    said = webhook(AGENT, "gh", event(AGENT, body), "--url", URL, "--event",
                   "issues", "--event-id", "d-1").stdout
    got = HOOK.at("/hook")[-1]
    assert got["body"] == body
    assert got["headers"]["x-hub-signature-256"] == \
        "sha256=" + mac(SECRET, body).hexdigest()
    assert got["headers"]["x-github-event"] == "issues"
    assert got["headers"]["x-github-delivery"] == "d-1"
    assert got["headers"]["content-type"] == "application/json"
    assert said.startswith(f"POST {URL}\n") and \
        said.endswith('\n202 {"ok":true}\n'), said
    assert "X-GitHub-Delivery: d-1\n" in said, said


def test_each_scheme_says_when_and_which_event():
    file, began = event(AGENT), int(time.time())
    for source in ("std", "own", "pay"):
        webhook(AGENT, source, file, "--url", f"{URL}/{source}")
    std, = HOOK.at("/hook/std")
    h = std["headers"]
    signed = f"{h['webhook-id']}.{h['webhook-timestamp']}.".encode()
    assert h["webhook-signature"] == "v1," + base64.b64encode(
        mac(SECRET, signed + std["body"]).digest()).decode(), h
    assert began <= int(h["webhook-timestamp"]) <= time.time()
    own, = HOOK.at("/hook/own")
    h = own["headers"]
    signed = f"{h['x-event-timestamp']}.{h['x-event-id']}.".encode()
    assert h["x-signature-256"] == "sha256=" + mac(
        SECRET, signed + own["body"]).hexdigest(), h
    pay, = HOOK.at("/hook/pay")
    when, signature = pay["headers"]["stripe-signature"].split(",")
    assert signature == "v1=" + mac(
        SECRET, f"{when[2:]}.".encode() + pay["body"]).hexdigest()


def test_the_time_the_id_and_the_secret_can_be_others():
    file = event(AGENT)
    said = json.loads(webhook(
        AGENT, "own", file, "--timestamp", "2026-01-02T03:04:05Z",
        "--event-id", "e-7", "--sign-only", "--json").stdout)
    headers = dict(said["headers"])
    assert headers["X-Event-Timestamp"] == "1767323045", headers
    assert headers["X-Event-Id"] == "e-7", headers
    ago = dict(json.loads(webhook(
        AGENT, "own", file, "--timestamp", "10m", "--sign-only",
        "--json").stdout)["headers"])
    assert 600 <= time.time() - int(ago["X-Event-Timestamp"]) < 700
    for which, secret in (("current", SECRET), ("next", NEXT)):
        said = webhook(AGENT, "gh", file, "--secret", which,
                       "--sign-only").stdout
        assert "X-Hub-Signature-256: sha256=" + mac(
            secret, file.read_bytes()).hexdigest() in said.split("\n"), said


def test_it_takes_a_pipe_and_tells_programs_what_was_answered():
    HOOK.answers["/pipe"] = [(200, {"Retry-After": "9"}, b"\x1b[2J hi\nthere")]
    done = subprocess.run(
        [kc.BUILD / "kircerta-agent", "--home", AGENT.home, "webhook", "test",
         "gh", "-", "--url", HOOK.url + "/pipe", "--json"], input=b"x" * 100000,
        env=AGENT.env, capture_output=True, timeout=60 * kc.SLOW)
    assert done.returncode == 0, done
    said = json.loads(done.stdout)
    assert (said["status"], said["body"], said["retry_after_s"]) == \
        (200, "\x1b[2J hi\nthere", 9), said
    assert HOOK.at("/pipe")[0]["body"] == b"x" * 100000
    HOOK.answers["/pipe"] = [(200, {}, b"\x1b[2J hi\nthere")]
    shown = webhook(AGENT, "gh", event(AGENT), "--url", HOOK.url + "/pipe")
    assert shown.stdout.endswith("\n200 <U+001B>[2J hi ...\n"), shown


def test_what_was_not_taken_is_a_failure():
    file = event(AGENT)
    for status in (301, 400, 401, 409, 429, 503):
        HOOK.answers["/no"] = [(status, {"Location": HOOK.url + "/else"}, b"")]
        said = webhook(AGENT, "gh", file, "--url", HOOK.url + "/no", code=1)
        assert f"\n{status} \n" in said.stdout, said
    assert not [g for g in HOOK.got if g["path"] == "/else"]
    said = webhook(AGENT, "gh", file, "--url", "http://127.0.0.1:1/", code=1)
    assert "http://127.0.0.1:1/: no answer" in said.stderr, said
    for url in ("http://192.0.2.1/", "ftp://127.0.0.1/", "nowhere"):
        said = webhook(AGENT, "gh", file, "--url", url, code=1)
        assert "is no https URL" in said.stderr, said


def test_what_cannot_be_signed_is_said():
    file = event(AGENT)
    for args, words in (
            (("gone", file), 'no [webhook "gone"]'),
            (("none", file), "webhook.none has no secret-file"),
            (("std", file, "--secret", "next"), "std has no next-secret-file"),
            (("loose", file), "loose is open to others (mode 0640)"),
            (("gh", AGENT.dir / "nothing.json"), "nothing.json"),
            (("own", file, "--event-id", "a.b"), "--event-id a.b"),
            (("own", file, "--timestamp", "noon"), "--timestamp noon"),
            (("gh", file, "--timestamp", "10m", "--sign-only"),
             "github signs no time")):
        said = webhook(AGENT, *args, "--sign-only", code=1)
        assert words in said.stderr, said
    before = len(HOOK.got)
    for args in ((), ("gh",), ("gh", file, file), ("gh", file, "--secret", "x"),
                 ("gh", file, "--frob")):
        assert "usage: " in webhook(AGENT, *args, code=2).stderr
    said = webhook(AGENT, "gh", file, "--url", URL, "--event", "a\r\nB: c",
                   code=1)
    assert "of one line" in said.stderr and len(HOOK.got) == before, said


def test_without_a_url_it_is_the_agents_own_address():
    file = event(AGENT)
    for listen, scheme, where in (
            ("127.0.0.1:1", "http", "http://127.0.0.1:1/webhooks/gh"),
            ("0.0.0.0:1", "http", "http://127.0.0.1:1/webhooks/gh"),
            ("[::1]:1", "http", "http://[::1]:1/webhooks/gh")):
        AGENT.conf("agent.listen", listen)
        said = webhook(AGENT, "gh", file, code=1)
        assert where + ": no answer" in said.stderr, said
        assert "`kircerta-agent run`" in said.stderr, said
    AGENT.conf("agent.listen", "127.0.0.1:0")
    assert "--url" in webhook(AGENT, "gh", file, code=1).stderr


kc.main()
