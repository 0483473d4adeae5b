/*
 * The packs of a repository as files: what upkeep looks at, and the only
 * place where a pack is removed. Any thread; formats: gitformat-pack(5).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/store/ssot_pack.h"

struct err;

struct pack_facts {
	char name[PACK_NAME];
	uint64_t bytes, objects;
	int64_t changed_ns;	/* when it was written */
	bool kept;		/* has a .keep: somebody's, not to be touched */
	bool whole;		/* no deltas: nobody has repacked it yet */
};

/* All packs of the folder objects/pack, by objects ascending. Free *out. */
int packs_list(const char *folder, struct pack_facts **out, size_t *n,
	       struct err *err);
/* Has pack by every object that pack name has? 1, 0, or -1 and *err. */
int pack_covers(const char *folder, const char *by, const char *name,
		struct err *err);
/* Remove a pack, so that at no moment there is half of one. */
void pack_drop(const char *folder, const char *name);
/* How many objects lie in objects/ as files of their own. */
size_t packs_loose(const char *objects);
/*
 * Remove the temporary files of killed gits: not touched for that long and
 * open nowhere, or a day old.
 */
size_t packs_sweep(const char *folder, int64_t older_s);
/*
 * Once for each repository: no git collects garbage there by itself, and
 * none takes in objects that are not in order. What is set there stays.
 */
int packs_own(const char *repo, struct err *err);
