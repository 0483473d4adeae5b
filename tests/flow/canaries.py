"""Secrets that are each spelled like no other, and where they may turn up."""
import base64
import json
import os
import random
import sqlite3
import urllib.parse
import zlib
from pathlib import Path


class Canaries:
    """give("place") makes one; seen(where, data) looks for all of them."""

    def __init__(self):
        self.known, self.found, self.looks = {}, [], 0

    def give(self, place):
        return self.take(place, "canary" + "".join(
            random.choices("abcdefghijklmnopqrstuvwxyz", k=24)))

    def take(self, place, secret):
        """A secret that somebody else has made."""
        self.known[place] = [form.encode() for form in {
            secret, base64.b64encode(secret.encode()).decode().rstrip("="),
            urllib.parse.quote(secret, safe=""), secret.encode().hex()}]
        return secret

    def seen(self, where, data):
        self.looks += 1
        for place, forms in self.known.items():
            if any(form in data for form in forms):
                self.found.append(f"{place}: in {where}")

    def told(self, *what):
        """What was found since the last time was found after this."""
        self.found = [f if " after " in f else f"{f} after {what}"
                      for f in self.found]

    def none(self):
        assert not self.found, "\n".join(sorted(set(self.found)))

    # Where a secret could be.

    def in_folder(self, folder, but=()):
        """Every file as it is, and inflated where it is an object of git."""
        for path in Path(folder).rglob("*"):
            if path.is_symlink() or not path.is_file() or path in but:
                continue
            data = path.read_bytes()
            self.seen(f"the name {path}", bytes(path))
            self.seen(path, data)
            for text in inflated(data):
                self.seen(f"{path}, inflated", text)

    def in_database(self, path):
        """Every value, also what is split over several pages of the file."""
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
            tables = [row[0] for row in db.execute(
                "SELECT name FROM sqlite_master WHERE type='table'")]
            for table in tables:
                for row in db.execute(f'SELECT * FROM "{table}"'):
                    self.seen(f"{path}, table {table}", b" ".join(
                        v if isinstance(v, bytes) else str(v).encode()
                        for v in row))
        db.close()

    def in_process(self, pid):
        """What any user may read of a process and those it has started."""
        for each in [pid, *children(pid)]:
            for name in ("cmdline", "environ", "comm"):
                try:
                    data = Path(f"/proc/{each}/{name}").read_bytes()
                except OSError:
                    continue
                self.seen(f"/proc/{name} of {data[:40]!r}", data)

    def in_answer(self, answer):
        headers = json.dumps(answer.headers).encode()
        self.seen(f"an answer {answer.status}", headers + answer.body)
        return answer


def inflated(data):
    """Each zlib stream in there: loose objects are one, packs hold many."""
    at = 0 if data[:1] == b"\x78" else data.find(b"\x78", 12) \
        if data[:4] == b"PACK" else -1
    while at >= 0:
        one = zlib.decompressobj()
        try:
            yield one.decompress(data[at:])
            at = data.find(b"\x78", len(data) - len(one.unused_data))
        except zlib.error:
            at = data.find(b"\x78", at + 1)


def children(pid):
    """Their children too."""
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found = task.read_text().split()
        except OSError:
            continue
        for child in found:
            yield child
            yield from children(child)
