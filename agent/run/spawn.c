/*
 * See spawn.h. The helper also has a line to us, which exec closes: it waits
 * on it until we hold its pidfd, so that what cannot be watched never starts,
 * and says there why exec failed.
 */
#include "agent/run/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/run/guard.h"
#include "common/err.h"
#include "common/mem.h"

#define LINE_FD 3		/* in the helper, until exec */
#define EXIT_NO_EXEC 127

enum { IN, OUT, ERR, LINE, PIPES };

static void close_pipes(int pipes[PIPES][2])
{
	for (int i = 0; i < PIPES; i++)
		for (int k = 0; k < 2; k++)
			if (pipes[i][k] >= 0)
				close(pipes[i][k]);
}

static int open_pipes(int pipes[PIPES][2])
{
	memset(pipes, -1, sizeof(int) * PIPES * 2);
	for (int i = 0; i < PIPES; i++) {
		if (i == LINE ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC,
					   0, pipes[i]) :
				pipe2(pipes[i], O_CLOEXEC))
			return -1;
		fcntl(pipes[i][i == IN], F_SETFL, O_NONBLOCK);
	}
	return 0;
}

static char guarded[] = "guarded", alone[] = "alone";

/* NAME --exec-helper OUR_PID HOW PROGRAM ARGS... ; free the array only. */
static char **helper_argv(char *const argv[], char *how, char pid[16])
{
	static char name[] = "kircerta-tool", flag[] = SPAWN_HELPER;
	size_t n = 0;
	char **out;

	while (argv[n])
		n++;
	out = xcalloc(n + 5, sizeof(*out));
	snprintf(pid, 16, "%d", (int)getpid());
	out[0] = name;
	out[1] = flag;
	out[2] = pid;
	out[3] = how;
	memcpy(out + 4, argv, n * sizeof(*out));
	return out;
}

static int spawn(pid_t *pid, int pipes[PIPES][2], char *const argv[],
		 char *const env[], const char *dir)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int rc;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, pipes[IN][0], 0);
	posix_spawn_file_actions_adddup2(&files, pipes[OUT][1], 1);
	posix_spawn_file_actions_adddup2(&files, pipes[ERR][1], 2);
	posix_spawn_file_actions_adddup2(&files, pipes[LINE][1], LINE_FD);
	posix_spawn_file_actions_addclosefrom_np(&files, LINE_FD + 1);
	posix_spawn_file_actions_addchdir_np(&files, dir);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP |
				 POSIX_SPAWN_SETSIGMASK |
				 POSIX_SPAWN_SETSIGDEF);
	rc = posix_spawn(pid, "/proc/self/exe", &files, &attr, argv, env);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return rc;
}

static void take_pipes(struct child *c, int pipes[PIPES][2])
{
	int *const ours[] = {
		[IN] = &pipes[IN][1], [OUT] = &pipes[OUT][0],
		[ERR] = &pipes[ERR][0], [LINE] = &pipes[LINE][0],
	};
	int *const to[] = {
		[IN] = &c->in, [OUT] = &c->out, [ERR] = &c->err,
		[LINE] = &c->line,
	};

	for (int i = 0; i < PIPES; i++) {
		*to[i] = *ours[i];
		*ours[i] = -1;
	}
	close_pipes(pipes);
}

static int start(struct child *c, char *how, char *const argv[],
		 char *const env[], const char *dir, struct err *err)
{
	int pipes[PIPES][2];
	char pid[16], **helper;
	int rc;

	*c = (struct child){.pidfd = -1, .in = -1, .out = -1, .err = -1,
			    .line = -1};
	if (open_pipes(pipes)) {
		err_sys(err, ERR_io, "making pipes for %s", argv[0]);
		close_pipes(pipes);
		return -1;
	}
	helper = helper_argv(argv, how, pid);
	rc = spawn(&c->pid, pipes, helper, env, dir);
	free(helper);
	if (rc) {
		errno = rc;
		err_sys(err, ERR_io, "starting %s", argv[0]);
		close_pipes(pipes);
		return -1;
	}
	/* Nobody else reaps our children, so this is the one we started. */
	c->pidfd = pidfd_open(c->pid, 0);
	if (c->pidfd < 0 || write(pipes[LINE][0], "", 1) != 1) {
		err_sys(err, ERR_io, "watching %s", argv[0]);
		kill(c->pid, SIGKILL);
		waitpid(c->pid, NULL, 0);
		child_close(c);
		close_pipes(pipes);
		return -1;
	}
	take_pipes(c, pipes);
	return 0;
}

int child_spawn(struct child *c, char *const argv[], char *const env[],
		const char *dir, struct err *err)
{
	return start(c, alone, argv, env, dir, err);
}

int child_spawn_tool(struct child *c, char *const argv[], char *const env[],
		     const char *dir, struct err *err)
{
	return start(c, guarded, argv, env, dir, err);
}

/* Whoever is stopped, and be it by its own tool, hears it all the same. */
static void tell_guard(const struct child *c, int signal)
{
	kill(c->pid, signal);
	kill(c->pid, SIGCONT);
}

void child_ask_to_end(const struct child *c)
{
	tell_guard(c, GUARD_TERM);
}

void child_end_all(const struct child *c)
{
	tell_guard(c, GUARD_KILL);
}

int child_exec_errno(struct child *c)
{
	int why;

	return read(c->line, &why, sizeof(why)) == sizeof(why) ? why : 0;
}

void child_close(struct child *c)
{
	int *const fds[] = {&c->pidfd, &c->in, &c->out, &c->err, &c->line};

	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

static void set_limits(void)
{
	static const struct { int what; rlim_t most; } limits[] = {
		{RLIMIT_CORE, 1},	/* with 0 a pipe would get one */
		{RLIMIT_NOFILE, 256},
		{RLIMIT_FSIZE, (rlim_t)8 << 30},
	};

	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		struct rlimit now;

		if (getrlimit((__rlimit_resource_t)limits[i].what, &now))
			continue;
		if (now.rlim_max > limits[i].most)
			now.rlim_max = limits[i].most;
		now.rlim_cur = now.rlim_max;
		setrlimit((__rlimit_resource_t)limits[i].what, &now);
	}
}

/* As execvp, but what has no "#!" is not handed to a shell. */
static void run_program(char **argv)
{
	const char *path = getenv("PATH"), *end;
	char full[4096];
	int worst = ENOENT;

	if (strchr(argv[0], '/')) {
		execv(argv[0], argv);
		return;
	}
	for (; path && *path; path = *end ? end + 1 : end) {
		end = strchrnul(path, ':');
		snprintf(full, sizeof(full), "%.*s/%s", (int)(end - path),
			 path, argv[0]);
		execv(full, argv);
		if (errno != ENOENT && errno != ENOTDIR)
			worst = errno;
	}
	errno = worst;
}

int spawn_helper_main(int argc, char **argv)
{
	bool guard = argc > 4 && !strcmp(argv[3], guarded);
	sigset_t none;
	int why;
	char go;

	if (argc < 5)
		return EXIT_NO_EXEC;
	fcntl(LINE_FD, F_SETFD, FD_CLOEXEC);
	prctl(PR_SET_PDEATHSIG, guard ? GUARD_KILL : SIGKILL);
	/* Whoever started us may have died before that took hold. */
	if (getppid() != (pid_t)strtol(argv[2], NULL, 10))
		return EXIT_NO_EXEC;
	if (read(LINE_FD, &go, 1) != 1)
		return EXIT_NO_EXEC;
	setpgid(0, 0);
	umask(077);
	set_limits();
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (guard && guard_begin())
		return EXIT_NO_EXEC;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	run_program(argv + 4);
	why = errno;
	fprintf(stderr, "%s: %s\n", argv[4], strerror(why));
	return write(LINE_FD, &why, sizeof(why)) < 0 ? EXIT_FAILURE :
							 EXIT_NO_EXEC;
}
