/* See ssot_diff.h. */
#include "agent/store/ssot_diff.h"

#include <stdio.h>
#include <string.h>

#include "agent/store/ssot_git.h"
#include "agent/store/ssot_compare.h"
#include "common/err.h"

struct diff {
	git_repository *repo;
	git_odb *odb;
	ssot_each *each;
	void *data;
};

/* A blob that may be a document into *object; one that is larger only its size. */
static int read_text(struct diff *d, const git_oid *id, git_odb_object **object,
		     size_t *len, struct err *err)
{
	git_object_t type;

	if (git_odb_read_header(len, &type, d->odb, id))
		return ssot_git_error(err, "reading a file in a commit");
	if (type != GIT_OBJECT_BLOB)
		return err_set(err, ERR_invalid_request,
			       "a file that is none in git");
	if (*len <= SSOT_TEXT_MAX && git_odb_read(object, d->odb, id))
		return ssot_git_error(err, "reading a file in a commit");
	return 0;
}

static int each_file(const struct compare_change *w, void *data, struct err *err)
{
	struct diff *d = data;
	git_odb_object *object = NULL, *old = NULL;
	struct ssot_change c = {
		.base_mode = w->mode_before, .mode = w->mode_after,
		.kind = ssot_path_kind(w->path),
		.reserved = ssot_path_reserved(w->path),
	};
	int rc = 0;

	snprintf(c.path, sizeof(c.path), "%s", w->path);
	if (w->before)
		git_oid_tostr(c.base_sha, sizeof(c.base_sha), w->before);
	if (w->after)
		git_oid_tostr(c.sha, sizeof(c.sha), w->after);
	if (w->after && c.mode != GIT_FILEMODE_COMMIT)
		rc = read_text(d, w->after, &object, &c.len, err);
	if (!rc && w->before && c.kind && c.base_mode != GIT_FILEMODE_COMMIT)
		rc = read_text(d, w->before, &old, &c.base_len, err);
	if (object)
		c.text = git_odb_object_data(object);
	if (old)
		c.base = git_odb_object_data(old);
	if (!rc)
		rc = d->each(&c, d->data, err);
	git_odb_object_free(object);
	git_odb_object_free(old);
	return rc;
}

static int diff(struct diff *d, const char *from, const char *to,
		struct err *err)
{
	git_oid before, after;
	bool any = from && *from;

	if (any && ssot_git_tree(d->repo, from, &before, err))
		return -1;
	if (ssot_git_tree(d->repo, to, &after, err))
		return -1;
	if (git_repository_odb(&d->odb, d->repo))
		return ssot_git_error(err, "reading the repository");
	return ssot_compare(d->repo, any ? &before : NULL, &after, each_file, d,
			 err);
}

int ssot_diff(const char *path, const char *from, const char *to,
	      ssot_each *each, void *data, struct err *err)
{
	struct diff d = {.each = each, .data = data};
	int rc = ssot_git_open(&d.repo, path, err) ? -1 :
		 diff(&d, from, to, err);

	git_odb_free(d.odb);
	git_repository_free(d.repo);
	return rc;
}
