/* An index in a folder of its own, and records to put into it. */
#pragma once
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/store/index.h"
#include "common/err.h"
#include "common/fs.h"

struct place { char dir[64], file[128]; };

static inline struct place place_new(void)
{
	const char *base = access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm";
	struct place p;

	snprintf(p.dir, sizeof(p.dir), "%s/kircerta-index-XXXXXX", base);
	ck_assert_ptr_nonnull(mkdtemp(p.dir));
	snprintf(p.file, sizeof(p.file), "%s/index.db", p.dir);
	return p;
}

static inline struct index *open_ok(const struct place *p, bool anew)
{
	struct index *x = NULL;
	struct err err = {0};
	bool rebuilt = !anew;

	ck_assert_msg(!index_open(&x, p->file, &rebuilt, &err), "%s",
		      err.detail);
	ck_assert_int_eq(rebuilt, anew);
	return x;
}

static inline struct reader *reader_ok(const struct place *p)
{
	struct reader *r = NULL;

	ck_assert_int_eq(reader_open(&r, p->file, NULL), 0);
	return r;
}

/* Records as a journal would give them, without one. */
struct log { struct record *r[4000]; size_t n; uint64_t off, base; };

static inline void log_add(struct log *l, struct entry e, int64_t ts)
{
	static const uint8_t prev[SHA256_RAW];
	struct record *r = record_make(&e, l->base + l->n + 1, ts,
				       prev, NULL);

	ck_assert_ptr_nonnull(r);
	r->off = l->off;
	l->off += r->len + 1;
	l->r[l->n++] = r;
	json_decref(e.data);
}

static inline void log_put(struct log *l, const char *kind, const char *doc)
{
	json_t *value = json_loads(doc, 0, NULL);

	ck_assert_ptr_nonnull(value);
	log_add(l, (struct entry){.type = "task_updated", .data =
		json_pack("{s:i,s:{s:o}}", "x", 1, "put", kind, value)},
		(int64_t)l->n);
}

static inline void log_free(struct log *l)
{
	while (l->n)
		record_unref(l->r[--l->n]);
	free(l);
}

static inline void apply(struct index *x, const struct log *l, size_t from, size_t to)
{
	struct err err = {0};

	ck_assert_msg(!index_apply(x, l->r + from, to - from, &err), "%s",
		      err.detail);
}

static inline char *text_of(json_t *v)
{
	char *text = v ? json_line(v, NULL) : xstrdup("none");

	json_decref(v);
	return text;
}

/* Small numbers that look like chance and are the same on every machine. */
static inline unsigned next(unsigned *seed)
{
	*seed = *seed * 1103515245u + 12345u;
	return *seed >> 16;
}

static const char *const types[] = {"request", "request", "request",
				    "heartbeat", "policy_denied",
				    "task_state"};
static const char *const actors[] = {NULL, "ann", "bob", "cy"};
static const char *const tasks[] = {NULL, NULL, "t-1", "t-2", "t-3"};
static const char *const chains[] = {NULL, "c-1", "c-2", "c-3", "c-4", "c-5"};
static const int statuses[] = {0, 200, 200, 403};

#define PICK(a) a[next(seed) % ARRAY_LEN(a)]

static const char *const said[] = {"the Export dialog", "an exporter",
				   "nothing at all", "dialog of two"};

static inline json_t *some_data(unsigned *seed)
{
	return next(seed) % 2 ? NULL : json_pack("{s:s,s:{s:[{s:s}]}}",
		next(seed) % 2 ? "reason" : "unread", PICK(said), "put",
		"deep", "title", PICK(said));
}

static inline void add_many(struct log *l, size_t n)
{
	unsigned s = 1, *seed = &s;
	int64_t ts = 1000;

	while (l->n < n) {
		ts += next(seed) % 3 ? 0 : 10;
		log_add(l, (struct entry){.type = PICK(types),
			.actor = PICK(actors), .task_id = PICK(tasks),
			.run_id = PICK(tasks), .correlation_id = PICK(chains),
			.status = PICK(statuses), .data = some_data(seed)},
			ts);
	}
}

static inline struct log *many_records(size_t n)
{
	struct log *l = xcalloc(1, sizeof(*l));

	add_many(l, n);
	return l;
}

/* Everything that the index can be asked for, as one text. */
static inline char *all_of(const struct place *p)
{
	struct reader *r = reader_ok(p);
	struct record_place *places = xcalloc(4000, sizeof(*places));
	json_t *all = reader_docs(r, &(struct doc_filter){0}, NULL);
	size_t n;

	ck_assert(!reader_records(r, &(struct record_filter){.limit = 4000,
		.types = "*"}, places, &n, NULL));
	for (size_t i = 0; i < n; i++)
		json_array_append_new(all, json_pack("[I,I,I]",
			(json_int_t)places[i].seq, (json_int_t)places[i].off,
			(json_int_t)places[i].len));
	free(places);
	reader_close(r);
	return text_of(all);
}
