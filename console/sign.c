/* See sign.h. */
#include "console/sign.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/mem.h"
#include "console/safe.h"

#define BEGIN "-----BEGIN SSH SIGNATURE-----\n"
#define END "-----END SSH SIGNATURE-----\n"
#define SAID_MAX 65536

char *sign_found(const char *said)
{
	const char *begin = strstr(said, BEGIN);
	const char *end = begin ? strstr(begin, END) : NULL;

	return end ? xstrndup(begin, (size_t)(end - begin) + strlen(END)) :
		     NULL;
}

char *sign_why(const char *said)
{
	const char *last = said, *lf;
	char *line, *safe;

	while ((lf = strchr(last, '\n')) && lf[1])
		last = lf + 1;
	line = xstrndup(last, strcspn(last, "\r\n"));
	safe = safe_line(*line ? line : "ssh-keygen cannot be run");
	free(line);
	return safe;
}

/* Its prompts and complaints go to the terminal as they are. */
static pid_t start(char *const argv[], int in, int out)
{
	posix_spawn_file_actions_t files;
	pid_t pid;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, in, 0);
	posix_spawn_file_actions_adddup2(&files, out, 1);
	if (posix_spawnp(&pid, argv[0], &files, NULL, argv, environ))
		pid = -1;
	posix_spawn_file_actions_destroy(&files);
	return pid;
}

static void read_all(int fd, struct buf *out)
{
	ssize_t n = 1;

	while (n > 0 && out->len < SAID_MAX) {
		n = read(fd, buf_room(out, 4096), 4096);
		if (n > 0)
			out->len += (size_t)n;
		else if (n < 0 && errno == EINTR)
			n = 1;
	}
	buf_adds(out, "");
}

char *sign_now(const char *key, const char *statement, struct err *err)
{
	char *argv[] = SIGN_WORDS(key), *found = NULL;
	struct buf said = {0};
	int in[2], out[2], status;
	pid_t pid;

	if (pipe2(in, O_CLOEXEC))
		return err_sys(err, ERR_io, "a pipe"), NULL;
	if (pipe2(out, O_CLOEXEC)) {
		close(in[0]);
		close(in[1]);
		return err_sys(err, ERR_io, "a pipe"), NULL;
	}
	pid = start(argv, in[0], out[1]);
	close(in[0]);
	close(out[1]);
	if (pid > 0) {		/* a statement is smaller than a pipe */
		void (*old)(int) = signal(SIGPIPE, SIG_IGN);

		(void)!fs_write_all(in[1], statement, strlen(statement));
		close(in[1]);
		signal(SIGPIPE, old);
		read_all(out[0], &said);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		found = sign_found(said.data);
	} else {
		close(in[1]);
	}
	close(out[0]);
	buf_fini(&said);
	if (found)
		return found;
	err_set(err, ERR_io, "%s did not sign: nothing was sent", key);
	err_hint(err, "ssh-keygen said why; `ssh-add -l` lists the keys that "
		 "an agent holds.");
	return NULL;
}
