"""What the agent gives up, tried from inside a tool: each call really made,
each path really written to, and refused by the kernel."""
import ctypes
import json
import os
import pwd
import shutil
import subprocess
from pathlib import Path

import kc

ROOT = os.geteuid() == 0
EPERM, ENOSYS = 1, 38

# Calls that fail otherwise than with EPERM, or do not, where nobody refuses
# them to root: by number on x86-64, with arguments that do no harm.
CALLS = {
    "ptrace": (101, 0, 0, 0, 0), "process_vm_readv": (310, 1, 0, 0, 0, 0, 0),
    "process_vm_writev": (311, 1, 0, 0, 0, 0, 0), "kcmp": (312, 1, 1, 99, 0),
    "mount": (165, 0, 0, 0, 0, 0), "umount2": (166, 0, 0), "chroot": (161, 0),
    "pivot_root": (155, 0, 0), "unshare": (272, 0), "setns": (308, -1, 0),
    "open_by_handle_at": (304, -1, 0, 0), "fsopen": (430, 0, 0),
    "open_tree": (428, -1, 0, 0), "mount_setattr": (442, -1, 0, 0, 0, 0),
    "bpf": (321, 99, 0, 0), "kexec_load": (246, 0, 0, 0, 99),
    "init_module": (175, 0, 0, 0), "finit_module": (313, -1, 0, 0),
    "delete_module": (176, 0, 0), "perf_event_open": (298, 0, 0, -1, -1, 0),
    "userfaultfd": (323, 99), "io_uring_setup": (425, 0, 0),
    "io_uring_enter": (426, -1, 0, 0, 0, 0), "keyctl": (250, 0, -1, 0),
    "add_key": (248, 0, 0, 0, 0, 0), "request_key": (249, 0, 0, 0, 0),
    "clock_settime": (227, 99, 0), "settimeofday": (164, 0, 0),
    "reboot": (169, 0, 0, 0, 0), "swapon": (167, 0, 0), "swapoff": (168, 0),
    "acct": (163, 1), "sethostname": (170, 0, -1), "syslog": (103, 99, 0, 0),
    "iopl": (172, 99), "pidfd_getfd": (438, -1, -1, 0),
    "ioctl TIOCSTI": (16, -1, 0x5412, 0),
    "ioctl TIOCSTI, high bits": (16, -1, 0x1_0000_5412, 0),
    "clone NEWUSER": (56, 0x10000000 | 0x200, 0, 0, 0, 0),
    "clone NEWNS": (56, 0x20000 | 0x200, 0, 0, 0, 0),
    "32 bit ptrace, by x32": (0x40000000 | 521, 0, 0, 0, 0),
}

TRIES = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
libc.syscall.argtypes = [ctypes.c_long] * 7
def call_errno(number, *given):
    ctypes.set_errno(0)
    back = libc.syscall(number, *(list(given) + [0] * 6)[:6])
    if number == 56 and back == 0:
        os._exit(9)
    return ctypes.get_errno() if back < 0 else 0
found = {name: call_errno(*args) for name, args in %r.items()}
found["clone3"] = call_errno(435, 0, 0)
def tried(what):
    try:
        what()
    except OSError as e:
        return e.errno
    return 0
def write(path):
    return tried(lambda: open(path, "w").write("x"))
found["signal to the agent"] = tried(lambda: os.kill(%d, 0))
found["signal to its guard"] = tried(lambda: os.kill(os.getppid(), 0))
found["signal to itself"] = tried(lambda: os.kill(os.getpid(), 0))
found["write"] = {p: write(p) for p in %r}
found["rename"] = tried(lambda: os.rename(%r, %r))
found["remove"] = tried(lambda: os.unlink(%r))
found["read"] = tried(lambda: open("/etc/passwd").read())
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
found["status"] = {k: status[k].strip() for k in
                   ("NoNewPrivs", "Seccomp", "Uid", "CapEff")}
result(**found)
"""


def level(agent):
    """As it is on the record; the health row says the same."""
    reached = agent.journal("agent_started")[-1]["data"]["sandbox"]
    row, = [r for r in agent.get("/api/health").json["components"]
            if r["name"] == "sandbox"]
    assert row["status"] == "ok" and json.loads(row["detail"]) == reached, row
    return reached


def tries(agent, paths=(), mine="/nowhere", other="/nowhere"):
    agent.tool("test.tries", TRIES % (
        CALLS, agent.proc.pid, [str(p) for p in paths], str(mine),
        str(other), str(mine)))
    before = len(agent.journal("tools_loaded"))
    agent.reload()
    kc.wait_for(lambda: len(agent.journal("tools_loaded")) > before)
    done = agent.execute("test.tries", "local_write", wait=30).json
    assert done["state"] == "succeeded", done
    return done["result"]


def test_calls_that_take_over_processes_and_machines_are_refused(agent):
    reached = level(agent)
    assert reached["no_new_privs"] is True and reached["core"] <= 1, reached
    assert reached["dumpable"] is False, reached
    assert reached["user"] == pwd.getpwuid(os.geteuid()).pw_name, reached
    found = tries(agent)
    assert found["status"]["NoNewPrivs"] == "1", found["status"]
    if reached["seccomp"] != "on":
        assert kc.SLOW > 1 and "sanitizer" in reached["seccomp"], reached
        print("      a sanitizer watches: no calls are refused")
        return
    assert found["status"]["Seccomp"] == "2", found["status"]
    if os.uname().machine == "x86_64":
        let = {n: found[n] for n in CALLS if found[n] != EPERM}
        assert not let, let
        assert found["clone3"] == ENOSYS, found["clone3"]
        print(f"      {len(CALLS) + 1} calls tried and refused")


def test_a_tool_signals_nobody_but_its_own(agent):
    found = tries(agent)
    own = level(agent)["signals"] == "own"
    assert found["signal to itself"] == 0
    for other in ("signal to the agent", "signal to its guard"):
        assert found[other] == (EPERM if own else 0), (other, found[other])
    if not own:
        print("      this kernel does not scope signals")


def test_with_landlock_nothing_is_written_elsewhere():
    if not has_landlock():
        print("      this kernel has no Landlock")
        return
    outside = Path("/var/tmp") / f"kc-sandbox-{os.getpid()}"
    inside = Path("/var/tmp") / f"kc-allowed-{os.getpid()}"
    agent = kc.Agent(start=False, conf={"sandbox.landlock": "true",
                                        "sandbox.write": inside})
    try:
        outside.mkdir()
        inside.mkdir()
        (outside / "theirs").write_text("kept")
        agent.start()
        assert level(agent)["landlock"] >= 1
        found = tries(agent, (outside / "new", outside / "theirs",
                              "/etc/kc-new", inside / "new", "/tmp/kc-new",
                              "/dev/null", agent.home / "kc-new"),
                      outside / "theirs", outside / "moved")
        refused = {p for p, why in found["write"].items() if why}
        assert refused == {str(outside / "new"), str(outside / "theirs"),
                           "/etc/kc-new"}, found["write"]
        assert found["rename"] and found["remove"] and not found["read"], \
            found
        assert (outside / "theirs").read_text() == "kept"
        assert agent.task("goes on")["state"] == "pending"
        agent.conf("sandbox.write", f"{inside} /nowhere/at/all")
        agent.stop()
        assert "sandbox.write: /nowhere/at/all" in does_not_start(agent)
        agent.conf("sandbox.strict", "false")
        agent.start()
        reached = agent.journal("agent_started")[-1]["data"]["sandbox"]
        assert reached["landlock"] == "off" and reached["lacks"], reached
        row, = [r for r in agent.get("/api/health").json["components"]
                if r["name"] == "sandbox"]
        assert row["status"] == "degraded" and \
            "/nowhere/at/all" in row["detail"], row
    finally:
        agent.close()
        shutil.rmtree(outside)
        shutil.rmtree(inside)
        Path("/tmp/kc-new").unlink(missing_ok=True)


def has_landlock():
    libc = ctypes.CDLL(None)
    return libc.syscall(ctypes.c_long(444), None, ctypes.c_size_t(0),
                        ctypes.c_uint(1)) > 0


def does_not_start(agent):
    done = subprocess.run(
        [kc.BUILD / "kircerta-agent", "--home", agent.home, "run",
         "--listen", "127.0.0.1:0"], env=agent.env, capture_output=True,
        text=True, timeout=60 * kc.SLOW)
    assert done.returncode == 1, done
    return done.stderr


def test_what_is_asked_for_and_cannot_be_had_does_not_start():
    agent = kc.Agent(start=False)
    agent.conf("sandbox.user", "kc-nobody-at-all")
    assert "no user kc-nobody-at-all" in does_not_start(agent)
    check = agent.cli("check", check=False)
    assert check.returncode == 1
    assert "sandbox    FAIL  sandbox.user: there is no user" in check.stdout
    agent.conf("sandbox.user", "root" if not ROOT else "daemon")
    said = does_not_start(agent)
    assert ("Permission denied" if ROOT else "only root can") in said, said
    agent.conf("sandbox.user", "")
    check = agent.cli("check", check=False).stdout
    assert "sandbox    ok    user " in check, check
    assert "no new privileges on, landlock off" in check, check
    agent.close()


SHELL_TOOL = """#!/bin/sh
as_other=$(%s -u)
echo "{\\"result\\":{\\"uid\\":$(id -u),\\"setuid\\":$as_other,\\
\\"groups\\":\\"$(id -G)\\",\\"key\\":\\"$(cat %s 2>&1 | head -c 9)\\"}}"
"""


def test_root_is_left_for_good_before_the_home_is_opened():
    if not ROOT:
        print("      only root can become another user")
        return
    agent = kc.Agent(start=False)
    own, was = agent.dir / "bin", kc.BUILD
    own.mkdir()
    shutil.copy(was / "kircerta-agent", own)
    shutil.copytree(was / "tools", own / "tools",
                    ignore=shutil.ignore_patterns("*.o", "*.d"))
    suid = own / "id"
    shutil.copy(shutil.which("id"), suid)
    suid.chmod(0o4755)
    secret = agent.dir / "secret"
    secret.write_text("of root's")
    secret.chmod(0o600)
    agent.dir.chmod(0o755)
    agent.tool("test.who", "")
    program = agent.home / "tools.d" / "test.who.py"
    program.write_text(SHELL_TOOL % (suid, secret))
    agent.conf("sandbox.user", "nobody")
    agent.token("codex"), agent.token("coordinator")  # while it is ours
    for path in (agent.home, *agent.home.rglob("*")):
        shutil.chown(path, "nobody", "nogroup")
    (agent.dir / "agent.log").touch()
    try:
        kc.BUILD = own
        agent.start()
        reached = level(agent)
        assert reached["user"] == "nobody" and not reached["dumpable"], \
            reached
        ours = agent.journal("agent_started")[-1]["data"]["pid"]
        status = Path(f"/proc/{ours}/status").read_text()
        nobody = pwd.getpwnam("nobody").pw_uid
        assert f"Uid:\t{nobody}\t{nobody}\t{nobody}\t{nobody}\n" in status
        assert "CapEff:\t0000000000000000" in status, status
        agent.task("goes on")
        run = agent.execute("test.who", "local_write", wait=20).json
        assert run["state"] == "succeeded", run
        assert run["result"] == {
            "uid": nobody, "setuid": nobody, "key": "cat: " + str(secret)[:4],
            "groups": str(pwd.getpwnam("nobody").pw_gid)}, run["result"]
    finally:
        kc.BUILD = was
        agent.close()


kc.main()
