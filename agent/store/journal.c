/*
 * See journal.h. The head is what was synced and checked; it is the one thing
 * that threads share. What is being added belongs to the appending thread.
 */
#include "agent/store/journal_inner.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/store/journal_live.h"
#include "agent/store/journal_map.h"
#include "agent/store/journal_tail.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/mem.h"

static uint64_t committed(const struct journal *j)
{
	return j->head.off;	/* only the appending thread changes it */
}

static void drop_added(struct journal *j)
{
	for (size_t i = 0; i < j->n_added; i++)
		record_unref(j->added[i]);
	xfree(j->added);
	j->n_added = j->cap = 0;
	buf_reset(&j->bytes);
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	drop_added(j);
	buf_fini(&j->bytes);
	live_free(j->live);
	map_free(j->map);
	if (j->lock >= 0)
		close(j->lock);
	pthread_mutex_destroy(&j->mutex);
	free(j->dir);
	free(j);
}

bool journal_sealed(const struct journal *j)
{
	return atomic_load(&j->sealed);
}

bool journal_full(struct journal *j)
{
	struct journal_trouble t;

	return journal_trouble(j, &t) && !t.sealed;
}

bool journal_trouble(struct journal *j, struct journal_trouble *t)
{
	*t = (struct journal_trouble){.sealed = journal_sealed(j)};
	if (!t->sealed)
		return live_full(j->live, &t->since_us, t->why,
				 sizeof(t->why));
	t->since_us = j->sealed_us;
	memcpy(t->why, j->why, sizeof(t->why));
	return true;
}

void journal_release(struct journal *j)
{
	live_release(j->live);
}

static int refuse(const struct journal *j, struct err *err)
{
	return err_set(err, ERR_audit_unavailable, "%s", j->why);
}

static int refuse_full(struct journal *j, struct err *err)
{
	struct journal_trouble t;

	journal_trouble(j, &t);
	err_set(err, ERR_audit_unavailable, "%s", t.why);
	return err_hint(err, "Free disk space; it goes on by itself.");
}

int journal_ready(struct journal *j, struct err *err)
{
	if (journal_sealed(j))
		return refuse(j, err);
	return live_ready(j->live, j->bytes.len) ? 0 : refuse_full(j, err);
}

struct record *journal_append(struct journal *j, const struct entry *e,
			      struct err *err)
{
	int64_t now = clock_wall_us();
	struct record *r;

	if (journal_sealed(j)) {
		refuse(j, err);
		return NULL;
	}
	r = record_make(e, j->last.seq + 1,
			now > j->last.ts_us ? now : j->last.ts_us,
			j->last.leaf, err);
	if (!r)
		return NULL;
	if (!live_fits(j->live, j->bytes.len, r->len + 1, e->own)) {
		record_unref(r);
		refuse_full(j, err);
		return NULL;
	}
	r->off = committed(j) + j->bytes.len;
	j->last = (struct link){true, r->seq, r->ts_us, {0}};
	memcpy(j->last.leaf, r->leaf, SHA256_RAW);
	buf_add(&j->bytes, r->line, r->len);
	buf_add(&j->bytes, "\n", 1);
	if (j->n_added == j->cap) {
		j->cap = j->cap ? 2 * j->cap : 64;
		j->added = xrealloc(j->added, j->cap * sizeof(*j->added));
	}
	return j->added[j->n_added++] = r;
}

/* How many bytes of whole lines, from byte from on, go into one write. */
static size_t one_write(const struct buf *b, size_t from)
{
	const char *lf;

	if (b->len - from <= TAIL_BATCH)
		return b->len - from;
	lf = memrchr(b->data + from, '\n', TAIL_BATCH);
	return (size_t)(lf + 1 - b->data) - from;
}

static int write_added(struct journal *j, struct err *err)
{
	int rc = 0;

	for (size_t done = 0, n; done < j->bytes.len && !rc; done += n) {
		n = one_write(&j->bytes, done);
		rc = live_write(j->live, j->bytes.data + done, n, done,
				j->hook, j->hook_data, err);
	}
	return rc;
}

/* The next segment begins with what was added. */
static int rotate(struct journal *j, struct err *err)
{
	const uint64_t first = j->head.seq + 1;
	int rc = live_rotate(j->live, first, j->bytes.len, j->step,
			     j->step_data, err);

	if (rc == 1)
		map_add(j->map, first, committed(j), live_piece(j->live));
	return rc < 0 ? -1 : 0;
}

/*
 * Nothing was acknowledged of what is behind the head, so it should not be
 * found there after a restart either. That is tried, never relied upon.
 */
static void seal(struct journal *j, const struct err *why)
{
	memccpy(j->why, why->detail, 0, sizeof(j->why) - 1);
	j->sealed_us = clock_wall_us();
	atomic_store(&j->sealed, true);
	live_take_back(j->live, j->bytes.len);
	drop_added(j);
}

int journal_commit(struct journal *j, struct record ***batch, size_t *n,
		   struct err *err)
{
	struct err why = {0};

	*batch = NULL;
	*n = 0;
	if (journal_sealed(j))
		return refuse(j, err);
	if (!j->n_added)
		return 0;
	if (rotate(j, &why) || write_added(j, &why)) {
		seal(j, &why);
		return refuse(j, err);
	}
	live_wrote(j->live, j->bytes.len);
	pthread_mutex_lock(&j->mutex);
	j->head.seq = j->last.seq;
	j->head.off += j->bytes.len;
	memcpy(j->head.leaf, j->last.leaf, SHA256_RAW);
	pthread_mutex_unlock(&j->mutex);
	*batch = j->added;
	*n = j->n_added;
	j->added = NULL;
	j->n_added = j->cap = 0;
	buf_reset(&j->bytes);
	return 0;
}

struct journal_head journal_head(struct journal *j)
{
	struct journal_head head;

	pthread_mutex_lock(&j->mutex);
	head = j->head;
	pthread_mutex_unlock(&j->mutex);
	return head;
}

int journal_read(struct journal *j, uint64_t off, size_t len, char *out,
		 struct err *err)
{
	const uint64_t end = journal_head(j).off;

	if (off > end || len > end - off)
		return err_set(err, ERR_io, "byte %llu of the journal is not "
			       "committed", (unsigned long long)(off + len));
	return map_read(j->map, off, len, out, err);
}

int journal_has(struct journal *j, const struct journal_head *point,
		struct err *err)
{
	char window[RECORD_LINE_MAX + 2];
	const size_t len = point->off < sizeof(window) ?
				   (size_t)point->off : sizeof(window);
	const char *lf;
	struct record *r;
	int rc;

	if (!point->off || point->off > journal_head(j).off)
		return !point->off && !point->seq;
	if (journal_read(j, point->off - len, len, window, err))
		return -1;
	lf = memrchr(window, '\n', len - 1);
	lf = lf ? lf + 1 : window;
	r = record_parse(lf, len - 1 - (size_t)(lf - window), NULL, NULL);
	rc = r && window[len - 1] == '\n' && r->seq == point->seq &&
	     !memcmp(r->leaf, point->leaf, SHA256_RAW);
	record_unref(r);
	return rc;
}

static int read_map(void *map, uint64_t off, size_t len, char *out,
		    struct err *err)
{
	return map_read(map, off, len, out, err);
}

int journal_replay(struct journal *j, uint64_t off, journal_each *each,
		   void *data, struct err *err)
{
	const uint64_t end = journal_head(j).off;
	struct link at = link_first;
	char before = '\n';

	if (off > end)
		return err_set(err, ERR_io, "byte %llu is behind the end of "
			       "the journal", (unsigned long long)off);
	if (off && journal_read(j, off - 1, 1, &before, err))
		return -1;
	if (before != '\n')
		return err_set(err, ERR_io, "no record of the journal starts "
			       "at byte %llu", (unsigned long long)off);
	at.known = off == 0;
	return link_walk(&at, lines_new(read_map, j->map, off, end), each,
			 data, err);
}

void journal_on_sync(struct journal *j, void (*hook)(void *), void *data)
{
	j->hook = hook;
	j->hook_data = data;
}

void journal_on_rotate(struct journal *j, void (*step)(void *), void *data)
{
	j->step = step;
	j->step_data = data;
}
