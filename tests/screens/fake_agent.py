#!/usr/bin/env python3
"""An agent for the console's tests: says what a scenario says, can be cut.

  fake_agent.py SCENARIO      listens on 127.0.0.1, any free port

Standard output: {"port": N}, then one line for every call that came in.
Standard input, a JSON object a line: {"event": RECORD}, {"gap": {...}},
{"cut": true}, {"refuse": true|false}, {"task": {...}}, {"approval": N},
{"used": true} (the approval starts its run, which ends well),
{"silent": true|false} (calls that decide get no answer), {"deaf": true|false}
(pings get no answer).
"""
import base64
import hashlib
import json
import socket
import struct
import sys
import threading
from urllib.parse import parse_qs, unquote, urlsplit

from fake_world import LOCK, TOKENS, Refused, World, approval, record

MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

ROUTES = (("GET", ["health"], "system.health"),
          ("GET", ["mode"], "system.mode"),
          ("POST", ["mode"], "system.mode"),
          ("GET", ["tasks"], "task.list"),
          ("GET", ["tasks", "id"], "task.get"),
          ("GET", ["approvals"], "approval.list"),
          ("GET", ["approvals", "id"], "approval.get"),
          ("POST", ["approvals", "id", "review"], "approval.review"),
          ("POST", ["approvals", "id", "approve"], "approval.approve"),
          ("POST", ["approvals", "id", "reject"], "approval.reject"),
          ("GET", ["audit"], "audit.query"),
          ("GET", ["audit", "correlation_id"], "audit.chain"),
          ("GET", ["evidence"], "evidence.list"))


def say(value):
    with LOCK:
        print(json.dumps(value), flush=True)


class Client(threading.Thread):
    def __init__(self, sock, world):
        super().__init__(daemon=True)
        self.sock, self.world = sock, world
        self.file = sock.makefile("rb")
        self.subscribed, self.after = False, 0

    def run(self):
        try:
            self.request()
        except (OSError, ValueError, EOFError):
            pass
        finally:
            with LOCK:
                if self in self.world.clients:
                    self.world.clients.remove(self)
            self.sock.close()

    def request(self):
        method, target, _ = self.file.readline().decode().split(" ", 2)
        head = {}
        while True:
            line = self.file.readline().decode().strip()
            if not line:
                break
            key, value = line.split(":", 1)
            head[key.lower()] = value.strip()
        body = self.file.read(int(head.get("content-length", 0)))
        token = head.get("authorization", "")[7:]
        if token not in TOKENS:
            return self.reply(401, Refused(401, "unauthenticated",
                                           "no such token").problem)
        if self.world.refuse:
            return None
        if head.get("upgrade", "").lower() == "websocket":
            return self.websocket(head, token)
        return self.http(method, urlsplit(target), body, token)

    def reply(self, status, value, kind="application/json"):
        data = value if isinstance(value, bytes) else \
            json.dumps(value).encode()
        self.sock.sendall((f"HTTP/1.1 {status} x\r\nContent-Type: {kind}\r\n"
                           f"Content-Length: {len(data)}\r\n"
                           "Connection: close\r\n\r\n").encode() + data)

    def http(self, method, url, body, token):
        parts = [unquote(p) for p in url.path.split("/")[2:]]
        query = {k: v[0] for k, v in parse_qs(url.query).items()}
        if parts[:1] == ["events"]:
            odd = set(query) - {"types", "task_id", "after_seq"}
            if odd or url.query.startswith("&") or url.query.endswith("&"):
                return self.reply(400, Refused(400, "invalid_request",
                                               f"query {url.query}").problem)
            return self.stream(query)
        if parts[:1] == ["evidence"] and len(parts) == 2:
            say({"method": "evidence.get", "params": {"sha256": parts[1]}})
            data = self.world.bytes.get(parts[1])
            if data is None:
                return self.reply(404, Refused(404, "not_found",
                                               "no such bytes").problem)
            if self.world.scenario == "corrupt":
                data += b"x"
            return self.reply(200, data, "image/png")
        for verb, shape, name in ROUTES:
            if verb == method and len(shape) == len(parts) and all(
                    s == p or s in ("id", "correlation_id")
                    for s, p in zip(shape, parts)):
                query.update({s: p for s, p in zip(shape, parts)
                              if s in ("id", "correlation_id")})
                query.update(json.loads(body or b"{}"))
                say({"method": name, "params": query, "over": "http"})
                try:
                    with LOCK:
                        answer = self.world.call(name, query, token)
                    return self.reply(200, answer)
                except Refused as e:
                    return self.reply(e.problem["status"], e.problem)
        return self.reply(404, Refused(404, "not_found", url.path).problem)

    def stream(self, query):
        types = query.get("types")
        after = int(query.get("after_seq") or 0)
        self.sock.sendall(b"HTTP/1.1 200 x\r\nContent-Type: "
                          b"text/event-stream\r\n\r\n")

        def notify(_, params):
            rec = params["record"]
            if types and rec["type"] not in types.split(","):
                return
            self.sock.sendall(f"id: {rec['seq']}\nevent: {rec['type']}\n"
                              f"data: {json.dumps(rec)}\n\n".encode())
        self.notify = notify
        with LOCK:
            for rec in self.world.records:
                if rec["seq"] > after:
                    notify("event", {"record": rec})
            self.subscribed, self.after = True, after
            self.world.clients.append(self)
        self.file.read()

    def websocket(self, head, token):
        key = head["sec-websocket-key"] + MAGIC
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest())
        if head.get("sec-websocket-protocol") != "kircerta.v1":
            return
        self.sock.sendall(b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\n"
                          b"Connection: Upgrade\r\nSec-WebSocket-Protocol: "
                          b"kircerta.v1\r\nSec-WebSocket-Accept: " + accept +
                          b"\r\n\r\n")
        with LOCK:
            self.world.clients.append(self)
        self.notify("hello", {"protocol": 1, "agent": "studio-1",
                              "version": "0.1.0", "actor": "ana",
                              "scopes": TOKENS[token],
                              "mode": self.world.health["mode"],
                              "seq": self.world.seq, "operations": []})
        while True:
            self.message(self.receive(), token)

    def receive(self):
        data = b""
        while True:
            first, second = self.exact(2)
            size = second & 127
            if size == 126:
                size = struct.unpack(">H", self.exact(2))[0]
            elif size == 127:
                size = struct.unpack(">Q", self.exact(8))[0]
            mask = self.exact(4)
            part = bytes(b ^ mask[i % 4]
                         for i, b in enumerate(self.exact(size)))
            kind = first & 15
            if kind == 8:
                raise EOFError
            if kind == 9:
                if not self.world.deaf:
                    self.frame(10, part)
                continue
            if kind in (0, 1):
                data += part
            if first & 128 and kind in (0, 1):
                return data

    def exact(self, n):
        data = self.file.read(n)
        if len(data) < n:
            raise EOFError
        return data

    def frame(self, kind, data):
        n = len(data)
        head = bytes([128 | kind]) + (
            bytes([n]) if n < 126 else
            b"\x7e" + struct.pack(">H", n) if n < 65536 else
            b"\x7f" + struct.pack(">Q", n))
        with LOCK:
            self.sock.sendall(head + data)

    def notify(self, method, params):
        self.frame(1, json.dumps({"jsonrpc": "2.0", "method": method,
                                  "params": params}).encode())

    def message(self, data, token):
        call = json.loads(data)
        name, params = call["method"], call.get("params", {})
        say({"method": name, "params": params})
        answer = {"jsonrpc": "2.0", "id": call["id"]}
        if self.world.silent and name in ("approval.approve",
                                          "approval.reject"):
            return
        with LOCK:
            try:
                answer["result"] = self.world.call(name, params, token)
            except Refused as e:
                answer["error"] = {"code": -32000, "message": "refused",
                                   "data": e.problem}
            if name == "events.subscribe":
                self.subscribed = True
                self.after = params.get("after_seq", 0)
            self.frame(1, json.dumps(answer).encode())
            if name == "events.subscribe":
                for rec in self.world.records:
                    if rec["seq"] > self.after:
                        self.notify("event", {"record": rec})


def put(items, value):
    for i, each in enumerate(items):
        if each["id"] == value["id"]:
            items[i] = dict(each, **value)
            return
    items.append(value)


def obey(world, order):
    if "event" in order:
        rec = record(world.seq + 1, "task_updated")
        rec.update(order["event"])
        world.emit(rec)
    if "used" in order:
        world.next_record("approval_used", run_id="r-77")
        world.next_record("tool_finished", run_id="r-77")
    if "gap" in order:
        for c in list(world.clients):
            c.notify("gap", order["gap"])
    if "task" in order:
        put(world.tasks, order["task"])
    if "approval" in order:
        new = approval(order["approval"], "t-01jd3k9x7m2q0002",
                       {"title": "another"}, [])
        put(world.approvals, new)
        world.emit(record(world.seq + 1, "approval_requested", new["task_id"],
                          "c-0002", approval_id=new["id"]))
    world.refuse = order.get("refuse", world.refuse)
    world.deaf = order.get("deaf", world.deaf)
    world.silent = order.get("silent", world.silent)
    if order.get("cut"):
        for c in list(world.clients):
            c.sock.shutdown(socket.SHUT_RDWR)


def main():
    world = World(sys.argv[1])
    server = socket.create_server(("127.0.0.1", 0))

    def accept():
        while True:
            Client(server.accept()[0], world).start()
    threading.Thread(target=accept, daemon=True).start()
    say({"port": server.getsockname()[1]})
    for line in sys.stdin:
        with LOCK:
            obey(world, json.loads(line))


if __name__ == "__main__":
    main()
