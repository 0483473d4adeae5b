/*
 * What others see of a second place: its row of health, and the records of
 * when trouble began and when it was over.
 */
#pragma once
#include <pthread.h>

#include "agent/core/second.h"

struct second_row {
	struct core *core;
	char name[80];			/* "witness.NAME", "timestamp" */
	const char *effect;
	pthread_mutex_t lock;
	/* under lock */
	bool met, bad;			/* it answered since the start */
	struct second_said said;	/* if bad */
	int64_t since, reached_us;	/* wall clock */
	int64_t busy;			/* monotonic; 0: nobody is asked */
	uint64_t size;			/* records: so far all is well */
};

void second_row_init(struct second_row *w, struct core *k, const char *name,
		     const char *effect);
void second_row_fini(struct second_row *w);
void second_row_busy(struct second_row *w, bool busy);
void second_row_reached(struct second_row *w, uint64_t size);
void second_row_fine(struct second_row *w);
void second_row_trouble(struct second_row *w,
			const struct second_said *said);
/* Adds its row; is it not well? */
bool second_row_json(struct second_row *w, json_t *rows);
