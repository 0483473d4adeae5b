/*
 * What differs between two trees, file by file. Folders that are the same
 * are not opened. Trees may be anybody's: what git itself would not write
 * (out of order, twice the same name, "..", ".git", a '/' in a name), and
 * paths of SSOT_PATH bytes and more, are an error.
 */
#pragma once
#include <git2.h>
#include <stdbool.h>

struct err;

struct compare_change {
	const char *path;
	const git_oid *before, *after;		/* NULL: not there */
	unsigned mode_before, mode_after;
};

/* Non-zero stops the walk and is returned. */
typedef int compare_each(const struct compare_change *c, void *data,
		      struct err *err);

/* In git's order of names. NULL is the empty tree. 0, -1 or what each said. */
int ssot_compare(git_repository *repo, const git_oid *before,
	      const git_oid *after, compare_each *each, void *data,
	      struct err *err);
