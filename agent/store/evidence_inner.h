/* What the files of evidence share. Not for others. */
#pragma once
#include <jansson.h>
#include <pthread.h>

#include "agent/store/evidence.h"

struct evidence {		/* but for held never changes after open */
	char *path;
	char *guarded;		/* real path, or NULL */
	json_t *guarded_files;	/* paths, or NULL */
	int dir, tmp;
	pthread_mutex_t lock;
	json_t *held;		/* sha256: commits that are not recorded */
};

/* The folder of a hash: "ab" of "abcd..."; -1 and errno. */
int evidence_shelf(struct evidence *e, const char *sha256, bool make);
