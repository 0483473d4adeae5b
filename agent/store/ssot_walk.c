/*
 * See ssot_walk.h. Commits are taken apart where they lie: a million of them
 * are read in seconds, which building an object of each would not allow.
 */
#include "agent/store/ssot_walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/ssot_commit.h"
#include "agent/store/ssot_git.h"
#include "agent/store/ssot_text.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/mem.h"

#define TRIES 3			/* packs are merged away under a reader */
#define EVERY 4096		/* commits between two calls of progress */
#define DEPTH 32		/* of folders */

struct ssot_walk {
	struct walk_options o;
	char *path;
	git_odb *odb;
	git_repository *repo;
	struct walk_commit *list;
	size_t n, room;
	uint32_t *table, round;	/* of index + 1 in list, by id; 0: free */
	size_t slots;		/* a power of two */
	struct walk_mark *marks;
	size_t n_marks, marks_room;
	size_t strangers;
	char stranger[17];
};

struct ids {			/* of commits, still to be looked at */
	git_oid *list;
	size_t n, room;
};

static void ids_add(struct ids *s, const git_oid *id)
{
	if (s->n == s->room) {
		s->room = s->room ? 2 * s->room : 64;
		s->list = xrealloc(s->list, s->room * sizeof(*s->list));
	}
	s->list[s->n++] = *id;
}

static int open_repository(struct ssot_walk *w, struct err *err)
{
	git_odb_free(w->odb);
	git_repository_free(w->repo);
	w->odb = NULL;
	w->repo = NULL;
	if (git_repository_open_bare(&w->repo, w->path) ||
	    git_repository_odb(&w->odb, w->repo))
		return ssot_git_error(err, "opening %s", w->path);
	return 0;
}

int ssot_walk_open(struct ssot_walk **out, const char *repo,
		   const struct walk_options *o, struct err *err)
{
	struct ssot_walk *w = xcalloc(1, sizeof(*w));

	ssot_git_setup();
	w->o = *o;
	w->path = xstrdup(repo);
	w->slots = 1024;
	w->table = xcalloc(w->slots, sizeof(*w->table));
	if (open_repository(w, err)) {
		ssot_walk_close(w);
		return -1;
	}
	*out = w;
	return 0;
}

void ssot_walk_close(struct ssot_walk *w)
{
	if (!w)
		return;
	git_odb_free(w->odb);
	git_repository_free(w->repo);
	free(w->list);
	free(w->table);
	free(w->marks);
	free(w->path);
	free(w);
}

static uint32_t *slot_of(struct ssot_walk *w, const uint8_t id[GIT_RAW])
{
	size_t at;

	memcpy(&at, id, sizeof(at));
	for (at &= w->slots - 1; w->table[at]; at = (at + 1) & (w->slots - 1))
		if (!memcmp(w->list[w->table[at] - 1].id, id, GIT_RAW))
			break;
	return &w->table[at];
}

static struct walk_commit *find(struct ssot_walk *w, const git_oid *id)
{
	uint32_t at = *slot_of(w, id->id);

	return at ? &w->list[at - 1] : NULL;
}

static void enter(struct ssot_walk *w, const struct walk_commit *c)
{
	if (w->n == w->room) {
		w->room = w->room ? 2 * w->room : 1024;
		w->list = xrealloc(w->list, w->room * sizeof(*w->list));
	}
	if (2 * w->n >= w->slots) {
		w->slots *= 2;
		free(w->table);
		w->table = xcalloc(w->slots, sizeof(*w->table));
		for (size_t i = 0; i < w->n; i++)
			*slot_of(w, w->list[i].id) = (uint32_t)i + 1;
	}
	w->list[w->n++] = *c;
	*slot_of(w, c->id) = (uint32_t)w->n;
}

static git_odb_object *get(struct ssot_walk *w, const git_oid *id,
			   git_object_t type, struct err *err)
{
	char hex[GIT_OID_HEXSZ + 1];
	git_odb_object *object;

	for (int i = 0; i < TRIES; i++) {
		if (i && open_repository(w, err))
			return NULL;
		if (git_odb_read(&object, w->odb, id))
			continue;
		if (git_odb_object_type(object) == type)
			return object;
		git_odb_object_free(object);
		break;
	}
	git_oid_tostr(hex, sizeof(hex), id);
	ssot_git_error(err, "%s: object %s", w->path, hex);
	err_hint(err, "The repository is damaged: `git --git-dir %s fsck` "
		 "tells more. Move it away and restart: it is made anew from "
		 "the journal.", w->path);
	return NULL;
}

/* The id behind "name " at the start of a line; the next line, or NULL. */
static const char *header(const char *at, const char *name, git_oid *id)
{
	size_t len = strlen(name);

	if (strncmp(at, name, len) || strlen(at) <= len + GIT_OID_HEXSZ ||
	    at[len + GIT_OID_HEXSZ] != '\n' ||
	    git_oid_fromstrn(id, at + len, GIT_OID_HEXSZ))
		return NULL;
	return at + len + GIT_OID_HEXSZ + 1;
}

uint64_t ssot_walk_words(const char *text, size_t len)
{
	const char *from = memmem(text, len, "\nauthor ", 8);
	uint8_t raw[SHA256_RAW];
	uint64_t out;

	if (!from)
		from = text;
	sha256_raw(from, len - (size_t)(from - text), raw);
	memcpy(&out, raw, sizeof(out));
	return out;
}

static int nibble(char c)
{
	return c <= '9' ? c - '0' : c - 'a' + 10;
}

void ssot_walk_raw(const char *hex, size_t len, uint8_t *raw)
{
	for (size_t i = 0; i < len; i++)
		raw[i] = (uint8_t)(nibble(hex[2 * i]) << 4 |
				   nibble(hex[2 * i + 1]));
}

/* Of the commit that is entered next. */
static void read_mark(struct ssot_walk *w, const char *message)
{
	struct walk_mark mark = {.commit = (uint32_t)w->n};

	if (!ssot_mark_of(&mark.mark, message))
		return;
	if (w->n_marks == w->marks_room) {
		w->marks_room = w->marks_room ? 2 * w->marks_room : 64;
		w->marks = xrealloc(w->marks,
				    w->marks_room * sizeof(*w->marks));
	}
	w->marks[w->n_marks++] = mark;
}

/* Whose it is, and which record it vouches for. */
static void read_words(struct ssot_walk *w, const char *text, size_t len,
		       struct walk_commit *c)
{
	const char *message = strstr(text, "\n\n");
	char leaf[SHA256_HEX], log[64];

	c->words = ssot_walk_words(text, len);
	if (!message || !ssot_audit_head(message, &c->seq, leaf)) {
		c->seq = 0;
		return;
	}
	if (ssot_trailer(message, "Audit-Log", log, sizeof(log)) &&
	    strcmp(log, w->o.log_id)) {
		c->seq = 0;
		w->strangers++;
		snprintf(w->stranger, sizeof(w->stranger), "%.16s", log);
		return;
	}
	ssot_walk_raw(leaf, SHA256_RAW, c->leaf);
	read_mark(w, message);
}

/* Its parents into ids, itself into *c unless that is NULL; *tree if not. */
static int read_commit(struct ssot_walk *w, const git_oid *id,
		       struct walk_commit *c, struct ids *ids, git_oid *tree,
		       struct err *err)
{
	git_odb_object *object = get(w, id, GIT_OBJECT_COMMIT, err);
	const char *at, *text;
	git_oid each;

	if (!object)
		return -1;
	text = git_odb_object_data(object);	/* libgit2 adds a NUL */
	at = header(text, "tree ", tree ? tree : &each);
	while (ids && at && (text = header(at, "parent ", &each))) {
		ids_add(ids, &each);
		at = text;
	}
	if (at && c) {
		memcpy(c->id, id->id, GIT_RAW);
		read_words(w, git_odb_object_data(object),
			   git_odb_object_size(object), c);
	}
	git_odb_object_free(object);
	return at ? 0 : err_set(err, ERR_io, "%s has a commit that is none",
				w->path);
}

static int walk(struct ssot_walk *w, const git_oid *from, struct err *err)
{
	struct ids ids = {0};
	int rc = 0;

	ids_add(&ids, from);
	while (!rc && ids.n) {
		struct walk_commit c = {0};
		git_oid id = ids.list[--ids.n];

		if (find(w, &id))
			continue;
		rc = read_commit(w, &id, &c, &ids, NULL, err);
		if (rc)
			break;
		enter(w, &c);
		if (w->o.progress && w->n % EVERY == 0)
			w->o.progress(w->o.data, w->n);
	}
	free(ids.list);
	return rc;
}

int ssot_walk_ref(struct ssot_walk *w, const char *ref,
		  struct walk_commit **tip, struct err *err)
{
	git_oid id;
	int rc = git_reference_name_to_id(&id, w->repo, ref);

	*tip = NULL;
	if (rc == GIT_ENOTFOUND)
		return 0;
	if (rc)
		return ssot_git_error(err, "%s of %s", ref, w->path);
	if (walk(w, &id, err))
		return -1;
	*tip = find(w, &id);
	return 0;
}

struct walk_commit *ssot_walk_list(struct ssot_walk *w, size_t *n)
{
	*n = w->n;
	return w->list;
}

struct walk_mark *ssot_walk_marks(struct ssot_walk *w, size_t *n)
{
	*n = w->n_marks;
	return w->marks;
}

struct walk_commit *ssot_walk_find(struct ssot_walk *w, const char *hex)
{
	git_oid id;

	return is_hex(hex, GIT_OID_HEXSZ) && !git_oid_fromstr(&id, hex) ?
		       find(w, &id) : NULL;
}

size_t ssot_walk_strangers(const struct ssot_walk *w, const char **log_id)
{
	*log_id = w->stranger;
	return w->strangers;
}

int ssot_walk_back(struct ssot_walk *w, struct walk_commit *from,
		   walk_back *each, void *data, struct err *err)
{
	struct ids ids = {0};
	git_oid id;
	int rc = 0;

	w->round++;
	git_oid_fromraw(&id, from->id);
	ids_add(&ids, &id);
	while (!rc && ids.n) {
		struct walk_commit *c;

		id = ids.list[--ids.n];
		c = find(w, &id);
		if (!c || c->round == w->round)
			continue;
		c->round = w->round;
		if (each(c, data))
			rc = read_commit(w, &id, NULL, &ids, NULL, err);
	}
	free(ids.list);
	return rc;
}

struct files {
	struct ssot_walk *w;
	walk_file *each;
	void *data;
	struct buf path;
};

static int walk_tree(struct files *f, const git_oid *id, int depth,
		     struct err *err);

static int walk_entry(struct files *f, const char *name, const git_oid *id,
		      bool folder, int depth, struct err *err)
{
	const size_t len = f->path.len;
	int rc;

	buf_addf(&f->path, "%s%s", name, folder ? "/" : "");
	rc = folder ? walk_tree(f, id, depth + 1, err) :
		      f->each(f->path.data, id->id, f->data, err);
	f->path.len = len;
	return rc;
}

/* "<octal mode> <name>\0<id>", again and again. */
static int walk_tree(struct files *f, const git_oid *id, int depth,
		     struct err *err)
{
	git_odb_object *object = get(f->w, id, GIT_OBJECT_TREE, err);
	const char *at, *end;
	int rc = 0;

	if (!object)
		return -1;
	at = git_odb_object_data(object);
	end = at + git_odb_object_size(object);
	while (!rc && at < end && depth < DEPTH) {
		const char *nul = memchr(at, 0, (size_t)(end - at));
		const char *name = memchr(at, ' ', (size_t)(end - at));
		git_oid entry;

		if (!nul || !name || name > nul || end - nul <= GIT_RAW) {
			rc = err_set(err, ERR_io, "%s has a tree that is none",
				     f->w->path);
			break;
		}
		git_oid_fromraw(&entry, (const uint8_t *)nul + 1);
		rc = walk_entry(f, name + 1, &entry, *at == '4', depth, err);
		at = nul + 1 + GIT_RAW;
	}
	git_odb_object_free(object);
	return rc;
}

int ssot_walk_files(struct ssot_walk *w, const struct walk_commit *c,
		    walk_file *each, void *data, struct err *err)
{
	struct files f = {w, each, data, {0}};
	git_oid id, tree;
	int rc;

	git_oid_fromraw(&id, c->id);
	rc = read_commit(w, &id, NULL, NULL, &tree, err) ||
	     walk_tree(&f, &tree, 0, err) ? -1 : 0;
	buf_fini(&f.path);
	return rc;
}
