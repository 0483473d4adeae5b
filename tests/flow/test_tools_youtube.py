"""youtube.upload against a channel that misbehaves.

python3 tests/flow/test_tools_youtube.py [BUILD_DIR [NAME]]
"""
import hashlib
import json
import os
import signal
import time
import unittest
import urllib.request

import toolrun
from standin import Standin
from toolrun import Run


class Channel(unittest.TestCase):
    SIZE = 1500000

    def setUp(self):
        self.channel = Standin()
        self.addCleanup(self.channel.close)
        self.file = os.path.join(self.channel.folder.name, "demo.mp4")
        self.data = os.urandom(self.SIZE)
        with open(self.file, "wb") as f:
            f.write(self.data)
        self.config = {"client-file": self.channel.client,
                       "base-url": self.channel.base,
                       "token-url": self.channel.base + "/token",
                       "chunk-size": "512k"}
        self.args = {"title": "Häppy", "privacy": "unlisted", "file": {
            "path": self.file, "name": "demo.mp4", "size": self.SIZE,
            "sha256": hashlib.sha256(self.data).hexdigest(),
            "media_type": "video/mp4"}}

    def upload(self, fault=None, **args):
        return self.begin(fault, **args).end()

    def begin(self, fault=None, members=None, **args):
        if fault:
            self.channel.get("/_fault?" + fault)
        return Run("youtube upload", {**self.args, **args},
                   config=self.config, **(members or {}))

    def arrives(self, r):
        self.assertEqual(r.code, 0, (r.error, self.channel.log))
        kept = self.channel.get("/videos/" + r.result["video_id"])
        self.assertTrue(kept == self.data, "the bytes differ")
        self.assertEqual(len(self.channel.videos()), 1)
        self.assertTrue(r.result["read_back"])
        self.keeps_secrets(r)
        return r.result

    def keeps_secrets(self, r):
        said = r.said()
        self.assertNotIn(self.channel.secret, said)
        self.assertNotIn("upload_id", said)
        self.assertNotIn("Bearer", said)

    def refused(self, r, code, word=""):
        self.assertEqual(r.code, 1)
        self.assertEqual(r.error["error_code"], code, r.error)
        self.assertIn(word, r.error["detail"])
        self.assertTrue(r.error["remediation_hint"])
        self.keeps_secrets(r)


class Arrival(Channel):
    def test_a_video_arrives_with_its_description_and_a_receipt(self):
        r = self.upload(description="two\nlines", tags="a, b c,,d",
                        made_for_kids=True)
        result = self.arrives(r)
        self.assertEqual((result["sessions"], result["resumed"],
                          result["bytes"], result["privacy"]),
                         (1, 0, self.SIZE, "unlisted"))
        self.assertNotIn("note", result)
        with open(r.path("receipt.json")) as f:
            receipt = json.load(f)
        self.assertEqual(receipt["file"]["sha256"],
                         self.args["file"]["sha256"])
        video = receipt["read_back"]
        self.assertEqual(video["snippet"], {
            "title": "Häppy", "description": "two\nlines",
            "tags": ["a", "b c", "d"], "categoryId": "28",
            "channelId": "UCstandin-of-the-channel"})
        self.assertTrue(video["status"]["selfDeclaredMadeForKids"])
        page = urllib.request.urlopen(result["url"], timeout=20).read()
        self.assertIn("Häppy", page.decode())

    def test_it_arrives_once_whatever_happens_on_the_way(self):
        for fault, sessions, resumed in (
                ("once=503", 1, 0),
                ("once=503&on=chunk&times=2", 1, 2),
                ("once=429&on=chunk&retry_after=1", 1, 1),
                ("once=500&on=query&times=2&cut=100", 1, 1),
                ("cut=0", 1, 1), ("cut=300000", 1, 1),
                ("keep=0", 1, 0), ("keep=1", 1, 0), ("keep=262145", 1, 0),
                ("expire=1", 1, 0), ("expire=chunk", 1, 1),
                ("gone=1", 2, 0), ("lost=1", 1, 0), ("late=500", 1, 0),
                ("range=bytes%3D5-9", 1, 1), ("range=bytes%3D0--1", 1, None),
                ("range=rubbish", 1, 1),
                ("range=bytes%3D0-99999999999999999999", 1, 1)):
            with self.subTest(fault):
                result = self.arrives(self.upload(fault))
                self.assertEqual(result["sessions"], sessions)
                if resumed is not None:
                    self.assertEqual(result["resumed"], resumed)
                self.doCleanups()
                self.setUp()

    def test_what_it_cannot_do_it_says(self):
        for fault, code, word in (
                ("quota=1", "youtube_quota", "quotaExceeded"),
                ("grant=1", "youtube_auth", "invalid_grant"),
                ("once=400", "youtube_refused", "400"),
                ("once=400&on=chunk", "youtube_refused", "400"),
                ("once=401&times=2&on=chunk", "youtube_auth", "401"),
                ("once=403&on=chunk", "youtube_forbidden", "403"),
                ("once=404", "youtube_protocol", "404"),
                ("location=http://127.0.0.1:1/x", "youtube_protocol", "own"),
                ("location=/x", "youtube_protocol", "own"),
                ("redirect=http://127.0.0.1:1/x", "youtube_refused", "307")):
            with self.subTest(fault):
                self.refused(self.upload(fault), code, word)
                self.assertEqual(self.channel.videos(), [])
                self.doCleanups()
                self.setUp()

    def test_forced_to_private_is_told(self):
        result = self.arrives(self.upload("forced_private=1",
                                          privacy="public"))
        self.assertEqual(result["privacy"], "private")
        self.assertEqual(result["privacy_wanted"], "public")
        self.assertIn("private although public", result["note"])

    def test_no_answer_to_the_last_byte_is_an_unknown_outcome(self):
        self.refused(self.upload("lost=gone"), "outcome_unknown")
        self.assertEqual(len(self.channel.videos()), 1)

    def test_a_cancel_leaves_no_video(self):
        r = self.begin("slow=200000")
        r.until("progress")
        asked = time.monotonic()
        r.proc.send_signal(signal.SIGTERM)
        self.refused(r.end(), "cancelled")
        self.assertLess(time.monotonic() - asked, 5)
        self.assertEqual(self.channel.videos(), [])

    def test_a_cancel_too_late_is_answered_with_the_video(self):
        r = self.begin("lost=1&once=503&on=query&retry_after=50")
        self.channel.wait_for("bytes */1500000 503")
        r.proc.send_signal(signal.SIGTERM)
        self.arrives(r.end())

    def test_a_cancel_in_doubt_is_an_unknown_outcome(self):
        r = self.begin("lost=1&once=503&on=query&times=9&retry_after=50")
        self.channel.wait_for("bytes */1500000 503")
        asked = time.monotonic()
        r.proc.send_signal(signal.SIGTERM)
        self.refused(r.end(), "outcome_unknown")
        self.assertLess(time.monotonic() - asked, 5)

    def test_later_than_the_deadline_is_not_waited_for(self):
        begun = time.monotonic()
        self.refused(self.begin("once=503&retry_after=3600",
                                {"timeout_s": 30}).end(),
                     "youtube_unreachable", "503")
        self.assertLess(time.monotonic() - begun, 20)

    def test_other_bytes_than_were_approved_are_not_sent(self):
        with open(self.file, "r+b") as f:
            f.write(b"x" + bytes([self.data[1] ^ 1]))
        self.refused(self.upload(), "evidence_corrupt")
        self.assertNotIn("POST", "".join(self.channel.log))

    def test_an_empty_or_missing_file_is_not_sent(self):
        self.refused(self.upload(file={"path": self.file + "x"}), "io")
        open(self.file, "w").close()
        self.refused(self.upload(file={"path": self.file}), "invalid_args",
                     "empty")

    def test_a_media_type_cannot_bring_a_header_along(self):
        file = {**self.args["file"], "media_type": "video/mp4\r\nX-Evil: 1"}
        self.arrives(self.upload(file=file))

    def test_what_is_not_configured_says_what_to_do(self):
        def refused(code, word, **config):
            self.config = {**config}
            r = self.upload()
            self.refused(r, code, word)
            return r

        base = self.config
        r = refused("youtube_not_configured", "No YouTube client")
        self.assertIn("client-file", r.error["remediation_hint"])
        os.chmod(self.channel.client, 0o640)
        refused("youtube_not_configured", "chmod 600", **base)
        os.chmod(self.channel.client, 0o600)
        for key, value in (
                ("base-url", "http://example.org"),
                ("base-url", "ftp://127.0.0.1"),
                ("base-url", "https://user:pass@127.0.0.1"),
                ("token-url", "http://192.0.2.1/token"),
                ("token-url", "http://localhost.example.org/token"),
                ("chunk-size", "100k"), ("chunk-size", "300k"),
                ("chunk-size", "x")):
            refused("bad_config", key, **{**base, key: value})
        for text in ("", "[]", '{"client_id":"a","client_secret":"b"}'):
            with open(self.channel.client, "w") as f:
                f.write(text)
            refused("youtube_not_configured", "", **base)


class Look(Channel):
    """What came of an upload, asked of the channel afterwards."""
    SIZE = 300000
    MARKER = "kc-0123456789abcdef"

    def marked(self, fault=None, **args):
        return self.begin(fault, {"marker": self.MARKER}, **args).end()

    def look(self, **members):
        file = {k: v for k, v in self.args["file"].items() if k != "path"}
        r = Run("youtube upload", {**self.args, "file": file},
                config=self.config, reconcile=True, **{
                    "since_s": 0, "marker": self.MARKER, **members}).end()
        self.keeps_secrets(r)
        return r

    def says(self, outcome, word, **members):
        r = self.look(**members)
        self.assertEqual(r.code, 0, (r.error, self.channel.log))
        self.assertEqual(r.result["outcome"], outcome, r.result)
        self.assertIn(word, r.result["detail"])
        return r.result.get("result")

    def kept(self, r):
        with open(r.path("kept")) as f:
            self.assertEqual(os.fstat(f.fileno()).st_mode & 0o777, 0o600)
            return f.read()

    def test_an_upload_is_found_by_its_tag_among_many(self):
        for n in range(3):
            self.assertEqual(self.upload(tags="kc-fedcba987654321").code, 0)
        r = self.marked(tags="a", privacy="private")
        self.assertEqual(r.code, 0, r.error)
        self.assertEqual(r.result["seen"], {
            "video_id": r.result["video_id"], "privacy": "private",
            "marker": self.MARKER, "bytes": self.SIZE})
        for n in range(60):     # the list has pages of 50
            self.channel.add(f"more{n}")
        found = self.says("succeeded", "by its tag")
        self.assertEqual(found["video_id"], r.result["video_id"])
        self.assertEqual(found["seen"], r.result["seen"])
        self.assertEqual(found["privacy"], "private")
        self.says("unknown", "None of the newest", marker="kc-0")
        self.says("unknown", "no marker", marker=None)

    def test_what_is_not_listed_yet_is_not_taken_for_absent(self):
        self.says("unknown", "lag behind")      # and has no list at all
        self.marked()
        self.channel.get("/_fault?lag=2")
        for n in range(2):
            self.says("unknown", "lag behind", since_s=1 << 20)
        self.says("succeeded", "by its tag")

    def test_what_the_channel_lost_or_took_back_has_failed(self):
        for state in ("failed", "rejected", "deleted"):
            r = self.marked()
            self.channel.edit(r.result["video_id"], uploadStatus=state)
            self.says("failed", state)

    def test_a_video_of_another_size_is_not_taken_for_it(self):
        self.marked()
        self.args["file"]["size"] += 1
        self.says("unknown", "not 300001")

    def test_nobody_else_sets_the_tag_that_marks_a_video(self):
        for tag in (self.MARKER, self.MARKER.upper(), f"a, {self.MARKER} ,b"):
            self.refused(self.marked(tags=tag), "invalid_args", "tags")
        self.refused(self.marked(tags="t" * 485), "invalid_args", "marks")
        self.assertEqual(self.marked(tags="t" * 470).code, 0)

    def test_before_the_first_byte_it_knows_that_nothing_left(self):
        r = self.marked("once=400")
        self.refused(r, "youtube_refused")
        self.assertFalse(os.path.exists(r.path("kept")))
        calls = len(self.channel.log)
        self.says("failed", "Not a byte", kept=None)
        self.assertEqual(len(self.channel.log), calls)

    def killed(self, fault):
        """What is kept of an upload that ended when it had to ask."""
        r = self.begin(fault + "&once=503&on=query&times=99",
                       {"marker": self.MARKER})
        self.channel.wait_for(f"bytes */{self.SIZE} 503")
        r.proc.kill()
        kept = self.kept(r.end())
        self.channel.get("/_fault?once=0&times=0&on=x")
        return kept

    def test_the_session_of_the_upload_says_what_it_has(self):
        kept = self.killed("lost=1")
        found = self.says("succeeded", "was finished", kept=kept)
        self.assertEqual(found["seen"]["marker"], self.MARKER)
        self.doCleanups()
        self.setUp()
        kept = self.killed("cut=100000")
        self.says("unknown", "100000 of 300000", kept=kept, since_s=5)
        self.says("failed", "100000 of 300000", kept=kept, since_s=60)
        self.says("unknown", "None of the newest", since_s=60,
                  kept=kept.replace("upload_id=", "upload_id=x"))
        self.says("unknown", "None of the newest", since_s=60,
                  kept="https://example.org/x")

    def test_a_look_that_fails_says_why(self):
        for fault, code in (("grant=1", "youtube_auth"),
                            ("once=403&on=list", "youtube_forbidden"),
                            ("once=503&on=list&retry_after=3600",
                             "youtube_unreachable")):
            self.channel.get("/_fault?" + fault)
            r = self.look()
            self.assertEqual((r.code, r.error["error_code"]), (1, code))
            self.doCleanups()
            self.setUp()


class Visibility(Channel):
    SIZE = 1000

    def setUp(self):
        super().setUp()
        self.id = self.upload(privacy="private", made_for_kids=True
                              ).result["video_id"]

    def change(self, privacy="public", fault=None, **more):
        if fault:
            self.channel.get("/_fault?" + fault)
        r = Run("youtube visibility", {"video_id": self.id,
                                       "privacy": privacy},
                config=self.config, **more).end()
        self.keeps_secrets(r)
        return r

    def status(self):
        with open(os.path.join(self.channel.folder.name, "kept",
                               self.id + ".json")) as f:
            return json.load(f)["status"]

    def test_only_the_privacy_changes_and_it_is_read_back(self):
        self.channel.edit(self.id, embeddable=False)
        before = self.status()
        r = self.change()
        self.assertEqual(r.code, 0, r.error)
        self.assertEqual(self.status(),
                         {**before, "privacyStatus": "public"})
        self.assertEqual(
            (r.result["video_id"], r.result["privacy"],
             r.result["read_back"], r.result["seen"]["privacy"]),
            (self.id, "public", True, "public"))
        puts = sum("PUT /youtube" in x for x in self.channel.log)
        self.assertEqual(self.change().code, 0)     # it is so already
        self.assertEqual(sum("PUT /youtube" in x for x in self.channel.log),
                         puts)

    def test_it_happens_once_whatever_happens_on_the_way(self):
        for fault in ("once=503&on=update", "late=500", "lost_update=1",
                      "expire=1", "once=429&on=list"):
            with self.subTest(fault):
                r = self.change(fault=fault)
                self.assertEqual(r.code, 0, (r.error, self.channel.log))
                self.assertEqual(self.status()["privacyStatus"], "public")
                self.assertEqual(self.change("private").code, 0)

    def test_what_it_cannot_do_it_says(self):
        for fault, code in (
                ("ignored=1", "youtube_refused"),
                ("once=403&on=update", "youtube_forbidden"),
                ("once=400&on=update", "youtube_refused"),
                ("once=503&on=update&retry_after=3600", "outcome_unknown"),
                ("grant=1&expire=1", "youtube_auth")):
            with self.subTest(fault):
                r = self.change(fault=fault)
                self.refused(r, code)
                self.assertEqual(self.status()["privacyStatus"], "private")
                self.channel.get("/_fault?once=0&times=0&on=x")
        self.doCleanups()
        self.setUp()
        self.id = "absent"
        self.refused(self.change(), "youtube_no_video", "absent")

    def test_what_came_of_it_is_what_the_channel_shows(self):
        def look(since_s, privacy="public"):
            r = self.change(privacy, reconcile=True, since_s=since_s)
            self.assertEqual(r.code, 0, r.error)
            return r.result["outcome"]

        self.assertEqual([look(0), look(60), look(0, "private")],
                         ["unknown", "failed", "succeeded"])
        self.assertEqual(self.status()["privacyStatus"], "private")
        self.channel.edit(self.id, privacyStatus="public")
        self.assertEqual(look(0), "succeeded")

    def test_another_channel_than_allowed_gets_not_a_byte(self):
        own = "UCstandin-of-the-channel"
        self.config["channels"] = f"UCother {own}"
        self.assertEqual(self.change("unlisted").code, 0)
        self.assertEqual(self.upload().code, 0)
        videos = len(self.channel.videos())
        for allowed, fault in (("UCother", None), (own[:-1], None),
                               (own + "x", None), (own, "channel=UCstolen")):
            self.config["channels"] = allowed
            self.refused(self.change(fault=fault), "channel_not_allowed")
            posts = sum("POST /upload" in x for x in self.channel.log)
            self.refused(self.upload(), "channel_not_allowed")
            self.assertEqual(posts, sum("POST /upload" in x
                                        for x in self.channel.log))
        self.assertEqual(len(self.channel.videos()), videos)
        self.assertEqual(self.status()["privacyStatus"], "unlisted")


if __name__ == "__main__":
    toolrun.main()
