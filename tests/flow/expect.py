"""What the flows say about answers, documents and the repository."""
import hashlib
import json
import re
import subprocess
import threading


def refused(answer, status, code, **members):
    """A refusal is a problem+json with this code and a hint. Returns it."""
    assert answer.status == status, answer
    problem = answer.json
    assert problem["error_code"] == code, answer
    assert answer.headers["content-type"] == "application/problem+json", answer
    assert problem["status"] == status and problem["title"], answer
    assert problem["detail"] and problem["remediation_hint"], answer
    assert isinstance(problem["retryable"], bool), answer
    assert problem["correlation_id"] == answer.headers["x-correlation-id"]
    for key, value in members.items():
        assert problem.get(key) == value, (key, value, answer)
    return problem


def blob(document):
    """The git blob id of a document as the repository holds it."""
    text = json.dumps({k: v for k, v in document.items() if k != "sha"},
                      indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    data = text.encode()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def sha256(data):
    data = data.encode() if isinstance(data, str) else data
    return hashlib.sha256(data).hexdigest()


def jcs(value):
    """RFC 8785 of strings, whole numbers, lists and objects of ASCII keys."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False,
                      separators=(",", ":"))


def git(agent, *args):
    done = subprocess.run(["git", "--git-dir", agent.home / "ssot.git", *args],
                          capture_output=True, text=True)
    assert done.returncode == 0, (args, done.stderr)
    return done.stdout


def fsck(agent, *options):
    """Whether stock git finds nothing wrong; for kc.wait_for, as packs may
    go while it reads the list of them."""
    done = subprocess.run(["git", "--git-dir", agent.home / "ssot.git",
                           "fsck", "--strict",
                           *(options or ["--no-dangling"])],
                          capture_output=True)
    return done.returncode == 0 and not (done.stdout + done.stderr).strip()


def committed(agent):
    """{path: blob id} of the newest commit, if there is one."""
    if not git(agent, "for-each-ref"):
        return {}
    lines = git(agent, "ls-tree", "-r", "HEAD").splitlines()
    return {path: meta.split()[2] for meta, path in
            (line.split("\t") for line in lines)}


def task_path(agent, task_id):
    """Where the repository has a task; None if it has not (yet)."""
    for path in committed(agent):
        if path.startswith("tasks/") and path.endswith(f"/{task_id}.json"):
            return path
    return None


def versions(agent, task_id):
    """Every version of a task in the repository, oldest first."""
    path = task_path(agent, task_id)
    if not path:
        return []
    log = git(agent, "log", "--reverse", "--format=%H", "--", path).split()
    return [json.loads(git(agent, "show", f"{commit}:{path}"))
            for commit in log]


def commits(agent):
    """[{"commit", "subject", trailer: value}] oldest first."""
    out = []
    for one in git(agent, "log", "--reverse", "--format=%H%n%B%x00"
                   ).split("\0"):
        lines = one.strip().splitlines()
        if lines:
            out.append({"commit": lines[0], "subject": lines[1]} | dict(
                m.groups() for line in lines[2:] if
                (m := re.fullmatch(r"([A-Z][\w-]+): (.*)", line))))
    return out


def together(calls):
    """Runs the calls at the same time; their results in order."""
    results, barrier = [None] * len(calls), threading.Barrier(len(calls))

    def one(i, call):
        barrier.wait(30)
        try:
            results[i] = call()
        except Exception as e:
            results[i] = e

    threads = [threading.Thread(target=one, args=pair)
               for pair in enumerate(calls)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for r in results:
        if isinstance(r, Exception):
            raise r
    return results
