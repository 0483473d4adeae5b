/*
 * The files of a journal: DIR/<seq of its first record, 20 digits>.jsonl,
 * and the same name with .zst behind it where a sealed one was compressed.
 * The newest is the live one: the agent writes in it.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

struct segment {
	uint64_t first;		/* seq of its first record */
	bool packed;		/* there is only the .zst of it */
};

struct segments {		/* oldest first */
	struct segment *at;
	size_t n;
};

/*
 * What is in the folder. Where there are both, the plain one counts: the
 * other is left from a crash. -1 names what else is called *.jsonl or
 * *.jsonl.zst, which is nothing we wrote. Missing ones are not looked for.
 */
int segments_read(struct segments *s, const char *dir, struct err *err);
void segments_fini(struct segments *s);
char *segment_path(const char *dir, uint64_t first, bool packed);
