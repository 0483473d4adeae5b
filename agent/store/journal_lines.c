/* See journal_lines.h. */
#include "agent/store/journal_lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/mem.h"

#define CHUNK (1u << 20)

struct lines {
	bytes_read *read;
	void *from;
	uint64_t next, end;	/* what is still to be read */
	size_t start, fill;	/* what is in mem and not yet given */
	char mem[CHUNK];
};

struct lines *lines_new(bytes_read *read, void *from, uint64_t off,
			uint64_t end)
{
	struct lines *l = xmalloc(sizeof(*l));

	l->read = read;
	l->from = from;
	l->next = off;
	l->end = end;
	l->start = l->fill = 0;
	return l;
}

void lines_free(struct lines *l)
{
	free(l);
}

static int more(struct lines *l, struct err *err)
{
	size_t want = CHUNK;

	memmove(l->mem, l->mem + l->start, l->fill - l->start);
	l->fill -= l->start;
	l->start = 0;
	want -= l->fill;
	if (want > l->end - l->next)
		want = l->end - l->next;
	if (l->read(l->from, l->next, want, l->mem + l->fill, err))
		return -1;
	l->fill += want;
	l->next += want;
	return 0;
}

enum lines_got lines_next(struct lines *l, struct span *line, uint64_t *off,
			  struct err *err)
{
	for (;;) {
		const char *at = l->mem + l->start;
		size_t len = l->fill - l->start;
		const char *lf = memchr(at, '\n', len);

		*off = l->next - len;
		*line = (struct span){at, lf ? (size_t)(lf - at) : len};
		if (line->len > RECORD_LINE_MAX)
			return LINES_LONG;
		if (lf) {
			l->start += line->len + 1;
			return LINES_LINE;
		}
		if (l->next == l->end)
			return len ? LINES_TORN : LINES_END;
		if (more(l, err))
			return LINES_FAILED;
	}
}

const struct link link_first = {.known = true};

int link_broken(const struct link *at, uint64_t off, const char *how,
		struct err *err)
{
	char who[32] = "the record";

	if (at->known)
		snprintf(who, sizeof(who), "record %llu",
			 (unsigned long long)at->seq + 1);
	err_set(err, ERR_audit_unavailable, "the journal is damaged: %s at "
		"byte %llu %s", who, (unsigned long long)off, how);
	return err_hint(err, "Nothing was changed. `kircerta-agent audit "
			"verify` tells more; restore the journal from a copy.");
}

int link_follow(struct link *at, const struct record *r,
		const uint8_t prev[SHA256_RAW], struct err *err)
{
	const char *how = at->known && r->seq != at->seq + 1 ?
				  "has the number of another" :
			  at->known && memcmp(prev, at->leaf, SHA256_RAW) ?
				  "does not name the hash of the one before" :
			  r->ts_us < at->ts_us ?
				  "is older than the one before" : NULL;

	if (how)
		return link_broken(at, r->off, how, err);
	*at = (struct link){true, r->seq, r->ts_us, {0}};
	memcpy(at->leaf, r->leaf, SHA256_RAW);
	return 0;
}

static int walk_line(struct link *at, struct span line, uint64_t off,
		     journal_each *each, void *data, struct err *err)
{
	uint8_t prev[SHA256_RAW];
	struct record *r = record_parse(line.at, line.len, prev, err);
	int rc;

	if (!r)
		return link_broken(at, off, "is no record", err);
	r->off = off;
	rc = link_follow(at, r, prev, err);
	if (!rc && each)
		rc = each(r, data, err);
	record_unref(r);
	return rc;
}

int link_walk(struct link *at, struct lines *l, journal_each *each,
	      void *data, struct err *err)
{
	enum lines_got got;
	struct span line;
	uint64_t off;
	int rc = 0;

	do {
		got = lines_next(l, &line, &off, err);
		if (got == LINES_LINE)
			rc = walk_line(at, line, off, each, data, err);
		else if (got == LINES_FAILED)
			rc = -1;
		else if (got != LINES_END)
			rc = link_broken(at, off, "has no end", err);
	} while (!rc && got == LINES_LINE);
	lines_free(l);
	return rc;
}
