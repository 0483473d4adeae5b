/* See ssot_chain.h. */
#include "agent/store/ssot_chain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/record.h"
#include "agent/store/ssot_chain_inner.h"
#include "agent/store/ssot_pack.h"
#include "agent/store/ssot_repo.h"
#include "agent/store/ssot_text.h"
#include "agent/store/ssot_tree.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"

#define TREES_BYTES (4 << 20)	/* kept between batches */

struct chain *chain_new(struct ssot_repo *repo, const char *log_id,
			bool remote)
{
	struct chain *c = xcalloc(1, sizeof(*c));

	c->repo = repo;
	c->tree = tree_new(ssot_repo_load, repo);
	c->pack = pack_new(PACK_TEMP);
	c->remote = remote;
	snprintf(c->log_id, sizeof(c->log_id), "%s", log_id);
	return c;
}

void chain_free(struct chain *c)
{
	if (!c)
		return;
	tree_free(c->tree);
	pack_free(c->pack);
	free(c);
}

void chain_tree_again(struct chain *c)
{
	tree_reset(c->tree, c->end.any ? c->end.tree.id : NULL);
}

void chain_reset(struct chain *c, const struct ssot_point *at)
{
	c->end = *at;
	c->mark = c->kept;
	*c->asked = 0;
	pack_reset(c->pack);
	ssot_repo_forget(c->repo);
	chain_tree_again(c);
}

void chain_written(struct chain *c)
{
	c->kept = c->mark;
	if (tree_bytes(c->tree) > TREES_BYTES)
		chain_tree_again(c);
}

const struct ssot_point *chain_end(const struct chain *c)
{
	return &c->end;
}

const char *chain_log(const struct chain *c)
{
	return c->log_id;
}

struct pack *chain_pack(struct chain *c)
{
	return c->pack;
}

const char *chain_takes(const struct record *r)
{
	const char *commit = strcmp(r->type, "ssot_merged") ? NULL :
			     json_str(r->data, "commit");

	return is_hex(commit, SSOT_HEX - 1) ? commit : NULL;
}

/* 1: the document changed what is there. */
static int put_blob(struct chain *c, const char *path, const void *data,
		    size_t len, struct err *err)
{
	uint8_t id[GIT_RAW];
	int rc;

	pack_id(c->pack, PACK_BLOB, data, len, id);
	rc = tree_put(c->tree, path, id, err);
	if (rc > 0)
		pack_add(c->pack, PACK_BLOB, data, len, id);
	return rc;
}

int chain_readme(struct chain *c, struct err *err)
{
	char sha[SSOT_HEX];
	uint8_t id[GIT_RAW];

	if (c->end.any) {
		int rc = tree_get(c->tree, "README.md", id, err);

		if (rc <= 0)
			return rc;
		hex_of(id, GIT_RAW, sha);
		if (!ssot_readme_old(sha))
			return 0;
	}
	return put_blob(c, "README.md", ssot_readme, strlen(ssot_readme),
			err) < 0 ? -1 : 0;
}

/*
 * Documents of the record into the tree; *n: how many changed it. Those that
 * came with a commit are in it, all but what we say of a conflict.
 */
static int put_documents(struct chain *c, const struct record *r, bool came,
			 size_t *n, struct err *err)
{
	json_t *put = json_object_get(r->data, "put"), *doc;
	char path[SSOT_PATH];
	const char *kind;

	*n = 0;
	json_object_foreach (put, kind, doc) {
		size_t len;
		char *text;
		int rc;

		if ((came && strcmp(kind, "conflict")) ||
		    !ssot_path(r, kind, doc, path))
			continue;
		text = json_pretty(doc, &len);
		rc = put_blob(c, path, text, len, err);
		free(text);
		if (rc < 0)
			return -1;
		*n += (size_t)rc;
	}
	return 0;
}

void chain_commit(struct chain *c, const struct record *r,
		  const git_oid *other)
{
	char tree[SSOT_HEX], parent[SSOT_HEX], second[SSOT_HEX];
	struct ssot_point *end = &c->end;
	char checkpoint[SSOT_MARK];
	struct buf text = {0};
	struct ssot_words w;

	ssot_record_words(&w, r, c->log_id, end->leaf);
	tree_write(c->tree, c->pack, end->tree.id);
	w.tree = tree;
	hex_of(end->tree.id, GIT_RAW, tree);
	if (end->any) {
		hex_of(end->commit.id, GIT_RAW, parent);
		w.parent[0] = parent;
	}
	if (other) {
		hex_of(other->id, GIT_RAW, second);
		w.parent[end->any] = second;
	}
	if (c->mark.seq > end->seq) {	/* since the commit before */
		ssot_mark_text(&c->mark, checkpoint);
		w.checkpoint = checkpoint;
	}
	ssot_commit_text(&text, &w);
	pack_add(c->pack, PACK_COMMIT, text.data, text.len, end->commit.id);
	ssot_repo_know(c->repo, end->commit.id, text.data, text.len);
	buf_fini(&text);
	end->any = true;
	end->seq = r->seq;
}

static int add(struct chain *c, const struct record *r, struct err *err)
{
	const char *takes = chain_takes(r);
	size_t n = 0;
	int rc;

	if (takes && chain_take_in(c, r, takes, err))
		return -1;
	rc = chain_came(c, r, err);
	if (rc < 0 || put_documents(c, r, rc, &n, err))
		return -1;
	if (!n)
		return 0;
	if (chain_readme(c, err))
		return -1;
	chain_commit(c, r, NULL);
	return 0;
}

int chain_add(struct chain *c, const struct record *r, struct err *err)
{
	if (r->seq == 1 && !*c->log_id)
		hex_of(r->leaf, (SSOT_LOG - 1) / 2, c->log_id);
	if (r->seq <= c->end.seq)
		return 0;
	ssot_mark_read(&c->mark, r);
	return add(c, r, err);
}
