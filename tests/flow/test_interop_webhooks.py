"""The senders' own libraries agree on webhooks: what @octokit/webhooks,
standardwebhooks, svix and stripe sign is taken, and refused in each part
that was spoiled; and they open what `webhook test` and what the agent itself
has signed."""
import base64
import hashlib
import hmac
import json
import shutil
import subprocess
import time

import kc
import npm
from receiving import Receiver

PACKAGES = ("@octokit/webhooks@14.2.0", "standardwebhooks@1.1.1",
            "svix@1.99.1", "stripe@23.1.0")
LIBRARIES = {"octokit": "github", "standardwebhooks": "standard",
             "svix": "standard", "stripe": "stripe"}
SECRETS = {"github": "It's a Secret to Everybody",
           "standard": "whsec_" + base64.b64encode(bytes(range(32))).decode(),
           "stripe": "whsec_0123456789abcdef0123456789abcdef",
           "hmac-sha256": "a secret of this test alone"}
NEXT = {"github": "another Secret to Everybody",
        "standard": "whsec_" + base64.b64encode(b"n" * 24).decode(),
        "stripe": "whsec_fedcba9876543210fedcba9876543210",
        "hmac-sha256": "the next secret of this test"}
BODIES = [
    '{"id":"evt_%d","object":"event"}',
    '{"id": "evt_%d",\r\n\t"text" : "Grüße, 世界 \U0001f3ac \\u00e9 \\n"}\n',
    '{"id":"evt_%d","text":"' + "x" * 100000 + '"}',
]
IDS = iter(range(1, 1 << 20))


def libraries(jobs):
    """What they say to each; None, and said why, where they are not here."""
    folder = npm.folder("webhooks", *PACKAGES)
    if not folder:
        return None
    shutil.copy(kc.ROOT / "tests/interop/webhooks.mjs", folder)
    done = subprocess.run(["node", "webhooks.mjs"], input=json.dumps(jobs),
                          cwd=folder, text=True, capture_output=True,
                          timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def job(library, body=None, secret=None, at=None):
    n = next(IDS)
    body = (body or BODIES[0]) % n
    return {"with": library, "id": f"e{n}",
            "secret": secret or SECRETS[LIBRARIES[library]],
            "at": int(time.time()) if at is None else at,
            "body": base64.b64encode(body.encode()).decode()}


def body_of(j):
    return base64.b64decode(j["body"])


def secret_file(agent, name, text):
    """Put in the place of the one before, as a careful operator does."""
    file = agent.dir / f"{name}.secret"
    beside = file.with_suffix(".new")
    beside.write_text(text + "\n")
    beside.chmod(0o600)
    beside.rename(file)
    return file


def new_agent(**conf):
    agent = kc.Agent(start=False, conf={"agent.auth-failures": 60000} | conf)
    for scheme, secret in SECRETS.items():
        name = scheme.partition("-")[0]
        for key, value in {
                "scheme": scheme, "secret-file": secret_file(
                    agent, name, secret), "max-per-minute": 0,
                "task": "true", "criterion": "it is seen to"}.items():
            agent.conf(f"webhook.{name}.{key}", value)
    return agent.start()


def post(agent, source, body, headers):
    return agent.request("POST", f"/webhooks/{source}", body, by=None,
                         headers={"X-GitHub-Event": "issues"} | headers)


def deliver(agent, j, headers, body=None):
    return post(agent, LIBRARIES[j["with"]],
                body_of(j) if body is None else body, headers)


def test_what_the_senders_libraries_sign_is_taken_once(agent):
    jobs = [job(library, body) for library in LIBRARIES for body in BODIES]
    signed = libraries(jobs)
    for j, headers in zip(jobs, signed or ()):
        got = deliver(agent, j, headers)
        assert got.status == 202, (j["with"], got)
        assert agent.get(f"/api/tasks/{got.json['task_id']}").status == 200
        again = deliver(agent, j, headers)
        assert (again.status, again.json["dedup"], again.json["task_id"]) == \
            (200, True, got.json["task_id"]), (j["with"], again)


def flipped(text, at):
    other = "A" if text[at] != "A" else "B"
    return text[:at] + other + text[at + 1:]


def spoiled(j, headers):
    """Each part of a delivery made another: (headers, body)."""
    body = body_of(j)
    yield headers, body[:-1] + bytes([body[-1] ^ 1])
    yield headers, body + b" "
    yield headers, body[1:]
    yield headers, b""
    for name, value in headers.items():
        if name == "x-github-delivery":     # is not signed
            continue
        yield {k: v for k, v in headers.items() if k != name}, body
        yield headers | {name: ""}, body
        yield headers | {name: value[:-1]}, body
        yield headers | {name: flipped(value, 0)}, body
        if not name.endswith("-signature"):
            yield headers | {name: flipped(value, len(value) - 1)}, body
        else:   # the last digit of base64 has bits that nobody uses
            yield headers | {name: flipped(value, len(value) // 2)}, body
    signature = [n for n in headers if "signature" in n][0]
    value = headers[signature]
    for a, b in (("v1,", "v1a,"), ("v1,", "v2,"), ("v1,", ""), ("v1=", "v0="),
                 ("sha256=", "sha1="), ("sha256=", ""), ("t=", "t=1,t=")):
        if a in value:
            yield headers | {signature: value.replace(a, b)}, body


def test_what_was_spoiled_is_refused_and_nobody_told_why(agent):
    jobs = [job(library) for library in LIBRARIES]
    wrong = [job(library, secret=NEXT[LIBRARIES[library]])
             for library in LIBRARIES]
    signed = libraries(jobs + wrong)
    if not signed:
        return
    before = len(agent.journal("task_created"))
    bad = [(j, h, b) for j, headers in zip(jobs, signed)
           for h, b in spoiled(j, headers)]
    bad += [(j, h, body_of(j)) for j, h in zip(wrong, signed[len(jobs):])]
    said = set()
    for j, headers, body in bad:
        got = deliver(agent, j, headers, body)
        assert got.status == 401, (j["with"], headers, got)
        said.add(json.dumps({k: v for k, v in got.json.items()
                             if k != "correlation_id"}))
    assert len(said) == 1 and "bad_signature" in said.pop(), said
    assert len(agent.journal("task_created")) == before
    for j, headers in zip(jobs, signed):    # they were good before
        assert deliver(agent, j, headers).status == 202, j
    print(f"      {len(bad)} refused")


def test_an_old_one_is_stale_only_if_it_was_good(agent):
    now = int(time.time())
    timed = [name for name in LIBRARIES if name != "octokit"]
    jobs = [job(name, at=now + off) for name in timed
            for off in (-3600, 3600)]
    forged = [job(name, at=now - 3600, secret=NEXT[LIBRARIES[name]])
              for name in timed]
    signed = libraries(jobs + forged)
    if not signed:
        return
    for j, headers in zip(jobs, signed):
        got = deliver(agent, j, headers)
        assert (got.status, got.json["error_code"]) == \
            (409, "stale_event"), (j, got)
    for j, headers in zip(forged, signed[len(jobs):]):
        assert deliver(agent, j, headers).status == 401, j


def test_two_secrets_are_good_while_they_change(fresh):
    agent = fresh
    old, new = ([job(name, secret=kind[scheme])
                 for name, scheme in LIBRARIES.items() for _ in range(4)]
                for kind in (SECRETS, NEXT))
    signed = libraries(old + new)
    if not signed:
        return
    old = list(zip(old, signed))
    new = list(zip(new, signed[len(old):]))
    agent.stop()
    for scheme in SECRETS:
        name = scheme.partition("-")[0]
        agent.conf(f"webhook.{name}.next-secret-file",
                   secret_file(agent, name + "-next", NEXT[scheme]))
    agent.start()

    def takes(pairs, n):
        return [deliver(agent, *pairs[i]).status
                for i in range(n, len(pairs), 4)]

    assert set(takes(old, 0) + takes(new, 0)) == {202}
    # A sender that signs with both, the new one last.
    both = [(o, n) for o, n in zip(old[1::4], new[1::4])
            if o[0]["with"] in ("standardwebhooks", "svix")]
    for (j, headers), _ in both:
        name = [n for n in headers if n.endswith("-signature")][0]
        headers[name] = "v1,AAAA v1a,x " + headers[name]
        assert deliver(agent, j, headers).status == 202, headers
    # Only the new one is left, and nobody had to restart.
    for scheme in SECRETS:
        secret_file(agent, scheme.partition("-")[0], NEXT[scheme])
    kc.wait_for(lambda: set(takes(old, 2)) == {401}, what="the change")
    assert set(takes(new, 2)) == {202}


def hmac_headers(body, secret, at, event_id):
    mac = hmac.new(secret.encode(), f"{at}.{event_id}.".encode() + body,
                   hashlib.sha256).hexdigest()
    return {"x-signature-256": "sha256=" + mac, "x-event-id": event_id,
            "x-event-timestamp": str(at)}


def test_the_plain_scheme_is_what_any_language_makes(agent):
    body, now = '{"é":"世界"}'.encode(), int(time.time())
    good = hmac_headers(body, SECRETS["hmac-sha256"], now, "first-1")
    assert post(agent, "hmac", body, good | {
        "x-event-id": "first-2"}).status == 401
    assert post(agent, "hmac", body, good | {
        "x-event-timestamp": str(now - 1)}).status == 401
    assert post(agent, "hmac", body + b" ", good).status == 401
    assert post(agent, "hmac", body, good).status == 202
    assert post(agent, "hmac", body, good).json["dedup"] is True
    late = hmac_headers(body, SECRETS["hmac-sha256"], now - 3600, "first-3")
    assert post(agent, "hmac", body, late).json["error_code"] == "stale_event"


def signed_here(agent, j):
    """The headers that `webhook test` would send, in small letters."""
    file = agent.dir / "event"
    file.write_bytes(body_of(j))
    said = agent.cli("webhook", "test", LIBRARIES[j["with"]], file,
                     "--event", "issues", "--event-id", j["id"],
                     "--sign-only", "--json").stdout
    headers = {k.lower(): v for k, v in json.loads(said)["headers"]}
    if j["with"] == "svix":
        headers = {k.replace("webhook-", "svix-"): v
                   for k, v in headers.items()}
    return headers


def test_what_webhook_test_signs_is_taken_by_the_receivers_libraries(agent):
    jobs = [job(library, body) for library in LIBRARIES for body in BODIES]
    good = [j | {"headers": signed_here(agent, j)} for j in jobs]
    bad = [j | {"secret": NEXT[LIBRARIES[j["with"]]]} for j in good]
    bad += [j | {"body": base64.b64encode(body_of(j) + b" ").decode()}
            for j in good]
    said = libraries(good + bad)
    if said is None:
        return
    assert not any(said[:len(good)]), said[:len(good)]
    assert all(said[len(good):]), said[len(good):]
    print(f"      {len(good)} taken, {len(bad)} refused")


def test_what_the_agent_tells_programs_they_open_with_either_secret():
    hook, secrets = Receiver(), (SECRETS["standard"], NEXT["standard"])
    agent = kc.Agent(start=False)
    url = agent.dir / "url"
    url.write_text(hook.url + "/told\n")
    url.chmod(0o600)
    for key, value in {
            "kind": "webhook", "url-file": url, "events": "task_created",
            "secret-file": secret_file(agent, "told", secrets[0]),
            "next-secret-file": secret_file(agent, "next", secrets[1])
            }.items():
        agent.conf(f"notify.told.{key}", value)
    agent.start()
    for title in ("one", "zwei \u4e16\u754c \U0001f3ac", "drei \"3\" \\\n"):
        agent.task("a task", request_text=title)
    good = [{"with": library, "secret": secret, "headers": {
                k.replace("webhook-", "svix-")
                if library == "svix" else k: v
                for k, v in got["headers"].items()},
             "body": base64.b64encode(got["body"]).decode()}
            for got in hook.at("/told", 3)
            for library in ("standardwebhooks", "svix") for secret in secrets]
    bad = [j | {"secret": "whsec_" + base64.b64encode(b"o" * 24).decode()}
           for j in good]
    said = libraries(good + bad)
    if said is None:
        return
    assert len(good) == 12 and not any(said[:12]), said[:12]
    assert all(said[12:]), said[12:]


kc.main(new_agent=new_agent)
