/*
 * Looks through what webhooks have left, some of it at a time, and has the
 * writer forget what is over. One thread.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "agent/store/index.h"

struct core;
struct reader;
struct settings;

/* Where the last look ended; zeroed, it is a start. */
struct forget { size_t kind; char after[DOC_ID_MAX + 1]; };

/* How often, us: the shorter a window, the more often. */
int64_t forget_every(const struct settings *s);
/* Ends before its time if the agent stops, or nothing can be recorded. */
void forget_some(struct core *k, struct reader *r, struct forget *f);
