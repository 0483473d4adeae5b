/*
 * Tells programs, through [notify "NAME"] with a secret-file, the events that
 * subscribers get, as webhooks signed by Standard Webhooks 1.0.0: each at
 * least once and in order, under an id that stays the same, from the journal
 * and from a cursor that is in it. Each receiver has a thread, and a child
 * that does the talking; nobody ever waits for either.
 */
#pragma once
#include <jansson.h>
#include <stddef.h>

struct core;
struct outbox;
struct record;

/* NULL where nothing is configured; NULL is fine for all of these. */
struct outbox *outbox_open(struct core *k);
/* A durable batch. Writer; never blocks. */
void outbox_feed(struct outbox *o, struct record *const *records, size_t n);
/* Ends who is talking: what has no answer yet is told again next time. */
void outbox_halt(struct outbox *o);
void outbox_close(struct outbox *o);
/* Adds a row of health for each. Any thread. */
void outbox_rows(struct outbox *o, json_t *rows);
