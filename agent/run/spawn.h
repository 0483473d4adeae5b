/*
 * Start a program of somebody else's: in a process group, folder and
 * environment of its own, with nothing of ours open but its three pipes, and
 * with limits. posix_spawn cannot set those, so it starts our own binary
 * again, which sets them and becomes the program.
 */
#pragma once
#include <sys/types.h>

struct err;

/* What main looks for in argv[1] before anything else. */
#define SPAWN_HELPER "--exec-helper"

struct child {			/* all descriptors ours, non-blocking, or -1 */
	pid_t pid;		/* and its process group's id; of a tool its
				   guard's, see guard.h */
	int pidfd, in, out, err;
	int line;		/* see child_exec_errno */
};

/*
 * argv[0] with a slash is a path, else it is looked up in env's PATH. The
 * calling thread has to outlive the child, which is killed when it ends.
 */
int child_spawn(struct child *c, char *const argv[], char *const env[],
		const char *dir, struct err *err);
/*
 * The same with a guard, so that nothing of it outlives it. It is told to
 * end, and ended with all that it has started, by a signal to its guard.
 */
int child_spawn_tool(struct child *c, char *const argv[], char *const env[],
		     const char *dir, struct err *err);
void child_ask_to_end(const struct child *c);
void child_end_all(const struct child *c);
/*
 * Why the program could not be executed (an errno), or 0: it was, or it is
 * not known yet. To be asked when the child has ended, and once.
 */
int child_exec_errno(struct child *c);
/* Close what is open. The child itself is the caller's to reap. */
void child_close(struct child *c);

/* The other side, called by main: does not return where all is well. */
int spawn_helper_main(int argc, char **argv);
