"""`make run` on a terminal. What is left undecided in the console is rejected,
so that the next run begins with nothing but its own approval."""
import os
import pty
import re
import select
import tempfile
import time

import kc

SKIP = ("DISPLAY", "KIRCERTA_YOUTUBE_CLIENT_FILE")


class Terminal:
    """contrib/run.sh on a terminal of its own, 80 by 24."""

    def __init__(self, folder):
        env = {k: v for k, v in os.environ.items() if k not in SKIP}
        env |= {"KIRCERTA_RUN_DIR": folder, "KIRCERTA_PORT": "0",
                "TERM": "xterm", "LINES": "24", "COLUMNS": "80"}
        self.text = ""
        self.pid, self.master = pty.fork()
        if not self.pid:
            os.execve(kc.ROOT / "contrib/run.sh", ["run.sh", str(kc.BUILD)],
                      env)

    def until(self, pattern, seconds=60):
        """Reads until the pattern is there, or to the end."""
        limit = time.monotonic() + seconds * kc.PATIENCE
        while not re.search(pattern, self.text):
            assert time.monotonic() < limit, self.text
            if select.select([self.master], [], [], 1)[0]:
                try:
                    self.text += os.read(self.master, 65536).decode(
                        "utf-8", "replace")
                except OSError:         # Linux: nobody has it open any more
                    return

    def type(self, keys):
        os.write(self.master, keys)

    def end(self):
        self.until("(?!)")
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_leaving_without_a_decision_rejects_and_ends_well():
    with tempfile.TemporaryDirectory(prefix="kc-run-") as folder:
        for _ in range(2):
            run = Terminal(folder)
            run.until("1 pending")
            run.type(b"Q")
            assert run.end() == 0, run.text
            assert "left undecided: make run ended" in run.text, run.text
            assert "every link holds" in run.text, run.text


kc.main(seconds=150)
