/* See index_words.h. */
#include "agent/store/index_words.h"

#include <ctype.h>
#include <string.h>

#include "agent/store/index_read.h"
#include "agent/store/index_schema.h"
#include "common/mem.h"

#define IN_PART ((1 << (PART_BITS - BLOCK_BITS)) - 1)
_Static_assert(IN_PART / 8 + 1 == sizeof(((struct blocks *)0)->has),
	       "a bit for each block of a part");

/* Members whose text is for people, wherever in the data they are. */
static const char *const read_by_people[] = {
	"by", "detail", "hint", "message", "name", "reason", "summary",
	"text", "title", "tool", "what", "why",
};

static bool for_people(const char *key)
{
	for (size_t i = 0; i < ARRAY_LEN(read_by_people); i++)
		if (!strcmp(key, read_by_people[i]))
			return true;
	return false;
}

/* What was recorded is nested no deeper than a request may be. */
void words_read(struct buf *b, const json_t *data)
{
	const json_t *each;
	const char *key;
	size_t i;

	json_array_foreach (data, i, each)
		words_read(b, each);
	json_object_foreach ((json_t *)data, key, each) {
		if (json_is_string(each) && for_people(key)) {
			fold_case(b, json_string_value(each));
			buf_add(b, " ", 1);
		}
		words_read(b, each);
	}
}

static bool in_word(char c)
{
	return (unsigned char)c >= 0x80 || isalnum((unsigned char)c);
}

const char *words_next(const char **at, size_t *len)
{
	const char *start = *at, *end;

	while (*start && !in_word(*start))
		start++;
	for (end = start; *end && in_word(*end); end++)
		;
	*len = (size_t)(end - start);
	*at = end;
	return start;
}

static bool holds(const char *text, const char *word, size_t len)
{
	const char *each;
	size_t n;

	while (each = words_next(&text, &n), n)
		if ((n == len || (n > len && len >= WORD_START)) &&
		    !memcmp(each, word, len))
			return true;
	return false;
}

bool words_hold(const char *text, const char *asked)
{
	const char *word;
	size_t len;

	while (word = words_next(&asked, &len), len)
		if (!holds(text, word, len))
			return false;
	return true;
}

bool words_any(const char *text)
{
	size_t len;

	words_next(&text, &len);
	return len > 0;
}

bool record_holds(const json_t *data, const char *words)
{
	struct buf text = {0}, asked = {0};
	bool holds_them;

	words_read(&text, data);
	fold_case(&asked, words);
	holds_them = words_hold(text.data ? text.data : "",
				asked.data ? asked.data : "");
	buf_fini(&text);
	buf_fini(&asked);
	return holds_them;
}

/* From word on, up to what starts otherwise; all of it where it is short. */
static void bind_range(sqlite3_stmt *s, const char *word, size_t len,
		       char end[WORD_MAX + 1])
{
	memcpy(end, word, len);
	if (len < WORD_START)
		end[len++] = 0;		/* no word has one */
	else
		end[len - 1]++;
	sqlite3_bind_blob(s, 3, end, (int)len, SQLITE_STATIC);
}

/* Leave in b the blocks of its part that may have this word, too. */
static int keep_those_with(struct reader *r, struct blocks *b,
			   const char *word, size_t len, struct err *err)
{
	sqlite3_stmt *s = db_stmt(&r->db, "SELECT block FROM word WHERE"
				  " part=?1 AND word>=?2 AND word<?3", err);
	uint8_t has[sizeof(b->has)] = {0};
	char end[WORD_MAX + 1];
	int got;

	if (!s)
		return -1;
	len = len < WORD_MAX ? len : WORD_MAX;
	sqlite3_bind_int64(s, 1, b->part);
	sqlite3_bind_blob(s, 2, word, (int)len, SQLITE_STATIC);
	bind_range(s, word, len, end);
	while ((got = db_step(&r->db, s, err)) == 1) {
		const int64_t at = sqlite3_column_int64(s, 0) & IN_PART;

		has[at / 8] |= (uint8_t)(1 << at % 8);
	}
	for (size_t i = 0; i < sizeof(has); i++)
		b->has[i] &= has[i];
	return got;
}

static int load(struct reader *r, struct blocks *b, int64_t part,
		const char *words, struct err *err)
{
	const char *word;
	size_t len;

	if (b->loaded && b->part == part)
		return 0;
	*b = (struct blocks){.part = part, .loaded = true};
	memset(b->has, 0xff, sizeof(b->has));
	while (word = words_next(&words, &len), len)
		if (keep_those_with(r, b, word, len, err))
			return -1;
	return 0;
}

int words_block(struct reader *r, struct blocks *b, const char *words,
		int64_t *block, int64_t upto, struct err *err)
{
	for (; *block <= upto; ++*block) {
		const int64_t at = *block & IN_PART;

		if (load(r, b, *block >> (PART_BITS - BLOCK_BITS), words,
			 err))
			return -1;
		if (b->has[at / 8] & 1 << at % 8)
			return 1;
	}
	return 0;
}
