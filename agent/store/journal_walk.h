/*
 * All lines of a journal folder, segment after segment, plain and compressed,
 * for who checks it: nothing is taken for granted but the files' names.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/store/journal_lines.h"

struct err;
struct walk;

struct walk_at {		/* where a line stands */
	char file[40];		/* the name of the segment */
	uint64_t first;		/* the record that it says it begins with */
	uint64_t line;		/* from 1 in that file */
	uint64_t off;		/* in the journal */
};

int walk_open(struct walk **out, const char *dir, struct err *err);
void walk_close(struct walk *w);		/* NULL is fine */
size_t walk_segments(const struct walk *w);

/*
 * The next line; an empty one is one with something behind it, else it is
 * fill. Where a file cannot be read, *err and LINES_FAILED.
 */
enum lines_got walk_next(struct walk *w, struct span *line,
			 struct walk_at *at, struct err *err);
/*
 * The last line was no good: may an agent have been writing it just then?
 * Then it is read again by the next walk_next, after a moment.
 */
bool walk_again(struct walk *w);
/* The last line is the end of the newest segment, but for fill. */
bool walk_at_end(struct walk *w);
