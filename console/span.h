/* Lengths of time as an operator reads them. Microseconds in. */
#pragma once
#include <stdint.h>

#define SPAN_TEXT 16
#define SPAN_S 1000000LL

/* How long ago: "52s", "4m", "3h", "2d"; "now" below a second. */
void span_age(int64_t us, char out[SPAN_TEXT]);
/*
 * How long still: minutes, ten-second steps below two minutes, seconds below
 * thirty. Returns after how many microseconds the text changes; 0 when over.
 */
int64_t span_left(int64_t us, char out[SPAN_TEXT]);
