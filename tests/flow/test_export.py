"""`audit export` and `audit checkpoint`: the exact lines, and a table that
no spreadsheet takes for formulas."""
import csv
import io
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import kc
import notes

BASE = Path(tempfile.mkdtemp(prefix="kc-export-"))
ODD = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", 'say "hi", you', "a\nb",
       "ä\u202eß", "'quoted", "", "\u0001", "x" * 3000]
LINES = notes.journal(40, **{
    f"r{n}": {"task": f"t-{n % 3}" if n % 4 else None} for n in range(1, 20)
} | {f"r{20 + n}": {"task": text, "data": {"=x": text}}
     for n, text in enumerate(ODD)})
PLACE = notes.folder(BASE / "j", LINES)


def export(*options, where=PLACE, code=0, **kw):
    done = subprocess.run([kc.BUILD / "kircerta-agent", "audit", "export",
                           where, *options], capture_output=True, timeout=60,
                          **kw)
    assert done.returncode == code, done
    return done.stdout


def text(lines):
    return b"".join(line + b"\n" for line in lines)


def test_jsonl_is_the_lines_byte_for_byte():
    assert export() == text(LINES) == export("--format", "jsonl")
    at = [json.loads(line)["ts"] for line in LINES]
    assert export("--since", at[9]) == text(LINES[9:])
    assert export("--until", at[9]) == text(LINES[:10])
    assert export("--since", at[4], "--until", at[9]) == text(LINES[4:10])
    assert export("--since", "1h") == b"" == export("--until", "2020-01-01T"
                                                    "00:00:00Z")
    for task in ["t-1", "t-2", "nobody's", *ODD]:
        assert export("--task", task) == text(
            [x for x in LINES if json.loads(x)["task_id"] == task]), task


def test_csv_reads_back_and_holds_no_formula():
    raw = export("--format", "csv").decode()
    assert raw.count("\r\n") == len(LINES) + 1
    rows = list(csv.reader(io.StringIO(raw, newline=""), strict=True))
    names = rows.pop(0)
    assert names[0] == "seq" and names[-1] == "leaf"
    assert len(rows) == len(LINES)
    for line, row in zip(LINES, rows):
        want, got = json.loads(line), dict(zip(names, row))
        assert not any(cell[:1] in list("=+-@\t\r") for cell in row), row
        assert got.pop("leaf") == kc.leaf(line)
        assert json.loads(got.pop("data")) == want["data"]
        for name, cell in got.items():
            plain = "" if want[name] is None else str(want[name])
            assert cell == ("'" if plain[:1] in list("=+-@\t\r") and plain
                            else "") + plain, (name, cell)


def test_a_record_that_is_wrong_ends_it():
    lines = list(LINES)
    lines[20] = lines[20].replace(b"tester", b"testor")
    where = notes.folder(BASE / "bad", lines)
    out = export(where=where, code=6)
    assert out == text(lines[:21]), out[-300:]
    for bad in (["--since", "then"], ["--format", "xml"], ["--task"],
                ["--no", "x"], ["another"]):
        export(*bad, code=2)
    with open("/dev/full", "wb") as full:
        done = subprocess.run([kc.BUILD / "kircerta-agent", "audit", "export",
                               PLACE], stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1 and b"space" in done.stderr, done


def test_it_may_be_asked_while_the_agent_works(agent):
    task = agent.task("=exported")
    before = agent.lines()
    assert export(where=agent.home).startswith(text(before))
    mine = export("--task", task["id"], where=agent.home)
    assert mine and mine == text([x for x in before if
                                  json.loads(x)["task_id"] == task["id"]])


def test_the_newest_checkpoint_is_printed(agent):
    def checkpoint(where):
        return subprocess.run([kc.BUILD / "kircerta-agent", "audit",
                               "checkpoint", where], capture_output=True,
                              text=True)

    note = notes.Key().checkpoint(LINES)
    (PLACE / "checkpoint").write_text(note)
    done = checkpoint(PLACE)
    assert (done.returncode, done.stdout) == (0, note), done
    for bad in ("", note[:-1], "x\n" + note[:30]):
        (PLACE / "checkpoint").write_text(bad)
        done = checkpoint(PLACE)
        assert (done.returncode, done.stdout) == (1, ""), (bad, done)
    (PLACE / "checkpoint").unlink()
    done = checkpoint(PLACE)
    assert done.returncode == 1 and "while it runs" in done.stderr, done


try:
    kc.main()
finally:
    shutil.rmtree(BASE)
