/*
 * How commits of the task repository are related. Any thread; each call
 * opens a handle of its own. A commit that is not there is ERR_not_found.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "agent/store/ssot_commit.h"

struct err;

/* What a ref ("refs/heads/main") says; "" if it is not there. */
int ssot_ref_read(const char *path, const char *ref, char out[SSOT_HEX],
		  struct err *err);
/* "" if they have nothing in common. */
int ssot_merge_base(const char *path, const char *a, const char *b,
		    char out[SSOT_HEX], struct err *err);
/* Is a an ancestor of b, or b itself? 1, 0, or -1. */
int ssot_is_ancestor(const char *path, const char *a, const char *b,
		     struct err *err);
/* How many commits to has that from ("": nothing) has not; stops at limit. */
int ssot_count(const char *path, const char *from, const char *to, size_t *n,
	       size_t limit, struct err *err);

/*
 * Who wrote the commits to has that from ("": nothing) has not, newest
 * first, each once, as "ann, ben"; cut to size with ", ..." where it must be.
 */
int ssot_authors(const char *path, const char *from, const char *to,
		 char *out, size_t size, struct err *err);
/*
 * The commit in the middle of those from base ("": the beginning) to commit
 * along first parents; "" if there is none between them.
 */
int ssot_half_way(const char *path, const char *base, const char *commit,
		  char out[SSOT_HEX], struct err *err);

/*
 * The commits to has that from ("": nothing) has not and that say they are
 * of the journal log_id, with the record that each names (0: it names none).
 * each returns non-zero to stop, which is returned.
 */
typedef int ssot_claim(const char *commit, uint64_t seq, const char *leaf,
		       void *data, struct err *err);
int ssot_claims(const char *path, const char *from, const char *to,
		const char *log_id, ssot_claim *each, void *data,
		struct err *err);

/* Texts are cut to their room and fit to be shown; "" where not there. */
struct ssot_commit_facts {
	char author[130], email[130], subject[200];
	int64_t at_us;			/* of the author */
	char operation[70], actor[130], task_id[130], correlation_id[130];
	char log_id[SSOT_LOG];		/* of which journal; "": of none */
	uint64_t seq;			/* of Audit-Head; 0: none */
	char leaf[SHA256_HEX];
	char parent[SSOT_HEX];		/* the first */
	unsigned parents;
};
int ssot_commit_facts(const char *path, const char *commit,
		      struct ssot_commit_facts *out, struct err *err);
