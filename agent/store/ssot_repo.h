/*
 * The open repository that the follower writes to: its handle, which can be
 * told of commits before they are in a pack, and its packs.
 */
#pragma once
#include <git2.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "common/buf.h"

struct err;
struct pack;

struct ssot_repo {
	char *path, *packs;		/* packs: its folder of packs */
	git_repository *git;
	git_odb *odb;
	git_odb_backend *fresh;		/* of commits in memory */
	struct buf known;		/* those commits, one after another */
	size_t shown;			/* bytes of these that fresh has */
	unsigned writes;		/* since packs were last looked at */
	atomic_bool stale;		/* packs are gone */
	pthread_mutex_t merging;
	int64_t hold_ns;	/* under merging: see ssot_packs_hold */
};

/* Open it, or make it where there is nothing. Close it either way. */
int ssot_repo_open(struct ssot_repo *r, const char *path, struct err *err);
void ssot_repo_close(struct ssot_repo *r);
/* libgit2 does not forget packs that are gone: take a new handle. */
int ssot_repo_reopen(struct ssot_repo *r, struct err *err);
/* The raw bytes of an object (a tree_load). */
char *ssot_repo_load(void *repo, const uint8_t id[20], size_t *len,
		     struct err *err);
/* A commit that was added to a pack. */
void ssot_repo_know(struct ssot_repo *r, const uint8_t id[20],
		    const void *text, size_t len);
/* Let the handle read all of these as if they were in the repository. */
void ssot_repo_show(struct ssot_repo *r);
/* Forget them. */
void ssot_repo_forget(struct ssot_repo *r);
/* Make a pack durable, and empty it. */
int ssot_repo_write(struct ssot_repo *r, struct pack *p, struct err *err);
/* Put small packs together, if it is time for it. */
void ssot_repo_upkeep(struct ssot_repo *r);
