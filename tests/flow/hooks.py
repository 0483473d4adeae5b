"""Senders of webhooks: each signs with the standard library as its scheme
says, and knows what it is called in the configuration."""
import base64
import hashlib
import hmac
import json
import time
import uuid

SECRET = "a secret of the test's own: 0123456789"
RAW = b"twenty-four bytes or 32."
WHSEC = "whsec_" + base64.b64encode(RAW).decode()


def mac(key, data):
    return hmac.new(key, data, hashlib.sha256)


def github(key, body, event_id, at, kind):
    return {"X-Hub-Signature-256": "sha256=" + mac(key, body).hexdigest(),
            "X-GitHub-Delivery": event_id, "X-GitHub-Event": kind}


def standard(key, body, event_id, at, kind):
    signed = mac(key, f"{event_id}.{at}.".encode() + body).digest()
    return {"webhook-id": event_id, "webhook-timestamp": str(at),
            "webhook-signature": "v1," + base64.b64encode(signed).decode()}


def stripe(key, body, event_id, at, kind):
    signed = mac(key, f"{at}.".encode() + body).hexdigest()
    return {"Stripe-Signature": f"t={at},v1={signed}"}


def hmac_sha256(key, body, event_id, at, kind):
    signed = mac(key, f"{at}.{event_id}.".encode() + body).hexdigest()
    return {"X-Signature-256": "sha256=" + signed, "X-Event-Id": event_id,
            "X-Event-Timestamp": str(at)}


SCHEMES = {"github": github, "standard": standard, "stripe": stripe,
           "hmac-sha256": hmac_sha256}


def key_of(scheme, secret):
    """The key that the secret's text is."""
    return base64.b64decode(secret.removeprefix("whsec_")) \
        if scheme == "standard" else secret.encode()


def quoted(value):
    for plain, escaped in ("\\", r"\\"), ('"', r'\"'), ("\n", r"\n"):
        value = str(value).replace(plain, escaped)
    return f'"{value}"'


class Source:
    """[webhook "NAME"] of an agent that is started later. A key whose value
    is a list is written once for each; max_body=... is max-body."""

    def __init__(self, agent, name, scheme="github", secret=None, also="",
                 **keys):
        self.agent, self.name, self.scheme = agent, name, scheme
        self.secret = secret or (WHSEC if scheme == "standard" else SECRET)
        self.file = agent.dir / f"{name}.secret"
        self.write(self.secret)
        keys = {"scheme": scheme, "secret-file": self.file} | keys
        with open(agent.home / "agent.conf", "a") as conf:
            conf.write(f'{also}\n[webhook "{name}"]\n')
            for key, values in keys.items():
                for value in values if isinstance(values, list) else [values]:
                    conf.write(f"\t{key.replace('_', '-')} = "
                               f"{quoted(value)}\n")

    def write(self, secret, file=None, mode=0o600):
        file = file or self.file
        file.write_text(secret + "\n")
        file.chmod(mode)

    def signed(self, body, event_id=None, at=None, kind="push",
               secret=None):
        """The headers of this delivery."""
        at = int(time.time()) if at is None else at
        return {"Content-Type": "application/json"} | SCHEMES[self.scheme](
            key_of(self.scheme, secret or self.secret), body,
            event_id or str(uuid.uuid4()), at, kind)

    def send(self, event, headers=None, agent=None, **said):
        """Sends an event, or the bytes of one; the answer."""
        body = event if isinstance(event, bytes) else json.dumps(
            event).encode()
        return (agent or self.agent).request(
            "POST", f"/webhooks/{self.name}", body, by=None,
            headers=self.signed(body, **said) | (headers or {}))

    def accepted(self, event, **said):
        """Sends what is taken in as something new; what is answered."""
        answer = self.send(event, **said)
        assert answer.status in (200, 202), answer
        assert answer.json["ok"] is True, answer
        assert answer.json["dedup"] is False, answer
        return answer.json

    def repeated(self, event, **said):
        """Sends what has come before; what is answered."""
        answer = self.send(event, **said)
        assert answer.status == 200, answer
        assert answer.json["ok"] and answer.json["dedup"] is True, answer
        return answer.json


def tasks_of(agent, name):
    """The tasks that the source has made, as the journal has them."""
    return [r for r in agent.journal("task_created")
            if r["actor"] == f"webhook:{name}"]


def issue(number=1, action="opened", at="2026-01-02T03:04:05Z", **more):
    return {"action": action, "sender": {"login": "octocat"}, "issue": {
        "id": 1000 + number, "number": number, "title": f"issue {number}",
        "body": None, "html_url": f"https://example.org/{number}",
        "updated_at": at} | more}
