"""A disk without room: refused at once and without effect, started and
stopped all the same, and back by itself as soon as there is room."""
import time

import kc
from disks import MIB, fill, mounted, resize, unmount
from expect import refused


def until_full(agent):
    """Creates tasks until that is refused; the ids of those made."""
    made = []
    while True:
        answer = agent.post("/api/tasks", {"title": "t" * 200,
                                           "request_text": "r" * 20000})
        if answer.status != 201:
            refused(answer, 503, "audit_unavailable", retryable=True)
            return made
        made.append(answer.json["id"])
        assert len(made) < 10000


def is_full(agent, made):
    """Refused soon and for a reason, nothing happened, and reads answer."""
    took = []
    before = len(agent.journal("request", "task_created"))
    for n in range(20):
        began = time.monotonic()
        refused(agent.post("/api/tasks", {"title": "lost"}), 503,
                "audit_unavailable")
        nowhere = agent.get("/nowhere")
        refused(nowhere, 503, "audit_unavailable")
        assert "disk is full" in nowhere.json["detail"], nowhere
        took.append((time.monotonic() - began) / 2)
    print(f"      refused within {sorted(took)[10] * 1000:.1f} ms")
    read = agent.get("/api/tasks?limit=1")
    assert read.status == 200, read
    assert read.headers["kircerta-audit"] == "unavailable"
    assert not agent.get("/api/tasks?q=lost").json["items"]
    health = agent.get("/api/health").json
    row, = [r for r in health["components"] if r["name"] == "audit"]
    assert health["status"] == "failing" and row["status"] == "down", health
    assert "full" in row["detail"] and "since 20" in row["detail"], row
    for task in made[-3:]:
        assert agent.get(f"/api/tasks/{task}").status == 200
    assert len(agent.journal("request", "task_created")) == before


def goes_on(agent, began):
    kc.wait_for(lambda: agent.post("/api/tasks", {"title": "again"}).status
                == 201, 10, "room again")
    return time.monotonic() - began


def small_journal():
    """An agent whose journal alone has a disk of 1 MiB; or None."""
    agent = kc.Agent(start=False)
    audit = agent.home / "audit"
    audit.mkdir(exist_ok=True, mode=0o700)
    if mounted(audit, MIB):
        return agent
    print("      no file system may be mounted here")
    agent.close()
    return None


def test_a_full_disk_refuses_at_once_and_goes_on_with_room():
    agent = small_journal()
    if not agent:
        return
    audit = agent.home / "audit"
    try:
        agent.start()
        made = until_full(agent)
        assert made
        is_full(agent, made)
        for again in range(3):
            agent.stop()
            assert agent.cli("audit", "verify").returncode == 0
            agent.start()
            is_full(agent, made)
        resize(audit, 2 * MIB)
        took = goes_on(agent, time.monotonic())
        made += until_full(agent)
        agent.kill9()
        agent.start()
        is_full(agent, made)
        resize(audit, 3 * MIB)
        goes_on(agent, time.monotonic())
        assert agent.chained()
        kinds = [r["type"] for r in agent.journal("agent_started",
                                                  "agent_stopped")]
        assert kinds == ["agent_started", "agent_stopped"] * 3 + \
            ["agent_started"] * 2, kinds
        print(f"      {len(made)} tasks in a disk of 1 and 2 MiB, back "
              f"after {took:.2f} s")
        agent.stop()
    finally:
        if agent.running:
            agent.kill9()
        unmount(audit)
        agent.close()


TELLS = """
import pathlib
go, said = pathlib.Path(%r), 0
while not go.exists():
    said += 1
    say(progress=0.5, message=str(said))
    pathlib.Path(%r, call["run_id"]).write_text("x" * said)
    time.sleep(0.1)
result(ok=True)
"""


def test_what_runs_tell_does_not_take_the_room_of_their_end():
    agent = small_journal()
    if not agent:
        return
    try:
        said = agent.dir / "said"
        said.mkdir()
        agent.tool("test.tells", TELLS % (str(agent.dir / "go"), str(said)),
                   "read_only", {"text": {"type": "string"}}, "10m")
        agent.start()
        runs = [agent.execute("test.tells", "read_only",
                              {"text": "x" * 8000}).json["id"]
                for _ in range(4)]
        kc.wait_for(lambda: len(list(said.iterdir())) == len(runs))
        until_full(agent)
        before = {f: f.stat().st_size for f in said.iterdir()}
        kc.wait_for(lambda: all(f.stat().st_size > n + 60
                                for f, n in before.items()), 30)
        (agent.dir / "go").touch()
        for run in runs:
            kc.wait_for(lambda: agent.get(f"/api/runs/{run}").json["state"]
                        == "succeeded", what=f"the end of {run}")
        resize(agent.home / "audit", 2 * MIB)
        goes_on(agent, time.monotonic())
        assert agent.chained()
        agent.stop()
    finally:
        if agent.running:
            agent.kill9()
        unmount(agent.home / "audit")
        agent.close()


def test_it_stops_and_starts_on_a_disk_without_a_free_byte():
    agent = kc.Agent(start=False)
    if not mounted(agent.home, 32 * MIB):
        print("      no file system may be mounted here")
        return
    try:
        agent.cli("init")
        agent.start()
        task = agent.task("kept")
        reserve = agent.home / "audit" / "reserve"
        kc.wait_for(reserve.exists)
        kc.wait_for(lambda: reserve.stat().st_size == MIB)
        for again in range(2):
            filler = fill(agent.home)
            until_full(agent)
            agent.stop()
            assert not reserve.exists()
            agent.start()
            assert agent.get(f"/api/tasks/{task['id']}").json["title"] == \
                "kept"
            began = time.monotonic()
            filler.unlink()
            goes_on(agent, began)
            kc.wait_for(reserve.exists, what="the reserve")
        assert agent.chained()
        agent.stop()
        assert agent.cli("audit", "verify").returncode == 0
    finally:
        if agent.running:
            agent.kill9()
        unmount(agent.home)
        agent.close()


def test_it_goes_on_where_others_had_filled_the_disk():
    agent = kc.Agent(start=False)
    if not mounted(agent.home, 32 * MIB):
        print("      no file system may be mounted here")
        return
    try:
        agent.cli("init")
        agent.start()
        agent.task("makes the token")
        reserve = agent.home / "audit" / "reserve"
        kc.wait_for(lambda: reserve.exists() and
                    reserve.stat().st_size == MIB)
        for again in range(3):
            filler = fill(agent.home)
            until_full(agent)
            filler.unlink()
            goes_on(agent, time.monotonic())
        assert agent.chained()
        agent.stop()
    finally:
        if agent.running:
            agent.kill9()
        unmount(agent.home)
        agent.close()


kc.main()
