/* See ssot_propose.h. */
#include "agent/store/ssot_propose.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/store/ssot_git.h"
#include "agent/store/ssot_pack.h"
#include "agent/store/ssot_text.h"
#include "agent/store/ssot_tree.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/mem.h"

struct draft {
	git_repository *repo;
	git_odb *odb;
	struct tree *tree;
	struct pack *pack;
	char tip[SSOT_HEX];	/* "": there is none yet */
	struct ssot_words words;	/* what all of them say */
};

static char *load(void *data, const uint8_t id[GIT_RAW], size_t *len,
		  struct err *err)
{
	struct draft *d = data;
	git_odb_object *object;
	git_oid oid;
	char *raw;

	git_oid_fromraw(&oid, id);
	if (git_odb_read(&object, d->odb, &oid)) {
		ssot_git_error(err, "reading the repository");
		return NULL;
	}
	*len = git_odb_object_size(object);
	raw = xmalloc(*len + 1);
	memcpy(raw, git_odb_object_data(object), *len);
	raw[*len] = 0;
	git_odb_object_free(object);
	return raw;
}

static int open_draft(struct draft *d, const char *path, const char *tip,
		      struct err *err)
{
	char *temp;
	git_oid root;

	if (ssot_git_open(&d->repo, path, err))
		return -1;
	if (git_repository_odb(&d->odb, d->repo))
		return ssot_git_error(err, "opening %s", path);
	d->tree = tree_new(load, d);
	temp = xasprintf(PACK_TEMP "-%ld", (long)gettid());
	d->pack = pack_new(temp);
	free(temp);
	if (!tip || !*tip)
		return 0;
	if (ssot_git_tree(d->repo, tip, &root, err))
		return -1;
	strcpy(d->tip, tip);
	tree_reset(d->tree, root.id);
	return 0;
}

static void close_draft(struct draft *d)
{
	pack_free(d->pack);
	tree_free(d->tree);
	git_odb_free(d->odb);
	git_repository_free(d->repo);
}

/* 1: it changes what is there. */
static int put(struct draft *d, const char *path, const char *text,
	       size_t len, struct err *err)
{
	uint8_t id[GIT_RAW];
	int rc;

	if (strlen(path) >= SSOT_PATH)
		return err_set(err, ERR_invalid_request, "a path is too long");
	pack_id(d->pack, PACK_BLOB, text, len, id);
	rc = tree_put(d->tree, path, id, err);
	if (rc > 0)
		pack_add(d->pack, PACK_BLOB, text, len, id);
	return rc;
}

static void commit(struct draft *d, struct proposal_commit *c)
{
	struct ssot_words w = d->words;
	struct buf text = {0};
	uint8_t id[GIT_RAW];
	char tree[SSOT_HEX];

	tree_write(d->tree, d->pack, id);
	hex_of(id, GIT_RAW, tree);
	w.tree = tree;
	w.parent[0] = *d->tip ? d->tip : NULL;
	w.ts_us = c->ts_us;
	w.actor = c->actor;
	w.operation = c->operation;
	w.subject = c->subject;
	w.correlation_id = c->correlation_id;
	w.task_id = c->task_id;
	ssot_commit_text(&text, &w);
	pack_add(d->pack, PACK_COMMIT, text.data, text.len, id);
	buf_fini(&text);
	hex_of(id, GIT_RAW, d->tip);
}

static int add(struct draft *d, struct proposal_commit *c, struct err *err)
{
	bool changed = false;

	for (size_t i = 0; i < c->n; i++) {
		int rc = put(d, c->docs[i].path, c->docs[i].text,
			     c->docs[i].len, err);

		if (rc < 0)
			return -1;
		changed |= rc;
	}
	if (changed && !*d->tip &&
	    put(d, "README.md", ssot_readme, strlen(ssot_readme), err) < 0)
		return -1;
	if (changed)
		commit(d, c);
	strcpy(c->id, d->tip);
	return 0;
}

static int write_pack(struct draft *d, const char *path, struct err *err)
{
	char *folder = xasprintf("%s/objects/pack", path), name[PACK_NAME];
	int rc = pack_empty(d->pack) ? 0 :
		 pack_write(d->pack, folder, name, err);

	free(folder);
	return rc;
}

int ssot_propose(const char *path, const char *tip, const char *log_id,
		 uint64_t seq, const char *leaf,
		 struct proposal_commit *commits, size_t n, struct err *err)
{
	struct draft d = {.words = {.log_id = log_id, .seq = seq,
				    .leaf = leaf}};
	int rc = open_draft(&d, path, tip, err);

	for (size_t i = 0; i < n && !rc; i++)
		rc = add(&d, &commits[i], err);
	if (!rc)
		rc = write_pack(&d, path, err);
	close_draft(&d);
	return rc;
}
