/* The inside of struct journal, for journal.c and journal_open.c. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>

#include "agent/store/journal.h"
#include "agent/store/journal_lines.h"
#include "common/buf.h"

struct journal {
	char *dir;
	int lock;			/* the folder, held */
	struct live *live;
	struct map *map;
	pthread_mutex_t mutex;
	struct journal_head head;	/* behind the mutex */
	atomic_bool sealed;
	char why[256];			/* these are set before it is */
	int64_t sealed_us;

	struct link last;		/* of what was added */
	struct record **added;
	size_t n_added, cap;
	struct buf bytes;		/* of what was added */
	void (*hook)(void *), (*step)(void *);
	void *hook_data, *step_data;
};
