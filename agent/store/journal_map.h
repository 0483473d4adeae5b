/*
 * Which segment has which byte of the journal. Bytes are counted over all
 * lines of all segments, as if there were one file and no fill. Any thread
 * reads while the appending one adds; a few segments are kept open.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct err;
struct map;
struct piece;

struct map *map_new(const char *dir);
void map_free(struct map *m);		/* NULL is fine */
/*
 * The next segment: its first record's seq, and how many bytes are before
 * it. live stays open until the next is added; NULL opens it when needed.
 */
void map_add(struct map *m, uint64_t first, uint64_t start,
	     struct piece *live);
/* What is read has to be there: the newest segment has no end here. */
int map_read(struct map *m, uint64_t off, size_t len, char *out,
	     struct err *err);
