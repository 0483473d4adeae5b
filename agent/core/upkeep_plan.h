/* Which packs are worth to be repacked together: a pure question. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/store/ssot_packs.h"

#define PLAN_PACKS 1000		/* in one go */
#define PLAN_WHOLE 128		/* packs without deltas are too many */
#define PLAN_LOOSE 1000		/* and so are objects in files of their own */

struct plan_limits {
	uint64_t new_bytes;	/* of packs without deltas: time for them */
	uint64_t objects;	/* in one go: what memory allows */
	int64_t before_ns;	/* packs that are newer are left alone */
};

enum plan {
	PLAN_NOTHING,
	PLAN_NEW,		/* those without deltas, and loose objects */
	PLAN_ROLL,		/* small repacked ones into a larger one */
};

/*
 * What to do next with these packs, ascending by objects: those to put into
 * one are moved to the front of list and counted in *chosen. Repacked ones
 * stay a geometric row, each at least twice all smaller ones together, so
 * that an object is rewritten a few times in its life and never after its
 * pack has reached the limit.
 */
enum plan plan_repack(struct pack_facts *list, size_t n, size_t loose,
		      const struct plan_limits *limits, size_t *chosen);
