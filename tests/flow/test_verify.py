"""`audit verify` offline: on copies, against signed checkpoints, with keys
that somebody kept; which record it is, and how."""
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import kc
import notes

KEY = notes.Key()
OTHER = notes.Key()
BASE = Path(tempfile.mkdtemp(prefix="kc-verify-"))


def verify(where, *options):
    """(exit code, what it says, the problems of --json)."""
    done = [subprocess.run(
        [kc.BUILD / "kircerta-agent", "audit", "verify", where, *options,
         *more], capture_output=True, text=True, timeout=60)
        for more in ([], ["--json"])]
    assert done[0].returncode == done[1].returncode, done
    said = done[0].stdout + done[0].stderr
    if done[0].returncode not in (0, 6):
        return done[0].returncode, said, None
    report = json.loads(done[1].stdout)
    assert report["ok"] == (done[0].returncode == 0) == \
        ("NOT OK" not in said), said
    return done[0].returncode, said, report


def place(lines, cuts=(1,), **files):
    return notes.folder(Path(tempfile.mkdtemp(dir=BASE)), lines, cuts,
                        **files)


def compress(where, *options):
    return subprocess.run([kc.BUILD / "kircerta-agent", "audit", "compress",
                           where, *options], capture_output=True, text=True,
                          timeout=60)


def kept(note):
    file = Path(tempfile.mkdtemp(dir=BASE)) / "kept"
    file.write_text(note)
    return file


def whats(report):
    return [p["what"] for p in report["problems"]]


def test_a_copy_is_checked_wherever_it_lies(agent):
    agent.task("one")
    agent.stop()
    key = notes.Key.of(agent)
    (agent.home / "audit/checkpoint").write_text(key.checkpoint(agent.lines()))
    size = len(agent.lines())
    copy = BASE / "bare"
    shutil.copytree(agent.home / "audit", copy)
    whole = BASE / "whole"
    shutil.copytree(agent.home, whole)
    whole.chmod(0o755)
    for where in (agent.home, agent.home / "audit", whole, whole / "audit"):
        code, said, report = verify(where)
        assert code == 0 and f"ok: {size} records" in said, said
        assert "found in" in said and "vouches for nothing" in said, said
        assert report["checkpoint"] | {"signed": True, "agrees": True,
                                       "size": size} == report["checkpoint"]
        assert report["root"] == notes.b64(notes.root(agent.lines()))
        assert report["key"]["vkey"] == key.vkey, report
    code, said, report = verify(copy)
    assert code == 0 and "no signature was checked" in said, said
    assert report["checkpoint"]["agrees"] and report["key"] is None
    assert report["checkpoint"]["signed"] is False
    (copy / "journal.vkey").write_text(key.vkey + "\n")
    assert verify(copy)[2]["checkpoint"]["signed"] is True
    for bad in (BASE / "nowhere", BASE):
        code, said, _ = verify(bad)
        assert code == 1 and str(bad) in said, said
    agent.start()


def test_it_may_be_asked_while_the_agent_works(agent):
    for n in range(20):
        agent.task(f"meanwhile {n}")
        code, said, _ = verify(agent.home)
        assert code == 0, said


GOOD = notes.journal(23)
EDITED = notes.journal(23, r9={"data": {"n": -9}})
ATTACKS = {  # how: (the lines, from which record on it is told, what)
    "edited": (EDITED, (1, 20), "root_differs"),
    "first edited": (notes.journal(23, r1={"task": "t-x"}), (1, 20),
                     "root_differs"),
    "one lost": (notes.relink(GOOD[:4] + GOOD[5:]), (1, 20), "root_differs"),
    "one added": (notes.relink(GOOD[:7] + [GOOD[2]] + GOOD[7:]), (1, 20),
                  "root_differs"),
    "two swapped": (notes.relink(GOOD[:7] + [GOOD[8], GOOD[7]] + GOOD[9:]),
                    (1, 20), "root_differs"),
    "end lost": (GOOD[:17], (18, 20), "records_missing"),
    "end changed": (notes.journal(23, r20={"data": {}}), (1, 20),
                    "root_differs"),
    "another journal": (notes.journal(20, r1={"kind": "other"}), (1, 20),
                        "root_differs"),
    "all lost but one": (GOOD[:1], (2, 20), "records_missing"),
}


def test_who_kept_a_checkpoint_is_told_of_every_change_before_it():
    since = kept(KEY.checkpoint(GOOD[:20]))
    for lines in (GOOD[:20], GOOD):
        code, said, report = verify(place(lines), "--since", since, "--key",
                                    KEY.vkey)
        assert code == 0 and report["since"]["agrees"], said
        assert report["uncovered"] == (
            {"from": 21, "to": 23} if len(lines) > 20 else None), said
    assert "20 records, signed by " + notes.ORIGIN in said, said
    for how, (lines, (first, last), what) in ATTACKS.items():
        code, said, report = verify(place(lines), "--since", since, "--key",
                                    KEY.vkey)
        assert code == 6 and whats(report) == [what], (how, said)
        problem = report["problems"][0]
        assert (problem["from"], problem["to"]) == (first, last), (how, said)
    # What came after it is not vouched for.
    assert verify(place(notes.journal(23, r21={"data": {}})),
                  "--since", since)[0] == 0
    print(f"      {len(ATTACKS)} journals with all links right, all told")


def test_the_checkpoint_beside_the_journal_tells_the_same():
    note = KEY.checkpoint(GOOD[:20])
    for how, (lines, span, what) in ATTACKS.items():
        code, said, report = verify(place(lines, checkpoint=note,
                                          **{"journal.vkey": KEY.vkey}))
        assert code == 6 and whats(report) == [what], (how, said)
    early, late = KEY.checkpoint(GOOD[:6]), KEY.checkpoint(GOOD)
    code, said, report = verify(place(EDITED, checkpoint=late),
                                "--since", kept(early), "--key", KEY.vkey)
    assert code == 6 and report["since"]["agrees"], said
    assert "records 1 to 6 are as signed, of records 7 to 23" in said, said


def test_a_checkpoint_on_the_record_is_held_against_what_is_before_it():
    def whole(**at):
        first = notes.journal(30, **at)
        size = len(first) - 2
        first.append(notes.line(31, first[-1], "checkpoint", {
            "size": size, "root": notes.b64(notes.root(GOOD30[:size])),
            "note": KEY.checkpoint(GOOD30[:size])}))
        for seq in range(32, 40):
            first.append(notes.line(seq, first[-1]))
        return first

    GOOD30 = notes.journal(30)
    vkey = {"journal.vkey": KEY.vkey}
    code, said, report = verify(place(whole(), **vkey))
    assert code == 0 and report["recorded"] == {"count": 1, "agree": 1}, said
    code, said, report = verify(place(whole(r5={"task": "t-x"}), **vkey))
    assert code == 6 and "checkpoint on record 31 signs another" in said, said
    code, said, report = verify(place(whole(r5={"task": "t-x"})))
    assert code == 6, said
    # Signed by somebody else, or an older file beside it.
    code, said, report = verify(place(whole()), "--key", OTHER.vkey)
    assert code == 6 and whats(report) == ["checkpoint_signature"], said
    home = place(whole(), checkpoint=KEY.checkpoint(GOOD30[:9]), tokens="",
                 **vkey)
    code, said, report = verify(home)
    assert code == 6 and whats(report) == ["checkpoint_old"], said
    (home / "checkpoint").unlink()
    code, said, report = verify(home)
    assert code == 6 and whats(report) == ["checkpoint_missing"], said


def test_the_tree_of_the_agent_names_the_record():
    def leaves(lines):
        return b"".join(bytes.fromhex(kc.leaf(x)) for x in lines)

    note = KEY.checkpoint(GOOD)
    code, said, report = verify(place(GOOD, **{"tree/0": leaves(GOOD)}))
    assert code == 0, said
    code, said, report = verify(place(EDITED, checkpoint=note,
                                      **{"tree/0": leaves(GOOD)}))
    assert code == 6 and whats(report) == ["root_differs"], said
    assert (report["problems"][0]["from"], report["problems"][0]["to"]) == \
        (9, 9) and "record 9 is not the one" in said, said
    code, said, report = verify(place(EDITED, **{"tree/0": leaves(GOOD)}))
    assert code == 6 and whats(report) == ["record_changed"], said
    code, said, report = verify(place(GOOD, checkpoint=note,
                                      **{"tree/0": leaves(EDITED)}))
    assert code == 6 and whats(report) == ["tree_damaged"], said
    code, said, report = verify(place(GOOD[:20], **{"tree/0": leaves(GOOD)}))
    assert code == 6 and whats(report) == ["records_missing"], said


def test_a_signature_counts_only_by_the_key_and_the_name():
    note = KEY.checkpoint(GOOD)
    where = place(GOOD, checkpoint=note)
    file = kept(KEY.vkey + "\n")
    for key in (KEY.vkey, file):
        code, said, report = verify(where, "--key", key)
        assert code == 0 and report["checkpoint"]["signed"], said
        assert "vouches for nothing" not in said, said
    for key, what in ((OTHER.vkey, "checkpoint_signature"),
                      (notes.Key("else.example").vkey, "checkpoint_origin")):
        code, said, report = verify(where, "--key", key)
        assert code == 6 and whats(report) == [what], said
    for key in ("nonsense", KEY.vkey[:-2], BASE / "nowhere"):
        assert verify(where, "--key", key)[0] == 1, key
    assert verify(where, "--since", BASE / "nowhere")[0] == 1
    foreign = KEY.checkpoint(GOOD, origin="else.example")
    assert verify(place(GOOD, checkpoint=foreign), "--key",
                  KEY.vkey)[0] == 6


def test_a_key_that_was_given_wants_to_be_found():
    for lines in (GOOD, EDITED, GOOD[:1]):
        code, said, report = verify(place(lines), "--key", KEY.vkey)
        assert code == 6 and whats(report) == ["unsigned"], said
        assert report["problems"][0]["to"] == len(lines), said
    assert verify(place(GOOD))[0] == 0
    assert verify(place(GOOD), "--key", KEY.vkey, "--since",
                  kept(KEY.checkpoint(GOOD[:9])))[0] == 0


def test_no_changed_byte_of_a_checkpoint_passes():
    note = KEY.checkpoint(GOOD).encode()
    where = place(GOOD, **{"journal.vkey": KEY.vkey})
    file = where / "checkpoint"
    for place_of in range(len(note)):
        bad = bytearray(note)
        bad[place_of] ^= 1 << place_of % 8
        file.write_bytes(bad)
        done = subprocess.run([kc.BUILD / "kircerta-agent", "audit", "verify",
                               where], capture_output=True)
        assert done.returncode == 6, (place_of, bad, done.stdout)
    for end in range(len(note)):
        file.write_bytes(note[:end])
        done = subprocess.run([kc.BUILD / "kircerta-agent", "audit", "verify",
                               where], capture_output=True)
        assert done.returncode == 6, (end, done.stdout)
    print(f"      {2 * len(note)} notes changed or cut, all told")


CUTS = (1, 4, 5, 13, 21)


def files_of(where):
    return [f.name[18:] for f in sorted(where.glob("*.jsonl*"))]


def test_segments_and_compressed_ones_are_one_journal():
    vouched = {"checkpoint": KEY.checkpoint(GOOD), "journal.vkey": KEY.vkey}
    where = place(GOOD, CUTS, **vouched)
    whole = verify(place(GOOD, **vouched))[2] | {"segments": len(CUTS)}
    for keep, names in (("2", ["01.jsonl.zst", "04.jsonl.zst", "05.jsonl",
                               "13.jsonl", "21.jsonl"]),
                        ("0", ["01.jsonl.zst", "04.jsonl.zst",
                               "05.jsonl.zst", "13.jsonl.zst", "21.jsonl"])):
        code, said, report = verify(where)
        assert code == 0 and report["root"] == whole["root"], said
        for same in ("records", "bytes", "head", "segments", "recorded"):
            assert report[same] == whole[same], (same, report)
        done = compress(where, "--keep", keep)
        assert done.returncode == 0, done
        assert files_of(where) == names, (keep, files_of(where))
        done = subprocess.run([kc.BUILD / "kircerta-agent", "audit", "export",
                               where], capture_output=True)
        assert done.stdout.splitlines() == GOOD, done
    plain = subprocess.run(
        f"zstd -dcq {where}/*.zst | cat - {where}/*.jsonl", shell=True,
        capture_output=True, check=True).stdout
    assert plain.splitlines() == GOOD
    for how, (lines, _, what) in ATTACKS.items():
        other = place(lines, [c for c in CUTS if c <= len(lines)],
                      checkpoint=KEY.checkpoint(GOOD[:20]))
        assert compress(other).returncode == 0
        code, said, report = verify(other)
        assert code == 6 and whats(report) == [what], (how, said)
    for bad in (["--keep"], ["--keep", "x"], ["--keep", "-1"], ["a", "b"]):
        assert compress(where, *bad).returncode == 2, bad


def test_what_was_done_to_a_segment_is_told_with_its_name():
    def seg(where, first):
        file, = where.glob(f"{first:020}.jsonl*")
        return file

    def spoil(where, first, change):
        file = seg(where, first)
        file.write_bytes(change(file.read_bytes()))

    def flip(raw):
        at = len(raw) // 3
        return raw[:at] + bytes([raw[at] ^ 4]) + raw[at + 1:]

    def swap(where):
        a, b = seg(where, 4), seg(where, 13)
        keep = a.read_bytes()
        a.write_bytes(b.read_bytes())
        b.write_bytes(keep)

    attacks = {
        "flipped": lambda w: spoil(w, 5, flip),
        "cut": lambda w: spoil(w, 5, lambda raw: raw[:-40]),
        "emptied": lambda w: spoil(w, 5, lambda raw: b""),
        "gone": lambda w: seg(w, 5).unlink(),
        "first gone": lambda w: seg(w, 1).unlink(),
        "swapped": swap,
        "misnamed": lambda w: seg(w, 5).rename(
            w / seg(w, 5).name.replace("05.", "06.")),
        "doubled": lambda w: shutil.copy(
            seg(w, 5), w / seg(w, 5).name.replace("05.", "09.")),
        "foreign": lambda w: (w / "notes.jsonl").write_text("{}\n"),
    }
    count = 0
    for packed in (False, True):
        for how, attack in attacks.items():
            where = place(GOOD, CUTS)
            assert not packed or compress(where).returncode == 0
            attack(where)
            code, said, report = verify(where)
            assert code == (1 if how == "foreign" else 6), (how, said)
            assert "NOT OK: record" in said or "notes.jsonl" in said, \
                (how, said)
            if report:
                assert report["bad_file"] in [
                    f.name for f in where.iterdir()] and report["bad"], \
                    (how, report)
            count += 1
    print(f"      {count} attacks on segments, all told")


def test_a_working_agent_goes_on_over_what_was_compressed(fresh):
    fresh.stop()
    fresh.conf("audit.segment-size", "64k")
    fresh.start()
    first = fresh.task("in the first segment")
    audit = fresh.home / "audit"
    while len(list(audit.glob("*.jsonl"))) < 4:
        fresh.task("filler", criteria=("x" * 3000,) * 3)
    before = fresh.get(f"/api/audit?task_id={first['id']}").json["items"]
    assert before
    done = compress(fresh.home)
    assert done.returncode == 0, done
    packed = len(list(audit.glob("*.jsonl.zst")))
    assert packed >= 3, files_of(audit)
    assert verify(fresh.home)[0] == 0, verify(fresh.home)
    assert fresh.get(f"/api/audit?task_id={first['id']}"
                     ).json["items"][:len(before)] == before
    fresh.restart()
    assert fresh.get(f"/api/audit?task_id={first['id']}"
                     ).json["items"][:len(before)] == before
    code, said, report = verify(fresh.home, "--with-ssot")
    assert code == 0 and report["recorded"]["count"], said
    copy = BASE / "running"
    shutil.copytree(fresh.home / "audit", copy)
    code, said, report = verify(copy, "--key", fresh.home /
                                "keys/journal.vkey")
    assert code == 0 and report["checkpoint"]["signed"], said


try:
    kc.main()
finally:
    shutil.rmtree(BASE)
