/* What the files of checkpoints share. Not for others. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>

#include "agent/core/checkpoints.h"
#include "agent/core/threads.h"
#include "agent/store/checkpoint.h"
#include "agent/store/tree.h"
#include "common/buf.h"

struct checkpoints {
	struct core *core;
	const char *file;
	struct note_signer *signer;
	struct tree *tree;
	struct follower *follower;
	atomic_bool stopping;

	pthread_mutex_t lock;		/* of all below, and of the file */
	struct checkpoint newest;	/* size 0: none */
	struct buf note;		/* the file's content */
	bool on_record;
	uint64_t others;		/* new records that are no checkpoint */
	int64_t last_us;		/* monotonic */
	bool failing;
	char error[480], hint[320];

	/* The follower's to change, mending under the lock: what it has to
	   reach when the tree is mended. */
	bool mending, changed;
	uint64_t good_size;
	uint8_t good_root[SHA256_RAW];
};

/* Compare with what was signed before, and make the tree fit. */
int checkpoints_match(struct checkpoints *c, struct err *err);
/* The tree anew from the journal, which must have this root at this size. */
int checkpoints_rebuild(struct checkpoints *c, uint64_t size,
			const uint8_t root[SHA256_RAW], struct err *err);
