/* See journal_map.h. */
#include "agent/store/journal_map.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "agent/store/journal_piece.h"
#include "common/mem.h"

#define OPEN_MAX 8		/* sealed segments kept open */

struct place {
	uint64_t first, start;
	struct piece *piece;	/* NULL: not open */
	uint64_t used;		/* when, in reads */
};

struct map {
	char *dir;
	pthread_mutex_t lock;	/* all below */
	struct place *at;	/* oldest first */
	size_t n, cap, open;
	uint64_t reads;
};

struct map *map_new(const char *dir)
{
	struct map *m = xcalloc(1, sizeof(*m));

	m->dir = xstrdup(dir);
	pthread_mutex_init(&m->lock, NULL);
	return m;
}

void map_free(struct map *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n; i++)
		piece_unref(m->at[i].piece);
	pthread_mutex_destroy(&m->lock);
	free(m->at);
	free(m->dir);
	free(m);
}

/* Behind the lock. */
static void shut(struct map *m, struct place *p)
{
	piece_unref(p->piece);
	p->piece = NULL;
	m->open--;
}

void map_add(struct map *m, uint64_t first, uint64_t start,
	     struct piece *live)
{
	pthread_mutex_lock(&m->lock);
	if (m->n && m->at[m->n - 1].piece)
		shut(m, &m->at[m->n - 1]);
	if (m->n == m->cap) {
		m->cap = m->cap ? 2 * m->cap : 16;
		m->at = xrealloc(m->at, m->cap * sizeof(*m->at));
	}
	m->at[m->n++] = (struct place){
		first, start, live ? piece_ref(live) : NULL, m->reads,
	};
	m->open += live != NULL;
	pthread_mutex_unlock(&m->lock);
}

/* Behind the lock: the one that has the byte. */
static struct place *find(const struct map *m, uint64_t off)
{
	size_t lo = 0, hi = m->n;

	while (hi - lo > 1) {
		const size_t mid = lo + (hi - lo) / 2;

		if (m->at[mid].start <= off)
			lo = mid;
		else
			hi = mid;
	}
	return &m->at[lo];
}

/*
 * Behind the lock: the one that was not read for longest, never the newest;
 * of several that are open there is one.
 */
static void close_one(struct map *m)
{
	struct place *old = NULL;

	for (struct place *p = m->at; p + 1 < m->at + m->n; p++)
		if (p->piece && (!old || p->used < old->used))
			old = p;
	shut(m, old);
}

/* Behind the lock: what was compressed takes its room until it is closed. */
static void close_gone(struct map *m)
{
	for (struct place *p = m->at; p + 1 < m->at + m->n; p++)
		if (p->piece && piece_gone(p->piece))
			shut(m, p);
}

/*
 * The piece with the byte, referenced; *at is the byte in it and *left how
 * many there are from it on.
 */
static int get(struct map *m, uint64_t off, struct piece **out, uint64_t *at,
	       uint64_t *left, struct err *err)
{
	struct place *p;
	int rc = 0;

	pthread_mutex_lock(&m->lock);
	p = find(m, off);
	*at = off - p->start;
	*left = p + 1 < m->at + m->n ? p[1].start - off : UINT64_MAX;
	p->used = ++m->reads;
	if (p->piece && p + 1 < m->at + m->n && piece_gone(p->piece))
		shut(m, p);
	if (!p->piece) {
		close_gone(m);
		while (m->open > OPEN_MAX)
			close_one(m);
		rc = piece_open(&p->piece, m->dir, p->first, err);
		m->open += !rc;
	}
	if (!rc)
		*out = piece_ref(p->piece);
	else
		p->piece = NULL;
	pthread_mutex_unlock(&m->lock);
	return rc;
}

int map_read(struct map *m, uint64_t off, size_t len, char *out,
	     struct err *err)
{
	while (len) {
		struct piece *p;
		uint64_t at, left;
		size_t n;
		int rc;

		if (get(m, off, &p, &at, &left, err))
			return -1;
		n = left < len ? (size_t)left : len;
		rc = piece_read(p, at, n, out, err);
		piece_unref(p);
		if (rc)
			return -1;
		out += n;
		off += n;
		len -= n;
	}
	return 0;
}
