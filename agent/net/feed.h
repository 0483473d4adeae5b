/*
 * Events to subscribers: what is new comes out of the ring, what is older
 * is read from the journal by a worker, a chunk at a time, until the ring is
 * reached. Nothing is lost or said twice, and nobody waits for a slow one.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/net/ring.h"

struct call;
struct feed;
struct net;
struct sub;

struct feed *feed_new(struct net *n);	/* after core_open */
void feed_free(struct feed *f);		/* when nobody is subscribed */
/* A durable batch; within 5 ms the subscribers are told. */
void feed_push(struct feed *f, struct record *const *records, size_t n);
void feed_gather(struct feed *f);	/* tell them now */

/*
 * Subscribe with the filter in c (types, filter_task, after_seq or
 * from_now). ready is called, never from in here, when sub_event has
 * something, or sub_failed.
 */
struct sub *sub_open(struct feed *f, const struct call *c,
		     void (*ready)(void *arg), void *arg);
void sub_close(struct sub *s);		/* NULL is fine */
/* The event it is at, NULL: none now. The same until sub_next. */
const struct event *sub_event(struct sub *s);
void sub_next(struct sub *s);
bool sub_failed(const struct sub *s);
