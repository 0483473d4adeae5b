"""Evidence taken elsewhere: one archive, which its own script verifies with
sha256sum, openssl and jq alone; and what was tampered with is named."""
import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import tarfile

import kc
from expect import refused

# What the script may use, and nothing else is on its PATH.
PROGRAMS = ("base64 cat cut dirname head mktemp mv od printf rm sh sha256sum "
            "tail tr openssl jq").split()


class Archive:
    """One evidence.export, unpacked."""

    def __init__(self, agent, **args):
        answer = agent.get(kc.query("/api/evidence/export", **args))
        assert answer.status == 200, answer
        self.agent, self.bytes = agent, answer.body
        self.file = agent.dir / f"x{len(os.listdir(agent.dir))}.tar"
        self.file.write_bytes(self.bytes)
        with tarfile.open(self.file) as tar:
            self.names = tar.getnames()
            self.dir = agent.dir / self.names[0].split("/")[0]
            shutil.rmtree(self.dir, ignore_errors=True)
            tar.extractall(agent.dir)
        self.manifest = json.loads(self.read("manifest.json"))
        self.whole = agent.dir / (self.dir.name + ".whole")
        shutil.rmtree(self.whole, ignore_errors=True)
        shutil.copytree(self.dir, self.whole)

    def read(self, name):
        return (self.dir / name).read_bytes()

    def write(self, name, data):
        (self.dir / name).chmod(0o600)
        (self.dir / name).write_bytes(data)

    def restore(self):
        shutil.rmtree(self.dir)
        shutil.copytree(self.whole, self.dir)

    def artifact(self):
        return next(f["path"] for f in self.manifest["files"]
                    if f["path"].startswith("artifacts/"))

    def verify(self, *args):
        """The script's exit code and what it says."""
        tools = self.agent.dir / "tools"
        if not tools.exists():
            tools.mkdir()
            for name in PROGRAMS:
                (tools / name).symlink_to(shutil.which(name))
        done = subprocess.run(
            [str(tools / "sh"), str(self.dir / "verify.sh"), *args],
            env={"PATH": str(tools), "TMPDIR": str(self.agent.dir)},
            cwd="/", capture_output=True, text=True, timeout=60 * kc.SLOW)
        return done.returncode, done.stdout + done.stderr

    def good(self, *args):
        code, said = self.verify(*args)
        assert code == 0, said
        return said

    def bad(self, word, *args):
        code, said = self.verify(*args)
        assert code == 1 and "WRONG" in said and word in said, (word, said)

    def sign(self, text):
        """The note of text, by the agent's own key."""
        key = self.agent.home / "keys" / "journal.key"
        (self.agent.dir / "text").write_bytes(text)
        sig = subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin",
                              "-inkey", key, "-in", self.agent.dir / "text"],
                             check=True, capture_output=True).stdout
        name, key_id, _ = self.read("journal.vkey").decode().split("+", 2)
        line = base64.b64encode(bytes.fromhex(key_id) + sig)
        return text + b"\n\xe2\x80\x94 " + name.encode() + b" " + line + b"\n"

    def sign_again(self):
        """The manifest for what is there now: the liar has the key."""
        for file in self.manifest["files"]:
            file["sha256"] = hashlib.sha256(self.read(file["path"])) \
                .hexdigest()
        text = json.dumps(self.manifest).encode()
        self.write("manifest.json", text)
        self.write("manifest.note", self.sign(
            self.manifest["origin"].encode() + b"/evidence\n" +
            hashlib.sha256(text).hexdigest().encode() + b"\n"))


def store(agent, data, name="note.txt", **args):
    answer = agent.post(kc.query("/api/evidence", name=name, **args), data,
                        headers={"Content-Type": "application/octet-stream"})
    assert answer.status == 201, answer
    return answer.json


def filled(agent):
    """A task with two files."""
    task = agent.task()
    store(agent, b"one\n", "one.txt", task_id=task["id"])
    store(agent, os.urandom(100000), "two.bin", task_id=task["id"])
    return task


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


def test_an_archive_verifies_with_three_programs_and_nothing_else(agent):
    task = filled(agent)
    x = Archive(agent, task_id=task["id"])
    said = x.good()
    count = len(x.read("records.jsonl").splitlines())
    assert f"ok: {count} records, 2 artifacts" in said, said
    vkey = x.read("journal.vkey").decode().strip()
    assert vkey in said and "compare it" in said, said
    assert agent.get("/api/audit/key").body.decode().strip() == vkey
    assert "compare it" not in x.good("--key", vkey)
    kept = x.agent.dir / "kept.vkey"
    kept.write_text(vkey + "\n")
    assert "compare it" not in x.good("--key", str(kept))
    code, said = x.verify("--help")
    assert code == 2 and "usage" in said and "--key" in said, (code, said)
    assert len(x.read("verify.sh").splitlines()) <= 40
    lines = set(agent.lines())
    for line in x.read("records.jsonl").splitlines():
        assert line in lines
        seq = json.loads(line)["seq"]
        assert f"{x.dir.name}/proofs/{seq}.tlog-proof" in x.names
    for artifact in x.manifest["artifacts"]:
        data = x.read("artifacts/" + artifact["sha256"])
        assert hashlib.sha256(data).hexdigest() == artifact["sha256"]
        assert len(data) == artifact["size"]
    assert x.manifest["missing"] == [] and x.manifest["key"] == vkey


def test_each_tampering_is_named(agent):
    x = Archive(agent, task_id=filled(agent)["id"])
    art = x.artifact()
    last = json.loads(x.read("records.jsonl").splitlines()[-1])["seq"]
    proof = f"proofs/{last}.tlog-proof"
    cases = [
        (art, lambda b: flipped(b, 1), art),
        (art, lambda b: b + b"x", art),
        ("records.jsonl", lambda b: b.replace(b"one.txt", b"two.txt"),
         "records.jsonl"),
        ("records.jsonl", lambda b: b.split(b"\n", 1)[1], "records.jsonl"),
        (proof, lambda b: flipped(b, 60), proof),
        (proof, lambda b: b.replace(b"index ", b"index 1"), proof),
        ("checkpoint", lambda b: re.sub(rb"\n(\d+)\n", rb"\n1\1\n", b),
         "checkpoint"),
        ("manifest.json", lambda b: b.replace(b"one.txt", b"1ne.txt"),
         "manifest.json"),
        ("manifest.json", lambda b: b + b"\n", "manifest.json"),
        ("manifest.note", lambda b: flipped(b, len(b) - 20),
         "manifest.note"),
        ("manifest.note", lambda b: flipped(b, len(b) - 1), "manifest.note"),
        ("key.pem", lambda b: flipped(b, 40), "key.pem"),
        ("verify.sh", lambda b: b + b"# more\n", "verify.sh"),
    ]
    for name, change, word in cases:
        before = x.read(name)
        assert change(before) != before, name
        x.write(name, change(before))
        x.bad(word)
        x.write(name, before)
    x.good()
    for name in (art, "records.jsonl", proof, "checkpoint", "manifest.json",
                 "manifest.note", "key.pem"):
        (x.dir / name).unlink()
        code, said = x.verify()
        assert code, (name, said)
        x.restore()
    (x.dir / "artifacts" / ("0" * 64)).write_text("slipped in")
    x.bad("the manifest does not know it")
    print(f"      {len(cases) + 8} changes made, all found")


def test_another_key_is_found_by_who_knows_the_right_one(agent):
    other = kc.Agent()
    x = Archive(agent, task_id=filled(agent)["id"])
    forged = Archive(other, task_id=filled(other)["id"])
    own = x.read("journal.vkey").decode().strip()
    forged.good()
    forged.bad("--key", "--key", own)
    forged.bad("--key", "--key")
    x.write("journal.vkey", forged.read("journal.vkey"))
    x.bad("manifest.note")
    other.close()


def test_who_has_the_key_cannot_change_what_the_journal_has(agent):
    """The manifest is signed again after each change: only the tree and the
    records still tell."""
    x = Archive(agent, task_id=filled(agent)["id"])
    lines = x.read("records.jsonl").splitlines(keepends=True)
    seq = json.loads(lines[1])["seq"]
    x.sign_again()
    x.good()
    x.write("records.jsonl", b"".join(lines).replace(b"one.txt", b"two.txt"))
    x.sign_again()
    x.bad("the journal does not have it so")
    x.restore()
    x.write("records.jsonl", lines[0] + lines[1].replace(
        b'"seq":%d,' % seq, b'"seq":%d,' % json.loads(lines[2])["seq"]))
    x.sign_again()
    x.bad("the journal does not have it so")
    x.restore()
    name = f"proofs/{seq}.tlog-proof"
    proof = x.read(name).split(b"\n")
    for change in (proof[:2] + proof[3:],
                   proof[:2] + [proof[2]] + proof[2:],
                   [proof[0], b"index 0"] + proof[2:],
                   proof[:2] + [base64.b64encode(bytes(32))] + proof[3:]):
        x.write(name, b"\n".join(change))
        x.sign_again()
        x.bad(f"record {seq}: the journal does not have it so")
    x.restore()
    note = x.read("checkpoint")
    text = note.split(b"\n\n")[0] + b"\n"
    origin, size, root, _ = text.split(b"\n")
    for other in (b"\n".join([origin, b"%d" % (int(size) + 1), root, b""]),
                  b"\n".join([b"another", size, root, b""])):
        signed = x.sign(other)
        for file in list(x.manifest["files"]):
            if file["path"].startswith("proofs/"):
                x.write(file["path"],
                        x.read(file["path"]).replace(note, signed))
        x.write("checkpoint", signed)
        x.sign_again()
        code, said = x.verify()
        assert code == 1 and "WRONG" in said, said
        x.restore()
    sha = x.artifact().split("/")[1]
    fake = hashlib.sha256(b"another").hexdigest()
    x.write(f"artifacts/{sha}", b"another")
    (x.dir / "artifacts" / sha).rename(x.dir / "artifacts" / fake)
    x.manifest = json.loads(json.dumps(x.manifest).replace(sha, fake))
    x.sign_again()
    x.bad("no record has this artifact")


def test_what_is_missing_is_named_and_not_hidden(agent):
    task = filled(agent)
    items = agent.get(f"/api/evidence?task_id={task['id']}").json["items"]
    gone, bad = (i["sha256"] for i in items)
    assert agent.post(f"/api/evidence/{gone}/remove", {"reason": "a face"},
                      by="admin").status == 200
    file = agent.home / "evidence" / bad[:2] / bad
    file.chmod(0o600)
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    x = Archive(agent, task_id=task["id"])
    missing = {m["id"]: m for m in x.manifest["missing"]}
    assert missing[gone]["how"] == "removed", missing
    assert missing[gone]["removed"]["why"] == "a face", missing
    assert missing[bad]["how"] == "evidence_corrupt", missing
    assert not any("artifacts" in n for n in x.names), x.names
    said = x.good()
    assert f"missing: artifact {gone}: removed" in said, said
    assert f"missing: artifact {bad}: evidence_corrupt" in said, said


def test_a_run_is_exported_with_its_package_and_its_approval():
    agent = kc.Agent(start=False)
    agent.publisher(before="open('r.json', 'w').write('{}')\n"
                    "say(artifact={'name': 'r.json'})")
    agent.conf("policy.grace", "0s")
    agent.start()
    task = agent.task(side_effect_level="external_publish",
                      allow_external_publish=True, by="admin")
    asked = agent.execute("test.publish", "external_publish",
                          {"text": "hello"}, task, on_approval="run")
    assert asked.status == 202, asked
    run = asked.json["id"]
    approval = agent.get("/api/approvals?state=pending").json["items"][0]
    assert agent.approve(approval["id"]).status == 200
    kc.wait_for(lambda: agent.get(f"/api/runs/{run}").json["state"] ==
                "succeeded", what="the run")
    out = agent.dir / "run.tar"
    done = agent.console("evidence", "export", run, "-o", str(out))
    assert str(out) in done.stdout, done
    x = Archive(agent, run_id=run)
    names = {a["name"] for a in x.manifest["artifacts"]}
    assert names == {"r.json", "evidence.json"}, names
    package = agent.get(f"/api/runs/{run}").json["evidence_sha256"]
    assert x.manifest["runs"] == [{
        "id": run, "tool": "test.publish", "state": "succeeded",
        "approval_id": approval["id"], "evidence_sha256": package}]
    own = json.loads(x.read("artifacts/" + package))
    assert own["links"]["run"] == f"/api/runs/{run}", own
    assert own["approval_id"] == approval["id"], own
    types = {json.loads(line)["type"]
             for line in x.read("records.jsonl").splitlines()}
    assert {"approval_requested", "approval_granted", "approval_used",
            "tool_started", "tool_finished", "evidence_added"} <= types, types
    x.good()
    agent.close()


def test_the_console_exports_by_any_id(agent):
    agent.post("/api/evidence?name=x&correlation_id=c-of:mine", b"data",
               headers={"Content-Type": "application/octet-stream"})
    task = filled(agent)
    before = os.getcwd()
    os.chdir(agent.dir)
    try:
        for name, file in (("c-of:mine", "evidence-c-of_mine.tar"),
                           (task["id"], f"evidence-{task['id']}.tar")):
            agent.console("evidence", "export", name)
            with tarfile.open(agent.dir / file) as tar:
                assert f"{file[:-4]}/verify.sh" in tar.getnames()
    finally:
        os.chdir(before)
    done = agent.console("evidence", "export", "nothing-like-it",
                         check=False)
    assert done.returncode == 1 and "no record" in done.stderr, done
    refused(agent.get("/api/evidence/export"), 400, "invalid_request")
    refused(agent.get(f"/api/evidence/export?id=a&task_id={task['id']}"), 400,
            "invalid_request")
    refused(agent.get("/api/evidence/export?id=x", by=None), 401,
            "unauthenticated")


def test_the_same_evidence_gives_the_same_bytes():
    agent = kc.Agent(conf={"audit.checkpoint-interval": "1h"})
    task = filled(agent)
    first = Archive(agent, id=task["id"])
    again = Archive(agent, id=task["id"])
    assert first.bytes == again.bytes
    assert first.bytes[257:262] == b"ustar"
    agent.close()


def test_a_record_that_was_changed_on_disk_is_left_out_and_named():
    agent = kc.Agent()
    task = filled(agent)
    file, = (agent.home / "audit").glob("*.jsonl")
    data = file.read_bytes()
    at = data.index(b"one.txt")
    with open(file, "r+b") as f:
        f.seek(at)
        f.write(b"two.txt")
    seq = data[:at].count(b"\n") + 1
    x = Archive(agent, id=task["id"])
    assert {"what": "record", "id": str(seq), "how": "it was changed"} in \
        x.manifest["missing"], x.manifest["missing"]
    with open(file, "r+b") as f:
        f.seek(at)
        f.write(b"one.txt")
    agent.close()


kc.main(seconds=120)
