/*
 * See ssot.h. The ref is the only thing that is ever changed, by comparing
 * and swapping, after the objects it needs are durable. What is in memory is
 * a cache of what the ref says; any failure forgets it.
 */
#include "agent/store/ssot.h"

#include <errno.h>
#include <git2/sys/repository.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/store/ssot_commit.h"
#include "agent/store/ssot_git.h"
#include "agent/store/ssot_merge.h"
#include "agent/store/ssot_pack.h"
#include "agent/store/ssot_text.h"
#include "agent/store/ssot_tree.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"

#define STEP_BYTES (32 << 20)	/* of a pack, about */
#define TREES_BYTES (4 << 20)	/* kept between batches */
#define MERGE_EVERY 16		/* batches */

struct head {
	bool any;
	git_oid commit, tree;
	uint64_t seq;
	char leaf[SHA256_HEX];
};

struct ssot {
	char *path, *packs;
	git_repository *repo;
	git_odb *odb;
	struct tree *tree;
	struct pack *pack;
	struct head head;	/* what the ref says */
	char log_id[SSOT_LOG];	/* "": not known yet */
	unsigned batches;	/* since packs were last looked at */
	atomic_bool stale;	/* packs are gone */
	pthread_mutex_t merging;
	int64_t hold_ns;	/* under merging: see ssot_packs_hold */
};

static int reopen(struct ssot *s, struct err *err);

static char *load(void *ctx, const uint8_t id[GIT_RAW], size_t *len,
		  struct err *err)
{
	struct ssot *s = ctx;
	git_odb_object *object;
	git_oid oid;
	char *raw;

	git_oid_fromraw(&oid, id);
	/* Its pack may just have gone: it is in another one by now. */
	if (git_odb_read(&object, s->odb, &oid) &&
	    (reopen(s, NULL) || git_odb_read(&object, s->odb, &oid))) {
		ssot_git_error(err, "reading %s", s->path);
		return NULL;
	}
	*len = git_odb_object_size(object);
	raw = xmalloc(*len + 1);
	memcpy(raw, git_odb_object_data(object), *len);
	raw[*len] = 0;
	git_odb_object_free(object);
	return raw;
}

static int read_commit(struct ssot *s, const git_oid *id, struct err *err)
{
	struct head head = {.any = true, .commit = *id};
	git_commit *commit;
	bool ours;

	if (git_commit_lookup(&commit, s->repo, id))
		return ssot_git_error(err, "the newest commit of %s", s->path);
	git_oid_cpy(&head.tree, git_commit_tree_id(commit));
	ours = ssot_commit_ours(git_commit_message(commit), s->log_id, &head.seq,
			 head.leaf);
	git_commit_free(commit);
	if (!ours)
		return ssot_foreign(s->path, "the newest commit on main is "
				    "somebody else's", err);
	s->head = head;
	return 0;
}

/* Only a repository without any ref is one to begin in. */
static int read_empty(struct ssot *s, struct err *err)
{
	git_strarray refs = {0};
	size_t n;

	if (git_reference_list(&refs, s->repo))
		return ssot_git_error(err, "reading %s", s->path);
	n = refs.count;
	git_strarray_dispose(&refs);
	if (n)
		return ssot_foreign(s->path, "it has branches but no main",
				    err);
	memset(&s->head, 0, sizeof(s->head));
	return 0;
}

static int read_head(struct ssot *s, struct err *err)
{
	git_oid id;
	int rc = git_reference_name_to_id(&id, s->repo, SSOT_REF);

	if (rc && rc != GIT_ENOTFOUND)
		return ssot_git_error(err, "reading %s", s->path);
	if (rc ? read_empty(s, err) : read_commit(s, &id, err))
		return -1;
	tree_reset(s->tree, s->head.any ? s->head.tree.id : NULL);
	return 0;
}

static int open_handles(struct ssot *s, struct err *err)
{
	if (git_repository_open_bare(&s->repo, s->path) ||
	    git_repository_odb(&s->odb, s->repo) ||
	    git_repository_set_ident(s->repo, "kircerta", "kircerta@kircerta"))
		return ssot_git_error(err, "opening %s", s->path);
	return 0;
}

static int open_repository(struct ssot *s, struct err *err)
{
	int rc = git_repository_open_bare(&s->repo, s->path);

	if (rc == GIT_ENOTFOUND) {
		/* rmdir as the test: it fails where there is anything. */
		if (rmdir(s->path) && errno != ENOENT)
			return ssot_foreign(s->path, "this is not a bare git "
					    "repository", err);
		if (ssot_git_create(s->path, err))
			return -1;
	}
	git_repository_free(s->repo);
	s->repo = NULL;
	return open_handles(s, err);
}

static void close_repository(git_repository *repo, git_odb *odb)
{
	git_odb_free(odb);
	git_repository_free(repo);
}

/* libgit2 does not forget packs that are gone: take a new handle. */
static int reopen(struct ssot *s, struct err *err)
{
	git_repository *repo = s->repo;
	git_odb *odb = s->odb;

	s->odb = NULL;
	s->repo = NULL;
	if (!open_handles(s, err)) {
		close_repository(repo, odb);
		return 0;
	}
	close_repository(s->repo, s->odb);
	s->odb = odb;
	s->repo = repo;
	return -1;
}

/* Fewer packs are only faster: if that fails, the log says so. */
static void merge_packs(struct ssot *s)
{
	struct err err = {0};
	int n;

	pthread_mutex_lock(&s->merging);
	n = ssot_merge_packs(s->packs, s->hold_ns, &err);
	pthread_mutex_unlock(&s->merging);
	s->batches = 0;
	if (n < 0 || (n > 0 && reopen(s, &err)))
		log_warn("merging packs: %s", err.detail);
	err_fini(&err);
}

int ssot_open(struct ssot **out, const char *path,
	      const struct ssot_options *o, struct err *err)
{
	struct ssot *s = xcalloc(1, sizeof(*s));

	ssot_git_setup();
	s->path = xstrdup(path);
	s->packs = xasprintf("%s/objects/pack", path);
	s->tree = tree_new(load, s);
	s->pack = pack_new();
	pthread_mutex_init(&s->merging, NULL);
	snprintf(s->log_id, sizeof(s->log_id), "%s",
		 o->log_id ? o->log_id : "");
	if (open_repository(s, err) || read_head(s, err)) {
		ssot_close(s);
		return -1;
	}
	merge_packs(s);
	*out = s;
	return 0;
}

void ssot_close(struct ssot *s)
{
	if (!s)
		return;
	tree_free(s->tree);
	pack_free(s->pack);
	close_repository(s->repo, s->odb);
	pthread_mutex_destroy(&s->merging);
	free(s->packs);
	free(s->path);
	free(s);
}

void ssot_packs_hold(struct ssot *s, int64_t ns)
{
	pthread_mutex_lock(&s->merging);
	s->hold_ns = ns;
	pthread_mutex_unlock(&s->merging);
}

void ssot_packs_changed(struct ssot *s)
{
	atomic_store(&s->stale, true);
}

uint64_t ssot_seq(const struct ssot *s)
{
	return s->head.seq;
}

const char *ssot_leaf(const struct ssot *s)
{
	return s->head.leaf;
}

static int put_blob(struct ssot *s, const char *path, const void *data,
		    size_t len, struct err *err)
{
	uint8_t id[GIT_RAW];

	pack_add(s->pack, PACK_BLOB, data, len, id);
	return tree_put(s->tree, path, id, err);
}

/* Every document of the record into the tree; *n gets how many. */
static int put_documents(struct ssot *s, const struct record *r, size_t *n,
			 struct err *err)
{
	json_t *put = json_object_get(r->data, "put"), *doc;
	char path[SSOT_PATH];
	const char *kind;
	int rc = 0;

	*n = 0;
	json_object_foreach (put, kind, doc) {
		size_t len;
		char *text;

		if (!ssot_path(r, kind, doc, path))
			continue;
		text = json_pretty(doc, &len);
		rc = put_blob(s, path, text, len, err);
		free(text);
		if (rc)
			return -1;
		++*n;
	}
	return 0;
}

static void commit(struct ssot *s, const struct record *r, struct head *head)
{
	char tree[SSOT_HEX], parent[SSOT_HEX];
	struct buf text = {0};
	struct ssot_words w;

	ssot_record_words(&w, r, s->log_id, head->leaf);
	tree_write(s->tree, s->pack, head->tree.id);
	hex_of(head->tree.id, GIT_RAW, tree);
	hex_of(head->commit.id, GIT_RAW, parent);
	w.tree = tree;
	w.parent[0] = head->any ? parent : NULL;
	ssot_commit_text(&text, &w);
	pack_add(s->pack, PACK_COMMIT, text.data, text.len, head->commit.id);
	buf_fini(&text);
	head->any = true;
	head->seq = r->seq;
}

/* One record; without a document of ours it leaves no trace. */
static int add_record(struct ssot *s, const struct record *r,
		      struct head *head, struct err *err)
{
	size_t n;

	if (r->seq == 1 && !*s->log_id)
		hex_of(r->leaf, (SSOT_LOG - 1) / 2, s->log_id);
	if (r->seq <= head->seq)
		return 0;
	if (put_documents(s, r, &n, err))
		return -1;
	if (!n)
		return 0;
	if (!head->any && put_blob(s, "README.md", ssot_readme,
				   strlen(ssot_readme), err))
		return -1;
	commit(s, r, head);
	return 0;
}

/* What the ref must still say; NULL: that it is not there. */
static const git_oid *tip(const struct ssot *s)
{
	return s->head.any ? &s->head.commit : NULL;
}

/* Write what was gathered, durable, then let the ref say so. */
static int finish(struct ssot *s, const struct head *to, struct err *err)
{
	char name[PACK_NAME];

	if (to->seq == s->head.seq)
		return 0;
	if (pack_write(s->pack, s->packs, name, err) ||
	    ssot_ref_move(s->repo, s->path, tip(s), &to->commit, err))
		return -1;
	pack_reset(s->pack);
	s->head = *to;
	if (tree_bytes(s->tree) > TREES_BYTES)
		tree_reset(s->tree, s->head.tree.id);
	if (++s->batches >= MERGE_EVERY)
		merge_packs(s);
	return 0;
}

int ssot_apply(struct ssot *s, struct record *const *records, size_t n,
	       struct err *err)
{
	struct head head = s->head;
	int rc = atomic_exchange(&s->stale, false) ? reopen(s, err) : 0;

	if (!rc)
		rc = ssot_ref_check(s->repo, s->path, tip(s), err);
	for (size_t i = 0; i < n && !rc; i++) {
		rc = add_record(s, records[i], &head, err);
		if (!rc && pack_bytes(s->pack) > STEP_BYTES)
			rc = finish(s, &head, err);
	}
	if (!rc)
		rc = finish(s, &head, err);
	if (rc) {
		pack_reset(s->pack);
		tree_reset(s->tree, s->head.any ? s->head.tree.id : NULL);
	}
	return rc;
}
