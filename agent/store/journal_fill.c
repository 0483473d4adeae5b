/*
 * Making fill, and what being full is. Fill goes through a descriptor of its
 * own, so that whatever a sync has to tell about records is told to the one
 * that wrote them.
 */
#include "agent/store/journal_live_inner.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/store/journal_piece.h"
#include "agent/store/journal_room.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"

#define AGAIN_US 200000
#define LOOK_US 50000
#define RESERVE_US 1000000	/* between tries to make it */
#define BUSY_US 1000000		/* two fills in this: make larger ones */
#define STEP_MAX (4u << 20)

/* Bytes of fill behind what is written and what waits. */
static uint64_t left(const struct live *l, size_t waiting)
{
	const uint64_t room = atomic_load(&l->room);
	const uint64_t used = atomic_load(&l->used) + waiting;

	return room > used ? room - used : 0;
}

/* Behind the lock. */
static void say_full(struct live *l, const struct err *why)
{
	pthread_mutex_lock(&l->says);
	if (!atomic_load(&l->full)) {
		l->since_us = clock_wall_us();
		log_error("the journal has no room: %s", why->detail);
	}
	snprintf(l->why, sizeof(l->why), "%.150s", why->detail);
	atomic_store(&l->full, true);
	pthread_mutex_unlock(&l->says);
	l->again_us = clock_mono_us() + AGAIN_US;
	pthread_cond_signal(&l->changed);	/* it may rest for good */
}

bool live_full(struct live *l, int64_t *since_us, char *why, size_t size)
{
	bool full;

	pthread_mutex_lock(&l->says);
	full = atomic_load(&l->full);
	*since_us = l->since_us;
	snprintf(why, size, "%s", l->why);
	pthread_mutex_unlock(&l->says);
	return full;
}

/* A descriptor of the live file that nobody else has. */
static int open_own(const struct live *l, struct err *err)
{
	int fd = open(piece_path(l->piece), O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat own, other;

	if (fd >= 0 && !fstat(fd, &own) &&
	    !fstat(piece_fd(l->piece), &other) && same_file(&own, &other))
		return fd;
	err_set(err, ERR_audit_unavailable, "%s is not the file it was",
		piece_path(l->piece));
	if (fd >= 0)
		close(fd);
	return -1;
}

static uint64_t length(int fd, uint64_t otherwise)
{
	struct stat st;

	return fstat(fd, &st) ? otherwise : (uint64_t)st.st_size;
}

/* Behind the lock. Fill up to byte to, or as far as there is room: -1. */
static int grow(struct live *l, uint64_t to, struct err *err)
{
	uint64_t end = atomic_load(&l->room);
	int fd, rc = -1;

	if (to <= end)
		return 0;
	if (end < atomic_load(&l->used))	/* never over records */
		return err_set(err, ERR_internal, "the fill is too short");
	fd = open_own(l, err);
	if (fd >= 0 && length(fd, 0) < end) {	/* fill would hide the cut */
		err_set(err, ERR_audit_unavailable, "%s was cut",
			piece_path(l->piece));
		close(fd);
	} else if (fd >= 0) {
		atomic_store(&l->target, to);
		rc = room_fill(fd, l->dir, &end, to, err);
		atomic_store(&l->room, end);
		atomic_store(&l->target, rc ? length(fd, to) : end);
		close(fd);
	}
	l->grown_us = clock_mono_us();
	l->again_us = l->grown_us + AGAIN_US;
	return rc;
}

/* Enough for what is about to come, as far as that can be known. */
uint64_t live_wanted(const struct live *l, size_t waiting)
{
	const uint64_t used = atomic_load(&l->used) + waiting;
	const uint64_t least = used + LIVE_KEEP + LIVE_CALL;
	const uint64_t most = l->segment + LIVE_KEEP + LIVE_CALL;
	const uint64_t step = atomic_load(&l->step);

	return least + step < most ? least + step :
	       least + LIVE_STEP / 4;
}

static bool is_ready(const struct live *l, size_t waiting)
{
	return left(l, waiting) >= LIVE_KEEP + LIVE_CALL;
}

void live_grow(struct live *l, size_t waiting, uint64_t need)
{
	const uint64_t want = live_wanted(l, waiting);
	struct err why = {.detail = "the disk is full"};

	grow(l, want > need ? want : need, &why);
	if (!is_ready(l, waiting) || room_low(l->dir))
		say_full(l, &why);
	else if (atomic_exchange(&l->full, false))
		log_info("the journal has room again");
}

void live_release(struct live *l)
{
	pthread_mutex_lock(&l->lock);
	if (atomic_load(&l->full) || room_free(l->dir) < RESERVE) {
		l->released = true;
		reserve_release(l->dir);
	}
	pthread_mutex_unlock(&l->lock);
}

bool live_fits(struct live *l, size_t waiting, size_t len, bool own)
{
	const uint64_t need = len + (own ? 0 : LIVE_KEEP);

	if (left(l, waiting) >= need)
		return true;
	if (atomic_load(&l->full) && !own)
		return false;
	pthread_mutex_lock(&l->lock);
	live_grow(l, waiting, atomic_load(&l->used) + waiting + need);
	pthread_mutex_unlock(&l->lock);
	return left(l, waiting) >= need;
}

/* Others may have filled the disk: what follows us would not get far. */
static bool look_around(struct live *l)
{
	const int64_t now = clock_mono_us();

	if (now < l->look_at)
		return true;
	l->look_at = now + LOOK_US;
	return !room_low(l->dir);
}

bool live_ready(struct live *l, size_t waiting)
{
	if (atomic_load(&l->full))
		return false;
	if (is_ready(l, waiting) && look_around(l))
		return true;
	pthread_mutex_lock(&l->lock);
	live_grow(l, waiting, 0);
	pthread_mutex_unlock(&l->lock);
	return !atomic_load(&l->full);
}

/* Time for more fill? */
static bool is_low(const struct live *l)
{
	return left(l, 0) < LIVE_KEEP + LIVE_CALL +
			    atomic_load(&l->step) / 2 &&
	       live_wanted(l, 0) > atomic_load(&l->room);
}

static void pace(struct live *l)
{
	const bool busy = clock_mono_us() - l->grown_us < BUSY_US;
	const uint64_t step = atomic_load(&l->step);

	if (busy && step < STEP_MAX)
		atomic_store(&l->step, 2 * step);
	else if (!busy && step > LIVE_STEP)
		atomic_store(&l->step, step / 2);
}

/* Until somebody has something, or it is time to try again. */
static void rest(struct live *l, bool reserved)
{
	const bool soon = atomic_load(&l->full) || is_low(l);
	const int64_t at = soon ? l->again_us :
			   clock_mono_us() + RESERVE_US;
	struct timespec t = {at / 1000000, at % 1000000 * 1000};

	if (soon || !reserved)
		pthread_cond_timedwait(&l->changed, &l->lock, &t);
	else
		pthread_cond_wait(&l->changed, &l->lock);
}

static void *keep_filled(void *live)
{
	struct live *l = live;
	bool reserved = false, full;

	pthread_mutex_lock(&l->lock);
	while (!l->stopping) {
		full = atomic_load(&l->full);
		if (!full && !reserved)
			reserved = l->released || reserve_make(l->dir);
		if ((full || is_low(l)) &&
		    clock_mono_us() >= l->again_us) {
			pace(l);
			live_grow(l, 0, 0);
			if (!is_low(l) && !atomic_load(&l->full))
				l->again_us = 0;
		} else {
			rest(l, reserved);
		}
	}
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

int live_start(struct live *l, struct err *err)
{
	const int rc = pthread_create(&l->thread, NULL, keep_filled, l);

	if (rc)
		return err_set(err, ERR_audit_unavailable, "the journal's "
			       "thread: %s", strerror(rc));
	pthread_setname_np(l->thread, "journal");
	l->started = true;
	return 0;
}

void live_nudge(struct live *l)
{
	if (is_low(l) && !pthread_mutex_trylock(&l->lock)) {
		pthread_cond_signal(&l->changed);
		pthread_mutex_unlock(&l->lock);
	}
}
