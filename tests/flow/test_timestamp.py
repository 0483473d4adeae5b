"""Time stamps of the checkpoints: verified by openssl, refused where anything
about them is not as it was asked for."""
import json
import subprocess
import time

import kc
from stamping import Authority, openssl


def new_agent():
    return kc.Agent(start=False, conf={
        "audit.checkpoint-records": "2",
        "audit.checkpoint-interval": "100ms"})


def begin(agent, authority, **more):
    for key, value in authority.conf(**more).items():
        agent.conf(key, value)
    agent.start()


def row(agent):
    return next(r for r in agent.get("/api/health", by="admin")
                .json["components"] if r["name"] == "timestamp")


def stamps(agent, ext):
    """Records of stored files of this kind, oldest first."""
    return [r["data"] for r in agent.journal("evidence_added")
            if r["data"]["name"].endswith(ext)]


def file_of(agent, data):
    answer = agent.get("/api/evidence/" + data["sha256"], by="admin")
    assert answer.status == 200, answer
    file = agent.dir / data["name"]
    file.write_bytes(answer.body)
    return file


def test_a_checkpoint_is_stamped_and_openssl_agrees(fresh):
    with Authority() as tsa:
        begin(fresh, tsa)
        kc.wait_for(lambda: stamps(fresh, ".tsr"))
        note, reply = stamps(fresh, ".txt")[0], stamps(fresh, ".tsr")[0]
        said = openssl("ts", "-verify", "-data", file_of(fresh, note), "-in",
                       file_of(fresh, reply), "-CAfile", tsa.ca)
        assert b"Verification: OK" in said.stdout + said.stderr, said
        text = file_of(fresh, note).read_text()
        assert int(text.split("\n")[1]) == reply["checkpoint"], text
        assert text in [r["data"]["note"] for r in
                        fresh.journal("checkpoint")], text
        assert reply["policy"] == "1.2.3.4.1" and reply["serial"], reply
        assert abs(time.mktime(time.strptime(
            reply["time"], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone
            - time.time()) < 600, reply
        shown = kc.wait_for(lambda: row(fresh)["size"] and row(fresh))
        assert shown["status"] == "ok", shown
        # Once in a day is what was asked for, over a start too.
        fresh.task("another checkpoint")
        fresh.restart()
        fresh.task("and another")
        fresh.stop()
        assert tsa.asked == 1 and len(stamps(fresh, ".tsr")) == 1


def test_it_is_stamped_again_when_the_time_has_come(fresh):
    with Authority() as tsa:
        begin(fresh, tsa, every="1s")
        kc.wait_for(lambda: len(stamps(fresh, ".tsr")) >= 2, 30)
        sizes = [s["checkpoint"] for s in stamps(fresh, ".tsr")]
        assert sizes == sorted(set(sizes)), sizes


BAD = [("error", "timestamp_unreachable", "it answered 503"),
       ("junk", "timestamp_bad", "no time stamp reply"),
       ("empty", "timestamp_bad", "no time stamp reply"),
       ("other_bytes", "timestamp_bad", "imprint mismatch"),
       ("other_nonce", "timestamp_bad", "nonce mismatch"),
       ("no_nonce", "timestamp_bad", "nonce"),
       ("not_granted", "timestamp_refused", "policy is not supported"),
       ("other_policy", "timestamp_bad", "policy mismatch"),
       ("changed", "timestamp_bad", "signature failure"),
       ("expired", "timestamp_bad", "has expired"),
       ("other_ca", "timestamp_bad", "local issuer")]


def asked(authority, digest, **more):
    """What the program says, started as the agent starts it."""
    done = subprocess.run(
        [kc.BUILD / "tools/timestamp", "stamp"], capture_output=True,
        text=True, timeout=60 * kc.SLOW, input=json.dumps(
            {"v": 1, "timeout_s": 20, "args": {
                "url": authority.url, "sha256": digest,
                "ca_file": str(authority.ca)} | more}))
    return json.loads(done.stdout), done.returncode


def make_bad(tsa):
    tsa.make("expired", "ca", "stamps", "-days", "-1")
    tsa.make_ca("other")
    tsa.make("stranger", "other", "stamps")


def test_what_is_no_stamp_of_these_bytes_is_refused():
    with Authority() as tsa:
        make_bad(tsa)
        for mode, code, why in BAD:
            tsa.mode = mode
            said, status = asked(tsa, "ab" * 32, policy="1.2.3.4.5"
                                 if mode == "other_policy" else None)
            assert status == 1 and said["error"]["error_code"] == code and \
                said["error"]["remediation_hint"], (mode, said)
            assert why in said["error"]["detail"], (mode, said)
        tsa.mode = None
        said, status = asked(tsa, "ab" * 32, policy="1.2.3.4.5")
        assert status == 0 and said["result"]["policy"] == "1.2.3.4.5", said
        said, status = asked(tsa, "ab" * 32, policy="1.2.9")
        assert said["error"]["error_code"] == "timestamp_refused", said
        said, status = asked(tsa, "ab" * 32, ca_file="/nonexistent")
        assert said["error"]["error_code"] == "timestamp_not_configured", said
        for args in ({"sha256": "x"}, {"policy": "p"}, {"url": "http://h/"}):
            said, status = asked(tsa, "ab" * 32, **args)
            assert said["error"]["error_code"] == "invalid_args", (args, said)


def test_trouble_is_told_and_over_when_it_is_good(fresh):
    with Authority() as tsa:
        make_bad(tsa)
        tsa.mode = "other_ca"
        begin(fresh, tsa)
        kc.wait_for(lambda: row(fresh).get("error_code") == "timestamp_bad")
        shown = row(fresh)
        assert shown["status"] == "down" and shown["effect"], shown
        assert not stamps(fresh, ".tsr") and not stamps(fresh, ".txt")
        tsa.mode = None
        fresh.task("a new checkpoint")
        kc.wait_for(lambda: stamps(fresh, ".tsr"))
        kc.wait_for(lambda: row(fresh)["status"] == "ok")
        kc.wait_for(lambda: fresh.journal("recovered"))


def test_an_authority_that_hangs_keeps_nobody_waiting(fresh):
    with Authority() as tsa:
        tsa.mode = "hang"
        begin(fresh, tsa, timeout="10m")
        kc.wait_for(lambda: tsa.asked)
        fresh.task("meanwhile")
        began = time.monotonic()
        fresh.stop()
        assert time.monotonic() - began < 20 * kc.SLOW


kc.main(new_agent=new_agent)
