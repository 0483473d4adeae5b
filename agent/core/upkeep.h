/*
 * Keeps the task repository small and quick while it is written: its own
 * thread has stock git, at the lowest priority, put packs together with
 * deltas. Nothing is pruned: a pack goes only when a durable one has every
 * object of it. What fails is told and tried again later, and stops nobody.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct ssot;
struct upkeep;

struct upkeep_options {
	const char *path;	/* the repository */
	struct ssot *ssot;	/* who writes it, and outlives this */
	int64_t new_bytes;	/* of packs that nobody repacked: do it now */
	int64_t every_us;	/* looks */
	bool (*busy)(void *ctx); /* better later; any thread; or NULL */
	void *ctx;
};

struct upkeep *upkeep_start(const struct upkeep_options *o);
/*
 * Members packs, loose, bytes, repack (the last one: at, seconds, and its
 * packs_before, bytes_before, packs_after, bytes_after), repacking (true
 * while one goes on) and upkeep_error, each where it is known, into the
 * object v. Any thread; u may be NULL.
 */
void upkeep_json(struct upkeep *u, json_t *v);
/* Ends a git that is at work, at once and without damage. NULL is fine. */
void upkeep_stop(struct upkeep *u);
