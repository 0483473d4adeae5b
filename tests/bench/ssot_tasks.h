/*
 * Tasks as they are in life, for the benches of the repository: about 1 KB,
 * of which a change leaves most as it was.
 */
#pragma once
#include <stdio.h>
#include <stdlib.h>

#include "agent/store/record.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"

static inline void check(int rc, const struct err *err)
{
	if (!rc)
		return;
	fprintf(stderr, "bench: %s\n", err->detail);
	exit(1);
}

/* The words of task n: always the same ones. */
static inline void words(unsigned n, char *out, size_t size)
{
	static const char *const list[] = {
		"record", "the", "demo", "export", "dialog", "shows", "new",
		"upload", "of", "window", "and", "title", "bar", "without",
		"error", "second", "screen", "review", "before", "preview",
		"publish", "channel", "with", "subtitle", "scene", "capture",
	};
	unsigned x = n * 2654435761u + 1;
	size_t at = 0;

	while (at + 12 < size) {
		x = x * 1664525u + 1013904223u;
		at += (size_t)snprintf(out + at, size - at, "%s ",
				       list[(x >> 16) % ARRAY_LEN(list)]);
	}
	snprintf(out + at, size - at, "%u", n);
}

static inline json_t *task_doc(unsigned n, uint64_t seq)
{
	static const char *const states[] = {
		"pending", "running", "needs_review", "approved", "rejected",
	};
	char id[32], text[480], title[48], at[CLOCK_TEXT];

	snprintf(id, sizeof(id), "t-%06u", n);
	words(n, text, sizeof(text));
	words(n + 7, title, sizeof(title));
	clock_text(1767323045000000LL + (int64_t)seq * 1000, at);
	return json_pack("{s:s,s:s,s:s,s:s,s:i,s:n,s:[{s:s,s:s,s:b}],s:s,s:[],"
			 "s:{},s:s,s:s,s:s,s:b}", "id", id, "title", title,
			 "request_text", text, "state", states[seq % 5],
			 "attempt", (int)(seq % 7) + 1, "lease",
			 "acceptance_criteria", "id", "AC-1", "text",
			 "the demo shows the new export dialog", "met",
			 (int)(seq & 1), "side_effect_level", "local_write",
			 "labels", "meta", "assignee", "codex", "created_at",
			 "2026-01-02T03:04:05.678901Z", "updated_at", at,
			 "allow_external_publish", 0);
}

/* What record seq says: task n as it is from there on. */
struct change { struct entry e; char id[32], corr[32]; };

static inline void change_init(struct change *c, uint64_t seq, unsigned n)
{
	snprintf(c->id, sizeof(c->id), "t-%06u", n);
	snprintf(c->corr, sizeof(c->corr), "c-%llu", (unsigned long long)seq);
	c->e = (struct entry){
		.type = "task_updated", .actor = "coordinator",
		.correlation_id = c->corr, .task_id = c->id,
		.data = json_pack("{s:{s:o}}", "put", "task",
				  task_doc(n, seq)),
	};
}

static inline void change_fini(struct change *c)
{
	json_decref(c->e.data);
}

static inline struct record *task_record(uint64_t seq, unsigned n)
{
	static const uint8_t prev[SHA256_RAW];
	struct change c;
	struct record *r;

	change_init(&c, seq, n);
	r = record_make(&c.e, seq, 1767323045000000LL + (int64_t)seq * 1000,
			prev, NULL);
	change_fini(&c);
	return r;
}

static inline unsigned next_random(void)
{
	static __thread uint64_t x = 88172645463325252ull;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (unsigned)(x >> 16);
}
