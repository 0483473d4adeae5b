/*
 * Opening the journal: which segments there are, that none is missing, where
 * the last one ends. Of the sealed ones only the last line is read. Nothing
 * is changed before all of it was found to be in order.
 */
#include "agent/store/journal_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "agent/store/journal_live.h"
#include "agent/store/journal_map.h"
#include "agent/store/journal_piece.h"
#include "agent/store/journal_segments.h"
#include "agent/store/journal_tail.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/mem.h"

#define LOCK_TRIES 20		/* who only looks holds it for a moment */
#define FIRST_LOOK 4096u	/* most last lines are shorter */

#define LLU(n) ((unsigned long long)(n))

struct loading {
	struct journal *j;
	struct journal_repair *repair;
	struct link last;	/* of the segments so far */
	uint64_t start;		/* bytes in them */
	struct piece *long_one;	/* has fill, though it is not the newest */
	uint64_t long_end;
};

static bool lock(int fd)
{
	const struct timespec moment = {.tv_nsec = 10000000};
	int rc = -1;

	for (int i = 0; rc && i < LOCK_TRIES; i++) {
		rc = flock(fd, LOCK_EX | LOCK_NB);
		if (rc && errno != EWOULDBLOCK)
			break;
		if (rc)
			nanosleep(&moment, NULL);
	}
	return !rc;
}

/* One agent per journal: a second one would break the chain. */
static int open_folder(struct journal *j, struct err *err)
{
	if (fs_mkdir(j->dir, 0700, err))
		return -1;
	j->lock = open(j->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (j->lock < 0)
		return err_sys(err, ERR_audit_unavailable, "%s", j->dir);
	if (lock(j->lock))
		return 0;
	err_sys(err, ERR_audit_unavailable, "%s is in use", j->dir);
	return err_hint(err, "Another agent runs on this home; stop it, or "
			"give this one another --home.");
}

/* The records of the segment have to come next. */
static int comes_next(const struct loading *l, const struct segment *s,
		      struct err *err)
{
	const uint64_t want = l->last.seq + 1;
	char *path;

	if (s->first == want)
		return 0;
	path = segment_path(l->j->dir, s->first, s->packed);
	if (s->first > want)
		err_set(err, ERR_audit_unavailable, "the journal is damaged: "
			"records %llu to %llu are missing, before %s",
			LLU(want), LLU(s->first - 1), path);
	else
		err_set(err, ERR_audit_unavailable, "the journal is damaged: "
			"%s begins where records are already, up to %llu",
			path, LLU(l->last.seq));
	free(path);
	return err_hint(err, "Nothing was changed. Restore the journal from a "
			"copy, or put away the file that is no part of it.");
}

/* The last line of the size bytes, if nothing is behind it. */
static int last_line(struct loading *l, struct piece *p, uint64_t size,
		     size_t look, struct err *err)
{
	char *text = xmalloc(look);
	const size_t n = size < look ? (size_t)size : look;
	const char *lf = NULL;
	struct record *r = NULL;
	int rc = piece_read(p, size - n, n, text, err);

	if (!rc && n && text[n - 1] == '\n')
		lf = memrchr(text, '\n', n - 1);
	if (!rc && (lf || n == size)) {
		lf = lf ? lf + 1 : text;
		r = record_parse(lf, n ? n - 1 - (size_t)(lf - text) : 0,
				 NULL, NULL);
	}
	if (r) {
		l->last = (struct link){true, r->seq, r->ts_us, {0}};
		memcpy(l->last.leaf, r->leaf, SHA256_RAW);
	}
	free(text);
	rc = rc ? -1 : r != NULL;
	record_unref(r);
	return rc;
}

/* Not cut to its length: that is next after the new one was begun. */
static int measure(struct loading *l, struct piece *p, uint64_t *size,
		   struct err *err)
{
	struct tail t;

	if (tail_read(piece_read, p, *size, l->start, &l->last, &t, err))
		return -1;
	if (t.text || !t.end || l->long_one)
		return err_set(err, ERR_audit_unavailable, "the journal is "
			       "damaged: %s does not end with a record",
			       piece_path(p));
	l->last = t.last;
	l->long_one = piece_ref(p);
	*size = l->long_end = t.end;
	return 0;
}

static int load_sealed(struct loading *l, const struct segment *s,
		       struct err *err)
{
	struct piece *p;
	uint64_t size;
	int rc;

	if (piece_open(&p, l->j->dir, s->first, err))
		return -1;
	rc = piece_size(p, &size, err) ? -1 :
	     last_line(l, p, size, FIRST_LOOK, err);
	if (!rc)
		rc = last_line(l, p, size, RECORD_LINE_MAX + 2, err);
	rc = rc < 0 ? -1 : !rc ? measure(l, p, &size, err) : 0;
	piece_unref(p);
	map_add(l->j->map, s->first, l->start, NULL);
	l->start += size;
	return rc;
}

/* Over what a write that was cut short has left. */
static int repair(const struct loading *l, struct piece *p,
		  const struct tail *t, struct err *err)
{
	char fill[4096];
	ssize_t n = 0;

	memset(fill, '\n', sizeof(fill));
	for (uint64_t done = 0; done < t->torn && n >= 0; done += (size_t)n) {
		const uint64_t left = t->torn - done;

		n = pwrite(piece_fd(p), fill, left < sizeof(fill) ?
			   (size_t)left : sizeof(fill),
			   (off_t)(t->end + done));
	}
	if (n < 0)
		return err_sys(err, ERR_audit_unavailable, "writing over the "
			       "torn end of %s", piece_path(p));
	*l->repair = (struct journal_repair){
		.done = true, .off = l->start + t->end, .len = t->torn};
	memcpy(l->repair->sha256, t->torn_sha256, SHA256_HEX);
	return 0;
}

/* Its first record, where the tail does not reach so far back. */
static int begins(const struct loading *l, const struct segment *s,
		  struct piece *p, const struct tail *t, struct err *err)
{
	char want[40], got[40];
	const int n = snprintf(want, sizeof(want), "{\"seq\":%llu,",
			       LLU(s->first));

	if (!t->end)
		return 0;
	if (piece_read(p, 0, (size_t)n, got, err))
		return -1;
	return memcmp(want, got, (size_t)n) ?
	       link_broken(&l->last, l->start, "is not what its file begins "
			   "with", err) : 0;
}

static int load_live(struct loading *l, const struct segment *s,
		     struct err *err)
{
	char *path = segment_path(l->j->dir, s->first, false);
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW), rc = -1;
	struct piece *p = fd < 0 ? NULL : piece_of(fd, path);
	struct tail t;
	uint64_t size;

	if (!p)
		err_sys(err, ERR_audit_unavailable, "%s", path);
	else
		rc = piece_size(p, &size, err) ||
		     tail_read(piece_read, p, size, l->start, &l->last, &t,
			       err) ||
		     begins(l, s, p, &t, err) ||
		     (t.torn && repair(l, p, &t, err));
	if (!rc && fsync(fd))
		rc = err_sys(err, ERR_audit_unavailable, "syncing %s", path);
	rc = rc || live_use(l->j->live, p, t.end, err);
	if (!rc) {
		map_add(l->j->map, s->first, l->start, p);
		l->last = t.last;
		l->start += t.end;
	}
	piece_unref(p);
	free(path);
	return rc ? -1 : 0;
}

static int begin_live(struct loading *l, struct err *err)
{
	const uint64_t first = l->last.seq + 1;

	if (live_create(l->j->live, first, err))
		return -1;
	map_add(l->j->map, first, l->start, live_piece(l->j->live));
	return 0;
}

static int load(struct loading *l, const struct segments *s, struct err *err)
{
	bool live = false;
	int rc = 0;

	for (size_t i = 0; i < s->n && !rc; i++) {
		live = i + 1 == s->n && !s->at[i].packed;
		rc = comes_next(l, &s->at[i], err) ||
		     (live ? load_live(l, &s->at[i], err) :
			     load_sealed(l, &s->at[i], err));
	}
	if (!rc && !live)
		rc = begin_live(l, err);
	if (!rc && l->long_one)
		rc = piece_cut(l->long_one, l->long_end, err);
	return rc ? -1 : fs_sync_dir(l->j->dir, err);
}

static int load_all(struct journal *j, struct journal_repair *repaired,
		    struct err *err)
{
	struct loading l = {.j = j, .repair = repaired, .last = link_first};
	struct segments s;
	int rc;

	if (open_folder(j, err) || segments_read(&s, j->dir, err))
		return -1;
	rc = load(&l, &s, err);
	segments_fini(&s);
	piece_unref(l.long_one);
	j->last = l.last;
	j->head = (struct journal_head){.seq = l.last.seq, .off = l.start};
	memcpy(j->head.leaf, l.last.leaf, SHA256_RAW);
	return rc;
}

int journal_open(struct journal **out, const char *dir,
		 const struct journal_options *o,
		 struct journal_repair *repaired, struct err *err)
{
	struct journal *j = xcalloc(1, sizeof(*j));

	*repaired = (struct journal_repair){0};
	j->dir = xstrdup(dir);
	j->lock = -1;
	pthread_mutex_init(&j->mutex, NULL);
	j->live = live_new(dir, o && o->segment ? o->segment :
				JOURNAL_SEGMENT);
	j->map = map_new(dir);
	if (load_all(j, repaired, err) ||
	    ((!o || !o->alone) && live_start(j->live, err))) {
		journal_close(j);
		return -1;
	}
	*out = j;
	return 0;
}
