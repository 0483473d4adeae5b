/* See safe.h. */
#include "console/safe.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/buf.h"
#include "common/mem.h"
#include "common/utf8.h"

#define HOST_MAX 253		/* octets of a name, RFC 1035 */

static void add_visible(struct buf *b, const char *text)
{
	size_t n = utf8_visible(text, NULL, 0);

	utf8_visible(text, buf_room(b, n + 1), n + 1);
	b->len += n;
}

char *safe_line(const char *text)
{
	struct buf b = {0};

	add_visible(&b, text ? text : "");
	return buf_take(&b, NULL);
}

char *safe_block(const char *text)
{
	struct buf b = {0};
	char *copy = xstrdup(text ? text : ""), *line = copy, *end;

	for (; (end = strchr(line, '\n')); line = end + 1) {
		*end = 0;
		add_visible(&b, line);
		buf_adds(&b, "\n");
	}
	add_visible(&b, line);
	free(copy);
	return buf_take(&b, NULL);
}

static char puny_digit(uint32_t d)
{
	return (char)(d < 26 ? 'a' + d : '0' + d - 26);
}

/* RFC 3492 section 6.1 */
static uint32_t puny_adapt(uint32_t delta, uint32_t points, int first)
{
	uint32_t k = 0;

	delta = first ? delta / 700 : delta / 2;
	delta += delta / points;
	for (; delta > 455; k += 36)
		delta /= 35;
	return k + 36 * delta / (delta + 38);
}

/* One variable-length integer of RFC 3492 section 6.3. */
static void puny_number(struct buf *b, uint32_t q, uint32_t bias)
{
	for (uint32_t k = 36;; k += 36) {
		uint32_t t = k <= bias ? 1 : k >= bias + 26 ? 26 : k - bias;
		char c;

		if (q < t)
			break;
		c = puny_digit(t + (q - t) % (36 - t));
		buf_add(b, &c, 1);
		q = (q - t) / (36 - t);
	}
	buf_add(b, (char[]){puny_digit(q)}, 1);
}

static uint32_t least_from(const uint32_t *p, size_t n, uint32_t from)
{
	uint32_t least = UINT32_MAX;

	for (size_t i = 0; i < n; i++)
		if (p[i] >= from && p[i] < least)
			least = p[i];
	return least;
}

/* One label of a name, RFC 3492 section 6.3, with the prefix of IDNA. */
static void puny_label(struct buf *b, const uint32_t *p, size_t n)
{
	uint32_t next = 128, delta = 0, bias = 72, basic = 0, done;

	buf_adds(b, "xn--");
	for (size_t i = 0; i < n; i++)
		if (p[i] < 128) {
			buf_add(b, (char[]){(char)p[i]}, 1);
			basic++;
		}
	if (basic)
		buf_adds(b, "-");
	for (done = basic; done < n; delta++, next++) {
		uint32_t m = least_from(p, n, next);

		delta += (m - next) * (done + 1);
		next = m;
		for (size_t i = 0; i < n; i++) {
			if (p[i] < next)
				delta++;
			if (p[i] != next)
				continue;
			puny_number(b, delta, bias);
			bias = puny_adapt(delta, done + 1, done == basic);
			delta = 0;
			done++;
		}
	}
}

static void puny_host(struct buf *b, const char *host, size_t len)
{
	uint32_t label[HOST_MAX];
	size_t n = 0, wide = 0;

	for (size_t i = 0; i <= len;) {
		uint32_t point = '.';
		size_t took = 1;

		if (i < len)
			took = utf8_decode(host + i, len - i, &point);
		i += took;
		if (point != '.') {
			label[n++] = point;
			wide += point > 127;
			continue;
		}
		if (wide)
			puny_label(b, label, n);
		else
			for (size_t k = 0; k < n; k++)
				buf_add(b, (char[]){(char)label[k]}, 1);
		if (i <= len)
			buf_adds(b, ".");
		n = wide = 0;
	}
}

static void add_host(struct buf *b, const char *host, size_t len)
{
	char *name = xstrndup(host, len);
	bool ascii = true;

	for (size_t i = 0; i < len; i++)
		ascii &= !(host[i] & 0x80);
	if (b->len)
		buf_adds(b, "\n");
	add_visible(b, name);
	if (!ascii && len <= HOST_MAX) {
		struct buf puny = {0};

		puny_host(&puny, host, len);
		buf_adds(b, "  which is  ");
		add_visible(b, puny.data ? puny.data : "");
		buf_fini(&puny);
	}
	free(name);
}

char *safe_hosts(const char *text)
{
	struct buf b = {0};

	for (const char *at = text ? text : ""; (at = strchr(at, ':'));) {
		size_t before = (size_t)(at - text), len;

		at++;
		if (strncmp(at, "//", 2) || before < 4 ||
		    (strncasecmp(at - 5, "http", 4) &&
		     (before < 5 || strncasecmp(at - 6, "https", 5))))
			continue;
		at += 2;
		len = strcspn(at, "/?#\\ \t\r\n\"'<>");
		for (size_t i = 0; i < len; i++)	/* past user:password@ */
			if (at[i] == '@') {
				at += i + 1;
				len -= i + 1;
				i = (size_t)-1;
			}
		if (len)
			add_host(&b, at, len);
	}
	buf_adds(&b, "");
	return buf_take(&b, NULL);
}
