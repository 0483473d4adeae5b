/* The verb visibility; and what came of a run, asked of the channel. */
#pragma once
#include <stdint.h>

struct tool;

/* Make a video private, unlisted or public. The exit status. */
int visibility(const struct tool *t);
/*
 * Print {"outcome": "succeeded|failed|unknown", "detail", "result"} of a run
 * whose outcome is unknown since so many seconds. Nothing is changed. The exit
 * status.
 */
int look_upload(const struct tool *t, int64_t since_s);
int look_visibility(const struct tool *t, int64_t since_s);
