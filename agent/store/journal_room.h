/*
 * Room on the disk: fill for the live segment, and the reserve, a file that
 * is given up when the disk is full so that stopping and starting work.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct err;

#define RESERVE (1u << 20)	/* DIR/reserve */

/* How much of the disk is free beyond what is never filled. */
uint64_t room_free(const char *dir);
/*
 * Write line feeds from byte *end of the file up to to, synced. *end is where
 * the fill ends, also when there is not as much room: -1. fd is one that
 * nothing else is written through.
 */
int room_fill(int fd, const char *dir, uint64_t *end, uint64_t to,
	      struct err *err);

void reserve_make(const char *dir);	/* unless there is too little room */
void reserve_release(const char *dir);
