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

struct shared {
	struct record record;	/* first: both have one address */
	atomic_uint refs;
	struct buf mem;		/* the line, then its texts */
};

struct record *record_ref(struct record *r)
{
	atomic_fetch_add(&((struct shared *)r)->refs, 1);
	return r;
}

void record_unref(struct record *r)
{
	struct shared *s = (struct shared *)r;

	if (!s || atomic_fetch_sub(&s->refs, 1) > 1)
		return;
	json_decref(r->data);
	buf_fini(&s->mem);
	free(s);
}

/* Cut the texts out of the scanned line and put them behind it in mem. */
static int take_texts(struct shared *s, const struct line *line)
{
	struct record *r = &s->record;
	const struct { enum line_field field; const char **text; } texts[] = {
		{LINE_type, &r->type}, {LINE_actor, &r->actor},
		{LINE_correlation_id, &r->correlation_id},
		{LINE_task_id, &r->task_id}, {LINE_run_id, &r->run_id},
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct span field = line->field[texts[i].field];
		size_t at = s->mem.len;

		if (*field.at != '"')
			continue;
		if (!json_span_text(field, &s->mem))
			return -1;
		*texts[i].text = s->mem.data + at;
	}
	return r->type ? 0 : -1;
}

/*
 * A record of the line that is all of mem, which is taken over. data may be
 * given (borrowed) where it is at hand; else it is parsed. jansson's limits
 * are enough here: a line is short, and what is nested 32 deep in a request
 * is nested deeper in the record of it.
 */
static struct record *record_of(struct buf *mem, json_t *data,
				uint8_t prev[SHA256_RAW], struct err *err)
{
	struct shared *s = xcalloc(1, sizeof(*s));
	struct record *r = &s->record;
	const int flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL;
	struct line line;

	atomic_init(&s->refs, 1);
	s->mem = *mem;
	*mem = (struct buf){0};
	r->len = s->mem.len;
	buf_room(&s->mem, r->len);	/* the texts fit: mem will not move */
	r->line = s->mem.data;
	if (line_scan((struct span){r->line, r->len}, &line, err))
		goto fail;
	r->data = data ? json_incref(data) :
		  line.data.len == 2 ? json_object() :
		  json_loadb(line.data.at, line.data.len, flags, NULL);
	if (!r->data || take_texts(s, &line)) {
		err_set(err, ERR_invalid_json, r->data ?
			"no type, or a NUL in a text" :
			"data is not acceptable JSON");
		goto fail;
	}
	r->seq = line.seq;
	r->ts_us = line.ts_us;
	r->status = line.status;
	sha256_leaf(r->line, r->len, r->leaf);
	if (prev)
		memcpy(prev, line.prev, SHA256_RAW);
	return r;
fail:
	record_unref(r);
	return NULL;
}

struct record *record_make(const struct entry *e, uint64_t seq,
			   int64_t ts_us, const uint8_t prev[SHA256_RAW],
			   struct err *err)
{
	struct buf mem = {0};

	if (line_render(&mem, e, seq, ts_us, prev)) {
		err_set(err, ERR_internal, "a %s record's data is no JSON",
			e->type);
	} else if (mem.len > RECORD_LINE_MAX) {
		err_set(err, ERR_task_too_large,
			"a %s record would take %zu bytes of at most %d",
			e->type, mem.len, RECORD_LINE_MAX);
	} else {
		return record_of(&mem, e->data, NULL, err);
	}
	buf_fini(&mem);
	return NULL;
}

struct record *record_parse(const char *line, size_t len,
			    uint8_t prev[SHA256_RAW], struct err *err)
{
	struct buf mem = {0};

	buf_room(&mem, 2 * len);
	buf_add(&mem, line, len);
	return record_of(&mem, NULL, prev, err);
}
