/* A helper program (ffmpeg, ffprobe) that never outlives its tool. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct child {
	pid_t pid;
	int out;		/* reads what it writes to stdout */
	int gone;		/* pidfd: readable when it has ended */
};

/*
 * Start argv[0] from PATH without a shell; stderr is the tool's. A program
 * that is not there ends the tool with tool_missing.
 */
void child_start(struct child *c, const char *const argv[]);
/* SIGINT, which ffmpeg takes as "finish the file"; SIGKILL after ms. */
void child_stop(struct child *c, int ms);
/* Wait for the end. Returns the exit status, or 128 and the signal. */
int child_end(struct child *c);
/* Start, read up to size - 1 bytes into out, end. 0 if it exited with 0. */
int child_output(const char *const argv[], char *out, size_t size);
