"""Many connections that ask the same again and again, each as soon as it was
answered: one thread, so that what was sent and answered is known exactly."""
import re
import selectors
import socket

from wire import deadline_of

HEAD = re.compile(rb"HTTP/1\.1 (\d{3}) .*?\r\n\r\n", re.S)
LENGTH = re.compile(rb"\r\nContent-Length: (\d+)")
MARK = re.compile(rb"\r\nX-Correlation-Id: (\S+)")


class Flood:
    """data is asked on `connections` connections; sent and answered count,
    statuses and marks (correlation ids) say what was answered."""

    def __init__(self, address, data, connections, source="127.0.0.1"):
        self.data, self.sent, self.answered = data, 0, 0
        self.statuses, self.marks = {}, set()
        self.selector = selectors.DefaultSelector()
        for _ in range(connections):
            s = socket.create_connection(address, 30,
                                         source_address=(source, 0))
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.selector.register(s, selectors.EVENT_READ, bytearray())
            self.ask(s)

    def ask(self, s):
        self.sent += 1
        s.sendall(self.data)

    def take(self, got):
        """Takes one whole answer out of what came; True if there was."""
        head = HEAD.match(got)
        if not head:
            return False
        size = head.end() + int(LENGTH.search(head[0])[1])
        if len(got) < size:
            return False
        status = int(head[1])
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.marks.add(MARK.search(head[0])[1].decode())
        self.answered += 1
        del got[:size]
        return True

    def turn(self, most, wait=0.1):
        """Reads what came and asks again, up to `most` altogether. Who is
        hung up on is left out from then on."""
        for key, _ in self.selector.select(wait):
            try:
                data = key.fileobj.recv(65536)
                key.data.extend(data)
                if self.take(key.data) and self.sent < most:
                    self.ask(key.fileobj)
            except OSError:
                data = b""
            if not data:
                self.selector.unregister(key.fileobj)
                key.fileobj.close()

    def run(self, most, seconds=60):
        """Until that many are asked and answered."""
        end = deadline_of(seconds)
        n = len(self.selector.get_map())
        while self.answered < most:
            self.turn(most)
            assert deadline_of(0) < end, (self.sent, self.answered)
            assert len(self.selector.get_map()) == n, "it hung up"

    def drain(self, seconds=20):
        """What still comes, until all are hung up on."""
        end = deadline_of(seconds)
        while self.selector.get_map():
            self.turn(0)
            assert deadline_of(0) < end, self.answered

    def close(self):
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def counted(records, of="request"):
    """How many requests these records stand for: those of one each, and
    those that were folded, with the number of such records."""
    single = [r for r in records if r["type"] == of and
              "folded" not in r["data"]]
    folded = [r for r in records if r["type"] == of and
              "folded" in r["data"]]
    return (len(single), sum(r["data"]["folded"]["count"] for r in folded),
            len(folded))
