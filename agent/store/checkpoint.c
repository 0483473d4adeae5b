/* See checkpoint.h. */
#include "agent/store/checkpoint.h"

#include <string.h>

#include "common/base64.h"
#include "common/buf.h"
#include "common/err.h"

void checkpoint_text(const struct checkpoint *c, struct buf *out)
{
	buf_addf(out, "%s\n%llu\n", c->origin, (unsigned long long)c->size);
	base64_add(out, c->root, SHA256_RAW);
	buf_adds(out, "\n");
}

static int none(struct err *err, const char *why)
{
	return err_set(err, ERR_invalid_request, "this is no checkpoint: %s",
		       why);
}

/* The next line without its LF; NULL: there is none. */
static const char *take_line(const char **at, const char *end, size_t *len)
{
	const char *line = *at, *lf = memchr(line, '\n', (size_t)(end - line));

	if (!lf)
		return NULL;
	*len = (size_t)(lf - line);
	*at = lf + 1;
	return line;
}

/* Decimal, without leading zeros, within 63 bits. */
static bool parse_size(const char *text, size_t len, uint64_t *size)
{
	*size = 0;
	if (!len || len > 19 || (*text == '0' && len > 1))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		*size = *size * 10 + (uint64_t)(text[i] - '0');
	}
	return *size <= INT64_MAX;
}

int checkpoint_parse(struct checkpoint *out, const char *text, size_t len,
		     struct err *err)
{
	const char *const end = text + len, *line;
	size_t n;

	*out = (struct checkpoint){0};
	line = take_line(&text, end, &n);
	if (!line || !n || n > NOTE_NAME_MAX || memchr(line, 0, n))
		return none(err, "its first line names no log");
	memcpy(out->origin, line, n);
	line = take_line(&text, end, &n);
	if (!line || !parse_size(line, n, &out->size))
		return none(err, "its second line is no number of records");
	line = take_line(&text, end, &n);
	if (!line || base64_raw(line, n, out->root, SHA256_RAW) != SHA256_RAW)
		return none(err, "its third line is no hash");
	return 0;
}

int checkpoint_open(struct checkpoint *out, const char *note, size_t len,
		    const struct note_key *key, struct err *err)
{
	struct note n;

	if (note_parse(&n, note, len, err) ||
	    note_verify(&n, key, 1, NULL, err) ||
	    checkpoint_parse(out, n.text, n.text_len, err))
		return -1;
	if (strcmp(out->origin, key->name))
		return err_set(err, ERR_invalid_request, "the checkpoint is "
			       "of %s, the key is %s's", out->origin,
			       key->name);
	return 0;
}

void checkpoint_proof(uint64_t index, const uint8_t (*hashes)[SHA256_RAW],
		      size_t n, const char *note, size_t len,
		      struct buf *out)
{
	buf_addf(out, "c2sp.org/tlog-proof@v1\nindex %llu\n",
		 (unsigned long long)index);
	for (size_t i = 0; i < n; i++) {
		base64_add(out, hashes[i], SHA256_RAW);
		buf_adds(out, "\n");
	}
	buf_adds(out, "\n");
	buf_add(out, note, len);
}

int checkpoint_sign(struct note_signer *s, uint64_t size,
		    const uint8_t root[SHA256_RAW], struct buf *out,
		    struct err *err)
{
	struct checkpoint c = {.size = size};
	struct buf text = {0};
	int rc;

	strcpy(c.origin, note_signer_key(s)->name);
	memcpy(c.root, root, SHA256_RAW);
	checkpoint_text(&c, &text);
	rc = note_sign(s, text.data, text.len, out, err);
	buf_fini(&text);
	return rc;
}
