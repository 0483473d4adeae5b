/*
 * All of a repository's history, read back: each commit once, and the files
 * of one of them. For checking; changes nothing. About 90 bytes of memory a
 * commit. Any thread, a handle of its own; git and the agent may be at work
 * there meanwhile.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/store/ssot_mark.h"
#include "agent/store/ssot_pack.h"
#include "common/sha256.h"

struct err;
struct ssot_walk;

#define SSOT_REMOTE_REF "refs/remotes/origin/main"

struct walk_commit {
	uint8_t id[GIT_RAW];
	uint8_t leaf[SHA256_RAW];	/* of its Audit-Head */
	uint64_t seq;			/* likewise; 0 if it is not ours */
	uint64_t words;		/* ssot_walk_words() of its text */
	uint32_t round;
	bool says, merged;	/* for the caller: it says what its record
				   says; it was taken in */
};

struct walk_mark {		/* a checkpoint that a commit of ours carries */
	struct ssot_mark mark;
	uint32_t commit;	/* in ssot_walk_list() */
};

/*
 * log_id, 16 hex digits, names the journal: a commit whose Audit-Log says
 * another one is not ours. Gives every so often how many commits were read.
 */
struct walk_options {
	const char *log_id;
	void (*progress)(void *data, size_t commits);
	void *data;
};

int ssot_walk_open(struct ssot_walk **out, const char *repo,
		   const struct walk_options *o, struct err *err);
void ssot_walk_close(struct ssot_walk *w);

/*
 * Read all that the ref reaches and no walk before has read. *tip gets its
 * commit, borrowed until the next walk; NULL: there is no such ref.
 */
int ssot_walk_ref(struct ssot_walk *w, const char *ref,
		  struct walk_commit **tip, struct err *err);
/* Those read so far, *n of them. */
struct walk_commit *ssot_walk_list(struct ssot_walk *w, size_t *n);
/* Likewise, in any order; the caller may sort them. */
struct walk_mark *ssot_walk_marks(struct ssot_walk *w, size_t *n);
/* NULL: none of those read. */
struct walk_commit *ssot_walk_find(struct ssot_walk *w, const char *hex);
/* How many named another journal, and the last of these names ("": none). */
size_t ssot_walk_strangers(const struct ssot_walk *w, const char **log_id);

/*
 * From a commit that was read back through all parents, each once: each
 * returns whether to go on behind this one.
 */
typedef bool walk_back(struct walk_commit *c, void *data);
int ssot_walk_back(struct ssot_walk *w, struct walk_commit *from,
		   walk_back *each, void *data, struct err *err);

/* Every file of a commit, in git's order; non-zero from each ends it. */
typedef int walk_file(const char *path, const uint8_t id[GIT_RAW],
		      void *data, struct err *err);
int ssot_walk_files(struct ssot_walk *w, const struct walk_commit *c,
		    walk_file *each, void *data, struct err *err);

/* What tells the text of a commit from another, tree and parents apart. */
uint64_t ssot_walk_words(const char *text, size_t len);
/* len bytes of an id that is hex. */
void ssot_walk_raw(const char *hex, size_t len, uint8_t *raw);
