/*
 * See record_line.h. The envelope is most of the work per record, so it is
 * rendered and read by hand, from one table.
 */
#include "agent/store/record_line.h"

#include <stdbool.h>
#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/err.h"

#define TS_MAX 253402300799999999	/* the last microsecond of 9999 */

#define KEY_SEQ "{\"seq\":"
#define KEY_TS ",\"ts\":\""
#define KEY_DATA ",\"data\":"
#define KEY_PREV ",\"prev\":\""
#define TAIL_LEN (sizeof(KEY_PREV) - 1 + 2 * SHA256_RAW + 2)

struct field {
	const char *key;	/* with comma, quotes and colon */
	size_t key_len, offset;	/* offset in struct entry */
	bool number;
};

#define FIELD(name, number) {",\"" #name "\":", sizeof(",\"" #name "\":") - 1, \
			     offsetof(struct entry, name), number},
#define TEXT(name) FIELD(name, false)
#define NUMBER(name) FIELD(name, true)
static const struct field fields[LINE_COUNT] = { LINE_FIELDS(TEXT, NUMBER) };
#undef TEXT
#undef NUMBER

static void put_field(struct buf *b, const struct field *f,
		      const struct entry *e)
{
	const void *at = (const char *)e + f->offset;
	const char *text = f->number ? NULL : *(const char *const *)at;
	int number = f->number ? *(const int *)at : 0;

	buf_add(b, f->key, f->key_len);
	if (number > 0)
		buf_addf(b, "%d", number);
	else if (text)
		json_span_put(b, text);
	else
		buf_add(b, "null", 4);
}

static int put_piece(const char *piece, size_t len, void *b)
{
	buf_add(b, piece, len);
	return 0;
}

int line_render(struct buf *b, const struct entry *e, uint64_t seq,
		int64_t ts_us, const uint8_t prev[SHA256_RAW])
{
	char ts[CLOCK_TEXT], hex[SHA256_HEX];

	ts_us = ts_us < 0 ? 0 : ts_us > TS_MAX ? TS_MAX : ts_us;
	clock_text(ts_us, ts);
	hex_of(prev, SHA256_RAW, hex);
	buf_room(b, 1000);
	buf_addf(b, KEY_SEQ "%llu" KEY_TS "%s\"", (unsigned long long)seq, ts);
	for (size_t i = 0; i < LINE_COUNT; i++)
		put_field(b, &fields[i], e);
	buf_adds(b, KEY_DATA);
	if (!e->data || !json_object_size(e->data))
		buf_add(b, "{}", 2);
	else if (json_dump_callback(e->data, put_piece, b, JSON_COMPACT))
		return -1;
	buf_adds(b, KEY_PREV);
	buf_add(b, hex, 2 * SHA256_RAW);
	buf_add(b, "\"}", 2);
	return 0;
}

struct scan { const char *at, *end; };

static bool take(struct scan *s, const char *text, size_t len)
{
	if ((size_t)(s->end - s->at) < len || memcmp(s->at, text, len))
		return false;
	s->at += len;
	return true;
}

/* A positive decimal without leading zeros, of at most max digits. */
static bool take_number(struct scan *s, size_t max, uint64_t *out)
{
	const char *start = s->at;
	uint64_t n = 0;

	while (s->at < s->end && *s->at >= '0' && *s->at <= '9' &&
	       (size_t)(s->at - start) <= max)
		n = n * 10 + (uint64_t)(*s->at++ - '0');
	*out = n;
	if (n && *start != '0' && (size_t)(s->at - start) <= max)
		return true;
	s->at = start;
	return false;
}

static bool take_field(struct scan *s, const struct field *f,
		       struct line *line, struct span *out)
{
	uint64_t n = 0;

	if (!take(s, f->key, f->key_len))
		return false;
	out->at = s->at;
	if (take(s, "null", 4))
		;
	else if (f->number && take_number(s, 9, &n))
		line->status = (int)n;
	else if (!f->number)
		s->at += json_span_string(
			(struct span){s->at, (size_t)(s->end - s->at)});
	out->len = (size_t)(s->at - out->at);
	return out->len > 0;
}

/* Digits at the places where the pattern has a 0, else the same byte. */
static bool looks_like(const char *text, const char *pattern)
{
	for (; *pattern; pattern++, text++)
		if (*pattern == '0' ? *text < '0' || *text > '9' :
				      *text != *pattern)
			return false;
	return true;
}

static int digits(const char *at, int n)
{
	int v = 0;

	while (n--)
		v = v * 10 + *at++ - '0';
	return v;
}

/* Days since 1970 of a date in the Gregorian calendar; -1 if it is none. */
static int64_t days(int y, int m, int d)
{
	static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243,
				     273, 304, 334, 365};
	bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
	int past = y - 1;

	if (y < 1970 || m < 1 || m > 12 || d < 1 ||
	    d > before[m] - before[m - 1] + (leap && m == 2))
		return -1;
	return past * 365 + past / 4 - past / 100 + past / 400 - 719162 +
	       before[m - 1] + (leap && m > 2) + d - 1;
}

static bool take_ts(struct scan *s, int64_t *us)
{
	static const char pattern[] = "0000-00-00T00:00:00.000000Z";
	const char *t = s->at;
	int64_t day;
	int hour, min, sec;

	if ((size_t)(s->end - t) < sizeof(pattern) || !looks_like(t, pattern))
		return false;
	day = days(digits(t, 4), digits(t + 5, 2), digits(t + 8, 2));
	hour = digits(t + 11, 2), min = digits(t + 14, 2);
	sec = digits(t + 17, 2);
	*us = (day * 86400 + hour * 3600 + min * 60 + sec) * 1000000 +
	      digits(t + 20, 6);
	s->at += sizeof(pattern) - 1;
	return day >= 0 && hour < 24 && min < 60 && sec < 60;
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

static int wrong(const struct scan *s, const char *start, const char *want,
		 struct err *err)
{
	return err_set(err, ERR_invalid_json, "no good %s at byte %zu", want,
		       (size_t)(s->at - start));
}

int line_scan(struct span text, struct line *line, struct err *err)
{
	struct scan s = {text.at, text.at + text.len};
	const char *const start = text.at;

	*line = (struct line){0};
	if (text.len > RECORD_LINE_MAX)
		return err_set(err, ERR_invalid_json, "over %d bytes",
			       RECORD_LINE_MAX);
	if (!take(&s, KEY_SEQ, sizeof(KEY_SEQ) - 1) ||
	    !take_number(&s, 18, &line->seq))
		return wrong(&s, start, "seq", err);
	if (!take(&s, KEY_TS, sizeof(KEY_TS) - 1) ||
	    !take_ts(&s, &line->ts_us) || !take(&s, "\"", 1))
		return wrong(&s, start, "ts", err);
	for (size_t i = 0; i < LINE_COUNT; i++)
		if (!take_field(&s, &fields[i], line, &line->field[i]))
			return wrong(&s, start, fields[i].key + 1, err);
	if (!take(&s, KEY_DATA, sizeof(KEY_DATA) - 1) ||
	    (size_t)(s.end - s.at) < TAIL_LEN + 2 || *s.at != '{')
		return wrong(&s, start, "data", err);
	line->data = (struct span){s.at, (size_t)(s.end - s.at) - TAIL_LEN};
	s.at += line->data.len;
	if (!take(&s, KEY_PREV, sizeof(KEY_PREV) - 1) ||
	    !take_hash(&s, line->prev) || !take(&s, "\"}", 2))
		return wrong(&s, start, "prev", err);
	return 0;
}
