/* The tree anew from the bytes of the journal: a line, a leaf. See tree.h. */
#include <stdlib.h>
#include <string.h>

#include "agent/store/journal.h"
#include "agent/store/tree.h"
#include "common/err.h"
#include "common/mem.h"

#define CHUNK (1u << 20)
#define LEAVES 4096

struct filling {
	struct tree *tree;
	uint64_t skip, left;		/* lines */
	uint8_t leaf[LEAVES][SHA256_RAW];
	size_t n;
};

static int flush(struct filling *f, struct err *err)
{
	int rc = tree_add(f->tree, (const uint8_t (*)[SHA256_RAW])f->leaf,
			  f->n, err);

	f->n = 0;
	return rc;
}

/* Takes the whole lines of text; how many bytes, or -1. */
static ssize_t take_lines(struct filling *f, const char *text, size_t len,
			  struct err *err)
{
	const char *at = text, *lf;

	for (; f->left && (lf = memchr(at, '\n',
				       len - (size_t)(at - text))); at = lf + 1) {
		if (f->skip) {
			f->skip--;
			continue;
		}
		sha256_leaf(at, (size_t)(lf - at), f->leaf[f->n++]);
		f->left--;
		if (f->n == LEAVES && flush(f, err))
			return -1;
	}
	return at - text;
}

static int fill(struct filling *f, struct journal *j, char *chunk,
		bool (*go_on)(void *data), void *data, struct err *err)
{
	const uint64_t end = journal_head(j).off;
	uint64_t off = 0;

	while (f->left) {
		const size_t len = end - off < CHUNK ? (size_t)(end - off) :
						       CHUNK;
		ssize_t used;

		if (go_on && !go_on(data))
			return 1;
		if (journal_read(j, off, len, chunk, err))
			return -1;
		used = take_lines(f, chunk, len, err);
		if (used < 0)
			return -1;
		if (!used)
			return err_set(err, ERR_io, "the journal has %llu "
				"records less than it had",
				(unsigned long long)f->left);
		off += (uint64_t)used;
	}
	return flush(f, err);
}

int tree_fill(struct tree *t, struct journal *j, uint64_t size,
	      bool (*go_on)(void *data), void *data, struct err *err)
{
	const uint64_t has = tree_size(t);
	struct filling *f;
	char *chunk;
	int rc;

	if (size <= has)
		return 0;
	f = xcalloc(1, sizeof(*f));
	chunk = xmalloc(CHUNK);
	f->tree = t;
	f->skip = has;
	f->left = size - has;
	rc = fill(f, j, chunk, go_on, data, err);
	free(chunk);
	free(f);
	return rc;
}
