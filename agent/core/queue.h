/*
 * A queue between threads: many put, one or more take. What is queued starts
 * with a pointer to the next.
 */
#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct link { struct link *next; };

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t filled;
	struct link *head, **tail;
	bool closed;
};

void queue_init(struct queue *q);
void queue_fini(struct queue *q);		/* must be empty */
void queue_put(struct queue *q, void *item);
/* The same unless it is closed: false, and what it is stays the caller's. */
bool queue_offer(struct queue *q, void *item);
bool queue_offer_list(struct queue *q, void *first, void *last);
void queue_put_list(struct queue *q, void *first, void *last);
/* The oldest item, waiting for one. NULL: closed and empty. */
void *queue_take(struct queue *q);
/*
 * All there is, waiting until there is something or until_us (monotonic;
 * INT64_MAX: no limit; 0: do not wait). NULL: nothing came, or closed.
 */
void *queue_drain(struct queue *q, int64_t until_us);
void queue_close(struct queue *q);		/* wakes those who wait */
bool queue_closed(struct queue *q);		/* and empty */
