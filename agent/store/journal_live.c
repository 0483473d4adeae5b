/* See journal_live.h: writing, and beginning the next segment. */
#include "agent/store/journal_live_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/store/journal_piece.h"
#include "agent/store/journal_room.h"
#include "agent/store/journal_segments.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/mem.h"

#define ROTATE_AGAIN_US 1000000

struct live *live_new(const char *dir, uint64_t segment)
{
	struct live *l = xcalloc(1, sizeof(*l));
	pthread_condattr_t attr;

	l->dir = xstrdup(dir);
	l->segment = segment;
	strcpy(l->why, "the disk is full");
	atomic_init(&l->step, LIVE_STEP);
	pthread_mutex_init(&l->lock, NULL);
	pthread_mutex_init(&l->says, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&l->changed, &attr);
	pthread_condattr_destroy(&attr);
	return l;
}

void live_free(struct live *l)
{
	if (!l)
		return;
	if (l->started) {
		pthread_mutex_lock(&l->lock);
		l->stopping = true;
		pthread_cond_signal(&l->changed);
		pthread_mutex_unlock(&l->lock);
		pthread_join(l->thread, NULL);
	}
	piece_unref(l->piece);
	pthread_cond_destroy(&l->changed);
	pthread_mutex_destroy(&l->lock);
	pthread_mutex_destroy(&l->says);
	free(l->dir);
	free(l);
}

struct piece *live_piece(const struct live *l)
{
	return l->piece;
}

uint64_t live_used(const struct live *l)
{
	return atomic_load(&l->used);
}

/* Behind the lock, or before there is a thread. size is all that is synced. */
static void use(struct live *l, struct piece *p, uint64_t used, uint64_t size)
{
	piece_unref(l->piece);
	l->piece = piece_ref(p);
	atomic_store(&l->used, used);
	atomic_store(&l->room, size);
	atomic_store(&l->target, size);
}

int live_use(struct live *l, struct piece *p, uint64_t used,
	     struct err *err)
{
	uint64_t size;

	if (piece_size(p, &size, err))
		return -1;
	use(l, p, used, size);
	if (!live_ready(l, 0) || room_free(l->dir) < RESERVE)
		reserve_release(l->dir);
	return 0;
}

/*
 * A new file with fill up to byte to, all of it synced; *out is owned. -1
 * leaves nothing, or it is *stuck with a file that it cannot remove.
 */
static int create(const struct live *l, uint64_t first, uint64_t to,
		  struct piece **out, bool *stuck, struct err *err)
{
	char *path = segment_path(l->dir, first, false);
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		      0600), rc = -1;
	uint64_t end = 0;

	*stuck = fd < 0 && errno == EEXIST;
	if (fd < 0) {
		err_sys(err, ERR_audit_unavailable, "%s", path);
	} else {
		rc = room_fill(fd, l->dir, &end, to, err) ||
		     fsync(fd) || fs_sync_dir(l->dir, err);
		if (rc)
			*stuck = unlink(path) || fs_sync_dir(l->dir, NULL);
	}
	if (!rc)
		*out = piece_of(fd, path);
	else if (fd >= 0)
		close(fd);
	free(path);
	return rc ? -1 : 0;
}

int live_create(struct live *l, uint64_t first, struct err *err)
{
	struct piece *p = NULL;
	bool stuck;
	int rc;

	if (create(l, first, 0, &p, &stuck, err))
		return -1;
	rc = live_use(l, p, 0, err);
	piece_unref(p);
	return rc;
}

static int put(const struct live *l, const char *data, size_t len,
	       uint64_t at)
{
	while (len) {
		ssize_t n = pwrite(piece_fd(l->piece), data, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		data += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* The file we hold is the one on the path, and as long as we made it. */
static int still_ours(const struct live *l, struct err *err)
{
	const char *path = piece_path(l->piece);
	const uint64_t least = atomic_load(&l->room);
	struct stat own, other;

	if (fstat(piece_fd(l->piece), &own))
		return err_sys(err, ERR_audit_unavailable, "%s", path);
	if (!own.st_nlink)
		return err_set(err, ERR_audit_unavailable,
			       "%s was deleted", path);
	if (stat(path, &other))
		return err_sys(err, ERR_audit_unavailable, "%s", path);
	if (!same_file(&own, &other))
		return err_set(err, ERR_audit_unavailable,
			       "another file was put at %s", path);
	if ((uint64_t)own.st_size < least ||
	    (uint64_t)own.st_size > atomic_load(&l->target))
		return err_set(err, ERR_audit_unavailable, "%s has %lld bytes"
			       " where %llu were written", path,
			       (long long)own.st_size,
			       (unsigned long long)least);
	return 0;
}

int live_write(struct live *l, const char *data, size_t len, uint64_t behind,
	       void (*hook)(void *), void *hook_data, struct err *err)
{
	if (put(l, data, len, atomic_load(&l->used) + behind))
		return err_sys(err, ERR_audit_unavailable, "writing %s",
			       piece_path(l->piece));
	if (hook)
		hook(hook_data);
	if (fdatasync(piece_fd(l->piece)))
		return err_sys(err, ERR_audit_unavailable, "syncing %s",
			       piece_path(l->piece));
	return still_ours(l, err);
}

void live_wrote(struct live *l, size_t len)
{
	atomic_fetch_add(&l->used, len);
	live_nudge(l);
}

void live_take_back(struct live *l, size_t len)
{
	uint64_t end = atomic_load(&l->used);
	struct stat own, other;
	char *fill;

	if (fstat(piece_fd(l->piece), &own) ||
	    stat(piece_path(l->piece), &other) ||
	    !same_file(&own, &other) || (uint64_t)own.st_size < end + len)
		return;
	fill = xmalloc(len);
	memset(fill, '\n', len);
	if (!put(l, fill, len, end))
		fdatasync(piece_fd(l->piece));
	free(fill);
}

static void now(void (*step)(void *), void *data)
{
	if (step)
		step(data);
}

int live_rotate(struct live *l, uint64_t first, size_t waiting,
		void (*step)(void *), void *step_data, struct err *err)
{
	const uint64_t used = live_used(l);
	const uint64_t size = LIVE_KEEP + LIVE_CALL + LIVE_STEP + waiting;
	struct piece *p = NULL, *old;
	bool stuck;
	int rc = 1;

	if (used < l->segment || clock_mono_us() < l->rotate_at)
		return 0;
	now(step, step_data);
	if (create(l, first, size, &p, &stuck, err)) {
		l->rotate_at = clock_mono_us() + ROTATE_AGAIN_US;
		return stuck ? -1 : 0;
	}
	now(step, step_data);
	pthread_mutex_lock(&l->lock);
	old = piece_ref(l->piece);
	use(l, p, 0, size);
	pthread_mutex_unlock(&l->lock);
	if (ftruncate(piece_fd(old), (off_t)used))
		rc = err_sys(err, ERR_audit_unavailable, "ending %s",
			     piece_path(old));
	now(step, step_data);
	if (rc == 1 && fsync(piece_fd(old)))
		rc = err_sys(err, ERR_audit_unavailable, "syncing %s",
			     piece_path(old));
	now(step, step_data);
	piece_unref(old);
	piece_unref(p);
	return rc;
}
