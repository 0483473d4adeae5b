/*
 * Room on the disk: fill for the live segment, and the reserve, a file that
 * is given up when the disk is full so that stopping and starting work.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct err;

#define RESERVE (1u << 20)	/* DIR/reserve */

/*
 * How much of the disk is free beyond what is never filled: the last MiB, or
 * the last sixteenth of a small one, is for others who write here.
 */
uint64_t room_free(const char *dir);
/* Others have taken half of that: time to stop. */
bool room_low(const char *dir);
/*
 * Write line feeds from byte *end of the file up to to, synced. *end is where
 * the fill ends, also when there is not as much room: -1. fd is one that
 * nothing else is written through.
 */
int room_fill(int fd, const char *dir, uint64_t *end, uint64_t to,
	      struct err *err);

bool reserve_make(const char *dir);	/* false: there is too little room */
void reserve_release(const char *dir);
