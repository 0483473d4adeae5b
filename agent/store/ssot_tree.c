/* See ssot_tree.h; format: git's tree object, entries in its own order. */
#include "agent/store/ssot_tree.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/ssot_text.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/mem.h"
#include "common/sha256.h"

#define MODE_DIR 040000
#define MODE_FILE 0100644
#define MODE_TEXT 11		/* octal digits of an unsigned */

struct entry {
	char *name;
	struct dir *dir;	/* NULL: a file, or not read yet */
	unsigned mode;
	uint8_t id[GIT_RAW];	/* of a changed folder: out of date */
};

struct dir {
	struct entry *list;
	size_t n, room;
	bool changed;
};

struct tree {
	tree_load *load;
	void *ctx;
	struct entry root;
	size_t bytes;
	struct buf raw;			/* of the folder being written */
};

static void dir_free(struct dir *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->n; i++) {
		dir_free(d->list[i].dir);
		free(d->list[i].name);
	}
	free(d->list);
	free(d);
}

struct tree *tree_new(tree_load *load, void *ctx)
{
	struct tree *t = xcalloc(1, sizeof(*t));

	t->load = load;
	t->ctx = ctx;
	tree_reset(t, NULL);
	return t;
}

void tree_free(struct tree *t)
{
	if (!t)
		return;
	dir_free(t->root.dir);
	buf_fini(&t->raw);
	free(t);
}

void tree_reset(struct tree *t, const uint8_t root[GIT_RAW])
{
	dir_free(t->root.dir);
	t->bytes = 0;
	t->root = (struct entry){.mode = MODE_DIR};
	if (root)
		memcpy(t->root.id, root, GIT_RAW);
	else
		t->root.dir = xcalloc(1, sizeof(struct dir));
}

size_t tree_bytes(const struct tree *t)
{
	return t->bytes;
}

/* Where an entry is or belongs: a folder is ordered as if "name/". */
static bool find(const struct dir *d, const char *name, size_t len,
		 bool folder, size_t *at)
{
	size_t low = 0, high = d->n;

	while (low < high) {
		size_t mid = (low + high) / 2;
		const struct entry *e = &d->list[mid];
		size_t have = strlen(e->name), n = have < len ? have : len;
		int order = memcmp(e->name, name, n);

		if (!order && have == len) {
			*at = mid;
			return true;
		}
		if (!order) {
			char a = n < have ? e->name[n] :
				 e->mode == MODE_DIR ? '/' : 0;
			char b = n < len ? name[n] : folder ? '/' : 0;

			order = (unsigned char)a - (unsigned char)b;
		}
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	*at = low;
	return false;
}

static struct entry *insert(struct tree *t, struct dir *d, size_t at,
			    const char *name, size_t len, unsigned mode)
{
	struct entry *e;

	if (d->n == d->room) {
		d->room = d->room ? 2 * d->room : 4;
		d->list = xrealloc(d->list, d->room * sizeof(*d->list));
	}
	e = d->list + at;
	memmove(e + 1, e, (d->n++ - at) * sizeof(*e));
	*e = (struct entry){.name = xstrndup(name, len), .mode = mode};
	t->bytes += len + 16 + 2 * sizeof(*e);
	return e;
}

/* "<octal mode> <name>\0<id>", again and again. */
static struct dir *parse(struct tree *t, const char *raw, size_t len)
{
	struct dir *d = xcalloc(1, sizeof(*d));
	const char *at = raw, *end = raw + len;

	while (at < end) {
		const char *nul = memchr(at, 0, (size_t)(end - at));
		char *name;
		unsigned mode;
		struct entry *e;

		mode = nul ? (unsigned)strtoul(at, &name, 8) : 0;
		if (!mode || *name != ' ' || end - nul <= GIT_RAW) {
			dir_free(d);
			return NULL;
		}
		name++;
		e = insert(t, d, d->n, name, (size_t)(nul - name), mode);
		memcpy(e->id, nul + 1, GIT_RAW);
		at = nul + 1 + GIT_RAW;
	}
	return d;
}

/* The folder of an entry, read if it was not yet. */
static struct dir *open_dir(struct tree *t, struct entry *e, struct err *err)
{
	char hex[2 * GIT_RAW + 1], *raw;
	size_t len;

	if (e->dir)
		return e->dir;
	hex_of(e->id, GIT_RAW, hex);
	if (e->mode != MODE_DIR) {
		err_set(err, ERR_io, "%s is no folder in the repository",
			e->name);
		return NULL;
	}
	raw = t->load(t->ctx, e->id, &len, err);
	if (!raw)
		return NULL;
	e->dir = parse(t, raw, len);
	if (!e->dir)
		err_set(err, ERR_io, "tree %s is damaged", hex);
	free(raw);
	return e->dir;
}

/* The folders on the way to an entry. */
struct way {
	struct dir *on[SSOT_PATH];
	size_t n;
};

static void touch(const struct way *w)
{
	for (size_t i = 0; i < w->n; i++)
		w->on[i]->changed = true;
}

static struct entry *make(struct tree *t, struct dir *d, size_t at,
			  const char *name, size_t len, bool folder)
{
	struct entry *e = insert(t, d, at, name, len,
				 folder ? MODE_DIR : MODE_FILE);

	if (folder)
		e->dir = xcalloc(1, sizeof(struct dir));
	return e;
}

static void take_out(struct dir *d, size_t at)
{
	struct entry *e = d->list + at;

	dir_free(e->dir);
	free(e->name);
	memmove(e, e + 1, (--d->n - at) * sizeof(*e));
}

/* A folder in the place of a file, or the other way round. */
static void clear_place(struct dir *d, const char *name, size_t len,
			bool folder)
{
	size_t at;

	for (int as = 0; as < 2; as++)
		if (find(d, name, len, as, &at) &&
		    (d->list[at].mode == MODE_DIR) != folder)
			take_out(d, at);
}

enum look { LOOK, MAKE, FORCE };

/*
 * The entry of a path, and the way to it. *e is NULL if it is not there;
 * *made: it was not. -1: what is on the way cannot be read or is no folder.
 */
static int look_up(struct tree *t, const char *path, enum look how,
		   struct way *way, struct entry **out, bool *made,
		   struct err *err)
{
	struct entry *e = &t->root;

	way->n = 0;
	*made = false;
	*out = NULL;
	for (const char *at = path, *end; *at; at = *end ? end + 1 : end) {
		struct dir *d = open_dir(t, e, err);
		size_t place, len;
		bool folder;

		if (!d)
			return -1;
		way->on[way->n++] = d;
		end = strchrnul(at, '/');
		len = (size_t)(end - at);
		folder = *end == '/';
		if (how == FORCE)
			clear_place(d, at, len, folder);
		if (find(d, at, len, folder, &place)) {
			e = &d->list[place];
			if (how == LOOK && folder != (e->mode == MODE_DIR))
				return 0;
			continue;
		}
		if (how == LOOK)
			return 0;
		*made = true;
		e = make(t, d, place, at, len, folder);
	}
	*out = e;
	return 0;
}

int tree_put(struct tree *t, const char *path, const uint8_t id[GIT_RAW],
	     struct err *err)
{
	struct entry *e;
	struct way way;
	bool made;

	if (look_up(t, path, MAKE, &way, &e, &made, err))
		return -1;
	if (e->mode != MODE_FILE)
		return err_set(err, ERR_io, "%s is no file in the repository",
			       path);
	if (!made && !memcmp(e->id, id, GIT_RAW))
		return 0;
	memcpy(e->id, id, GIT_RAW);
	touch(&way);
	return 1;
}

int tree_set(struct tree *t, const char *path, unsigned mode,
	     const uint8_t id[GIT_RAW], struct err *err)
{
	struct entry *e;
	struct way way;
	bool made;

	if (look_up(t, path, FORCE, &way, &e, &made, err))
		return -1;
	e->mode = mode;
	memcpy(e->id, id, GIT_RAW);
	touch(&way);
	return 0;
}

int tree_drop(struct tree *t, const char *path, struct err *err)
{
	struct entry *e;
	struct way way;
	struct dir *d;
	bool made;

	if (look_up(t, path, LOOK, &way, &e, &made, err))
		return -1;
	if (!e)
		return 0;
	d = way.on[way.n - 1];
	take_out(d, (size_t)(e - d->list));
	touch(&way);
	return 0;
}

int tree_get(struct tree *t, const char *path, uint8_t id[GIT_RAW],
	     struct err *err)
{
	struct entry *e;
	struct way way;
	bool made;

	if (look_up(t, path, LOOK, &way, &e, &made, err))
		return -1;
	if (e)
		memcpy(id, e->id, GIT_RAW);
	return e != NULL;
}

/* By hand: every commit writes some hundred of these. */
static void add_entry(struct buf *raw, const struct entry *e)
{
	const size_t len = strlen(e->name);
	char *start = buf_room(raw, MODE_TEXT + len + 2 + GIT_RAW);
	char mode[MODE_TEXT], *at = mode + sizeof(mode), *o;

	for (unsigned left = e->mode; left; left >>= 3)
		*--at = (char)('0' + (left & 7));
	o = mempcpy(start, at, (size_t)(mode + sizeof(mode) - at));
	*o++ = ' ';
	o = mempcpy(o, e->name, len + 1);
	o = mempcpy(o, e->id, GIT_RAW);
	raw->len += (size_t)(o - start);
}

/* Of one that was changed, and has nothing left in it. */
static bool is_empty(const struct entry *e)
{
	return e->dir && !e->dir->n;
}

/* Children first, then the buffer is free for the folder itself. */
static void write_entry(struct entry *e, struct buf *raw, struct pack *p)
{
	if (!e->dir || !e->dir->changed)
		return;
	for (size_t i = 0; i < e->dir->n; i++) {
		write_entry(&e->dir->list[i], raw, p);
		if (is_empty(&e->dir->list[i]))
			take_out(e->dir, i--);
	}
	buf_reset(raw);
	for (size_t i = 0; i < e->dir->n; i++)
		add_entry(raw, &e->dir->list[i]);
	if (raw->len || !e->name)	/* the root may be empty */
		pack_add(p, PACK_TREE, raw->data, raw->len, e->id);
	e->dir->changed = false;
}

void tree_write(struct tree *t, struct pack *p, uint8_t root[GIT_RAW])
{
	write_entry(&t->root, &t->raw, p);
	memcpy(root, t->root.id, GIT_RAW);
}
