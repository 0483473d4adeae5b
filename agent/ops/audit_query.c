/*
 * The record, asked: records are spliced from the journal's own bytes, in
 * its order. A cursor is the seq of the last record that was looked at, so
 * what comes in meanwhile comes later and nothing is given twice.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ops/audit.h"
#include "agent/ops/handlers.h"
#include "agent/store/journal.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/json.h"

#define LOOK_MAX 20000		/* at records for words, for one answer */

int audit_line(struct agent *a, const struct record_place *p, struct buf *b,
	       struct line *line, struct err *err)
{
	char *at = buf_room(b, p->len);

	if (journal_read(a->journal, p->off, p->len, at, err))
		return -1;
	if (line_scan((struct span){at, p->len}, line, NULL) ||
	    line->seq != p->seq || !json_span_ok(line->data))
		return err_set(err, ERR_evidence_corrupt,
			       "record %llu of the journal was changed",
			       (unsigned long long)p->seq);
	b->len += p->len;
	return 0;
}

json_t *audit_data(const struct line *line, struct err *err)
{
	json_t *v = json_span_load(line->data);

	if (!v)
		v = json_loadb(line->data.at, line->data.len, JSON_ALLOW_NUL,
			       NULL);
	if (!v)
		err_set(err, ERR_evidence_corrupt, "record %llu of the "
			"journal was changed", (unsigned long long)line->seq);
	return v;
}

struct page {			/* an answer that is being put together */
	struct agent *a;
	const char *words;
	struct buf text;
	size_t limit, n, looked;
	uint64_t last;		/* looked at */
	bool more;
};

static bool full(const struct page *p, size_t len)
{
	return p->n == p->limit || p->looked == LOOK_MAX ||
	       (p->n && p->text.len + len > ANSWER_MAX);
}

/* 1: it has the words that are asked for. 0: no. -1: *err. */
static int has_words(const struct page *p, const struct line *line,
		     struct err *err)
{
	json_t *data = audit_data(line, err);
	int has = data ? record_holds(data, p->words) : -1;

	json_decref(data);
	return has;
}

/* Once it is full, one record more tells that there are more. */
static int add(const struct record_place *at, void *data, struct err *err)
{
	struct page *p = data;
	const size_t before = p->text.len;
	struct line line;
	int has = 1;

	p->more = full(p, at->len);
	if (p->more)
		return 1;
	if (p->n)
		buf_add(&p->text, ",", 1);
	if (audit_line(p->a, at, &p->text, &line, err))
		return -1;
	if (p->words) {
		p->looked++;
		has = has_words(p, &line, err);
	}
	p->last = at->seq;
	p->n += has == 1;
	if (has < 1)
		p->text.len = before;
	return has < 0 ? -1 : 0;
}

static int answer(struct call *c, struct page *p)
{
	buf_adds(&p->text, "],\"next_cursor\":");
	if (p->more)
		buf_addf(&p->text, "\"%" PRIu64 "\"}", p->last);
	else
		buf_adds(&p->text, "null}");
	return call_answer_text(c, p->text.data, p->text.len);
}

static int64_t time_arg(const struct call *c, const char *name)
{
	const char *text = call_str(c, name);
	int64_t us = 0;

	if (text)
		clock_parse(text, clock_wall_us(), &us);
	return us;
}

/* Both say what is exclusive: the later one counts. */
static int after_arg(const struct call *c, uint64_t *after, struct err *err)
{
	const char *cursor = call_str(c, "cursor");
	uint64_t seq;

	*after = (uint64_t)call_int(c, "after_seq", 0);
	if (!cursor)
		return 0;
	if (!*cursor || strlen(cursor) > 18 ||
	    cursor[strspn(cursor, "0123456789")])
		return err_set(err, ERR_invalid_request,
			       "cursor: is none that was given");
	seq = strtoull(cursor, NULL, 10);
	*after = seq > *after ? seq : *after;
	return 0;
}

int op_audit_query(struct agent *a, struct call *c, struct err *err)
{
	struct record_filter f = {
		.types = call_str(c, "type") ? call_str(c, "type") : "*",
		.task_id = call_str(c, "task_id"),
		.correlation_id = call_str(c, "correlation_id"),
		.run_id = call_str(c, "run_id"), .actor = call_str(c, "actor"),
		.words = call_str(c, "q"),
		.status = (int)call_int(c, "status", 0),
		.since_us = time_arg(c, "since"),
		.until_us = time_arg(c, "until"),
	};
	struct page p = {.a = a, .words = f.words,
			 .limit = (size_t)call_int(c, "limit", 100)};

	if (after_arg(c, &f.after_seq, err))
		return -1;
	if (f.words && !words_any(f.words))
		return err_set(err, ERR_invalid_request,
			       "q: has no letter and no digit in it");
	if (a->read_wait(a->core, true, err))
		return -1;
	buf_adds(&p.text, "{\"items\":[");
	if (reader_scan(c->reader, &f, add, &p, err) < 0) {
		buf_fini(&p.text);
		return -1;
	}
	return answer(c, &p);
}
