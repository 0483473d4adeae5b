/* See journal_tail.h. Reads only; the caller decides to cut. */
#include "agent/store/journal_tail.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/err.h"
#include "common/mem.h"

/* Four lines of any length, and some 650 usual ones, fit into it. */
#define WINDOW (4u * (RECORD_LINE_MAX + 1))

/* len bytes at off, all of them or an error. */
static int get(int fd, uint64_t off, char *out, size_t len, struct err *err)
{
	while (len) {
		ssize_t n = pread(fd, out, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_sys(err, ERR_audit_unavailable,
				       "reading the journal");
		out += n;
		len -= (size_t)n;
		off += (uint64_t)n;
	}
	return 0;
}

/* The WINDOW bytes before end, or as many as there are; *len of them. */
static int get_before(int fd, uint64_t end, char *out, size_t *len,
		      struct err *err)
{
	*len = end < WINDOW ? (size_t)end : WINDOW;
	return get(fd, end - *len, out, *len, err);
}

/* *end moves back over NULs. */
static int skip_nuls(int fd, char *window, uint64_t *end, struct err *err)
{
	size_t len, n;

	do {
		if (get_before(fd, *end, window, &len, err))
			return -1;
		for (n = len; n && !window[n - 1]; n--)
			;
		*end -= len - n;
	} while (*end && !n);
	return 0;
}

/* *end moves back to behind the last LF, at most over one line. */
static int skip_part(int fd, char *window, uint64_t *end, struct err *err)
{
	const char *lf;
	size_t len, part;

	if (get_before(fd, *end, window, &len, err))
		return -1;
	lf = memrchr(window, '\n', len);
	part = lf ? len - (size_t)(lf + 1 - window) : len;
	if (part > RECORD_LINE_MAX)
		return err_set(err, ERR_audit_unavailable, "the last %zu bytes"
			       " of the journal hold no record", part);
	*end -= part;
	return 0;
}

static int hash_torn(int fd, char *window, struct tail *t, struct err *err)
{
	struct sha256 *h = sha256_new();
	uint8_t raw[SHA256_RAW];
	int rc = 0;

	for (uint64_t done = 0, n; done < t->torn && !rc; done += n) {
		n = t->torn - done < WINDOW ? t->torn - done : WINDOW;
		rc = get(fd, t->end + done, window, (size_t)n, err);
		if (!rc)
			sha256_add(h, window, (size_t)n);
	}
	sha256_end(h, raw);
	hex_of(raw, sizeof(raw), t->torn_sha256);
	return rc;
}

/* Where the first whole line of the last WINDOW bytes starts. */
static int window_start(int fd, char *window, uint64_t end, uint64_t *start,
			struct err *err)
{
	const char *lf;
	size_t len;

	*start = 0;
	if (end <= WINDOW)
		return 0;
	if (get_before(fd, end, window, &len, err))
		return -1;
	lf = memchr(window, '\n', len);
	*start = end - len + (size_t)(lf + 1 - window);
	return *start < end ? 0 :
	       err_set(err, ERR_audit_unavailable, "the last %zu bytes of the "
		       "journal hold no record", len);
}

int tail_read(int fd, uint64_t size, struct tail *t, struct err *err)
{
	char *window = xmalloc(WINDOW);
	uint64_t start;
	int rc = -1;

	*t = (struct tail){.last = link_first, .end = size};
	if (skip_nuls(fd, window, &t->end, err) ||
	    skip_part(fd, window, &t->end, err))
		goto done;
	t->torn = size - t->end;
	if (window_start(fd, window, t->end, &start, err))
		goto done;
	t->last.known = start == 0;
	if (link_walk(&t->last, fd, start, t->end, NULL, NULL, err) ||
	    (t->torn && hash_torn(fd, window, t, err)))
		goto done;
	rc = 0;
done:
	free(window);
	return rc;
}
