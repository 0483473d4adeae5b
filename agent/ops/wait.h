/*
 * A wait that is on record. Under its key a document has the wall time of
 * its end, for people to read; that clock may be set, so it decides nothing.
 * Beside it, in "waits", is the time of a clock that nobody sets, with the
 * boot that it counts from: until the next boot that one decides, whoever
 * stopped or restarted meanwhile. After a boot the wall clock is all there
 * is; no wait gets longer than it was in all.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* It ends so long from now; us may be 0: something happened now. */
void wait_set(json_t *doc, const char *key, int64_t us);
/* What is left, us; 0 or less: it is over for so long. No such key: 0. */
int64_t wait_left(const json_t *doc, const char *key);
/* It was set since the last boot: no clock that was set counts in it. */
bool wait_is_ours(const json_t *doc, const char *key);
/* Take off what is for nobody to read. */
void wait_hide(json_t *doc);
