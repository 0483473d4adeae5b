/* See webhook_seen.h. */
#include "agent/ops/webhook_seen.h"

#include <string.h>

#include "agent/ops/op.h"
#include "agent/ops/wait.h"
#include "agent/ops/webhook_event.h"
#include "agent/store/settings_webhook.h"
#include "agent/store/state.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/json.h"

#define DIGITS "0123456789"

static bool is_fresh(const json_t *kept, int64_t window)
{
	return kept && wait_left(kept, "at") + window > 0;
}

const json_t *webhook_seen(struct agent *a, const struct call *c,
			   const struct webhook_event *e)
{
	const json_t *kept = *e->by_id ? state_doc(a->state, "hook", e->by_id)
				       : NULL;

	if (is_fresh(kept, c->hook->window))
		return kept;
	kept = state_doc(a->state, "hookbody", e->by_body);
	return is_fresh(kept, c->hook->window) ? kept : NULL;
}

static int sign(double d)
{
	return (d > 0) - (d < 0);
}

static int compare_numbers(const json_t *a, const json_t *b)
{
	json_int_t x = json_integer_value(a), y = json_integer_value(b);

	if (json_is_integer(a) && json_is_integer(b))
		return (x > y) - (x < y);
	return sign(json_number_value(a) - json_number_value(b));
}

/* RFC 3339: "2h" and the like are no times of anything. */
static bool is_time(const char *text, int64_t *us)
{
	return strpbrk(text, "Tt ") && clock_parse(text, 0, us);
}

static bool is_decimal(const char *text)
{
	return *text && strspn(text, DIGITS) == strlen(text);
}

/* However many digits. */
static int compare_decimals(const char *a, const char *b)
{
	size_t n, m;

	a += strspn(a, "0");
	b += strspn(b, "0");
	n = strlen(a);
	m = strlen(b);
	return n != m ? (n > m) - (n < m) : sign(strcmp(a, b));
}

/* The digits behind the microseconds of a time. */
static const char *finer(const char *text, size_t *n)
{
	const char *at = text + strlen("2006-01-02T15:04:05");
	size_t us;

	at += *at == '.';
	us = strspn(at, DIGITS);
	at += us < 6 ? us : 6;
	*n = strspn(at, DIGITS);
	return at;
}

/* Of two times within one microsecond: many clocks count nanoseconds. */
static int compare_finer(const char *a, const char *b)
{
	size_t n, m;

	a = finer(a, &n);
	b = finer(b, &m);
	for (size_t i = 0; i < n || i < m; i++) {
		char x = i < n ? a[i] : '0', y = i < m ? b[i] : '0';

		if (x != y)
			return x < y ? -1 : 1;
	}
	return 0;
}

static int compare_texts(const char *a, const char *b)
{
	int64_t x, y;

	if (is_time(a, &x) && is_time(b, &y))
		return x != y ? (x > y) - (x < y) : compare_finer(a, b);
	if (is_decimal(a) && is_decimal(b))
		return compare_decimals(a, b);
	return sign(strcmp(a, b));
}

int webhook_compare(const json_t *a, const json_t *b)
{
	if (json_is_number(a) && json_is_number(b))
		return compare_numbers(a, b);
	if (json_is_string(a) && json_is_string(b))
		return compare_texts(json_string_value(a),
				     json_string_value(b));
	return 2;
}

const json_t *webhook_newer(struct agent *a, const struct webhook_event *e,
			    struct err *err)
{
	const json_t *mark = *e->subject ?
			     state_doc(a->state, "hookmark", e->subject) : NULL;
	const json_t *newest = json_object_get(mark, "sequence");
	int order;

	if (!newest)
		return NULL;
	order = webhook_compare(e->sequence, newest);
	if (order == 2)
		err_set(err, ERR_invalid_request, "the sequence is a %s, and "
			"was a %s before", json_is_string(newest) ? "number" :
			"text", json_is_string(newest) ? "text" : "number");
	return order == -1 ? mark : NULL;
}

static json_t *kept(const char *name, const struct call *c,
		    const struct webhook_event *e, const char *task_id)
{
	json_t *doc = json_pack("{s:s,s:s,s:O?,s:s?,s:s}", "id", name,
				"source", c->hook->name, "event_id",
				json_object_get(e->said, "event_id"),
				"task_id", task_id, "correlation_id",
				c->correlation_id);

	wait_set(doc, "at", 0);
	return doc;
}

json_t *webhook_keep(const struct call *c, const struct webhook_event *e,
		     const char *task_id)
{
	json_t *put = json_object(), *mark;

	if (*e->by_id)
		json_object_set_new(put, "hook", kept(e->by_id, c, e,
						      task_id));
	json_object_set_new(put, "hookbody", kept(e->by_body, c, e, task_id));
	if (*e->subject) {
		mark = kept(e->subject, c, e, task_id);
		json_object_set(mark, "sequence", e->sequence);
		json_object_set_new(put, "hookmark", mark);
	}
	return put;
}
