"""A websocket client (RFC 6455) with JSON-RPC 2.0 over it."""
import base64
import hashlib
import json
import os
import struct
import time

from wire import TIMEOUT, Closed, Stream, deadline_of, head_bytes


class RpcError(Exception):
    def __init__(self, error):
        super().__init__(json.dumps(error))
        self.code = error.get("code")
        self.problem = error.get("data") or {}


class WebSocket:
    """A websocket client: text frames in any number of fragments, masked,
    pings answered. Over it call() and the notifications."""

    def __init__(self, address, target="/ws", headers=None, timeout=TIMEOUT):
        self.stream = Stream(address, timeout)
        key = base64.b64encode(os.urandom(16)).decode()
        self.stream.send(head_bytes(address, "GET", target, {
            "Connection": "Upgrade", "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key,
            "Sec-WebSocket-Protocol": "kircerta.v1"} | (headers or {})))
        self.status, self.headers = self.stream.head()
        self.notes, self.answers, self.next_id = [], {}, 1
        self.pings, self.close_code = 0, None
        if self.status == 101:
            proof = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
                                  ).encode()).digest()
            assert self.headers["sec-websocket-accept"] == \
                base64.b64encode(proof).decode(), "wrong accept key"

    def frame(self, payload, opcode=1, fin=True, mask=None):
        mask = mask or os.urandom(4)
        n = len(payload)
        head = bytes([(0x80 if fin else 0) | opcode])
        if n < 126:
            head += bytes([0x80 | n])
        elif n < 1 << 16:
            head += bytes([0x80 | 126]) + struct.pack(">H", n)
        else:
            head += bytes([0x80 | 127]) + struct.pack(">Q", n)
        key = (mask * (n // 4 + 1))[:n]
        masked = (int.from_bytes(payload, "big")
                  ^ int.from_bytes(key, "big")).to_bytes(n, "big")
        self.stream.send(head + mask + masked)

    def send(self, text, fragments=1):
        data = text.encode() if isinstance(text, str) else text
        step = -(-len(data) // fragments) or 1
        parts = [data[i:i + step] for i in range(0, len(data), step)] or [b""]
        for i, part in enumerate(parts):
            self.frame(part, opcode=0 if i else 1, fin=i == len(parts) - 1)

    def read_frame(self, timeout):
        def parse(data):
            if len(data) < 2:
                return None
            assert not data[0] & 0x70, "reserved bits are set"
            assert not data[1] & 0x80, "a server does not mask"
            n, at = data[1] & 0x7f, 2
            if n > 125:
                at = 4 if n == 126 else 10
                n = int.from_bytes(data[2:at], "big")
            if len(data) < at + n:
                return None
            return ((data[0] & 0x0f, bool(data[0] & 0x80), data[at:at + n]),
                    at + n)
        return self.stream.piece(parse, timeout)

    def message(self, timeout=TIMEOUT):
        """The next whole text message, parsed."""
        deadline = deadline_of(timeout)
        whole = b""
        while True:
            opcode, fin, data = self.read_frame(
                max(deadline - time.monotonic(), 0))
            if opcode == 9:
                self.pings += 1
                self.frame(data, opcode=10)
            elif opcode == 8:
                self.close_code = struct.unpack(">H", data[:2])[0] \
                    if len(data) >= 2 else 1005
                raise Closed(f"close {self.close_code} {data[2:]!r}")
            elif opcode in (0, 1):
                whole += data
                if fin:
                    return json.loads(whole)

    def take(self, deadline):
        m = self.message(max(deadline - time.monotonic(), 0))
        if "method" in m:
            self.notes.append(m)
        else:
            self.answers[m.get("id")] = m

    def call(self, method, timeout=TIMEOUT, **params):
        """The result, or RpcError with the problem in .problem."""
        deadline = deadline_of(timeout)
        mine, self.next_id = self.next_id, self.next_id + 1
        self.send(json.dumps({"jsonrpc": "2.0", "id": mine, "method": method,
                              "params": params}))
        while mine not in self.answers:
            self.take(deadline)
        answer = self.answers.pop(mine)
        if "error" in answer:
            raise RpcError(answer["error"])
        return answer["result"]

    def note(self, want, timeout=TIMEOUT):
        """Params of the first notification of this method, or that want(m)
        likes; those before it are dropped."""
        deadline = deadline_of(timeout)
        like = want if callable(want) else lambda m: m["method"] == want
        while True:
            while self.notes:
                m = self.notes.pop(0)
                if like(m):
                    return m.get("params")
            self.take(deadline)

    def close(self):
        self.stream.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
