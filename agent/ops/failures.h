/*
 * Failed authentications, counted for each who fails: an address, a user of
 * this machine, a token that is none any more. Whoever fails too often has to
 * wait; a token that is good never comes here. Bounded: of too many who fail,
 * the one who has failed least is forgotten. Any thread.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct failures;

struct failures *failures_new(int64_t a_minute);
void failures_free(struct failures *f);
/*
 * One more of who, now (monotonic): 0, or the seconds until the next one is
 * within what a minute allows; it counts as refused then, and only that.
 */
unsigned failures_add(struct failures *f, const char *who, int64_t now);
/* Was one refused in the last minute? How many, without a minute's pause. */
bool failures_refused(struct failures *f, int64_t now, uint64_t *count);
