"""An agent whose clocks a test may set: the wall clock by anybody, and both
together, as when the machine slept."""
import datetime
import subprocess

SHIM = """
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
static long from(const char *file)
{
	char text[32] = "";
	int fd = open(file, O_RDONLY);
	if (fd >= 0) {
		if (read(fd, text, sizeof(text) - 1) < 0)
			text[0] = 0;
		close(fd);
	}
	return atol(text);
}
int clock_gettime(clockid_t id, struct timespec *ts)
{
	int rc = (int)syscall(SYS_clock_gettime, id, ts);
	if (!rc && id == CLOCK_REALTIME)
		ts->tv_sec += from("%(offset)s");
	if (!rc && (id == CLOCK_REALTIME || id == CLOCK_BOOTTIME))
		ts->tv_sec += from("%(slept)s");
	return rc;
}
"""
HOUR = 3600
DAY = 24 * HOUR


def install(agent):
    """From its next start on."""
    source, shim = agent.dir / "clock.c", agent.dir / "clock.so"
    files = {"offset": agent.dir / "offset", "slept": agent.dir / "slept"}
    source.write_text(SHIM % files)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", shim, source], check=True)
    agent.env["LD_PRELOAD"] = str(shim)
    return agent


def _write(file, seconds):
    """Whole, so that nobody reads a half."""
    new = file.with_suffix(".new")
    new.write_text(str(seconds))
    new.rename(file)


def set_clock(agent, seconds):
    """By so much from what it is."""
    _write(agent.dir / "offset", seconds)


def sleep(agent, seconds):
    """The machine slept so long in all; its clock is right as it wakes."""
    _write(agent.dir / "slept", seconds)


def read(text):
    """Seconds, of a time on the record."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")
                                           ).timestamp()
