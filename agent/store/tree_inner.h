/* What the files of the tree share. Not for others. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>

#include "agent/store/tree.h"

#define HEIGHT 8			/* of a block; 256 hashes */
#define LEVELS (64 / HEIGHT)

struct tree {
	char *dir;
	int fd[LEVELS];
	pthread_rwlock_t lock;
	struct merkle top;		/* behind the lock; the frontier */
	atomic_bool damaged;
};

/* ERR_overloaded, and tree_damaged from now on. -1. */
int tree_is_damaged(struct tree *t, struct err *err);
/* Hashes first..first+n of a level. */
int tree_read(struct tree *t, int level, uint64_t first, size_t n,
	      uint8_t (*out)[SHA256_RAW], struct err *err);
/* The root of the full subtree of 2^bits leaves, the index'th of these. */
int tree_subtree(struct tree *t, int bits, uint64_t index,
		 uint8_t out[SHA256_RAW], struct err *err);
