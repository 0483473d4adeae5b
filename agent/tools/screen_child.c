/* See screen_child.h. */
#include "agent/tools/screen_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/tools/tool.h"
#include "common/err.h"

static const struct err_row missing = {
	.code = "tool_missing",
	.hint = "Install ffmpeg (apt install ffmpeg); it brings ffprobe too, "
		"and both must be on the agent's PATH.",
};

/* In the child: only what may be called between fork and exec. */
_Noreturn static void become(const char *const argv[], int out, int report,
			     pid_t parent)
{
	sigset_t none;
	int why;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	/*
	 * Out of the group that a cancel goes to: a second signal makes
	 * ffmpeg drop the end of the file. It dies with us nevertheless.
	 */
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	dup2(out, STDOUT_FILENO);
	execvp(argv[0], (char *const *)argv);
	why = errno;
	while (write(report, &why, sizeof(why)) < 0 && errno == EINTR)
		;
	_exit(127);
}

void child_start(struct child *c, const char *const argv[])
{
	int out[2], report[2], why = 0;
	pid_t parent = getpid();
	ssize_t n;

	if (pipe2(out, O_CLOEXEC) || pipe2(report, O_CLOEXEC))
		tool_fail(err_row(ERR_internal), "pipe: %s", strerror(errno));
	c->pid = fork();
	if (c->pid == 0)
		become(argv, out[1], report[1], parent);
	if (c->pid < 0)
		tool_fail(err_row(ERR_internal), "fork: %s", strerror(errno));
	close(out[1]);
	close(report[1]);
	do {
		n = read(report[0], &why, sizeof(why));
	} while (n < 0 && errno == EINTR);
	close(report[0]);
	c->out = out[0];
	if (n > 0)
		tool_fail(&missing, "%s cannot be started: %s", argv[0],
			  strerror(why));
	c->gone = pidfd_open(c->pid, 0);
	if (c->gone < 0)
		tool_fail(err_row(ERR_internal), "pidfd: %s", strerror(errno));
}

void child_stop(struct child *c, int ms)
{
	struct pollfd p = {.fd = c->gone, .events = POLLIN};

	kill(c->pid, SIGINT);
	if (poll(&p, 1, ms) == 0)
		kill(c->pid, SIGKILL);
}

int child_end(struct child *c)
{
	int status = 0;

	while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
		;
	close(c->out);
	close(c->gone);
	return WIFEXITED(status) ? WEXITSTATUS(status) :
				   128 + WTERMSIG(status);
}

int child_output(const char *const argv[], char *out, size_t size)
{
	struct child c;
	size_t len = 0;
	ssize_t n = 1;

	child_start(&c, argv);
	while (n > 0 && len < size - 1) {
		n = read(c.out, out + len, size - 1 - len);
		len += n > 0 ? (size_t)n : 0;
		if (n < 0 && errno == EINTR)
			n = 1;
	}
	out[len] = 0;
	return child_end(&c) ? -1 : 0;
}
