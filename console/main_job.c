/* See main_job.h. */
#include "console/main_job.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/fs.h"
#include "common/mem.h"
#include "console/link.h"
#include "console/place.h"
#include "console/settings.h"
#include "console/sign.h"

#define OUT_MAX (4 << 20)

struct job {
	pid_t pids[2];		/* the second one, if any, reads the first */
	int count;
	struct buf out;
	bool ended;		/* the output came to its end */
	char *sha256;
	job_done *done;
	void *data;
};

/*
 * Standard error and the terminal are the screen, so nobody else may write
 * there, nor read: a session of its own has no terminal.
 */
static pid_t spawn_to(char *const argv[], int in, int out, int errors)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	pid_t pid = -1;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK |
				 POSIX_SPAWN_SETSIGDEF |
				 POSIX_SPAWN_SETSID);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	if (in >= 0)
		posix_spawn_file_actions_adddup2(&files, in, 0);
	else
		posix_spawn_file_actions_addopen(&files, 0, "/dev/null",
						 O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, out, 1);
	if (errors >= 0)
		posix_spawn_file_actions_adddup2(&files, errors, 2);
	else
		posix_spawn_file_actions_addopen(&files, 2, "/dev/null",
						 O_WRONLY, 0);
	posix_spawn_file_actions_addclosefrom_np(&files, 3);
	if (posix_spawnp(&pid, argv[0], &files, &attr, argv, environ))
		pid = -1;
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return pid;
}

static pid_t spawn(char *const argv[], int in, int out)
{
	return spawn_to(argv, in, out, -1);
}

static int reap(pid_t pid)
{
	int status = 0;

	if (pid <= 0)
		return 127;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) :
				   128 + WTERMSIG(status);
}

static void job_free(struct job *j)
{
	buf_fini(&j->out);
	free(j->sha256);
	free(j);
}

static void finish(struct job *j)
{
	int exits[2] = {0, 0};

	for (int i = 0; i < j->count; i++) {
		if (!j->ended && j->pids[i] > 0)
			kill(j->pids[i], SIGKILL);
		exits[i] = reap(j->pids[i]);
	}
	buf_adds(&j->out, "");
	if (j->done)
		j->done(j->data, j->sha256, &j->out, exits[0],
			exits[j->count - 1]);
	job_free(j);
}

static int readable(void *data, int fd, bool gone)
{
	struct job *j = data;
	ssize_t n;

	if (gone) {
		finish(j);
		return 0;
	}
	do {
		n = read(fd, buf_room(&j->out, 65536), 65536);
		if (n > 0)
			j->out.len += (size_t)n;
		if (j->out.len > OUT_MAX)
			return -1;
	} while (n > 0);
	j->ended = n == 0;
	return n == 0 || errno != EAGAIN ? -1 : 0;
}

static int watch(struct link *link, struct job *j, int fd)
{
	if (j->pids[j->count - 1] > 0 && !link_watch(link, fd, readable, j))
		return 0;
	close(fd);
	for (int i = 0; i < j->count; i++)
		if (j->pids[i] > 0) {
			kill(j->pids[i], SIGKILL);
			reap(j->pids[i]);
		}
	job_free(j);
	return -1;
}

/* The child's own settings, where they did not come from the environment. */
static void share(const struct settings *s)
{
	setenv("KIRCERTA_AGENT", s->agent, 1);
	if (s->token_file)
		setenv("KIRCERTA_TOKEN_FILE", s->token_file, 1);
}

int job_picture(struct link *link, const struct settings *settings,
		const char *sha256, int cols, int rows, bool mono,
		job_done *done, void *data)
{
	char *self = place_self(), *size = xasprintf("%dx%d", cols, rows);
	char *decoder = place_find("kircerta-preview", PLACE_PROGRAM);
	char *get[] = {self, "evidence", "get", (char *)sha256, "-o", "-",
		       NULL};
	char *show[] = {decoder, size, mono ? "mono" : "256", NULL};
	struct job *j = xcalloc(1, sizeof(*j));
	int raw[2], cells[2], rc = -1;

	*j = (struct job){.count = 2, .sha256 = xstrdup(sha256), .done = done,
			  .data = data};
	share(settings);
	if (!decoder || pipe2(raw, O_CLOEXEC)) {
		job_free(j);
	} else if (pipe2(cells, O_CLOEXEC)) {
		close(raw[0]);
		close(raw[1]);
		job_free(j);
	} else {
		j->pids[0] = spawn(get, -1, raw[1]);
		j->pids[1] = spawn(show, raw[0], cells[1]);
		close(raw[0]);
		close(raw[1]);
		close(cells[1]);
		rc = watch(link, j, cells[0]);
	}
	free(self);
	free(size);
	free(decoder);
	return rc;
}

int job_verify(struct link *link, const struct settings *settings,
	       const char *sha256, job_done *done, void *data)
{
	char *self = place_self();
	char *argv[] = {self, "verify", (char *)sha256, NULL};
	struct job *j = xcalloc(1, sizeof(*j));
	int out[2], rc = -1;

	*j = (struct job){.count = 1, .sha256 = xstrdup(sha256), .done = done,
			  .data = data};
	share(settings);
	if (pipe2(out, O_CLOEXEC)) {
		job_free(j);
	} else {
		j->pids[0] = spawn(argv, -1, out[1]);
		close(out[1]);
		rc = watch(link, j, out[0]);
	}
	free(self);
	return rc;
}

int job_sign(struct link *link, const char *key, const char *text,
	     const char *id, job_done *done, void *data)
{
	char *argv[] = SIGN_WORDS(key);
	struct job *j = xcalloc(1, sizeof(*j));
	int in[2], out[2];

	*j = (struct job){.count = 1, .sha256 = xstrdup(id), .done = done,
			  .data = data};
	if (pipe2(in, O_CLOEXEC)) {
		job_free(j);
		return -1;
	}
	if (pipe2(out, O_CLOEXEC)) {
		close(in[0]);
		close(in[1]);
		job_free(j);
		return -1;
	}
	j->pids[0] = spawn_to(argv, in[0], out[1], out[1]);
	close(in[0]);
	close(out[1]);
	(void)!fs_write_all(in[1], text, strlen(text));
	close(in[1]);
	return watch(link, j, out[0]);
}

bool job_tmux_copy(const char *text)
{
	char *argv[] = {"tmux", "load-buffer", "-w", "-", NULL};
	int in[2], null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	pid_t pid = -1;

	if (getenv("TMUX") && null >= 0 && !pipe2(in, O_CLOEXEC)) {
		pid = spawn(argv, in[0], null);
		close(in[0]);
		(void)!fs_write_all(in[1], text, strlen(text));
		close(in[1]);
	}
	if (null >= 0)
		close(null);
	return reap(pid) == 0;
}
