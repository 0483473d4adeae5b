/*
 * The repository's folders as far as they were needed, kept in memory, so
 * that a change costs the trees on its path and no reading.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "agent/store/ssot_pack.h"

struct err;
struct tree;

/* The raw bytes of a tree object, malloc'ed, or NULL and *err. */
typedef char *tree_load(void *ctx, const uint8_t id[GIT_RAW], size_t *len,
			struct err *err);

struct tree *tree_new(tree_load *load, void *ctx);
void tree_free(struct tree *t);
/* Forget all, and what was put; start from this root (NULL: empty). */
void tree_reset(struct tree *t, const uint8_t root[GIT_RAW]);
/*
 * Put a plain file ("a/b/c.json") there, making its folders. 1: it changed;
 * 0: it was there as it is; -1: something else is in its place.
 */
int tree_put(struct tree *t, const char *path, const uint8_t id[GIT_RAW],
	     struct err *err);
/* Whatever is in its place goes. Any mode but a folder's. 0 or -1. */
int tree_set(struct tree *t, const char *path, unsigned mode,
	     const uint8_t id[GIT_RAW], struct err *err);
/* Remove what is no folder, if it is there. 0 or -1. */
int tree_drop(struct tree *t, const char *path, struct err *err);
/* 1: it is there, not a folder, and id is its. 0, or -1. */
int tree_get(struct tree *t, const char *path, uint8_t id[GIT_RAW],
	     struct err *err);
/* Add every folder that changed to the pack; root gets the new root. */
void tree_write(struct tree *t, struct pack *p, uint8_t root[GIT_RAW]);
/* About how much memory it takes. */
size_t tree_bytes(const struct tree *t);
