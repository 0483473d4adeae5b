"""The stand-in for YouTube, as the tests use it."""
import json
import os
import subprocess
import sys
import tempfile
import threading
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))


class Standin:
    """contrib/coordinator/youtube-standin, and its log as it comes."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.client = os.path.join(self.folder.name, "client.json")
        self.proc = subprocess.Popen(
            [sys.executable, os.path.join(
                ROOT, "contrib/coordinator/youtube-standin"), "--dir",
             os.path.join(self.folder.name, "kept"), "--client-file",
             self.client], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True)
        self.base = "http://127.0.0.1:" + self.proc.stdout.readline().strip()
        with open(self.client) as f:
            self.secret = json.load(f)["refresh_token"]
        self.lines, self.more = [], threading.Condition()
        self.looks = 0
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.proc.stderr:
            with self.more:
                self.lines.append(line)
                self.more.notify_all()

    @property
    def log(self):
        """What it was asked until now, without these looks: a line is
        written before its answer, so those before ours have come with it."""
        self.looks += 1
        mark = f"/_fault?look={self.looks} "
        self.get(mark.strip())
        self.wait_for(mark)
        return [x for x in self.lines if "/_fault?look=" not in x]

    def wait_for(self, word):
        with self.more:
            found = self.more.wait_for(
                lambda: any(word in x for x in self.lines), 60)
        assert found, self.lines

    def get(self, path):
        with urllib.request.urlopen(self.base + path, timeout=20) as r:
            return r.read()

    def videos(self):
        return [n for n in os.listdir(os.path.join(self.folder.name, "kept"))
                if n.endswith(".bin")]

    def add(self, name):
        """A video that somebody else has put there."""
        self.get("/_fault?add=" + name)

    def edit(self, video, **status):
        """Changes a video's status as nobody could from outside."""
        path = os.path.join(self.folder.name, "kept", video + ".json")
        with open(path) as f:
            resource = json.load(f)
        resource["status"].update(status)
        with open(path, "w") as f:
            json.dump(resource, f)

    def close(self):
        self.proc.terminate()
        self.proc.wait(20)
        self.reader.join(20)
        self.proc.stdout.close()
        self.proc.stderr.close()
        self.folder.cleanup()

    def configure(self, agent):
        """Has the agent's tools publish here; known after a start."""
        for key, value in (("base-url", self.base),
                           ("token-url", self.base + "/token"),
                           ("client-file", self.client)):
            agent.conf(f"youtube.{key}", value)

    def fault(self, **faults):
        self.get("/_fault?" + "&".join(f"{k}={v}"
                                       for k, v in faults.items()))

    def kept(self, video):
        """The resource as the channel has it."""
        with open(os.path.join(self.folder.name, "kept",
                               video + ".json")) as f:
            return json.load(f)
