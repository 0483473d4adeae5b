"""Witnesses: they are shown every checkpoint, what they cosign is kept, and
what they do wrong harms nobody but themselves."""
import shutil
import time

import kc
import witnessing
from witnessing import Witness, cosigned

OFTEN = {"audit.checkpoint-records": "2", "audit.checkpoint-interval": "100ms"}


def new_agent():
    return kc.Agent(start=False, conf=OFTEN)


def note(agent):
    """The newest one; empty while there is none."""
    file = agent.home / "audit/checkpoint"
    return file.read_text() if file.exists() else "\n0\n\n\n"


def size(agent):
    return int(note(agent).split("\n")[1])


def row(agent, name="witness.w1"):
    return next(r for r in agent.get("/api/health", by="admin")
                .json["components"] if r["name"] == name)


def known(agent):
    """The size that the agent knows that the witness has seen."""
    file = agent.home / "seconds/witness.w1"
    return int(file.read_text().split()[0]) if file.exists() else 0


def begin(agent, witness, **conf):
    witness.knows(agent)
    for key, value in witness.conf(**conf).items():
        agent.conf(key, value)
    agent.start()


def witnessed(agent, witness):
    """Waits until the newest checkpoint is cosigned; its size."""
    def it_is():
        text = note(agent)
        return cosigned(text, witness.key.vkey) and \
            int(text.split("\n")[1])
    return kc.wait_for(it_is, what="cosigned")


def is_row(agent, code, status):
    kc.wait_for(lambda: row(agent).get("error_code") == code, what=code)
    shown = row(agent)
    assert shown["status"] == status and shown["remediation_hint"] and \
        shown["effect"] and shown["since"], shown
    return shown


def test_a_checkpoint_is_cosigned_and_the_next_one_proves_that_it_grew(fresh):
    with Witness() as w:
        begin(fresh, w)
        first = witnessed(fresh, w)
        fresh.task("more to say")
        kc.wait_for(lambda: size(fresh) > first)
        second = witnessed(fresh, w)
        assert second > first and w.asked[0][0] == 0, w.asked
        assert all(old == before[1] for before, (old, _) in
                   zip(w.asked, w.asked[1:])), w.asked
        shown = kc.wait_for(lambda: row(fresh)["size"] >= second and
                            row(fresh))
        assert shown["status"] == "ok" and "error_code" not in shown, shown
        vkey = (fresh.home / "keys/journal.vkey").read_text()
        assert witnessing.signed(note(fresh), vkey), "ours is still there"
        fresh.cli("audit", "verify", "--with-ssot")
        kept = fresh.home / "seconds/witness.w1.checkpoint"
        assert cosigned(kept.read_text(), w.key.vkey)
        fresh.cli("audit", "verify", "--since", kept)
        assert not [r for r in fresh.journal("checkpoint")
                    if "witness.test" in r["data"]["note"]]


def test_what_it_saw_is_remembered_over_a_start(fresh):
    with Witness() as w:
        begin(fresh, w)
        witnessed(fresh, w)
        kc.wait_for(lambda: known(fresh))
        fresh.kill9()
        last = known(fresh)
        del w.asked[:]
        fresh.start()
        fresh.task("after the start")
        kc.wait_for(lambda: size(fresh) > last)
        witnessed(fresh, w)
        assert w.asked[0][0] == last, (last, w.asked)


def test_a_size_that_only_the_witness_knows_is_proven_from(fresh):
    with Witness() as w:
        begin(fresh, w)
        witnessed(fresh, w)
        fresh.stop()
        shutil.rmtree(fresh.home / "seconds")
        del w.asked[:]
        before = size(fresh)
        fresh.start()
        fresh.task("one more")
        kc.wait_for(lambda: size(fresh) > before)
        witnessed(fresh, w)
        assert w.asked[0][0] == 0 and w.asked[1][0] > 0, w.asked
        # And one that has forgotten what it cosigned.
        before = size(fresh)
        w.logs.clear()
        del w.asked[:]
        fresh.task("yet one more")
        kc.wait_for(lambda: size(fresh) > before)
        witnessed(fresh, w)
        assert [old for old, _ in w.asked][:2][-1] == 0, w.asked


BAD = [("error", "witness_unreachable", "degraded"),
       ("unknown", "witness_unknown_log", "down"),
       ("untrusted", "witness_untrusted", "down"),
       ("wrong_key", "witness_bad_answer", "down"),
       ("other_name", "witness_bad_answer", "down"),
       ("other_text", "witness_bad_answer", "down"),
       ("junk", "witness_bad_answer", "down"),
       ("empty", "witness_bad_answer", "down"),
       ("huge", "witness_refused", "down"),
       ("same_size", "witness_bad_answer", "down"),
       ("no_size", "witness_bad_answer", "down"),
       ("fickle", "witness_bad_answer", "down"),
       ("redirect", "witness_unreachable", "degraded"),
       ("ahead", "witness_ahead", "down")]


def test_what_a_witness_does_wrong_is_told_and_nothing_of_it_kept(fresh):
    with Witness() as w:
        w.mode = BAD[0][0]
        begin(fresh, w)
        for mode, code, status in BAD:
            w.mode = mode
            before = len(w.asked)
            # Twice: then what it answered first was judged.
            kc.wait_for(lambda: row(fresh) and len(w.asked) > before + 1)
            shown = is_row(fresh, code, status)
            assert "\x1b" not in shown["detail"], shown
            assert w.key.name not in note(fresh), (mode, note(fresh))
        told = [r["data"]["error_code"] for r in fresh.journal("degraded")]
        assert {code for _, code, _ in BAD} <= set(told), told
        w.mode = None
        fresh.task("it works again")
        witnessed(fresh, w)
        kc.wait_for(lambda: row(fresh)["status"] == "ok")
        kc.wait_for(lambda: fresh.journal("recovered"))


def test_a_witness_that_hangs_keeps_nobody_waiting(fresh):
    with Witness() as w:
        w.mode = "hang"
        begin(fresh, w, timeout="10m")
        kc.wait_for(lambda: w.asked)
        began = time.monotonic()
        for n in range(5):
            fresh.task(f"meanwhile {n}")
        assert w.mode == "hang" and len(w.asked) == 1, w.asked
        fresh.stop()
        assert time.monotonic() - began < 30 * kc.SLOW, "it waited"
        fresh.start()
        fresh.conf("witness.w1.timeout", "1s")
        fresh.restart()
        kc.wait_for(lambda: row(fresh).get("error_code") in
                    ("witness_unreachable", "timed_out"))
        assert row(fresh)["status"] == "degraded", row(fresh)


def test_a_journal_that_was_replaced_is_contradicted(fresh):
    """Signed by the same key, whole, and yet not what was shown."""
    with Witness() as w:
        begin(fresh, w)
        witnessed(fresh, w)
        fresh.stop()
        (origin, (last, _)), = w.logs.items()
        w.logs[origin] = last, b"\0" * 32
        fresh.start()
        fresh.task("what the witness saw was something else")
        is_row(fresh, "witness_contradicts", "down")
        assert fresh.get("/api/health", by=None).json["status"] == "degraded"


kc.main(new_agent=new_agent)
