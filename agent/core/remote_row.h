/*
 * What others see of the remote: its row of health, and the records of when
 * trouble began and when it was over. Told by the remote's thread, asked by
 * any.
 */
#pragma once
#include <pthread.h>

#include "agent/core/remote.h"

struct remote_row {
	struct core *core;
	int mode;			/* enum ssot_mode */
	pthread_mutex_t lock;
	/* under lock */
	enum fault fault;
	char words[480];
	int64_t since, synced;		/* wall clock; 0: never */
	int64_t asked;			/* monotonic; 0: no git is at work */
	size_t ahead, behind;
};

void remote_row_init(struct remote_row *w, struct core *k, int mode);
void remote_row_fini(struct remote_row *w);
enum fault remote_row_fault(struct remote_row *w);
/* See remote_trouble, remote_fine and remote_json. */
void remote_row_trouble(struct remote_row *w, const struct remote_said *said);
void remote_row_fine(struct remote_row *w);
void remote_row_distance(struct remote_row *w, size_t ahead, size_t behind);
/* git asks the remote since then (monotonic); 0: it has ended. */
void remote_row_asked(struct remote_row *w, int64_t mono_us);
json_t *remote_row_json(struct remote_row *w);
