/* See ssot_graph.h. */
#include "agent/store/ssot_graph.h"

#include <stdio.h>
#include <string.h>

#include "agent/store/ssot_git.h"
#include "common/err.h"
#include "common/utf8.h"

int ssot_ref_read(const char *path, const char *ref, char out[SSOT_HEX],
		  struct err *err)
{
	git_repository *repo;
	git_oid id;
	int rc;

	*out = 0;
	if (ssot_git_open(&repo, path, err))
		return -1;
	rc = git_reference_name_to_id(&id, repo, ref);
	if (!rc)
		git_oid_tostr(out, SSOT_HEX, &id);
	if (rc && rc != GIT_ENOTFOUND)
		ssot_git_error(err, "reading %s of %s", ref, path);
	git_repository_free(repo);
	return rc && rc != GIT_ENOTFOUND ? -1 : 0;
}

/* A handle, and two commits that are there. */
static int open_two(const char *path, const char *a, const char *b,
		    git_repository **repo, git_oid *x, git_oid *y,
		    struct err *err)
{
	git_oid tree;

	*repo = NULL;
	if (ssot_git_open(repo, path, err) ||
	    ssot_git_tree(*repo, a, &tree, err) ||
	    ssot_git_tree(*repo, b, &tree, err))
		return -1;
	return git_oid_fromstr(x, a) || git_oid_fromstr(y, b) ? -1 : 0;
}

int ssot_merge_base(const char *path, const char *a, const char *b,
		    char out[SSOT_HEX], struct err *err)
{
	git_repository *repo;
	git_oid x, y, base;
	int rc = open_two(path, a, b, &repo, &x, &y, err);

	*out = 0;
	if (!rc) {
		rc = git_merge_base(&base, repo, &x, &y);
		if (!rc)
			git_oid_tostr(out, SSOT_HEX, &base);
		else if (rc == GIT_ENOTFOUND)
			rc = 0;
		else
			rc = ssot_git_error(err, "reading the history");
	}
	git_repository_free(repo);
	return rc;
}

int ssot_is_ancestor(const char *path, const char *a, const char *b,
		     struct err *err)
{
	git_repository *repo;
	git_oid x, y;
	int rc = open_two(path, a, b, &repo, &x, &y, err);

	if (!rc)
		rc = ssot_git_descends(repo, &y, &x, err);
	git_repository_free(repo);
	return rc;
}

/* A walk over the commits to has that from ("": nothing) has not. */
static int walk_between(git_repository *repo, const char *from,
			const char *to, git_revwalk **walk)
{
	git_oid a, b;
	int rc = git_oid_fromstr(&b, to) || git_revwalk_new(walk, repo) ||
		 git_revwalk_push(*walk, &b);

	if (!rc && from && *from)
		rc = git_oid_fromstr(&a, from) || git_revwalk_hide(*walk, &a);
	return rc;
}

typedef int each_commit(git_repository *repo, const git_oid *id, void *data,
			struct err *err);

/*
 * Each commit that to has and from has not. Ends with what each returned, if
 * that is not 0; -1 too where the history cannot be read to its end.
 */
static int each_between(const char *path, const char *from, const char *to,
			each_commit *each, void *data, struct err *err)
{
	git_repository *repo;
	git_revwalk *walk = NULL;
	git_oid x, y;
	int rc = open_two(path, from && *from ? from : to, to, &repo, &x, &y,
			  err), end = 0;

	if (!rc)
		end = walk_between(repo, from, to, &walk);
	while (!rc && !end && !(end = git_revwalk_next(&x, walk)))
		rc = each(repo, &x, data, err);
	if (!rc && end != GIT_ITEROVER)
		rc = ssot_git_error(err, "reading the history");
	git_revwalk_free(walk);
	git_repository_free(repo);
	return rc;
}

struct counting { size_t n, limit; };

static int count(git_repository *repo, const git_oid *id, void *data,
		 struct err *err)
{
	struct counting *c = data;

	(void)repo;
	(void)id;
	(void)err;
	return ++c->n >= c->limit;
}

int ssot_count(const char *path, const char *from, const char *to, size_t *n,
	       size_t limit, struct err *err)
{
	struct counting c = {.limit = limit};
	int rc = each_between(path, from, to, count, &c, err);

	*n = c.n;
	return rc < 0 ? -1 : 0;
}

struct claiming { const char *log_id; ssot_claim *each; void *data; };

static int claim(git_repository *repo, const git_oid *id, void *data,
		 struct err *err)
{
	const struct claiming *k = data;
	char hex[SSOT_HEX], leaf[SHA256_HEX], log[SSOT_LOG + 1];
	const char *message;
	git_commit *commit;
	uint64_t seq;
	int rc = 0;

	if (git_commit_lookup(&commit, repo, id))
		return ssot_git_error(err, "reading the history");
	git_oid_tostr(hex, sizeof(hex), id);
	message = git_commit_message(commit);
	if (ssot_commit_ours(message, k->log_id, &seq, leaf))
		rc = k->each(hex, seq, leaf, k->data, err);
	else if (ssot_trailer(message, "Audit-Log", log, sizeof(log)) &&
		 !strcmp(log, k->log_id))
		rc = k->each(hex, 0, "", k->data, err);
	git_commit_free(commit);
	return rc;
}

int ssot_claims(const char *path, const char *from, const char *to,
		const char *log_id, ssot_claim *each, void *data,
		struct err *err)
{
	struct claiming k = {log_id, each, data};

	return each_between(path, from, to, claim, &k, err);
}

/* Where a commit half as far is, while all of them are walked. */
static int find_middle(git_repository *repo, const git_oid *base,
		       const git_oid *commit, git_oid *middle, size_t *n)
{
	git_revwalk *walk = NULL, *half = NULL;
	git_oid each;
	int rc = git_revwalk_new(&walk, repo) || git_revwalk_new(&half, repo) ||
		 git_revwalk_simplify_first_parent(walk) ||
		 git_revwalk_simplify_first_parent(half) ||
		 git_revwalk_push(walk, commit) ||
		 git_revwalk_push(half, commit) ||
		 (base && (git_revwalk_hide(walk, base) ||
			   git_revwalk_hide(half, base)));

	git_oid_cpy(middle, commit);
	for (*n = 0; !rc; ++*n) {
		rc = git_revwalk_next(&each, walk);
		if (!rc && *n % 2)
			rc = git_revwalk_next(middle, half);
	}
	if (rc == GIT_ITEROVER)
		rc = git_revwalk_next(middle, half);
	git_revwalk_free(walk);
	git_revwalk_free(half);
	return rc == GIT_ITEROVER ? 0 : rc;
}

int ssot_half_way(const char *path, const char *base, const char *commit,
		  char out[SSOT_HEX], struct err *err)
{
	git_repository *repo;
	git_oid from, to, middle;
	bool any = base && *base;
	int rc = open_two(path, any ? base : commit, commit, &repo, &from,
			  &to, err);
	size_t n = 0;

	*out = 0;
	if (!rc && find_middle(repo, any ? &from : NULL, &to, &middle, &n))
		rc = ssot_git_error(err, "reading the history");
	if (!rc && !git_oid_equal(&middle, &to))
		git_oid_tostr(out, SSOT_HEX, &middle);
	git_repository_free(repo);
	return rc;
}

static void shown(const char *text, char *out, size_t size)
{
	utf8_visible(text ? text : "", out, size);
}

static void trailer(const char *message, const char *key, char *out,
		    size_t size)
{
	char text[512];

	if (ssot_trailer(message, key, text, sizeof(text)))
		shown(text, out, size);
}

void ssot_git_facts(const git_commit *commit, struct ssot_commit_facts *out)
{
	const char *message = git_commit_message(commit);
	const git_signature *author = git_commit_author(commit);
	char log[SSOT_LOG + 1];

	memset(out, 0, sizeof(*out));
	shown(author->name, out->author, sizeof(out->author));
	shown(author->email, out->email, sizeof(out->email));
	shown(git_commit_summary((git_commit *)commit), out->subject,
	      sizeof(out->subject));
	out->at_us = (int64_t)author->when.time * 1000000;
	trailer(message, "Operation", out->operation, sizeof(out->operation));
	trailer(message, "Actor", out->actor, sizeof(out->actor));
	trailer(message, "Task", out->task_id, sizeof(out->task_id));
	trailer(message, "Correlation-Id", out->correlation_id,
		sizeof(out->correlation_id));
	if (ssot_trailer(message, "Audit-Log", log, sizeof(log)) &&
	    is_hex(log, SSOT_LOG - 1))
		strcpy(out->log_id, log);
	if (!ssot_commit_ours(message, out->log_id, &out->seq, out->leaf))
		out->seq = 0;
	out->parents = git_commit_parentcount(commit);
	if (out->parents)
		git_oid_tostr(out->parent, sizeof(out->parent),
			      git_commit_parent_id(commit, 0));
}

static bool is_listed(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = list; (at = strstr(at, name)); at++)
		if ((at == list || at[-1] == ' ') &&
		    (!at[len] || at[len] == ','))
			return true;
	return false;
}

struct naming { char *out; size_t size; };

/* 1: there is no room for more. */
static int add_author(git_repository *repo, const git_oid *id, void *data,
		      struct err *err)
{
	static const char more[] = ", ...";
	const struct naming *k = data;
	size_t len = strlen(k->out);
	char name[130];
	git_commit *commit;

	if (git_commit_lookup(&commit, repo, id))
		return ssot_git_error(err, "reading the history");
	shown(git_commit_author(commit)->name, name, sizeof(name));
	git_commit_free(commit);
	if (is_listed(k->out, name))
		return 0;
	if (len && len + 2 + strlen(name) + sizeof(more) > k->size) {
		if (len + sizeof(more) <= k->size)
			strcpy(k->out + len, more);
		return 1;
	}
	snprintf(k->out + len, k->size - len, "%s%s", len ? ", " : "",
		 name);
	return 0;
}

int ssot_authors(const char *path, const char *from, const char *to,
		 char *out, size_t size, struct err *err)
{
	struct naming k = {out, size};

	*out = 0;
	return each_between(path, from, to, add_author, &k, err) < 0 ? -1 : 0;
}

int ssot_commit_facts(const char *path, const char *commit,
		      struct ssot_commit_facts *out, struct err *err)
{
	git_repository *repo = NULL;
	git_commit *c = NULL;
	git_oid id;
	int rc = open_two(path, commit, commit, &repo, &id, &id, err);

	memset(out, 0, sizeof(*out));
	if (!rc && git_commit_lookup(&c, repo, &id))
		rc = ssot_git_error(err, "reading commit %s", commit);
	if (!rc)
		ssot_git_facts(c, out);
	git_commit_free(c);
	git_repository_free(repo);
	return rc;
}
