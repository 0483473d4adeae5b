"""What a client of kircerta-agent needs besides its own thoughts: asking
until there is an answer, and waiting for what happens. Python's standard
library alone; copy it beside your program."""
import argparse
import http.client
import json
import os
import random
import signal
import sys
import time
import urllib.parse
import uuid

AGAIN = 408, 429, 502, 503, 504     # whatever they say, ask again later
TIMEOUT = 60    # of silence; more than an answer is held by Prefer: wait=30


class Refused(Exception):
    """An answer that is no. The problem (RFC 9457) says what to do."""

    def __init__(self, what, status, problem):
        self.status, self.problem = status, problem
        self.code = problem.get("error_code")
        lines = [f"{what} -> {status} {self.code}"]
        lines += [f"  {word}: {problem[key]}" for word, key in (
            ("reason", "reason"), ("detail", "detail"),
            ("hint", "remediation_hint")) if problem.get(key)]
        super().__init__("\n".join(lines))


class Stopped(BaseException):
    """SIGTERM or SIGINT came; whatever was waited for, it is over."""


def say(text):
    print(time.strftime("%H:%M:%S"), text, file=sys.stderr, flush=True)


def pauses():
    """Seconds to wait before asking again: ever longer, never in step."""
    pause = 0.2
    while True:
        yield pause * random.uniform(0.5, 1)
        pause = min(pause * 2, 10)


def sleep_or_end(seconds, ended=None):
    """ended: a threading.Event after which nobody wants the answer."""
    if ended is None:
        time.sleep(seconds)
    elif ended.wait(seconds):
        raise Stopped


class Agent:
    def __init__(self, url, token_file):
        self.url, self.token_file = urllib.parse.urlsplit(url), token_file
        if self.url.scheme not in ("http", "https") or not self.url.hostname:
            raise ValueError(f"{url} is no http:// or https:// address")

    def open(self, method, path, body=None, headers=None):
        """One request. The token is read each time: it may be rotated."""
        with open(self.token_file, encoding="ascii") as file:
            token = file.read().strip()
        https = self.url.scheme == "https"
        kind = http.client.HTTPSConnection if https else \
            http.client.HTTPConnection
        connection = kind(self.url.hostname, self.url.port, timeout=TIMEOUT)
        try:
            connection.request(method, path, body, {
                "Authorization": f"Bearer {token}"} | (headers or {}))
            return connection, connection.getresponse()
        except BaseException:
            connection.close()
            raise

    def call(self, method, path, body=None, chain=None, ended=None, **more):
        """Asks until there is an answer; returns it, or raises Refused.

        An agent may restart, an answer may be lost, a proxy may be in the
        way: so each request that changes something has a key of its own, the
        same for each try, by which the agent knows what it did already.
        chain is the X-Correlation-Id, more are other headers."""
        headers = {name.replace("_", "-"): value
                   for name, value in more.items()}
        if chain:
            headers["X-Correlation-Id"] = chain
        if method != "GET":
            headers |= {"Content-Type": "application/json",
                        "Idempotency-Key": str(uuid.uuid4())}
            body = json.dumps({} if body is None else body).encode()
        for pause in pauses():
            try:
                connection, answer = self.open(method, path, body, headers)
                try:
                    status, text = answer.status, answer.read()
                finally:
                    connection.close()
            except (OSError, http.client.HTTPException) as e:
                if isinstance(e, OSError) and e.filename:
                    raise       # the token's file, not the agent
                say(f"no answer to {method} {path} from {self.url.hostname}:"
                    f"{self.url.port or self.url.scheme}: {e!r}; asking again")
                sleep_or_end(pause, ended)
                continue
            try:
                said = json.loads(text) if text else {}
            except ValueError:  # from something between us and the agent
                said = {}
            if status < 400:
                return said
            if status not in AGAIN and not (
                    status >= 500 and said.get("retryable")):
                raise Refused(f"{method} {path}", status, said)
            after = answer.headers.get("Retry-After", "")
            pause = max(pause, int(after) if after.isdigit() else 0)
            say(f"{method} {path} -> {status} {said.get('error_code')}; "
                f"again in {pause:.1f} s")
            sleep_or_end(pause, ended)

    def items(self, path, **query):
        """The items of a list, page after page."""
        while True:
            page = self.call("GET", f"{path}?{urllib.parse.urlencode(query)}")
            yield from page["items"]
            query["cursor"] = page["next_cursor"]
            if not query["cursor"]:
                return

    def seq(self):
        """The newest record's number: look at things after asking for it,
        and then wait for what came since."""
        return self.call("GET", "/api/health")["seq"]

    def happens(self, types, after_seq, at_most=60):
        """Waits for the first record of these types after that one, or until
        the time is over. The stream begins with what was missed, so an agent
        that was away, or we ourselves, lost nothing; but the same record may
        come again, so it says that something is to be looked at, and what
        is there to be done is read from the task."""
        path = "/api/events?" + urllib.parse.urlencode(
            {"after_seq": after_seq, "types": ",".join(types)})
        until = time.monotonic() + at_most
        for pause in pauses():
            try:
                connection, answer = self.open("GET", path)
                try:
                    if answer.status == 200:
                        if record := self.first(answer, until):
                            return record
                    elif answer.status not in AGAIN:
                        raise Refused("GET " + path, answer.status,
                                      json.loads(answer.read()))
                finally:
                    connection.close()
            except (OSError, http.client.HTTPException) as e:
                say(f"events: {e!r}; connecting again")
            if time.monotonic() >= until:
                return None
            time.sleep(pause)

    @staticmethod
    def first(stream, until):
        """The first event's data. A ping comes at least every ten seconds."""
        for line in stream:
            name, _, value = line.decode().rstrip("\r\n").partition(": ")
            if name == "data" and (record := json.loads(value)):
                return record       # a ping's is empty
            if time.monotonic() >= until:
                return None
        return None


def options(text, epilog):
    """What every client is asked with."""
    parser = argparse.ArgumentParser(
        description=text, epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default=os.environ.get(
        "KIRCERTA_URL", "http://127.0.0.1:8787"),
        help="the agent (default: $KIRCERTA_URL, %(default)s)")
    parser.add_argument(
        "--token-file", default=os.environ.get("KIRCERTA_TOKEN_FILE"),
        help="the token, alone in a file (default: $KIRCERTA_TOKEN_FILE)")
    return parser


def run(parser, main):
    """Runs main(agent, options) and says why it ended; its exit status."""
    def stop(*_):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise Stopped
    args = parser.parse_args()
    if not args.token_file:
        parser.error("--token-file or $KIRCERTA_TOKEN_FILE is missing")
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        return main(Agent(args.url, args.token_file), args)
    except Stopped:
        say("stopped")
        return 0
    except (Refused, OSError, ValueError) as e:
        say(e)
        return 1
