/* See queue.h: one mutex, held for a few instructions. */
#include "agent/core/queue.h"

#include <errno.h>
#include <stddef.h>
#include <time.h>

void queue_init(struct queue *q)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->filled, &attr);
	pthread_condattr_destroy(&attr);
	q->head = NULL;
	q->tail = &q->head;
	q->closed = false;
}

void queue_fini(struct queue *q)
{
	pthread_mutex_destroy(&q->lock);
	pthread_cond_destroy(&q->filled);
}

static void add(struct queue *q, void *first, void *last)
{
	*q->tail = first;
	q->tail = &((struct link *)last)->next;
	pthread_cond_signal(&q->filled);
}

void queue_put_list(struct queue *q, void *first, void *last)
{
	((struct link *)last)->next = NULL;
	pthread_mutex_lock(&q->lock);
	add(q, first, last);
	pthread_mutex_unlock(&q->lock);
}

bool queue_offer_list(struct queue *q, void *first, void *last)
{
	bool closed;

	((struct link *)last)->next = NULL;
	pthread_mutex_lock(&q->lock);
	closed = q->closed;
	if (!closed)
		add(q, first, last);
	pthread_mutex_unlock(&q->lock);
	return !closed;
}

bool queue_offer(struct queue *q, void *item)
{
	return queue_offer_list(q, item, item);
}

void queue_put(struct queue *q, void *item)
{
	queue_put_list(q, item, item);
}

void *queue_take(struct queue *q)
{
	struct link *item;

	pthread_mutex_lock(&q->lock);
	while (!q->head && !q->closed)
		pthread_cond_wait(&q->filled, &q->lock);
	item = q->head;
	if (item && !(q->head = item->next))
		q->tail = &q->head;
	if (q->head)
		pthread_cond_signal(&q->filled);
	pthread_mutex_unlock(&q->lock);
	return item;
}

void *queue_drain(struct queue *q, int64_t until_us)
{
	struct timespec at = {until_us / 1000000, until_us % 1000000 * 1000};
	struct link *all;
	int rc = 0;

	pthread_mutex_lock(&q->lock);
	while (!q->head && !q->closed && rc != ETIMEDOUT && until_us) {
		if (until_us == INT64_MAX)
			pthread_cond_wait(&q->filled, &q->lock);
		else
			rc = pthread_cond_timedwait(&q->filled, &q->lock, &at);
	}
	all = q->head;
	q->head = NULL;
	q->tail = &q->head;
	pthread_mutex_unlock(&q->lock);
	return all;
}

void queue_close(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->closed = true;
	pthread_cond_broadcast(&q->filled);
	pthread_mutex_unlock(&q->lock);
}

bool queue_closed(struct queue *q)
{
	bool done;

	pthread_mutex_lock(&q->lock);
	done = q->closed && !q->head;
	pthread_mutex_unlock(&q->lock);
	return done;
}
