/*
 * See journal_torn.h. Whoever flips a bit of the last record must not get it
 * overwritten: what is left of a write is a beginning of a line, and where
 * fill follows, it breaks off at the end of a sector or in the middle of an
 * object.
 */
#include "agent/store/journal_torn.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/journal_lines.h"
#include "agent/store/journal_tail.h"
#include "agent/store/record.h"
#include "common/mem.h"

#define SECTOR 512u

static bool is_fill(char c)
{
	return c == '\n' || !c;
}

static size_t run(const struct torn_text *t, size_t from, bool of_fill)
{
	size_t n = from;

	while (n < t->len && is_fill(t->at[n]) == of_fill)
		n++;
	return n - from;
}

static bool is_record(const char *text, size_t len)
{
	struct record *r = record_parse(text, len, NULL, NULL);

	record_unref(r);
	return r;
}

/* Is it JSON up to its end, and only ends too early? */
static bool ends_early(const char *text, size_t len)
{
	json_error_t why;
	json_t *v = json_loadb(text, len, 0, &why);

	json_decref(v);
	return !v && json_error_code(&why) ==
			     json_error_premature_end_of_input;
}

/* And would it, if this came next? */
static bool goes_on(const char *text, size_t len, char next)
{
	char *more = xmalloc(len + 1);
	bool is;

	memcpy(more, text, len);
	more[len] = next;
	is = ends_early(more, len + 1);
	free(more);
	return is;
}

/* How many bytes at the end begin a literal. */
static size_t part_of_word(const char *text, size_t len)
{
	static const char *const words[] = {"true", "false", "null"};

	for (size_t k = 1; k < 5 && k < len; k++)
		for (size_t i = 0; i < 3; i++)
			if (strchr(":,[", text[len - k - 1]) &&
			    !strncmp(words[i], text + len - k, k))
				return k;
	return 0;
}

/* And of one character of a string; the text begins with a brace. */
static size_t part_of_char(const char *text, size_t len)
{
	const size_t n = len < 5 ? len : 5;
	const char *slash = memrchr(text + len - n, '\\', n);
	size_t k = 0;

	if (slash)
		return (size_t)(text + len - slash);
	while (k < 3 && (unsigned char)text[len - k - 1] >= 0x80)
		k++;
	return k;
}

/* Does it break off in a character of a string, k bytes of which are there? */
static bool ends_in_char(const char *text, size_t len, size_t k)
{
	/* A 7 can only stand in a string there. */
	return k && ends_early(text, len - k) && goes_on(text, len - k, '7');
}

/* Could more bytes make an object of it? */
static bool is_beginning(const char *text, size_t len)
{
	return *text == '{' &&
	       (ends_early(text, len) ||
		goes_on(text, len, '0') ||	/* in a number */
		ends_early(text, len - part_of_word(text, len)) ||
		ends_in_char(text, len, part_of_char(text, len)));
}

static bool breaks_off(const struct torn_text *t, size_t len)
{
	const bool bare = len == t->len ? t->cut : !t->at[len];

	if (bare && is_record(t->at, len))
		return true;
	return is_beginning(t->at, len) &&
	       (bare || t->at[len - 1] != '}' ||
		(t->off + len) % SECTOR == 0);
}

/*
 * Line feeds, more than end a line, up to where a sector begins: it, or the
 * line feed that ended a line as its first byte.
 */
static bool is_hole(const struct torn_text *t, size_t from, size_t len)
{
	const uint64_t end = t->off + from + len;

	return !memchr(t->at + from, 0, len) &&
	       (end % SECTOR == 0 || (end % SECTOR == 1 && len > 1));
}

int torn_judge(const struct torn_text *t, const struct link *last,
	       struct err *err)
{
	size_t pos = run(t, 0, false), gap, line;
	bool holes = false, odd = t->len > TAIL_BATCH;

	if (pos && !breaks_off(t, pos))
		return link_broken(last, t->start + t->off, "is no record",
				   err);
	for (; pos < t->len; pos += gap + line) {
		gap = run(t, pos, true);
		line = run(t, pos + gap, false);
		if (gap > 1 || !pos) {
			odd |= line && !is_hole(t, pos, gap);
			holes = true;
		}
		if (line && (odd || !holes) &&
		    is_record(t->at + pos + gap, line))
			return link_broken(last, t->start + t->off, "is "
				"missing, and later ones are there", err);
	}
	return 0;
}
