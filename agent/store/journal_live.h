/*
 * The segment that is written in. Behind its lines it is filled with line
 * feeds beforehand, so that a sync of records changes no length. The fill is
 * made by a thread of its own, ahead of the appending one. While the disk
 * has no room for more the journal is full: nothing was lost, it is tried
 * again every 200 ms.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct live;
struct piece;

/* Kept for the agent's own records, and for all records of one call. */
#define LIVE_KEEP (128u << 10)
#define LIVE_CALL (128u << 10)

struct live *live_new(const char *dir, uint64_t segment);
void live_free(struct live *l);			/* NULL is fine */

/*
 * Write in p from byte used on; it is fill beyond that. Makes what fill it
 * needs, or is full, which is no error. Not after live_start.
 */
int live_use(struct live *l, struct piece *p, uint64_t used,
	     struct err *err);
/* A segment for the record first; 0, or -1 with nothing left of it. */
int live_create(struct live *l, uint64_t first, struct err *err);
int live_start(struct live *l, struct err *err);	/* the thread */

/* The rest is the appending thread's, but for live_full. */
struct piece *live_piece(const struct live *l);	/* borrowed */
uint64_t live_used(const struct live *l);

/* Is there room for len more bytes behind those that wait? */
bool live_fits(struct live *l, size_t waiting, size_t len, bool own);
/* Is there room for all that one more call may say? */
bool live_ready(struct live *l, size_t waiting);
/*
 * Since when there is no room, on the wall, and why; false: there is again,
 * and why is what it was. Any thread.
 */
bool live_full(struct live *l, int64_t *since_us, char *why, size_t size);

/* Write, sync, and see that the file is still the one. At most TAIL_BATCH. */
int live_write(struct live *l, const char *data, size_t len, uint64_t behind,
	       void (*hook)(void *), void *hook_data, struct err *err);
void live_wrote(struct live *l, size_t len);	/* all of it is synced */
/* Fill over what was refused, so that no restart finds it. Best effort. */
void live_take_back(struct live *l, size_t len);

/*
 * Go on in a new segment if this one is long enough, and cut the fill off
 * the old. 1: it was done. 0: not now. -1: it failed for good. step is for
 * tests: called before each thing done to the disk.
 */
int live_rotate(struct live *l, uint64_t first, size_t waiting,
		void (*step)(void *), void *step_data, struct err *err);

/* Take the reserve for what has to be written to stop. Any thread. */
void live_release(struct live *l);
