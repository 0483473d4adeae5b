/* How long to leave somebody alone who did not answer. */
#pragma once
#include <stdint.h>

/*
 * Twice as long as the last time, from least to most; *pause is that time, 0
 * after a success. Returns up to a quarter less, by chance, so that many do
 * not come back at once. Microseconds.
 */
int64_t pause_longer(int64_t *pause, int64_t least, int64_t most);
