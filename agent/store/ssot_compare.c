/* See ssot_compare.h. Two sorted lists side by side, folder by folder. */
#include "agent/store/ssot_compare.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "agent/store/ssot_git.h"
#include "agent/store/ssot_text.h"
#include "common/err.h"
#include "common/utf8.h"

#define DEPTH_MAX 64		/* of folders */

struct walk {
	git_repository *repo;
	compare_each *each;
	void *data;
	char path[SSOT_PATH];
	size_t len;
	int depth;
};

/* One tree of the two, and where we are in it. */
struct side {
	git_tree *tree;
	size_t at, n;
};

static int refuse(const struct walk *w, const char *name, const char *what,
		  struct err *err)
{
	char shown[200];
	char text[SSOT_PATH + 300];

	snprintf(text, sizeof(text), "%.*s%.255s", (int)w->len, w->path, name);
	utf8_visible(text, shown, sizeof(shown));
	return err_set(err, ERR_invalid_request, "%s: %s", shown, what);
}

static bool is_tree(const git_tree_entry *e)
{
	return git_tree_entry_filemode_raw(e) == GIT_FILEMODE_TREE;
}

/* Git's order: a folder as if its name ended in '/'. */
static int order(const git_tree_entry *a, const git_tree_entry *b)
{
	const char *x = git_tree_entry_name(a), *y = git_tree_entry_name(b);
	size_t nx = strlen(x), ny = strlen(y), n = nx < ny ? nx : ny;
	int rc = memcmp(x, y, n);
	unsigned char p, q;

	if (rc)
		return rc;
	p = n < nx ? (unsigned char)x[n] : is_tree(a) ? '/' : 0;
	q = n < ny ? (unsigned char)y[n] : is_tree(b) ? '/' : 0;
	return p - q;
}

/* A file may be far before the folder of its name: "a", "a.b", "a/". */
static bool has_twin(const git_tree *tree, size_t at)
{
	const char *name = git_tree_entry_name(
		git_tree_entry_byindex(tree, at));
	size_t len = strlen(name);

	while (at--) {
		const char *other = git_tree_entry_name(
			git_tree_entry_byindex(tree, at));

		if (strncmp(other, name, len))
			return false;
		if (!other[len])
			return true;
	}
	return false;
}

/* Every name once, in order, and none that git would refuse to check out. */
static int check_tree(const struct walk *w, const git_tree *tree,
		      struct err *err)
{
	static const char *const never[] = {"", ".", "..", ".git"};
	const git_tree_entry *e, *last = NULL;

	for (size_t i = 0; i < git_tree_entrycount(tree); i++, last = e) {
		const char *name;

		e = git_tree_entry_byindex(tree, i);
		name = git_tree_entry_name(e);
		for (size_t k = 0; k < sizeof(never) / sizeof(*never); k++)
			if (!strcasecmp(name, never[k]))
				return refuse(w, name, "no name for a file",
					      err);
		if (strchr(name, '/'))
			return refuse(w, name, "a name with a slash", err);
		if (last && (order(last, e) >= 0 || has_twin(tree, i)))
			return refuse(w, name, "the folder is not in order",
				      err);
	}
	return 0;
}

/* What is there and yet no folder is what somebody made so. */
static bool is_there(const struct walk *w, const git_oid *id)
{
	git_odb *odb = NULL;
	git_object_t type;
	size_t len;
	bool there = !git_repository_odb(&odb, w->repo) &&
		     !git_odb_read_header(&len, &type, odb, id);

	git_odb_free(odb);
	return there;
}

static int side_open(struct walk *w, struct side *s, const git_oid *id,
		     struct err *err)
{
	memset(s, 0, sizeof(*s));
	if (!id)
		return 0;
	if (git_tree_lookup(&s->tree, w->repo, id))
		return is_there(w, id) ?
			refuse(w, "", "is no folder that git can read", err) :
			ssot_git_error(err, "a folder in a commit");
	s->n = git_tree_entrycount(s->tree);
	return check_tree(w, s->tree, err);
}

static const git_tree_entry *side_entry(const struct side *s)
{
	return s->at < s->n ? git_tree_entry_byindex(s->tree, s->at) : NULL;
}

static int walk_folder(struct walk *w, const git_oid *before,
		       const git_oid *after, struct err *err);

/* a or b may be NULL; if both are there they are of one name and sort. */
static int walk_entry(struct walk *w, const git_tree_entry *a,
		      const git_tree_entry *b, struct err *err)
{
	const git_tree_entry *any = a ? a : b;
	const char *name = git_tree_entry_name(any);
	size_t len = w->len, n = strlen(name);
	struct compare_change c = {
		.path = w->path,
		.before = a ? git_tree_entry_id(a) : NULL,
		.after = b ? git_tree_entry_id(b) : NULL,
		.mode_before = a ? git_tree_entry_filemode_raw(a) : 0,
		.mode_after = b ? git_tree_entry_filemode_raw(b) : 0,
	};
	int rc;

	if (a && b && c.mode_before == c.mode_after &&
	    git_oid_equal(c.before, c.after))
		return 0;
	if (len + n + 2 > sizeof(w->path) || w->depth > DEPTH_MAX)
		return refuse(w, name, "the path is too long", err);
	memcpy(w->path + len, name, n + 1);
	w->len += n;
	if (is_tree(any)) {
		strcpy(w->path + w->len++, "/");
		rc = walk_folder(w, c.before, c.after, err);
	} else {
		rc = w->each(&c, w->data, err);
	}
	w->len = len;
	w->path[len] = 0;
	return rc;
}

static int walk_sides(struct walk *w, struct side *x, struct side *y,
		      struct err *err)
{
	int rc = 0;

	while (!rc && (x->at < x->n || y->at < y->n)) {
		const git_tree_entry *a = side_entry(x), *b = side_entry(y);
		int which = !a ? 1 : !b ? -1 : order(a, b);

		x->at += which <= 0;
		y->at += which >= 0;
		rc = walk_entry(w, which <= 0 ? a : NULL,
				which >= 0 ? b : NULL, err);
	}
	return rc;
}

static int walk_folder(struct walk *w, const git_oid *before,
		       const git_oid *after, struct err *err)
{
	struct side x = {0}, y = {0};
	int rc;

	w->depth++;
	rc = side_open(w, &x, before, err);
	if (!rc)
		rc = side_open(w, &y, after, err);
	if (!rc)
		rc = walk_sides(w, &x, &y, err);
	git_tree_free(x.tree);
	git_tree_free(y.tree);
	w->depth--;
	return rc;
}

int ssot_compare(git_repository *repo, const git_oid *before,
	      const git_oid *after, compare_each *each, void *data,
	      struct err *err)
{
	struct walk w = {.repo = repo, .each = each, .data = data};

	if (before && after && git_oid_equal(before, after))
		return 0;
	return walk_folder(&w, before, after, err);
}
