/*
 * See record.h. A record is one block that owns the line and the texts cut
 * out of it; what was made and what was parsed are filled in the same way.
 */
#include "agent/store/record.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/record_line.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/mem.h"

#define USUAL 4000		/* bytes of a line, at most; then it grows */

struct shared {
	struct record record;	/* first: both have one address */
	atomic_uint refs;	/* to it at all */
	atomic_uint readers;	/* of them, those to its data too */
	char mem[];		/* the line, then its texts */
};

struct record *record_ref(struct record *r)
{
	atomic_fetch_add(&((struct shared *)r)->readers, 1);
	return record_ref_line(r);
}

struct record *record_ref_line(struct record *r)
{
	atomic_fetch_add(&((struct shared *)r)->refs, 1);
	return r;
}

void record_unref(struct record *r)
{
	struct shared *s = (struct shared *)r;

	if (s && atomic_fetch_sub(&s->readers, 1) == 1) {
		json_decref(r->data);
		r->data = NULL;
	}
	record_unref_line(r);
}

void record_unref_line(struct record *r)
{
	struct shared *s = (struct shared *)r;

	if (s && atomic_fetch_sub(&s->refs, 1) == 1)
		free(s);
}

static const enum line_field kept[] = {
	LINE_type, LINE_actor, LINE_correlation_id, LINE_task_id, LINE_run_id,
};

static struct shared *block_for(const struct line *line, size_t len)
{
	struct shared *s;
	size_t size = sizeof(*s) + len;

	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		size += line->field[kept[i]].len;
	s = xmalloc(size);
	s->record = (struct record){.line = s->mem, .len = len};
	atomic_init(&s->refs, 1);
	atomic_init(&s->readers, 1);
	return s;
}

/* Cut the texts out of the line, in the order of kept, to behind it. */
static bool cut_texts(struct shared *s, const struct line *line)
{
	struct record *r = &s->record;
	const char **const texts[] = {&r->type, &r->actor, &r->correlation_id,
				      &r->task_id, &r->run_id};
	char *at = s->mem + r->len;

	for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
		const struct span field = line->field[kept[i]];

		if (*field.at != '"')
			continue;
		if (!json_span_read(field, at))
			return false;
		*texts[i] = at;
		at += field.len;
	}
	return r->type != NULL;
}

/*
 * jansson's own limits are enough: a line is short, and what is nested 32
 * deep in a request is nested deeper in its record.
 */
static json_t *data_of(struct span data)
{
	const int flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL;
	json_t *v = json_span_load(data);

	return v ? v : json_loadb(data.at, data.len, flags, NULL);
}

/*
 * A record of the line. data may be given (borrowed) where it is at hand;
 * else it is parsed.
 */
static struct record *record_of(struct span text, json_t *data,
				uint8_t prev[SHA256_RAW], struct err *err)
{
	struct line line;
	struct shared *s;
	struct record *r;

	if (line_scan(text, &line, err))
		return NULL;
	s = block_for(&line, text.len);
	r = &s->record;
	memcpy(s->mem, text.at, text.len);
	r->data = data ? json_incref(data) : data_of(line.data);
	if (!r->data || !cut_texts(s, &line)) {
		err_set(err, ERR_invalid_json, r->data ?
			"no type, or a NUL in a text" :
			"data is not acceptable JSON");
		record_unref(r);
		return NULL;
	}
	r->seq = line.seq;
	r->ts_us = line.ts_us;
	r->status = line.status;
	sha256_leaf(r->line, r->len, r->leaf);
	if (prev)
		memcpy(prev, line.prev, SHA256_RAW);
	return r;
}

struct record *record_make(const struct entry *e, uint64_t seq,
			   int64_t ts_us, const uint8_t prev[SHA256_RAW],
			   struct err *err)
{
	struct record *r = NULL;
	struct buf b = {0};

	buf_room(&b, USUAL);
	line_render(&b, e, seq, ts_us, prev);
	if (b.len > RECORD_LINE_MAX)
		err_set(err, ERR_task_too_large,
			"a %s record would take %zu bytes of at most %d",
			e->type, b.len, RECORD_LINE_MAX);
	else
		r = record_of((struct span){b.data, b.len}, e->data, NULL,
			      err);
	buf_fini(&b);
	return r;
}

struct record *record_parse(const char *line, size_t len,
			    uint8_t prev[SHA256_RAW], struct err *err)
{
	return record_of((struct span){line, len}, NULL, prev, err);
}
