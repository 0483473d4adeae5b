/*
 * What git says on stderr: the words, without the counting that it shows on
 * a terminal while it goes on.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"

struct git_words {		/* zeroed memory has heard nothing */
	struct buf kept, line;
	bool returned;		/* the line ended in a carriage return */
};

void git_words_fini(struct git_words *w);
void git_words_hear(struct git_words *w, const char *data, size_t len);
/*
 * No more will come. The beginning of what was kept, as one line, nothing of
 * which reaches a terminal as it is.
 */
void git_words_end(struct git_words *w, char *out, size_t size);
