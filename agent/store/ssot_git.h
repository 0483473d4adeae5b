/* What the ssot files share of libgit2: errors, a new repository, the ref. */
#pragma once
#include <git2.h>

struct err;

#define SSOT_REF "refs/heads/main"

/* Once per process: start libgit2, deaf to the user's git configuration. */
void ssot_git_setup(void);
/* ERR_io with libgit2's words behind the text; -1. */
int ssot_git_error(struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* A bare repository. */
int ssot_git_open(git_repository **repo, const char *path, struct err *err);
/* The tree of a commit of 40 hex digits; ERR_not_found if it is not there. */
int ssot_git_tree(git_repository *repo, const char *commit, git_oid *tree,
		  struct err *err);
/* Is this commit the other one, or one of its descendants? 1, 0, or -1. */
int ssot_git_descends(git_repository *repo, const git_oid *commit,
		      const git_oid *from, struct err *err);
/* "This is not ours": ERR_io with what to do; -1. */
int ssot_foreign(const char *path, const char *what, struct err *err);

/* Make an empty bare repository; there is never half of one. */
int ssot_git_create(const char *path, struct err *err);

/* Does main still say what we think (NULL: it does not exist)? */
int ssot_ref_check(git_repository *repo, const char *path,
		   const git_oid *from, struct err *err);
/* Let main say to instead of from, durable, or leave it as it is. */
int ssot_ref_move(git_repository *repo, const char *path,
		  const git_oid *from, const git_oid *to, struct err *err);
