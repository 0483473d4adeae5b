/*
 * See orphan.h. A process is looked at through a pidfd, so that the one that
 * is killed is the one whose environment was read.
 */
#include "agent/run/orphan.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "common/mem.h"

#define ENVIRONMENT_MAX (64u << 10)	/* of a process; ours is short */
#define ROUNDS 250			/* in which who was adopted has to end */
#define ROUND_MS 2

/* Bytes of /proc/PID/environ, ended by a NUL; 0 if it is not ours to see. */
static size_t read_environment(const char *pid, char *out)
{
	char *path = xasprintf("/proc/%s/environ", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n = 0;

	free(path);
	while (fd >= 0 && len < ENVIRONMENT_MAX - 1 &&
	       (n = read(fd, out + len, ENVIRONMENT_MAX - 1 - len)) > 0)
		len += (size_t)n;
	if (fd >= 0)
		close(fd);
	out[len] = 0;
	return n < 0 ? 0 : len;
}

/* Does this variable name a folder of a run? A manifest may pass one on. */
static bool names_a_run(const char *variable, const char *work_dir)
{
	const char *value = !strncmp(variable, "HOME=", 5) ? variable + 5 :
			    !strncmp(variable, "TMPDIR=", 7) ? variable + 7 :
							       "";
	size_t len = strlen(work_dir);

	return !strncmp(value, work_dir, len) && value[len] == '/';
}

static bool is_ours(const char *pid, const char *work_dir, char *scratch)
{
	size_t len = read_environment(pid, scratch);

	for (size_t at = 0; at < len; at += strlen(scratch + at) + 1)
		if (names_a_run(scratch + at, work_dir))
			return true;
	return false;
}

static bool end_if_ours(const char *pid, const char *work_dir, char *scratch)
{
	int fd = pidfd_open(atoi(pid), 0);
	bool ended = fd >= 0 && is_ours(pid, work_dir, scratch) &&
		     !pidfd_send_signal(fd, SIGKILL, NULL, 0);

	if (fd >= 0)
		close(fd);
	return ended;
}

void orphans_end(const char *work_dir)
{
	char *scratch = xmalloc(ENVIRONMENT_MAX);
	DIR *d = opendir("/proc");
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9' &&
		    end_if_ours(e->d_name, work_dir, scratch))
			log_warn("ended process %s, which a run left behind",
				 e->d_name);
	if (d)
		closedir(d);
	free(scratch);
}

bool orphans_end_children(pid_t but)
{
	bool any = false;
	char path[64];
	FILE *f;
	int pid;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children",
		 (int)getpid());
	f = fopen(path, "re");
	while (f && fscanf(f, "%d", &pid) == 1) {
		if (pid == but)
			continue;
		any = true;
		kill(pid, SIGKILL);
		waitpid(pid, NULL, WNOHANG);
	}
	if (f)
		fclose(f);
	return any;
}

void orphans_adopt(void)
{
	if (prctl(PR_SET_CHILD_SUBREAPER, 1))
		log_warn("what a killed guard leaves behind is not adopted");
}

void orphans_end_adopted(void)
{
	int adopts = 0, rounds = 0;

	prctl(PR_GET_CHILD_SUBREAPER, &adopts);
	if (!adopts)
		return;
	while (orphans_end_children(0) && rounds++ < ROUNDS)
		poll(NULL, 0, ROUND_MS);
	if (rounds)
		log_warn("ended processes that a run left behind");
}
