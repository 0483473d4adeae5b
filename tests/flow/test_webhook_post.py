"""The program that delivers a webhook: what it was given reaches who was
meant, byte for byte, and nobody else; what is answered is bounded."""
import json
import os
import signal
import ssl
import subprocess
import tempfile
from pathlib import Path

import kc
from certificates import Certificates
from receiving import Receiver

DIR = Path(tempfile.mkdtemp(prefix="kc-post-"))
HOOK = Receiver()


def start(env=None, verb="post"):
    return subprocess.Popen(
        [kc.BUILD / "tools/webhook", verb], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | (env or {}))


def post(timeout_s=20, env=None, verb="post", **args):
    """Its one line."""
    proc = start(env, verb)
    out, err = proc.communicate(json.dumps(
        {"v": 1, "timeout_s": timeout_s, "args": args}).encode(),
        timeout=60 * kc.PATIENCE)
    line = json.loads(out)
    assert proc.returncode == ("error" in line), (proc.returncode, out, err)
    return line


def refused(code="invalid_args", **args):
    before = len(HOOK.got)
    said = post(**args).get("error") or {}
    assert said["error_code"] == code, said
    assert len(HOOK.got) == before, HOOK.got[-1]
    return said


def secret(name, text, mode=0o600):
    file = DIR / name
    file.write_text(text)
    file.chmod(mode)
    return str(file)


def test_headers_and_body_arrive_as_they_were_given():
    raw = bytes(range(256)) * 4096 + b"\r\n"
    body = DIR / "body"
    body.write_bytes(raw)
    HOOK.answers["/raw"] = [(202, {"Retry-After": "7"}, "é\n".encode())]
    said = post(url=HOOK.url + "/raw", body_file=str(body), headers=[
        ["Webhook-Id", "e1"], ["X-Empty", ""],
        ["Content-Type", "application/json"]])
    assert said == {"result": {"status": 202, "body": "é\n", "cut": False,
                               "retry_after_s": 7}}, said
    got, = HOOK.at("/raw")
    assert got["body"] == raw
    assert got["headers"]["webhook-id"] == "e1", got["headers"]
    assert got["headers"]["x-empty"] == "", got["headers"]
    assert got["headers"]["content-type"] == "application/json"
    assert post(url=HOOK.url + "/text", body="{\"é\":1}", headers=[]) == {
        "result": {"status": 204, "body": "", "cut": False}}
    assert HOOK.at("/text")[0]["body"].decode() == "{\"é\":1}"
    post(url=HOOK.url + "/none")
    assert HOOK.at("/none")[0]["body"] == b""


def test_an_answer_of_any_length_is_cut_and_still_counts():
    HOOK.answers["/long"] = [(200, {}, b"x" * (3 << 20)), (500, {}, b"y" * 4096),
                             (200, {}, b"z" * 4097)]
    for status, letter, cut in ((200, "x", True), (500, "y", False),
                                (200, "z", True)):
        said = post(url=HOOK.url + "/long")["result"]
        assert said == {"status": status, "body": letter * 4096,
                        "cut": cut}, (said["status"], len(said["body"]))


def test_a_redirect_is_an_answer_and_not_followed():
    for status in (301, 302, 307, 308):
        HOOK.answers["/moved"] = [(status, {"Location": HOOK.url + "/there"},
                                   b"")]
        assert post(url=HOOK.url + "/moved")["result"]["status"] == status
    assert not [g for g in HOOK.got if g["path"] == "/there"]


def test_the_url_may_be_in_a_file_of_its_owners_alone():
    assert "result" in post(url_file=secret("url", HOOK.url + "/s3cret\n"))
    assert HOOK.at("/s3cret")
    for file in (secret("loose", HOOK.url + "/s3cret\n", 0o640),
                 secret("plain", "http://192.0.2.1/s3cret"),
                 secret("empty", ""), str(DIR / "missing")):
        said = refused("webhook_not_configured", url_file=file)
        assert "s3cret" not in json.dumps(said), said


def test_what_is_no_delivery_is_not_sent():
    url = HOOK.url + "/never"
    for bad in ([["A", "b\r\nC: d"]], [["A: b\r\nC", "d"]], [["A\n", "b"]],
                [["", "b"]], [["A", "b", "c"]], [["A"]], ["A: b"], [["A", 1]],
                [["A", "é"]], [["A", "b"]] * 17, [["A", "b" * 9000]], {}):
        refused(url=url, headers=bad)
    refused(url=url, body_file="/dev/zero")
    refused(url=url, body_file=str(DIR / "missing"))
    refused(url=url, body_file=str(DIR))
    refused(url=url, body=7)
    refused()
    for bad in ("ftp://127.0.0.1/", "file:///etc/passwd", "127.0.0.1",
                "http://example.invalid/", "http://192.0.2.1/",
                f"http://u:p@127.0.0.1:{HOOK.port}/",
                "http://127.0.0.1.example.invalid/"):
        refused("webhook_not_configured", url=bad)


def test_a_receiver_is_who_its_certificate_says():
    certs = Certificates(DIR)
    wrong = certs.sign("elsewhere", "elsewhere")
    for pair, env, good in ((certs.server, {}, False),
                            (wrong, {"SSL_CERT_FILE": certs.issuer + ".pem"},
                             False),
                            (certs.server,
                             {"SSL_CERT_FILE": certs.issuer + ".pem"}, True)):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair + ".pem", pair + ".key")
        hook = Receiver(context)
        said = post(url=hook.url + "/tls", env=env)
        assert ("result" in said) == good, said
        assert len(hook.got) == good
        if not good:
            assert said["error"]["error_code"] == "webhook_unreachable", said
            assert said["error"]["retryable"] is True, said


def test_who_does_not_answer_is_not_waited_for():
    HOOK.open.clear()
    try:
        said = post(timeout_s=1, url=HOOK.url + "/late")["error"]
        assert said["error_code"] == "webhook_unreachable", said
        assert said["retryable"] is True, said
        proc = start()
        proc.stdin.write(json.dumps({"v": 1, "args": {
            "url": HOOK.url + "/cancelled"}}).encode())
        proc.stdin.close()
        HOOK.at("/cancelled")
        proc.send_signal(signal.SIGTERM)
        said = json.loads(proc.stdout.read())
        assert said["error"]["error_code"] == "cancelled", said
        proc.wait(20 * kc.PATIENCE)
    finally:
        HOOK.open.set()
    said = post(url="http://127.0.0.1:1/")["error"]
    assert said["error_code"] == "webhook_unreachable", said


def deliver(path, n, begin_ms=60000, each_ms=20000):
    return post(verb="deliver", timeout_s=90, begin_ms=begin_ms,
                url_file=secret("url", HOOK.url + path), each_ms=each_ms,
                deliveries=[{"headers": [["Webhook-Id", f"e{i}"]],
                             "body": f"{i}"} for i in range(n)])


def test_several_go_in_order_up_to_the_first_that_is_not_taken():
    assert deliver("/many", 50) == {"result": {"done": 50}}
    assert [(g["headers"]["webhook-id"], g["body"]) for g in
            HOOK.at("/many", 50)] == [(f"e{i}", b"%d" % i) for i in range(50)]
    HOOK.answers["/some"] = [(204, {}, b"")] * 3 + [
        (503, {"Retry-After": "9"}, b"")]
    assert deliver("/some", 6)["result"] == {
        "done": 3, "status": 503, "retry_after_s": 9, "why": None}
    assert len(HOOK.at("/some")) == 4
    HOOK.open.clear()
    try:
        said = deliver("/stuck", 3, each_ms=300)["result"]
        assert said["done"] == said["status"] == 0 and said["why"], said
    finally:
        HOOK.open.set()
    assert deliver("/brief", 500, begin_ms=1)["result"]["done"] < 500
    assert "error" in post(verb="deliver", deliveries=[{"body": 7}],
                           url_file=secret("url", HOOK.url), begin_ms=1,
                           each_ms=1)


kc.main()
