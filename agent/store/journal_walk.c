/* See journal_walk.h. */
#include "agent/store/journal_walk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/store/journal.h"
#include "agent/store/journal_piece.h"
#include "agent/store/journal_segments.h"
#include "common/err.h"
#include "common/mem.h"

#define AGAIN_MOST 200		/* times 10 ms */
#define CHUNK (64u << 10)

struct walk {
	char *dir;
	struct segments segments;
	size_t next;		/* the segment to be opened */
	struct piece *piece;
	uint64_t size;		/* of it, when it was opened */
	uint64_t start;		/* bytes of lines before it */
	struct lines *lines;
	uint64_t line, off;	/* the last line: its number, and where */
	uint64_t end;		/* and where it ends */
	char file[40];		/* the name of the segment */
	bool in_use;		/* an agent may be at work on it */
	unsigned again;		/* how often the line at again_off was read */
	uint64_t again_off;
};

int walk_open(struct walk **out, const char *dir, struct err *err)
{
	struct walk *w = xcalloc(1, sizeof(*w));
	int rc;

	w->dir = xstrdup(dir);
	w->in_use = journal_in_use(dir);
	rc = segments_read(&w->segments, dir, err);
	if (!rc && !w->segments.n) {
		errno = ENOENT;
		rc = err_sys(err, ERR_io, "there is no journal in %s", dir);
	}
	if (rc)
		walk_close(w);
	else
		*out = w;
	return rc;
}

void walk_close(struct walk *w)
{
	if (!w)
		return;
	lines_free(w->lines);
	piece_unref(w->piece);
	segments_fini(&w->segments);
	free(w->dir);
	free(w);
}

size_t walk_segments(const struct walk *w)
{
	return w->segments.n;
}

/* An agent cuts the fill off when it begins the next segment. */
static int read_piece(void *walk, uint64_t off, size_t len, char *out,
		      struct err *err)
{
	struct walk *w = walk;
	uint64_t size = UINT64_MAX, is;
	size_t n;

	if (w->in_use && piece_size(w->piece, &size, err))
		return -1;
	is = off < size ? size - off : 0;
	n = is < len ? (size_t)is : len;
	memset(out + n, '\n', len - n);
	return n ? piece_read(w->piece, off, n, out, err) : 0;
}

static int read_from(struct walk *w, uint64_t off, struct err *err)
{
	if (piece_size(w->piece, &w->size, err))
		return -1;
	lines_free(w->lines);
	w->lines = lines_new(read_piece, w, off,
			     off < w->size ? w->size : off);
	return 0;
}

/* 1: the next segment is open. 0: there is none. */
static int open_next(struct walk *w, struct err *err)
{
	const struct segment *s;

	if (w->next == w->segments.n)
		return 0;
	if (piece_open(&w->piece, w->dir, w->segments.at[w->next].first, err))
		return -1;
	s = &w->segments.at[w->next++];
	snprintf(w->file, sizeof(w->file), "%020llu.jsonl%s",
		 (unsigned long long)s->first, s->packed ? ".zst" : "");
	w->line = w->off = w->end = 0;
	return read_from(w, 0, err) ? -1 : 1;
}

static void close_piece(struct walk *w, uint64_t bytes)
{
	w->start += bytes;
	lines_free(w->lines);
	w->lines = NULL;
	piece_unref(w->piece);
	w->piece = NULL;
}

/* Is there nothing but line feeds from byte off on? -1: *err. */
static int rest_is_fill(struct walk *w, uint64_t off, struct err *err)
{
	char *text = xmalloc(CHUNK);
	int is = 1;

	while (is == 1 && off < w->size) {
		const uint64_t left = w->size - off;
		const size_t n = left < CHUNK ? (size_t)left : CHUNK;

		if (read_piece(w, off, n, text, err))
			is = -1;
		for (size_t i = 0; i < n && is == 1; i++)
			is = text[i] == '\n';
		off += n;
	}
	free(text);
	return is;
}

static void tell(const struct walk *w, struct walk_at *at)
{
	at->first = w->next ? w->segments.at[w->next - 1].first : 0;
	at->line = w->line;
	at->off = w->start + w->off;
	memcpy(at->file, w->file, sizeof(at->file));
}

static enum lines_got next(struct walk *w, struct span *line, struct err *err)
{
	for (;;) {
		int rc = w->lines ? 1 : open_next(w, err);
		enum lines_got got;

		if (rc != 1)
			return rc ? LINES_FAILED : LINES_END;
		got = lines_next(w->lines, line, &w->off, err);
		w->end = w->off + line->len + (got == LINES_LINE);
		if (got == LINES_LINE && !line->len &&
		    (rc = rest_is_fill(w, w->off, err)) == 1)
			got = LINES_END;
		if (rc < 0)
			return LINES_FAILED;
		if (got != LINES_END) {
			w->line++;
			return got;
		}
		close_piece(w, w->off);
	}
}

enum lines_got walk_next(struct walk *w, struct span *line,
			 struct walk_at *at, struct err *err)
{
	const enum lines_got got = next(w, line, err);

	tell(w, at);
	return got;
}

bool walk_again(struct walk *w)
{
	const struct timespec moment = {.tv_nsec = 10000000};

	if (w->off != w->again_off)
		w->again = 0;
	w->again_off = w->off;
	if (!w->in_use || w->next < w->segments.n || !w->piece ||
	    w->again++ == AGAIN_MOST)
		return false;
	nanosleep(&moment, NULL);
	w->line--;
	return !read_from(w, w->off, NULL);
}

bool walk_at_end(struct walk *w)
{
	return w->next == w->segments.n && w->piece &&
	       rest_is_fill(w, w->end, NULL) == 1;
}
