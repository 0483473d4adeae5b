/* See youtube_reply.h. */
#include "agent/tools/youtube_reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/tools/web.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"

#define SESSION_LEAST 16	/* characters */
#define HIDE_LEAST 4		/* shorter cannot be told from other text */

static const struct {
	const char *reason;
	struct err_row row;
} reasons[] = {
#define REASON(name, error, again, text) \
	{#name, {.code = #error, .retryable = again, .hint = text}},
#include "agent/tools/youtube.def"
#undef REASON
};

static const struct err_row refused = {
	.code = "youtube_refused",
	.hint = "See detail for the channel's own words; nothing was "
		"published.",
};

/* {"error":{"message","errors":[{"reason"}]}}, or OAuth's {"error":"..."} */
struct complaint {
	char reason[64], message[240];
};

void hide_word(char *text, const char *word)
{
	const size_t len = word ? strlen(word) : 0;

	while (len >= HIDE_LEAST && (text = strstr(text, word)))
		memset(text, '*', len);
}

/* Of the session's URI, what nobody could guess. */
static void hide_session(char *text, const char *uri)
{
	static const char ends[] = "/?&=";
	size_t len;

	for (; uri && *uri; uri += len + !!uri[len]) {
		char *piece = xstrndup(uri, len = strcspn(uri, ends));

		if (len >= SESSION_LEAST)
			hide_word(text, piece);
		mem_wipe(piece, len);
		free(piece);
	}
}

/* Cut to size after what is secret was hidden, never through it. */
static void copy(char *into, size_t size, const char *text,
		 const struct failure *f)
{
	char *clean = xstrdup(text ? text : "");

	if (f && f->hide)
		f->hide(f->who, clean);
	if (f)
		hide_session(clean, f->session);
	snprintf(into, size, "%s", clean);
	free(clean);
}

static void read_complaint(const struct web_reply *r,
			   const struct failure *f, struct complaint *c)
{
	json_t *body = r->body.len ? json_parse(r->body.data, r->body.len,
						NULL) : NULL;
	const json_t *e = json_object_get(body, "error");
	const json_t *first = json_array_get(json_object_get(e, "errors"), 0);

	if (json_is_string(e)) {
		copy(c->reason, sizeof(c->reason), json_string_value(e), f);
		copy(c->message, sizeof(c->message),
		     json_str(body, "error_description"), f);
	} else {
		copy(c->reason, sizeof(c->reason), json_str(first, "reason"),
		     f);
		copy(c->message, sizeof(c->message), json_str(e, "message"),
		     f);
	}
	json_decref(body);
}

/* The one 401 that no token helps against, and the 403s that pass by. */
static enum reply_kind by_reason(const struct web_reply *r,
				 enum reply_kind usual)
{
	struct complaint c;

	read_complaint(r, NULL, &c);
	if (!strcmp(c.reason, "youtubeSignupRequired"))
		return REPLY_REFUSED;
	if (!strcmp(c.reason, "rateLimitExceeded") ||
	    !strcmp(c.reason, "userRateLimitExceeded"))
		return REPLY_AGAIN;
	return usual;
}

enum reply_kind reply_kind(const struct web_reply *r)
{
	switch (r->status) {
	case 200:
	case 201:
		return REPLY_DONE;
	case 308:
		return REPLY_MORE;
	case 401:
		return by_reason(r, REPLY_AUTH);
	case 403:
		return by_reason(r, REPLY_REFUSED);
	case 404:
	case 410:
		return REPLY_GONE;
	case 0:
	case 408:
	case 429:
		return REPLY_AGAIN;
	default:
		return r->status >= 500 ? REPLY_AGAIN : REPLY_REFUSED;
	}
}

int failure_set(struct failure *f, const struct err_row *why,
		const char *fmt, ...)
{
	va_list ap;

	f->why = why;
	va_start(ap, fmt);
	vsnprintf(f->detail, sizeof(f->detail), fmt, ap);
	va_end(ap);
	return -1;
}

int reply_failure(const struct web_reply *r, const char *what,
		  struct failure *f)
{
	const struct err_row *row = &refused;
	struct complaint c;

	if (!r->status)
		return failure_set(f, row, "%s: %s", what, r->why);
	read_complaint(r, f, &c);
	if (r->status == 401 && !*c.reason)
		copy(c.reason, sizeof(c.reason), "authError", NULL);
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
		if (!strcmp(reasons[i].reason, c.reason))
			row = &reasons[i].row;
	return failure_set(f, row, "%s: the channel answered %ld%s%s%s%s",
			   what, r->status, *c.reason ? " " : "", c.reason,
			   *c.message ? ": " : "", c.message);
}

bool range_stored(const char *range, int64_t size, int64_t *stored)
{
	static const char head[] = "bytes=0-";
	const char *last;
	long long n;

	*stored = 0;
	/* Some servers write "none" so. */
	if (!range || !strcmp(range, "bytes=0--1"))
		return true;
	if (strncmp(range, head, sizeof(head) - 1))
		return false;
	last = range + sizeof(head) - 1;
	if (!*last || last[strspn(last, "0123456789")] || strlen(last) > 18)
		return false;
	n = atoll(last);
	if (n >= size)
		return false;
	*stored = n + 1;
	return true;
}
