/*
 * See record_line.h. The envelope is most of the work per record, so it is
 * written and read by hand, both from one table.
 */
#include "agent/store/record_line.h"

#include <string.h>

#include "agent/store/record_time.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"

#define KEY_SEQ "{\"seq\":"
#define KEY_TS ",\"ts\":\""
#define KEY_DATA ",\"data\":"
#define KEY_PREV ",\"prev\":\""
#define LEN(key) (sizeof(key) - 1)
#define HEX (2 * SHA256_RAW)
#define TAIL (LEN(KEY_PREV) + HEX + 2)	/* everything behind data */

struct field {
	const char *key;	/* with comma, quotes and colon */
	size_t key_len, offset;	/* offset in struct entry */
	bool number;
};

#define FIELD(name, number) {",\"" #name "\":", LEN(",\"" #name "\":"), \
			     offsetof(struct entry, name), number},
#define TEXT(name) FIELD(name, false)
#define NUMBER(name) FIELD(name, true)
static const struct field fields[LINE_COUNT] = { LINE_FIELDS(TEXT, NUMBER) };
#undef TEXT
#undef NUMBER

/* The text that a field has; NULL for a number and for null. */
static const char *text_of(const struct field *f, const struct entry *e)
{
	const void *at = (const char *)e + f->offset;

	return f->number ? NULL : *(const char *const *)at;
}

static int number_of(const struct field *f, const struct entry *e)
{
	const void *at = (const char *)e + f->offset;

	return f->number ? *(const int *)at : 0;
}

static char *put_number(char *out, uint64_t n)
{
	char text[20], *at = text + sizeof(text);

	do {
		*--at = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	return mempcpy(out, at, (size_t)(text + sizeof(text) - at));
}

static char *put_field(char *out, const struct field *f,
		       const struct entry *e)
{
	const char *text = text_of(f, e);
	int number = number_of(f, e);

	out = mempcpy(out, f->key, f->key_len);
	if (text)
		return json_span_write(out, text, strlen(text));
	if (number > 0)
		return put_number(out, (uint64_t)number);
	return mempcpy(out, "null", 4);
}

/* Room that everything before data takes at most. */
static size_t head_room(const struct entry *e)
{
	size_t room = 128;

	for (size_t i = 0; i < LINE_COUNT; i++) {
		const char *text = text_of(&fields[i], e);

		room += fields[i].key_len + 22 + 6 * (text ? strlen(text) : 0);
	}
	return room;
}

void line_render(struct buf *b, const struct entry *e, uint64_t seq,
		 int64_t ts_us, const uint8_t prev[SHA256_RAW])
{
	char *start = buf_room(b, head_room(e)), *out = start;

	out = mempcpy(out, KEY_SEQ, LEN(KEY_SEQ));
	out = put_number(out, seq);
	out = mempcpy(out, KEY_TS, LEN(KEY_TS));
	record_time_write(out, ts_us < 0 ? 0 : ts_us > RECORD_TIME_MAX ?
			       RECORD_TIME_MAX : ts_us);
	out += RECORD_TIME;
	*out++ = '"';
	for (size_t i = 0; i < LINE_COUNT; i++)
		out = put_field(out, &fields[i], e);
	out = mempcpy(out, KEY_DATA, LEN(KEY_DATA));
	b->len += (size_t)(out - start);
	if (e->data)
		json_add_line(b, e->data);
	else
		buf_add(b, "{}", 2);
	start = out = buf_room(b, TAIL + 1);
	out = mempcpy(out, KEY_PREV, LEN(KEY_PREV));
	hex_of(prev, SHA256_RAW, out);
	out = mempcpy(out + HEX, "\"}", 3);
	b->len += TAIL;
}

struct scan { const char *at, *end; };

static size_t left(const struct scan *s)
{
	return (size_t)(s->end - s->at);
}

static bool take(struct scan *s, const char *text, size_t len)
{
	if (left(s) < len || memcmp(s->at, text, len))
		return false;
	s->at += len;
	return true;
}

/* A positive decimal without leading zeros, of at most max digits. */
static bool take_number(struct scan *s, size_t max, uint64_t *out)
{
	size_t i = 0;
	uint64_t n = 0;

	while (i <= max && i < left(s) && s->at[i] >= '0' && s->at[i] <= '9')
		n = n * 10 + (uint64_t)(s->at[i++] - '0');
	if (!i || i > max || *s->at == '0')
		return false;
	s->at += i;
	*out = n;
	return true;
}

static bool take_time(struct scan *s, int64_t *us)
{
	if (left(s) < RECORD_TIME || !record_time_read(s->at, us))
		return false;
	s->at += RECORD_TIME;
	return true;
}

static bool take_field(struct scan *s, const struct field *f,
		       struct line *line, struct span *out)
{
	uint64_t n;

	if (!take(s, f->key, f->key_len))
		return false;
	out->at = s->at;
	if (take(s, "null", 4))
		;
	else if (!f->number)
		s->at += json_span_string((struct span){s->at, left(s)});
	else if (take_number(s, 9, &n))
		line->status = (int)n;
	out->len = (size_t)(s->at - out->at);
	return out->len > 0;
}

static int nibble(char c)
{
	return c >= '0' && c <= '9' ? c - '0' :
	       c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool take_hash(struct scan *s, uint8_t raw[SHA256_RAW])
{
	for (size_t i = 0; i < SHA256_RAW; i++, s->at += 2) {
		int high = nibble(s->at[0]), low = nibble(s->at[1]);

		if (high < 0 || low < 0)
			return false;
		raw[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static int wrong(const struct scan *s, struct span text, const char *want,
		 struct err *err)
{
	return err_set(err, ERR_invalid_json, "no good %s at byte %zu", want,
		       (size_t)(s->at - text.at));
}

int line_scan(struct span text, struct line *line, struct err *err)
{
	struct scan s = {text.at, text.at + text.len};

	*line = (struct line){0};
	if (text.len > RECORD_LINE_MAX)
		return err_set(err, ERR_invalid_json, "over %d bytes",
			       RECORD_LINE_MAX);
	if (!take(&s, KEY_SEQ, LEN(KEY_SEQ)) ||
	    !take_number(&s, 18, &line->seq))
		return wrong(&s, text, "seq", err);
	if (!take(&s, KEY_TS, LEN(KEY_TS)) || !take_time(&s, &line->ts_us) ||
	    !take(&s, "\"", 1))
		return wrong(&s, text, "ts", err);
	for (size_t i = 0; i < LINE_COUNT; i++)
		if (!take_field(&s, &fields[i], line, &line->field[i]))
			return wrong(&s, text, fields[i].key + 1, err);
	if (!take(&s, KEY_DATA, LEN(KEY_DATA)) || left(&s) < TAIL + 2 ||
	    *s.at != '{')
		return wrong(&s, text, "data", err);
	line->data = (struct span){s.at, left(&s) - TAIL};
	s.at += line->data.len;
	if (!take(&s, KEY_PREV, LEN(KEY_PREV)) ||
	    !take_hash(&s, line->prev) || !take(&s, "\"}", 2))
		return wrong(&s, text, "prev", err);
	return 0;
}
