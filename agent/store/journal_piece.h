/*
 * A segment open for reading, plain or compressed, shared by reference: it
 * can still be read while its file is compressed and removed.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct piece;

/* The plain file, or where that is gone the compressed one. */
int piece_open(struct piece **out, const char *dir, uint64_t first,
	       struct err *err);
/* Of a plain file that is open already; fd is taken over. */
struct piece *piece_of(int fd, const char *path);
struct piece *piece_ref(struct piece *p);
void piece_unref(struct piece *p);		/* NULL is fine */

int piece_fd(const struct piece *p);
const char *piece_path(const struct piece *p);
bool piece_gone(const struct piece *p);	/* from its folder */
/* Bytes of the file as they are read, with fill where it has some. */
int piece_size(const struct piece *p, uint64_t *size, struct err *err);
/* Exactly len bytes at off, or -1: a bytes_read. Any thread. */
int piece_read(void *piece, uint64_t off, size_t len, char *out,
	       struct err *err);
/* Cut the fill behind byte end off a plain one; synced. */
int piece_cut(struct piece *p, uint64_t end, struct err *err);
