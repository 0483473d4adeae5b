"""The built-in tools as programs: a request on stdin, lines on stdout.

python3 tests/flow/test_tools.py [BUILD_DIR [NAME]]
"""
import base64
import http.server
import json
import os
import select
import signal
import struct
import subprocess
import tempfile
import threading
import time
import unittest
import zlib

import toolrun
import x11
from toolrun import Run, run

BLUE = 0x224466


def png(path):
    """(width, height, rows of RGB bytes) of what screen.capture writes."""
    with open(path, "rb") as f:
        data = f.read()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, packed, size = 8, b"", None
    while at < len(data):
        n, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + n]
        crc, = struct.unpack(">I", data[at + 8 + n:at + 12 + n])
        assert crc == zlib.crc32(kind + body)
        if kind == b"IHDR":
            size = struct.unpack(">IIBBBBB", body)
        elif kind == b"IDAT":
            packed += body
        at += 12 + n
    w, h, depth, colours = size[:4]
    assert (depth, colours) == (8, 2)
    plain = zlib.decompress(packed)
    step = 1 + w * 3
    rows = [plain[y * step:(y + 1) * step] for y in range(h)]
    assert len(plain) == h * step and all(r[0] == 0 for r in rows)
    return w, h, [r[1:] for r in rows]


def decoded(path, w, h):
    """Rows of RGB bytes of any picture or the first frame, by ffmpeg."""
    raw = subprocess.run(
        ["ffmpeg", "-v", "error", "-nostdin", "-i", path, "-frames:v", "1",
         "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
        check=True, stdout=subprocess.PIPE).stdout
    assert len(raw) == w * h * 3, len(raw)
    return [raw[y * w * 3:(y + 1) * w * 3] for y in range(h)]


def probed(path):
    text = subprocess.run(
        ["ffprobe", "-v", "error", "-show_entries",
         "format=duration:stream=codec_name,width,height", "-of", "json",
         path], check=True, stdout=subprocess.PIPE).stdout
    return json.loads(text)


def pixel(rows, x, y):
    return int.from_bytes(rows[y][x * 3:x * 3 + 3], "big")


def near(rgb, wanted, by=6):
    return all(abs((rgb >> s & 255) - (wanted >> s & 255)) <= by
               for s in (0, 8, 16))


class Protocol(unittest.TestCase):
    def test_what_is_not_a_request_is_refused(self):
        for raw in (b"", b"[]", b"{", b'{"v":2}', b'{"v":1,"v":1}',
                    b'{"v":1,"args":[]}', b'{"v":1,"config":"x"}',
                    b'{"v":1,"a":"' + b"x" * (5 << 20) + b'"}'):
            for command in ("screen capture", "youtube upload",
                            "notify send"):
                r = run(command, raw=raw)
                self.assertEqual((r.code, r.error["error_code"]),
                                 (1, "invalid_request"), raw[:40])

    def test_an_argument_that_does_not_fit_is_named(self):
        here = {"DISPLAY": X.name}
        for command, args, word in (
                ("screen capture", {"format": "gif"}, "format"),
                ("screen capture", {"quality": 0}, "quality"),
                ("screen capture", {"quality": "80"}, "quality"),
                ("screen capture", {"cursor": 1}, "cursor"),
                ("screen capture", {"display": 1}, "display"),
                ("screen capture", {"display": "elsewhere:0"}, "display"),
                ("screen capture", {"display": "-i"}, "display"),
                ("screen capture", {"region": "0,0,9"}, "region"),
                ("screen capture", {"region": "600,0,41x10"}, "640x480"),
                ("screen capture", {"window": "0x1fffff"}, "0x1fffff"),
                ("screen capture", {"window": "x"}, "window"),
                ("screen capture", {"monitor": "none"}, "monitor"),
                ("screen capture", {"region": "0,0,9x9", "monitor": "a"},
                 "one of"),
                ("screen record", {}, "seconds"),
                ("screen record", {"seconds": 0}, "seconds"),
                ("screen record", {"seconds": 3601}, "seconds"),
                ("screen record", {"seconds": 1.5}, "seconds"),
                ("screen record", {"seconds": 2, "fps": 61}, "fps"),
                ("notify send", {}, "text"),
                ("notify send", {"text": "x" * 4001}, "text"),
                ("notify send", {"text": "x", "priority": "x"}, "priority"),
                ("youtube upload", {}, "title"),
                ("youtube upload", {"title": "a<b"}, "title"),
                ("youtube upload", {"title": "é" * 101}, "title"),
                ("youtube upload", {"title": "a", "tags": "x" * 501},
                 "tags"),
                ("youtube upload", {"title": "a", "category": "x"},
                 "category"),
                ("youtube upload", {"title": "a", "privacy": "secret"},
                 "privacy"),
                ("youtube upload", {"title": "a", "description": "é" * 2501},
                 "description"),
                ("youtube upload", {"title": "a", "file": "/etc/passwd"},
                 "file")):
            r = run(command, args, env=here)
            self.assertEqual(r.code, 1, (command, args))
            self.assertEqual(r.error["error_code"], "invalid_args", args)
            self.assertIn(word, r.error["detail"])


class Manifests(unittest.TestCase):
    def test_each_reads_as_git_config_and_starts_a_program(self):
        folder = os.path.join(toolrun.BUILD, "tools")
        found = [n for n in os.listdir(folder) if n.endswith(".conf")]
        self.assertGreaterEqual(len(found), 4)
        for name in found:
            text = subprocess.run(
                ["git", "config", "-f", os.path.join(folder, name), "-l"],
                check=True, stdout=subprocess.PIPE, text=True).stdout
            keys = dict(x.split("=", 1) for x in text.splitlines())
            self.assertEqual(keys["tool.name"] + ".conf", name)
            self.assertIn(keys["tool.side-effect-level"],
                          ("read_only", "local_write", "external_publish"))
            self.assertTrue(os.access(os.path.join(
                folder, keys["tool.command"].split()[0]), os.X_OK))
            for arg in {k.rsplit(".", 1)[0] for k in keys
                        if k.startswith("arg.")}:
                self.assertIn(arg + ".type", keys)
                self.assertGreater(len(keys[arg + ".summary"]), 5)


class Capture(unittest.TestCase):
    def capture(self, args=None, **more):
        more.setdefault("env", {"DISPLAY": X.name})
        r = run("screen capture", args, **more)
        self.assertEqual(r.code, 0, r.error)
        return r

    def test_a_png_shows_what_is_drawn(self):
        r = self.capture({"cursor": False})
        w, h, rows = png(r.path("screen.png"))
        self.assertEqual((w, h), (640, 480))
        self.assertEqual(pixel(rows, 100, 100), BLUE)
        self.assertEqual(pixel(rows, 99, 100), 0)
        self.assertEqual(pixel(rows, 299, 249), BLUE)
        self.assertEqual(pixel(rows, 300, 249), 0)
        self.assertEqual(r.artifacts, ["screen.png"])
        self.assertEqual(r.result, {
            "width": 640, "height": 480, "format": "png", "display": X.name,
            "backend": "x11-shm",
            "bytes": os.path.getsize(r.path("screen.png"))})

    def test_a_jpeg_shows_what_is_drawn(self):
        r = self.capture({"format": "jpeg", "cursor": False, "quality": 90})
        rows = decoded(r.path("screen.jpg"), 640, 480)
        self.assertTrue(near(pixel(rows, 200, 200), BLUE))
        self.assertTrue(near(pixel(rows, 50, 50), 0))

    def test_a_region_a_window_and_a_monitor_are_cut_out(self):
        for args, size in (({"region": "90,90,21x31"}, (21, 31)),
                           ({"window": hex(WINDOW)}, (200, 150)),
                           ({"window": str(WINDOW)}, (200, 150)),
                           ({"monitor": "screen"}, (640, 480))):
            r = self.capture({"cursor": False, **args})
            w, h, rows = png(r.path("screen.png"))
            self.assertEqual((w, h), size)
            x = 10 if "region" in args else 100 if "monitor" in args else 0
            self.assertEqual(pixel(rows, x, x), BLUE)
        self.assertEqual(pixel(rows, 99, 99), 0)

    def test_a_window_that_is_not_shown_is_refused(self):
        hidden = DRAW.window(0, 0, 50, 50, 0xff0000, shown=False)
        r = run("screen capture", {"window": hex(hidden)},
                env={"DISPLAY": X.name})
        self.assertEqual(r.error["error_code"], "invalid_args")
        self.assertIn("not on the screen", r.error["detail"])

    def test_the_cursor_is_drawn_only_when_wanted(self):
        DRAW.mouse(400, 400)
        around = {"region": "380,380,40x40"}
        for wanted in (True, False):
            r = self.capture({**around, "cursor": wanted})
            rows = png(r.path("screen.png"))[2]
            self.assertEqual(set(b"".join(rows)) == {0}, not wanted)
        # At the edge most of it is outside of the picture.
        DRAW.mouse(639, 479)
        self.capture({"region": "600,440,40x40"})
        DRAW.mouse(400, 400)

    def test_without_shared_memory_the_picture_is_the_same(self):
        plain = x11.Server(options=["-extension", "MIT-SHM"])
        draw = x11.Client(plain.name)
        try:
            draw.window(10, 10, 5, 5, 0xabcdef)
            r = self.capture({"display": plain.name, "cursor": False})
            self.assertEqual(r.result["backend"], "x11-getimage")
            self.assertEqual(pixel(png(r.path("screen.png"))[2], 12, 12),
                             0xabcdef)
        finally:
            draw.close()
            plain.close()

    def test_the_configured_display_comes_before_the_environment(self):
        r = self.capture(config={"display": X.name},
                         env={"DISPLAY": ":399",
                              "WAYLAND_DISPLAY": "wayland-0"})
        self.assertEqual(r.result["display"], X.name)

    def test_no_display_says_what_to_do(self):
        for env, word in (({}, "DISPLAY is not set"),
                          ({"DISPLAY": ":399"}, ":399"),
                          ({"DISPLAY": X.name,
                            "WAYLAND_DISPLAY": "wayland-0"}, "Wayland"),
                          ({"DISPLAY": X.name,
                            "XDG_SESSION_TYPE": "wayland"}, "Wayland")):
            for command in ("screen capture", "screen record"):
                r = run(command, {"seconds": 1}, env=env)
                self.assertEqual(r.error["error_code"],
                                 "display_unavailable")
                self.assertIn(word, r.error["detail"])
                self.assertIn("display", r.error["remediation_hint"].lower()
                              + r.error["detail"])


class Record(unittest.TestCase):
    def start(self, **args):
        return Run("screen record", args, env={"DISPLAY": X.name})

    def test_two_seconds_are_two_seconds_and_have_a_poster(self):
        r = self.start(seconds=2, region="95,95,101x81", cursor=False).end()
        self.assertEqual(r.code, 0, (r.error, r.stderr))
        self.assertEqual(r.artifacts, ["recording.mp4", "poster.jpg"])
        info = probed(r.path("recording.mp4"))
        self.assertAlmostEqual(float(info["format"]["duration"]), 2, 0)
        self.assertEqual(info["streams"][0]["codec_name"], "h264")
        self.assertEqual(r.result["bytes"],
                         os.path.getsize(r.path("recording.mp4")))
        self.assertEqual((r.result["width"], r.result["height"]), (101, 81))
        rows = decoded(r.path("poster.jpg"), 102, 82)
        self.assertTrue(near(pixel(rows, 50, 50), BLUE, 12))
        self.assertTrue(any("progress" in line for line in r.lines))

    def test_a_cancel_keeps_what_was_recorded(self):
        for cancel in (os.kill, os.killpg):     # ffmpeg may get it as well
            r = self.start(seconds=600, fps=20)
            for _ in range(3):
                r.until("progress")
            asked = time.monotonic()
            cancel(r.proc.pid, signal.SIGTERM)
            r.end()
            self.assertLess(time.monotonic() - asked, 5)
            self.assertEqual(r.error["error_code"], "cancelled")
            self.assertIn("recording.mp4", r.artifacts)
            info = probed(r.path("recording.mp4"))
            self.assertGreater(float(info["format"]["duration"]), 0.2)

    def test_an_ffmpeg_that_ends_early_is_told_from_a_recording(self):
        r = self.start(seconds=300)
        for _ in range(3):
            r.until("progress")
        with open(f"/proc/{r.proc.pid}/task/{r.proc.pid}/children") as f:
            os.kill(int(f.read().split()[0]), signal.SIGKILL)
        r.end()
        self.assertEqual(r.error["error_code"], "recording_incomplete")
        self.assertIn("137", r.error["detail"])

    def test_ffmpeg_dies_with_the_tool(self):
        r = self.start(seconds=600)
        r.until("progress")
        pid = r.proc.pid
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            child = os.pidfd_open(int(f.read().split()[0]))
        r.proc.kill()
        self.assertTrue(select.select([child], [], [], 20)[0])
        os.close(child)
        r.end()

    def test_a_display_that_ends_is_told_from_a_recording(self):
        short = x11.Server()
        r = Run("screen record", {"seconds": 300, "display": short.name})
        for _ in range(3):
            r.until("progress")
        short.close()
        r.end()
        self.assertEqual(r.error["error_code"], "display_lost")
        self.assertTrue(r.error["retryable"])

    def test_without_ffmpeg_it_says_what_to_install(self):
        r = run("screen record", {"seconds": 1},
                env={"DISPLAY": X.name, "PATH": "/nonexistent"})
        self.assertEqual(r.error["error_code"], "tool_missing")
        self.assertIn("apt install ffmpeg", r.error["remediation_hint"])


class Notify(unittest.TestCase):
    def setUp(self):
        self.got, self.answers, self.heads = [], [], []
        test = self

        class Hook(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                kind = self.headers["Content-Type"]
                test.heads.append(dict(self.headers))
                test.got.append((self.path, json.loads(body) if "json" in kind
                                 else body.decode()))
                status, headers = test.answers.pop(0) if test.answers \
                    else (204, {})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Hook)
        thread = threading.Thread(target=self.server.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.file = os.path.join(self.folder.name, "hook.url")
        self.write("http://127.0.0.1:%d/hook/SECRET\n" %
                   self.server.server_port)

    def write(self, url, mode=0o600):
        with open(self.file, "w") as f:
            f.write(url)
        os.chmod(self.file, mode)

    def send(self, config=None, **more):
        r = run("notify send", {"title": "Appröval", "text": "a\nb",
                                "priority": "high"},
                config=config or {"url-file": self.file}, **more)
        self.assertNotIn("SECRET", r.said())
        return r

    def test_a_message_arrives_as_json(self):
        r = self.send()
        self.assertEqual((r.code, r.result), (0, {"status": 204, "tries": 1}))
        self.assertEqual(self.got, [("/hook/SECRET", {
            "title": "Appröval", "text": "a\nb", "priority": "high",
            "correlation_id": "c-1", "task_id": "t-1",
            "criterion_ref": "AC-1", "run_id": "r-1"})])

    def kind(self, kind, title="T", text="x", **args):
        r = run("notify send", {"title": title, "text": text, **args},
                config={"kind": kind, "url-file": self.file})
        self.assertEqual((r.code, r.result), (0, {"status": 204, "tries": 1}))
        return self.got[-1][1]

    def test_each_service_gets_what_it_takes(self):
        self.assertEqual(self.kind("slack", "a & b", "<x>\n*y*"), {
            "text": "*a &amp; b*\n&lt;x&gt;\n*y*"})
        self.assertEqual(self.kind("discord", "a_b", "c"), {
            "content": "**a\\_b**\nc", "allowed_mentions": {"parse": []}})
        self.assertEqual(self.kind("mattermost"), {"text": "**T**\nx"})
        self.assertEqual(self.kind("ntfy", "Plain", "a\nbé",
                                   priority="urgent"), "a\nbé")
        self.assertEqual((self.heads[-1]["Title"], self.heads[-1]["Priority"]),
                         ("Plain", "5"))
        self.kind("ntfy", "Ö\r\nX-Evil: 1")
        self.assertNotIn("X-Evil", self.heads[-1])
        coded = self.heads[-1]["Title"]
        self.assertEqual(coded[:10] + coded[-2:], "=?UTF-8?B??=")
        self.assertEqual(base64.b64decode(coded[10:-2]).decode(),
                         "Ö\r\nX-Evil: 1")
        self.assertEqual(self.heads[-1]["Priority"], "3")

    def test_nobody_is_called_and_no_markup_counts(self):
        evil = "@everyone @here <!channel> <@1> [a](https://b) `c` **d**"
        said = self.kind("slack", text=evil)["text"]
        self.assertNotIn("<", said)
        for kind, member in (("discord", "content"), ("mattermost", "text")):
            said = self.kind(kind, text=evil)[member]
            for bad in ("@e", "@h", "@1", " <!", " [a]", "](", " `c", " **d"):
                self.assertNotIn(bad, said, kind)
        said = self.kind("discord", text="é@" * 1300)["content"]
        self.assertLessEqual(len(said), 2000)
        self.assertGreater(len(said), 1000)

    def test_later_is_obeyed_and_no_is_final(self):
        self.answers = [(503, {}), (429, {"Retry-After": "1"})]
        begun = time.monotonic()
        r = self.send()
        self.assertGreaterEqual(time.monotonic() - begun, 1)
        self.assertEqual(r.result, {"status": 204, "tries": 3})
        for status, headers in ((400, {}), (404, {}),
                                (302, {"Location": "/elsewhere"})):
            self.got, self.answers = [], [(status, headers)]
            r = self.send()
            self.assertEqual(r.error["error_code"], "notify_refused")
            self.assertIn(str(status), r.error["detail"])
            self.assertEqual(len(self.got), 1)

    def test_later_than_the_deadline_is_not_waited_for(self):
        self.answers = [(429, {"Retry-After": "3600"})]
        begun = time.monotonic()
        r = self.send(timeout_s=30)
        self.assertLess(time.monotonic() - begun, 20)
        self.assertEqual(r.error["error_code"], "notify_unreachable")
        self.assertTrue(r.error["retryable"])

    def test_nobody_there_does_not_give_the_url_away(self):
        self.write("http://127.0.0.1:1/hook/SECRET")
        r = self.send(timeout_s=1)
        self.assertEqual(r.error["error_code"], "notify_unreachable")

    def test_a_cancel_ends_the_waiting(self):
        self.answers = [(429, {"Retry-After": "30"})]
        r = Run("notify send", {"text": "x"}, config={"url-file": self.file})
        while not self.got:
            self.assertIsNone(r.proc.poll())
            select.select([], [], [], 0.01)
        r.proc.send_signal(signal.SIGTERM)
        self.assertEqual(r.end().error["error_code"], "cancelled")

    def test_what_is_not_configured_says_what_to_do(self):
        def refused(word, config=None):
            r = self.send(config)
            self.assertEqual(r.error["error_code"], "notify_not_configured")
            self.assertIn(word, r.error["detail"])
            self.assertIn("url-file", r.error["remediation_hint"])

        refused("No webhook", {"other": "x"})
        refused("kind", {"kind": "pigeon", "url-file": self.file})
        refused("nowhere", {"url-file": self.folder.name + "/nowhere"})
        refused("regular", {"url-file": self.folder.name})
        for url in ("http://example.org/SECRET", "ftp://127.0.0.1/SECRET",
                    "file:///SECRET", "https://u:SECRET@127.0.0.1/",
                    "http://127.0.0.1.example.org/SECRET", "SECRET"):
            self.write(url)
            refused("https")
        self.write("")
        refused("empty")
        self.write("https://127.0.0.1/SECRET", mode=0o640)
        refused("chmod 600")


def setUpModule():
    global X, DRAW, WINDOW
    X = x11.Server()
    DRAW = x11.Client(X.name)
    WINDOW = DRAW.window(100, 100, 200, 150, BLUE)
    DRAW.mouse(400, 400)


def tearDownModule():
    DRAW.close()
    X.close()


if __name__ == "__main__":
    toolrun.main()
