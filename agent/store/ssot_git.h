/* What the ssot files share of libgit2: errors, a new repository, the ref. */
#pragma once
#include <git2.h>
#include <stdbool.h>

struct err;

#define SSOT_REF "refs/heads/main"

/* Once per process: start libgit2, deaf to the user's git configuration. */
void ssot_git_setup(void);
/* ERR_io with libgit2's words behind the text, and what to do; -1. */
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
/* What a commit says of itself. */
struct ssot_commit_facts;
void ssot_git_facts(const git_commit *commit, struct ssot_commit_facts *out);
/* ssot_git_error where commits and trees cannot be read. */
int ssot_git_unread(git_repository *repo, struct err *err);
/* "This is not ours": ERR_io with what to do; -1. */
int ssot_foreign(const char *path, const char *what, struct err *err);

/* Make an empty bare repository; there is never half of one. */
int ssot_git_create(const char *path, struct err *err);

/* What main says. 1: it is there; 0: it is not; -1. */
int ssot_ref_get(git_repository *repo, const char *path, git_oid *now,
		 struct err *err);
/* Main is not there: is that because there is nothing yet? 0, or -1. */
int ssot_ref_none(git_repository *repo, const char *path, struct err *err);
/* "Main is not at this commit (NULL: is there) any more": -1. */
int ssot_ref_moved(const char *path, const git_oid *from, struct err *err);
/* Is this a commit with a tree of tasks? */
bool ssot_ref_tasks(git_repository *repo, const git_oid *commit);
/* Let main say to instead of from, durable, or leave it as it is. */
int ssot_ref_move(git_repository *repo, const char *path,
		  const git_oid *from, const git_oid *to, struct err *err);
/* Is HEAD one that git can read? Without it git knows no repository. */
int ssot_head_check(git_repository *repo, const char *path, struct err *err);
/*
 * Moving main, as the bare act: 0, or what libgit2 would say, GIT_ELOCKED and
 * GIT_EMODIFIED among it.
 */
int ssot_ref_swap(git_repository *repo, const char *path, const git_oid *from,
		  const git_oid *to);
