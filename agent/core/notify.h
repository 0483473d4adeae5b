/*
 * Tells people, through [notify "NAME"], what the record says has happened.
 * Each has a thread that exists only where one is configured, and a child
 * that does the talking. Nobody ever waits for it: what cannot be told is
 * tried again for a while, and then that is a record too.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct core;
struct notify;
struct record;

/* NULL where nothing is configured; NULL is fine for all of these. */
struct notify *notify_open(struct core *k);
/* A durable batch, as follower_feed. Writer; never blocks. */
void notify_feed(struct notify *n, struct record *const *records, size_t len);
/* Ends who is talking; what waits is not told any more. */
void notify_halt(struct notify *n);
void notify_close(struct notify *n);
/* Adds the row "notify" of health; is one not well? Any thread. */
bool notify_row(struct notify *n, json_t *rows);
