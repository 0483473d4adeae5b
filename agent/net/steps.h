/*
 * Somebody may set the clock. No wait counts by it (see ops/wait.h), but it
 * is what stands on the record, so each step is recorded: clock_stepped. And
 * when the machine has slept, what was due meanwhile is due at once.
 */
#pragma once

struct net;

/* Look; on the loop, about twice a second. */
void steps_look(struct net *n);
