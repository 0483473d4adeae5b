/* See intake.h: what a changed file may be, whatever we have now. */
#include <stdlib.h>
#include <string.h>

#include "agent/ops/document.h"
#include "agent/ops/intake.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/utf8.h"
#include "common/words.h"

#define MODE_FILE 0100644

struct intake *intake_new(void)
{
	return xcalloc(1, sizeof(struct intake));
}

void intake_free(void *intake)
{
	struct intake *in = intake;

	if (!in)
		return;
	for (size_t i = 0; i < in->n; i++) {
		json_decref(in->docs[i].doc);
		json_decref(in->docs[i].changed);
		json_decref(in->docs[i].was);
	}
	free(in->docs);
	free(in);
}

static int refuse(const struct ssot_change *f, struct err *err,
		  const char *what)
{
	char path[DOCUMENT_PATH];

	utf8_visible(f->path, path, sizeof(path));
	return err_set(err, ERR_invalid_request, "%s: %s", path, what);
}

/* What is wrong with the file whatever is in it; NULL: nothing. */
static const char *file_refused(const struct intake *in,
				const struct ssot_change *f)
{
	if (!*f->sha)
		return "documents are not removed";
	if (!f->kind)
		return "no document belongs here";
	if (f->mode != MODE_FILE)
		return "a document is a regular file that is not executable";
	if (!f->text)
		return "a document has at most 48 KiB";
	if (!strcmp(f->kind, "task"))
		return NULL;
	if (!in->peer)
		return "only agents write this";
	/* A task that is taken again is acknowledged and judged again. */
	if (words_index("ack,result,verdict", ',', f->kind) >= 0)
		return NULL;
	return *f->base_sha ? "this is never changed" : NULL;
}

/* The document that was there; the history has only good ones. */
static json_t *base_of(const struct ssot_change *f, char sha[41])
{
	bool canonical;

	*sha = 0;
	return f->base ? document_read(f->path, f->kind, f->base, f->base_len,
				       sha, &canonical, NULL) : NULL;
}

static struct intake_doc *room(struct intake *in)
{
	if (in->n == in->room) {
		in->room = in->room ? 2 * in->room : 16;
		in->docs = xrealloc(in->docs, in->room * sizeof(*in->docs));
	}
	return &in->docs[in->n];
}

static int check_rights(const struct intake *in, const struct ssot_change *f,
			const json_t *before, const struct intake_doc *d,
			struct err *err)
{
	struct err own = {0};
	int rc = 0;

	if (in->peer && !d->canonical)
		rc = refuse(f, err, "an agent writes the canonical form");
	else if (!in->peer && *f->base_sha && !before)
		rc = refuse(f, err, "what was there is no document");
	else if (!in->peer && document_by_person(before, d->doc, &own))
		rc = refuse(f, err, own.detail);
	err_fini(&own);
	return rc;
}

/* The values of the members that a person changed. */
static json_t *values_of(const json_t *before, const json_t *names)
{
	json_t *values = json_object(), *each;
	size_t i;

	json_array_foreach (names, i, each) {
		const char *name = json_string_value(each);

		json_object_set(values, name, json_object_get(before, name));
	}
	return values;
}

int intake_add(struct intake *in, const struct ssot_change *f,
	       struct err *err)
{
	const char *wrong;
	struct intake_doc *d;
	json_t *before;

	if (!f->reserved)
		return 0;
	wrong = file_refused(in, f);
	if (wrong)
		return refuse(f, err, wrong);
	in->bytes += f->len;
	if (in->n == INTAKE_MAX || in->bytes > INTAKE_BYTES)
		return err_set(err, ERR_overloaded, "over %d documents or %zu "
			       "MiB at once", INTAKE_MAX, INTAKE_BYTES >> 20);
	d = room(in);
	*d = (struct intake_doc){.kind = f->kind};
	strcpy(d->path, f->path);
	d->doc = document_read(f->path, f->kind, f->text, f->len, d->sha,
			       &d->canonical, err);
	if (!d->doc)
		return -1;
	in->n++;			/* it is intake_free's from here */
	before = base_of(f, d->base);
	if (before)
		d->changed = document_changes(before, d->doc);
	if (before && !in->peer)
		d->was = values_of(before, d->changed);
	if (check_rights(in, f, before, d, err)) {
		json_decref(before);
		return -1;
	}
	json_decref(before);
	return 0;
}
