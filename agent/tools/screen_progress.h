/* What ffmpeg tells of its work: the key=value blocks of -progress. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
	int64_t out_us, frames, bytes;
	char line[128];		/* the one that has not ended yet */
	size_t len;
	bool overlong;		/* and is skipped */
};

/* Take some bytes; true if a block has ended in them. */
bool progress_feed(struct progress *p, const char *data, size_t len);
