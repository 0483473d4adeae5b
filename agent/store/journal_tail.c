/* See journal_tail.h. Reads only; the caller decides to repair. */
#include "agent/store/journal_tail.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/journal_torn.h"
#include "agent/store/record_line.h"
#include "common/err.h"
#include "common/mem.h"

/* A batch, and before it four lines of any length or some 650 usual ones. */
#define WINDOW (TAIL_BATCH + 4u * (RECORD_LINE_MAX + 1))

struct reading {
	bytes_read *read;
	void *from;
	uint64_t start;
	char *window;		/* the bytes from at on, len of them */
	uint64_t at;
	size_t len;
	bool cut;		/* no fill is behind the text */
};

/* The WINDOW bytes before end, or as many as there are. */
static int get_before(struct reading *g, uint64_t end, struct err *err)
{
	g->len = end < WINDOW ? (size_t)end : WINDOW;
	g->at = end - g->len;
	return g->read(g->from, g->at, g->len, g->window, err);
}

/* *end moves back over line feeds, and over NULs too where asked. */
static int skip_fill(struct reading *g, bool nuls, uint64_t *end,
		     struct err *err)
{
	size_t n;

	do {
		if (get_before(g, *end, err))
			return -1;
		for (n = g->len; n; n--)
			if (g->window[n - 1] != '\n' &&
			    (!nuls || g->window[n - 1]))
				break;
		*end -= g->len - n;
	} while (*end && !n);
	return 0;
}

static int hash_torn(struct reading *g, struct tail *t, struct err *err)
{
	struct sha256 *h = sha256_new();
	uint8_t raw[SHA256_RAW];
	int rc = 0;

	for (uint64_t done = 0, n; done < t->torn && !rc; done += n) {
		n = t->torn - done < WINDOW ? t->torn - done : WINDOW;
		rc = g->read(g->from, t->end + done, (size_t)n, g->window,
			     err);
		if (!rc)
			sha256_add(h, g->window, (size_t)n);
	}
	sha256_end(h, raw);
	hex_of(raw, sizeof(raw), t->torn_sha256);
	return rc;
}

/*
 * A record, as far as its place in the chain goes. What the next one names
 * by its hash does not have to be built.
 */
static bool look(const char *text, size_t len, bool last, struct record *out,
		 uint8_t prev[SHA256_RAW])
{
	struct record *r;
	struct line line;

	if (line_scan((struct span){text, len}, &line, NULL))
		return false;
	if (last) {
		r = record_parse(text, len, NULL, NULL);
		record_unref(r);
		if (!r)
			return false;
	}
	out->seq = line.seq;
	out->ts_us = line.ts_us;
	sha256_leaf(text, len, out->leaf);
	memcpy(prev, line.prev, SHA256_RAW);
	return true;
}

/*
 * One line from *pos of the window on. 1: it follows. 0: the records end
 * before it, which may be right. -1: it is one that does not follow.
 */
static int step(struct reading *g, size_t *pos, struct tail *t,
		struct err *err)
{
	const char *at = g->window + *pos;
	const char *lf = memchr(at, '\n', g->len - *pos);
	const bool last = lf && (lf + 1 == g->window + g->len || lf[1] == '\n');
	uint8_t prev[SHA256_RAW];
	struct record r = {0};

	if (!lf || !look(at, (size_t)(lf - at), last, &r, prev))
		return 0;
	r.off = g->start + g->at + *pos;
	if (link_follow(&t->last, &r, prev, err))
		return -1;
	*pos += (size_t)(lf + 1 - at);
	t->end = g->at + *pos;
	return 1;
}

/* Where the first whole line of the window starts. */
static size_t first_line(const struct reading *g)
{
	const char *lf = g->at ? memchr(g->window, '\n', g->len) : NULL;

	return !g->at ? 0 : lf ? (size_t)(lf + 1 - g->window) : g->len;
}

/* The records of the window, and what the rest of it is. */
static int walk(struct reading *g, const struct link *before, struct tail *t,
		struct err *err)
{
	size_t pos = first_line(g);
	int rc;

	t->last = g->at ? (struct link){0} : *before;
	t->end = 0;
	while ((rc = step(g, &pos, t, err)) == 1)
		;
	if (rc)
		return -1;
	if (g->at && !t->end)
		return err_set(err, ERR_audit_unavailable, "the last %zu bytes"
			       " of the journal hold no record", g->len);
	return torn_judge(&(struct torn_text){
		.at = g->window + pos, .len = g->len - pos,
		.off = g->at + pos, .start = g->start,
		.cut = g->cut}, &t->last, err);
}

int tail_read(bytes_read *read, void *from, uint64_t size, uint64_t start,
	      const struct link *before, struct tail *t, struct err *err)
{
	struct reading g = {.read = read, .from = from, .start = start,
			    .window = xmalloc(WINDOW)};
	uint64_t text = size, dirty = size;
	int rc;

	*t = (struct tail){.last = *before};
	rc = skip_fill(&g, true, &text, err);
	g.cut = text == size;
	rc = rc || get_before(&g, text + !g.cut, err) ||
	     walk(&g, before, t, err) ||
	     skip_fill(&g, false, &dirty, err);
	if (!rc && dirty > t->end) {
		t->torn = dirty - t->end;
		t->text = text > t->end;
		rc = hash_torn(&g, t, err);
	}
	free(g.window);
	return rc ? -1 : 0;
}
