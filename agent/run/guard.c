/*
 * See guard.h. Who loses its parent below a subreaper becomes the
 * subreaper's child: so the guard has only to end its children until there
 * are none, and as it is who reaps them, no id can be somebody else's by now.
 */
#include "agent/run/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/run/landlock.h"
#include "agent/run/orphan.h"

#define AGAIN_NS 2000000	/* who was killed is looked for again */

/* As the tool ended, so that who waits for us sees that. */
static _Noreturn void end_as(int status)
{
	sigset_t none;

	if (WIFEXITED(status))
		_exit(WEXITSTATUS(status));
	signal(WTERMSIG(status), SIG_DFL);
	kill(getpid(), WTERMSIG(status));
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	_exit(128 + WTERMSIG(status));
}

/* Everything below us is gone when this returns. How the tool ended. */
static int end_all(pid_t tool, const sigset_t *signals)
{
	const struct timespec again = {0, AGAIN_NS};
	int status = 0;

	kill(-tool, SIGKILL);
	while (orphans_end_children(tool))
		sigtimedwait(signals, NULL, &again);
	while (waitpid(tool, &status, 0) < 0 && errno == EINTR)
		;
	/* The list may lack somebody while others come and go; this not. */
	while (waitpid(-1, NULL, WNOHANG) >= 0)
		if (orphans_end_children(0))
			sigtimedwait(signals, NULL, &again);
	return status;
}

/* Those who ended, but the tool; has that? */
static bool reap_others(pid_t tool)
{
	siginfo_t who = {0};

	while (!waitid(P_ALL, 0, &who, WEXITED | WNOHANG | WNOWAIT) &&
	       who.si_pid && who.si_pid != tool) {
		waitpid(who.si_pid, NULL, WNOHANG);
		who.si_pid = 0;
	}
	return who.si_pid == tool;
}

static _Noreturn void watch(pid_t tool, const sigset_t *signals)
{
	for (bool over = false; !over;) {
		int got = sigwaitinfo(signals, NULL);

		if (got == GUARD_TERM) {
			kill(-tool, SIGTERM);
			kill(-tool, SIGCONT);	/* or it never hears it */
		}
		over = got == GUARD_KILL || reap_others(tool);
	}
	end_as(end_all(tool, signals));
}

static void close_all(void)
{
	int null = open("/dev/null", O_RDWR);

	for (int fd = 0; fd <= 2; fd++)
		dup2(null, fd);		/* its ends are the tool's alone */
	close_range(3, ~0u, 0);
}

int guard_begin(void)
{
	const pid_t guard = getpid();
	sigset_t all, signals;
	pid_t tool;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, GUARD_TERM);
	sigaddset(&signals, GUARD_KILL);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1))
		return -1;
	tool = fork();
	if (tool < 0)
		return -1;
	if (tool) {
		prctl(PR_SET_DUMPABLE, 0);	/* it may not be attached to */
		setpgid(tool, tool);
		close_all();
		watch(tool, &signals);
	}
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	landlock_signals();		/* where this kernel can */
	setpgid(0, 0);
	return getppid() == guard ? 0 : -1;
}
