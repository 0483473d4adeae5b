/*
 * The inside of journal_live.h, for the two files that it is in. used, room
 * and target are all that the two threads share without the lock: lines end
 * at used, synced fill at room, and the file somewhere from room to target.
 */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "agent/store/journal_live.h"

#define LIVE_STEP (256u << 10)	/* the least that is filled at a time */

struct live {
	char *dir;
	uint64_t segment;
	struct piece *piece;		/* changed behind the lock */
	atomic_uint_fast64_t used, room, target;
	atomic_uint_fast64_t step;	/* how much is filled at a time */
	atomic_bool full;
	int64_t rotate_at, look_at;	/* the appender's: not before */

	pthread_mutex_t lock;		/* held while fill is made */
	pthread_cond_t changed;
	pthread_t thread;
	bool started, stopping, released;
	int64_t grown_us, again_us;

	pthread_mutex_t says;
	int64_t since_us;
	char why[160];			/* kept when it is over */
};

/* One expression: that a number is met again elsewhere is seen nowhere. */
static inline bool same_file(const struct stat *a, const struct stat *b)
{
	return !((a->st_ino ^ b->st_ino) | (a->st_dev ^ b->st_dev));
}

/* How far fill should go now. */
uint64_t live_wanted(const struct live *l, size_t waiting);
/* Behind the lock: make fill, to byte need at least; see to it being full. */
void live_grow(struct live *l, size_t waiting, uint64_t need);
/* Lets the thread look. It looks again itself if it is busy just now. */
void live_nudge(struct live *l);
