"""A journal that is an older copy, or another one, is not served from."""
import shutil

import kc


def used(agent, tasks=3):
    for n in range(tasks):
        agent.task(f"task {n}")
    agent.stop()
    return kc.unfilled(next((agent.home / "audit").glob("*.jsonl")))


def forget_index(agent):
    for file in agent.home.glob("index.db*"):
        file.unlink()


def refuses_to_start(agent, *words):
    try:
        agent.start()
    except AssertionError as why:
        assert all(word in str(why) for word in words), why
        return
    raise AssertionError("it started")


def test_a_journal_cut_behind_what_the_index_saw_is_noticed(fresh):
    journal = used(fresh)
    whole = journal.read_bytes()
    lines = whole.splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-2]))
    done = fresh.cli("audit", "verify", check=False)
    assert done.returncode == 6 and "not there any more" in done.stdout, done
    refuses_to_start(fresh, "index.db has seen record", "restore it")
    journal.write_bytes(whole)
    done = fresh.cli("audit", "verify")
    assert "the index agrees" in done.stdout, done
    fresh.start()


def test_a_journal_rewritten_as_a_whole_is_noticed(fresh):
    journal = used(fresh)
    other = kc.Agent()
    theirs = used(other, 6)
    whole = journal.read_bytes()
    shutil.copy(theirs, journal)
    done = fresh.cli("audit", "verify", check=False)
    assert done.returncode == 6, done
    refuses_to_start(fresh, "index.db has seen record")
    forget_index(fresh)
    refuses_to_start(fresh, "ssot.git", "restore the two")
    journal.write_bytes(whole)
    forget_index(fresh)         # it was rebuilt from what is not ours
    fresh.start()
    assert len(fresh.get("/api/tasks").json["items"]) == 3


kc.main()
