"""Other bytes than those that were approved, by tricks with their path."""
import contextlib
import os
import socket
import threading

from bypass import attempt, rows
from expect import refused, sha256

FILM, OTHER = b"the film that was approved", b"another film, never shown"


@contextlib.contextmanager
def film(t, data=FILM):
    folder = t.agent.dir / t.name
    folder.mkdir()
    (folder / "film.mp4").write_bytes(data)
    yield folder / "film.mp4"


def sent(t):
    """SHA-256 of what went out, in order."""
    return [x["sha256"] for x in map(t.parse, t.published()[t.lines_before:])]


def unread(t, path, code="invalid_args"):
    refused(t.ask("test.file", {"file": str(path)}), 422, code)


@rows("path", "request 422 invalid_args", {
    "relative": "film.mp4", "relative_to_here": "./film.mp4",
    "above": "../film.mp4", "of_the_home": "~/admin.token", "empty": "",
    "as_a_url": "file:///etc/hostname", "with_a_host": "//",
    "with_a_drive": "c:\\film.mp4", "of_nothing": "/nonexistent/film.mp4",
    "too_long": "/" + "a/" * 3000, "of_a_folder": "/etc",
    "of_a_folder_with_a_slash": "/etc/", "of_a_file_with_a_slash":
    "/etc/hostname/", "of_a_file_with_a_dot": "/etc/hostname/.",
    "of_zeros": "/dev/zero", "of_the_terminal": "/dev/tty",
    "of_a_disk": "/dev/sda", "of_what_it_reads": "/dev/stdin",
    "of_a_descriptor": "/proc/self/fd/0", "of_a_device": "/dev/fd/1",
    "of_a_descriptor_of_a_thread": "/proc/thread-self/fd/3",
    "of_its_program": "/proc/self/exe", "of_its_memory": "/proc/self/mem",
    "of_its_environment": "/proc/self/environ",
    "of_its_mounts": "/proc/self/mountinfo",
    "of_its_command": "/proc/self/cmdline",
    "of_a_setting_of_the_kernel": "/sys/kernel/mm/transparent_hugepage/"
    "enabled", "in_capital_hex": "A" * 64, "of_a_long_hash": "a" * 65,
    "of_a_hash_with_a_tail": "a" * 64 + "/film.mp4",
    "of_a_hash_with_a_space": "a" * 63 + " "})
def path(t, value):
    unread(t, value)


HOME = {
    "token": "admin.token", "tokens": "tokens", "journal_key": "keys/journal",
    "configuration": "agent.conf", "manifest": "tools.d/test.read.conf",
    "repository": "ssot.git/HEAD"}


@rows("secret_of_the_home", "request 422 invalid_args", HOME)
def secret(t, name):
    home = t.agent.home
    assert (home / name).exists() or name.startswith("keys"), name
    link = t.agent.dir / t.name
    link.symlink_to(home)
    for path in (home / name, home / ".." / home.name / name, link / name,
                 f"/proc/self/root{home}/{name}", f"/{home}//./{name}",
                 f"/proc/{t.agent.proc.pid}/root{home}/{name}"):
        unread(t, path)


@attempt("request 422 invalid_args")
def hard_link_to_a_secret_of_the_home(t):
    for name in ("admin.token", "tokens", "keys/journal.vkey"):
        link = t.agent.dir / f"{t.name}-{name.replace('/', '-')}"
        os.link(t.agent.home / name, link)
        unread(t, link)


@attempt("request 422 invalid_args")
def symbolic_link_to_the_film(t):
    with film(t) as file:
        link = file.with_name("link.mp4")
        link.symlink_to(file)
        unread(t, link)


@attempt("request 422 invalid_args")
def pipe_instead_of_a_film(t):
    with film(t) as file:
        file.unlink()
        os.mkfifo(file)
        unread(t, file)


@attempt("request 422 invalid_args")
def socket_instead_of_a_film(t):
    with socket.socket(socket.AF_UNIX) as s:
        name = str(t.agent.dir / "s")
        s.bind(name)
        unread(t, name)


@attempt("request 400 invalid_json")
def path_cut_by_a_nul(t):
    with film(t) as file:
        refused(t.ask("test.file", {"file": f"{file}\0.txt"}), 400,
                "invalid_json")


@attempt("request 422 unknown_evidence")
def hash_of_something_that_is_not_stored(t):
    unread(t, sha256(FILM), "unknown_evidence")


# Between the approval and the start.

def rewritten(file):
    file.write_bytes(OTHER)


def same_size_and_time(file):
    was = file.stat()
    file.write_bytes(OTHER[:len(FILM)].ljust(len(FILM)))
    os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns))


def replaced(file):
    other = file.with_name("other")
    other.write_bytes(OTHER)
    other.rename(file)


def linked(file):
    other = file.with_name("other")
    other.write_bytes(FILM)
    file.unlink()
    file.symlink_to(other)


def linked_to_a_secret(file):
    file.unlink()
    file.symlink_to(file.parent.parent / "home" / "admin.token")


def hard_linked(file):
    other = file.with_name("other")
    other.write_bytes(OTHER)
    file.unlink()
    os.link(other, file)


def through_its_other_name(file):
    os.link(file, file.with_name("second"))
    file.with_name("second").write_bytes(OTHER)


def by_mapped_memory(file):
    import mmap
    with open(file, "r+b") as f, mmap.mmap(f.fileno(), 0) as m:
        m[4:8] = b"FILM"


def folder_swapped(file):
    other = file.parent.with_name(file.parent.name + "-other")
    other.mkdir()
    (other / file.name).write_bytes(OTHER)
    file.parent.rename(str(file.parent) + "-was")
    other.rename(file.parent)


def folder_linked(file):
    other = file.parent.with_name(file.parent.name + "-other")
    other.mkdir()
    (other / file.name).write_bytes(OTHER)
    file.parent.rename(str(file.parent) + "-was")
    file.parent.symlink_to(other)


def made_a_pipe(file):
    file.unlink()
    os.mkfifo(file)


def made_a_folder(file):
    file.unlink()
    file.mkdir()


def appended(file):
    with open(file, "ab") as f:
        f.write(b"\n")


def grown_by_a_hole(file):
    os.truncate(file, len(FILM) + 4096)


def unreadable(file):
    file.unlink()
    file.symlink_to(file)


SWAPS = {f.__name__: f for f in (
    rewritten, same_size_and_time, replaced, linked, linked_to_a_secret,
    hard_linked, through_its_other_name, by_mapped_memory, folder_swapped,
    folder_linked, made_a_pipe, made_a_folder, appended, grown_by_a_hole,
    unreadable)} | {
    "emptied": lambda f: f.write_bytes(b""), "removed": lambda f: f.unlink(),
    "cut_short": lambda f: os.truncate(f, 3)}


@rows("approved_film_was", "tool_failed, approval_granted", SWAPS)
def swapped(t, swap):
    with film(t) as file, t.blocked():
        run = t.parked("test.file", {"file": str(file)})
        t.granted(run["approval_id"])
        swap(file)
    assert t.over(run["id"]) in ("cancelled", "failed")


@rows("reviewed_film_was", "tool_failed, approval_granted", {
    k: SWAPS[k] for k in ("rewritten", "replaced", "folder_linked")})
def swapped_in_review(t, swap):
    with film(t) as file:
        run = t.parked("test.file", {"file": str(file)})
        seen = t.review(run["approval_id"])
        swap(file)
        t.granted(run["approval_id"], seen=seen)
    assert t.over(run["id"]) in ("cancelled", "failed")


@attempt("tool_finished succeeded", published=1)
def film_swapped_away_and_back_is_the_approved_one(t):
    with film(t) as file, t.blocked():
        run = t.parked("test.file", {"file": str(file)})
        rewritten(file)
        t.granted(run["approval_id"])
        file.write_bytes(FILM)
    assert t.over(run["id"]) == "succeeded"
    assert sent(t) == [sha256(FILM)]


@attempt("policy_denied approval_required, approval_granted")
def another_film_asked_for_under_the_same_name(t):
    with film(t) as file:
        first = t.asked("test.file", {"file": str(file)})
        t.granted(first)
        rewritten(file)
        assert t.asked("test.file", {"file": str(file)}) != first


@attempt("policy_denied approval_required, approval_granted")
def same_bytes_under_another_name(t):
    """The name that people see is part of what was approved."""
    with film(t) as file:
        first = t.asked("test.file", {"file": str(file)})
        t.granted(first)
        other = file.with_name("worse title.mp4")
        other.write_bytes(FILM)
        assert t.asked("test.file", {"file": str(other)}) != first


@attempt("policy_denied approval_required, approval_granted")
def same_bytes_by_their_hash(t):
    with film(t) as file:
        first = t.asked("test.file", {"file": str(file)})
        t.granted(first)
        stored = t.send(FILM, "/api/evidence?name=film.mp4").json["sha256"]
        assert t.asked("test.file", {"file": stored}) != first


@attempt("tool_failed, approval_granted")
def stored_film_rewritten_in_the_store(t):
    """By who can write into the agent's home."""
    data = t.name.encode()
    sha = t.send(data, "/api/evidence?name=film.mp4").json["sha256"]
    with t.blocked():
        run = t.parked("test.file", {"file": sha})
        t.granted(run["approval_id"])
        stored = t.agent.home / "evidence" / sha[:2] / sha
        stored.chmod(0o600)
        stored.write_bytes(OTHER[:len(data)])
    assert t.over(run["id"]) in ("cancelled", "failed")
    stored.write_bytes(data)


@attempt("tool_failed, approval_granted")
def stored_film_replaced_by_a_link(t):
    data = t.name.encode()
    sha = t.send(data, "/api/evidence?name=film.mp4").json["sha256"]
    with film(t, OTHER) as file, t.blocked():
        run = t.parked("test.file", {"file": sha})
        t.granted(run["approval_id"])
        stored = t.agent.home / "evidence" / sha[:2] / sha
        stored.unlink()
        stored.symlink_to(file)
    assert t.over(run["id"]) in ("cancelled", "failed")
    stored.unlink()
    stored.write_bytes(data)


@attempt("request 409 evidence_in_use, tool_finished", published=1)
def stored_film_is_not_removed_under_its_approval(t):
    """To store another under its hash."""
    sha = t.send(t.name.encode(), "/api/evidence?name=a").json["sha256"]
    with t.blocked():
        run = t.parked("test.file", {"file": sha})
        t.granted(run["approval_id"])
        refused(t.send({"reason": "wrong"}, f"/api/evidence/{sha}/remove",
                       "admin"), 409, "evidence_in_use")
    assert t.over(run["id"]) == "succeeded"
    assert sent(t) == [sha]


@attempt("approval_requested")
def film_that_changes_all_the_time(t):
    """While it is hashed, approved, hashed again and copied: what goes out,
    if anything does, is what was approved."""
    with film(t, FILM * 40000) as file:
        stop = threading.Event()

        def flip():
            n = 0
            while not stop.wait(0.0005):
                n += 1
                with open(file, "r+b") as f:
                    f.write(b"%26d" % n)

        thread = threading.Thread(target=flip)
        thread.start()
        try:
            for _ in range(5):
                run = t.parked("test.file", {"file": str(file)})
                seen = t.granted(run["approval_id"])
                if t.over(run["id"]) == "succeeded":
                    shown = seen["request"]["artifacts"][0]["sha256"]
                    assert sent(t)[-1] == shown, (sent(t), shown)
        finally:
            stop.set()
            thread.join()
    t.may_publish(len(sent(t)))
