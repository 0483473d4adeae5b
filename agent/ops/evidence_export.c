/*
 * evidence.export: everything a task, a run or a correlation id left, in one
 * archive that can be verified far from here. Gathers what belongs to it; the
 * writing is in evidence_archive.c.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "agent/ops/evidence.h"
#include "agent/ops/evidence_archive.h"
#include "agent/ops/handlers.h"
#include "agent/store/checkpoint.h"
#include "agent/store/evidence.h"
#include "agent/store/home.h"
#include "agent/store/journal.h"
#include "agent/store/settings.h"
#include "common/clock.h"
#include "common/id.h"
#include "common/json.h"
#include "common/mem.h"

#define RECORDS_MAX 10000
#define DOCS_MAX 10000
#define PAGE 1000
#define ROOM (512LL << 20)		/* that stays free on the disk */

/* What is exported: one of three kinds of name. */
enum about { TASK, RUN, CORRELATION, ABOUT_count };

static const struct {
	const char *kind, *member;	/* kind of document, or NULL */
} abouts[] = {
	[TASK] = {"task", "task_id"}, [RUN] = {"run", "run_id"},
	[CORRELATION] = {NULL, "correlation_id"},
};

struct gather {
	struct agent *agent;
	struct call *call;
	enum about about;
	char id[ID_MAX + 1];
	struct record_place *places;
	size_t n, n_files;		/* of them, those of files: first */
	uint64_t more;			/* the last that fitted; 0: all did */
	json_t *artifacts, *runs, *approvals;
	json_t *approval_ids;		/* of a run, as an object */
	json_t *cut;			/* kind: the last id that fitted */
};

static const char *about_is(const struct gather *g, enum about about)
{
	return g->about == about ? g->id : NULL;
}

/* A task's id, a run's, or else a correlation id: no need to say which. */
static int resolve(struct gather *g, const char *text, struct err *err)
{
	for (g->about = TASK; g->about < CORRELATION; g->about++) {
		struct err own = {0};
		int rc = reader_resolve(g->call->reader,
					abouts[g->about].kind, text, g->id,
					&own);
		enum err_code code = own.code;

		err_fini(&own);
		if (!rc)
			return 0;
		if (code == ERR_ambiguous_id)
			return err_set(err, code, "%.128s fits more than one "
				       "%s", text, abouts[g->about].kind);
	}
	snprintf(g->id, sizeof(g->id), "%s", text);
	return 0;
}

static int what_about(struct gather *g, struct err *err)
{
	const char *text = call_str(g->call, "id");
	size_t named = text != NULL;

	for (enum about a = 0; a < ABOUT_count; a++)
		if (call_str(g->call, abouts[a].member)) {
			named++;
			g->about = a;
		}
	if (named != 1)
		return err_set(err, ERR_invalid_request, "name one of id, "
			       "task_id, run_id and correlation_id");
	if (text)
		return resolve(g, text, err);
	snprintf(g->id, sizeof(g->id), "%s",
		 call_str(g->call, abouts[g->about].member));
	return 0;
}

static int by_seq(const void *a, const void *b)
{
	const struct record_place *x = a, *y = b;

	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* Does the record at p speak of one of the run's approvals? */
static bool of_approval(struct gather *g, const struct record_place *p)
{
	char *line = xmalloc(p->len + 1);
	bool found = false;
	const char *id;
	json_t *unused;

	if (!journal_read(g->agent->journal, p->off, p->len, line, NULL)) {
		line[p->len] = 0;
		json_object_foreach (g->approval_ids, id, unused)
			found = found || strstr(line, id);
	}
	free(line);
	return found;
}

/* Is it none of those that speak of files? */
static bool is_new(struct gather *g, const struct record_place *p)
{
	return !g->n_files || !bsearch(p, g->places, g->n_files,
				       sizeof(*p), by_seq);
}

/* All that match, up to the limit; keep: only those it says yes to. */
static int add_places(struct gather *g, struct record_filter *f,
		      bool (*keep)(struct gather *, const struct record_place *),
		      struct err *err)
{
	struct record_place *page = xcalloc(PAGE, sizeof(*page));
	size_t n = PAGE;

	f->limit = PAGE;
	while (n == PAGE && !g->more) {
		if (reader_records(g->call->reader, f, page, &n, err)) {
			free(page);
			return -1;
		}
		for (size_t i = 0; i < n && !g->more; i++) {
			if (keep && !keep(g, &page[i]))
				continue;
			if (g->n == RECORDS_MAX)
				g->more = g->places[g->n - 1].seq;
			else
				g->places[g->n++] = page[i];
		}
		if (n)
			f->after_seq = page[n - 1].seq;
	}
	free(page);
	return 0;
}

static json_t *docs(struct gather *g, const char *kind, struct err *err)
{
	struct doc_filter f = {.kind = kind, .limit = DOCS_MAX + 1,
			       .task_id = about_is(g, TASK),
			       .run_id = about_is(g, RUN),
			       .correlation_id = about_is(g, CORRELATION)};
	json_t *list = err->code ? NULL : reader_docs(g->call->reader, &f,
						      err);

	if (json_array_size(list) > DOCS_MAX) {
		json_array_remove(list, DOCS_MAX);
		json_object_set(g->cut, kind, json_object_get(
			json_array_get(list, DOCS_MAX - 1), "id"));
	}
	return list;
}

/* The run itself, and the approval it was given. */
static void one_run(struct gather *g, struct err *err)
{
	json_t *run = reader_doc(g->call->reader, "run", g->id, err);
	const char *id = json_str(run, "approval_id");
	json_t *approval = id ? reader_doc(g->call->reader, "approval", id,
					   err) : NULL;

	g->runs = json_array();
	g->approvals = json_array();
	if (run)
		json_array_append(g->runs, run);
	if (approval) {
		json_array_append_new(g->approvals, approval);
		json_object_set_new(g->approval_ids, id, json_true());
	}
	json_decref(run);
}

static int gather_docs(struct gather *g, struct err *err)
{
	json_t *each;
	size_t i;

	g->artifacts = docs(g, "artifact", err);
	if (g->about == RUN) {
		one_run(g, err);
	} else {
		g->runs = docs(g, "run", err);
		g->approvals = docs(g, "approval", err);
	}
	json_array_foreach (g->artifacts, i, each)
		evidence_mark(g->call->reader, each);
	return err->code ? -1 : 0;
}

/*
 * Those of files first, for where not all have room, a file without its
 * record would prove nothing. A run's approval was asked for and given under
 * the same correlation id.
 */
static int gather_records(struct gather *g, struct err *err)
{
	struct record_filter f = {.types = "evidence_added",
				  .task_id = about_is(g, TASK),
				  .run_id = about_is(g, RUN),
				  .correlation_id = about_is(g, CORRELATION)};
	size_t n = 0;

	g->places = xcalloc(RECORDS_MAX, sizeof(*g->places));
	if (add_places(g, &f, NULL, err))
		return -1;
	g->n_files = g->n;
	f.types = "*";
	f.after_seq = 0;
	if (add_places(g, &f, is_new, err))
		return -1;
	if (json_object_size(g->approval_ids)) {
		f = (struct record_filter){.types = "*", .correlation_id =
			json_str(json_array_get(g->runs, 0),
				 "correlation_id")};
		if (f.correlation_id && add_places(g, &f, of_approval, err))
			return -1;
	}
	if (!g->n)
		return err_set(err, ERR_not_found, "no record is of %s %s",
			       abouts[g->about].member, g->id);
	qsort(g->places, g->n, sizeof(*g->places), by_seq);
	for (size_t i = 0; i < g->n; i++)
		if (!n || g->places[n - 1].seq != g->places[i].seq)
			g->places[n++] = g->places[i];
	g->n = n;
	return 0;
}

/* [{members}] of documents, for who finds the way by the manifest. */
static json_t *brief(const json_t *list, const char *const *members)
{
	json_t *out = json_array(), *each;
	size_t i;

	json_array_foreach (list, i, each) {
		json_t *v = json_object();

		for (const char *const *m = members; *m; m++)
			json_object_set(v, *m, json_object_get(each, *m));
		json_array_append_new(out, v);
	}
	return out;
}

static json_t *manifest_of(const struct gather *g)
{
	static const char *const of_run[] = {"id", "tool", "state",
		"approval_id", "evidence_sha256", NULL};
	static const char *const of_approval_doc[] = {"id", "state", "tool",
		"request_sha256", NULL};

	return json_pack("{s:i,s:s,s:s,s:s,s:[],s:[],s:[],s:[],s:o,s:o}",
		"v", 1, "kind", "evidence", "agent", g->agent->settings->name,
		abouts[g->about].member, g->id, "files", "records",
		"artifacts", "missing", "runs", brief(g->runs, of_run),
		"approvals", brief(g->approvals, of_approval_doc));
}

/* A checkpoint that covers all of it, and the key that signed. */
static int sign_with(struct archive *x, struct err *err)
{
	struct agent *a = x->agent;
	struct checkpoint at;

	if (note_signer_open(&x->signer, a->home->journal_key,
			     a->home->journal_vkey, err) ||
	    a->checkpoint(a->core, x->records[x->n_records - 1].seq,
			  &x->checkpoint, err) ||
	    checkpoint_open(&at, x->checkpoint.data, x->checkpoint.len,
			    note_signer_key(x->signer), err))
		return -1;
	x->size = at.size;
	json_set_str(x->manifest, "origin", at.origin);
	json_set_int(x->manifest, "size", (json_int_t)at.size);
	return 0;
}

/* Of its newest record: an archive has no time of its own. */
static int64_t time_of(struct agent *a, const struct record_place *p)
{
	char *line = xmalloc(p->len);
	json_t *v = NULL;
	int64_t us = 0;

	if (!journal_read(a->journal, p->off, p->len, line, NULL))
		v = json_loadb(line, p->len, 0, NULL);
	if (json_str(v, "ts"))
		clock_parse(json_str(v, "ts"), 0, &us);
	json_decref(v);
	free(line);
	return us / 1000000;
}

/* The journal needs the disk more than an archive does. */
static int check_room(const struct gather *g, struct err *err)
{
	long long need = ROOM, room;
	struct statvfs st;
	json_t *each;
	size_t i;

	json_array_foreach (g->artifacts, i, each)
		need += json_int(each, "size", 0);
	if (statvfs(g->agent->home->dir, &st))
		return 0;
	room = (long long)st.f_bavail * (long long)st.f_frsize;
	if (need <= room)
		return 0;
	err_set(err, ERR_overloaded, "the archive needs %lld KiB, and %lld MiB "
		"left free beside it; %lld MiB are free", (need - ROOM) >> 10,
		(long long)ROOM >> 20, room >> 20);
	return err_hint(err, "Free disk space, or export the runs one by one.");
}

static int write_archive(struct gather *g, struct archive *x,
			 struct err *err)
{
	const char *kind;
	char id[24];
	json_t *last;

	snprintf(x->folder, sizeof(x->folder), "evidence-%s", g->id);
	for (char *at = x->folder; *at; at++)
		if (*at == ':')
			*at = '_';
	x->tar.mtime = time_of(g->agent, &g->places[g->n - 1]);
	snprintf(id, sizeof(id), "%" PRIu64, g->more);
	if (g->more)
		archive_miss(x, "record", id, "more follow this one", NULL);
	json_object_foreach (g->cut, kind, last)
		archive_miss(x, kind, json_string_value(last),
			     "more follow this one", NULL);
	x->tar.fd = evidence_scratch(g->agent->evidence, err);
	if (x->tar.fd < 0)
		return -1;
	if (sign_with(x, err) || archive_write(x, err)) {
		close(x->tar.fd);
		return -1;
	}
	return call_file(g->call, x->tar.fd, 0, x->tar.off, x->tar.off,
			 "application/x-tar");
}

static int export(struct gather *g, struct err *err)
{
	struct archive x = {.agent = g->agent};
	int rc;

	if (g->agent->read_wait(g->agent->core, true, err) ||
	    what_about(g, err) || gather_docs(g, err) ||
	    gather_records(g, err) || check_room(g, err))
		return -1;
	x.records = g->places;
	x.n_records = g->n;
	x.artifacts = g->artifacts;
	x.manifest = manifest_of(g);
	rc = write_archive(g, &x, err);
	note_signer_close(x.signer);
	buf_fini(&x.checkpoint);
	json_decref(x.manifest);
	return rc;
}

int op_evidence_export(struct agent *a, struct call *c, struct err *err)
{
	struct gather g = {.agent = a, .call = c,
			   .approval_ids = json_object(),
			   .cut = json_object()};
	int rc;

	if (c->via == VIA_WEBSOCKET)
		return call_answer(c, json_pack("{s:s}", "link",
			"fetch the archive over HTTP: GET "
			"/api/evidence/export"));
	rc = export(&g, err);
	json_decref(g.approval_ids);
	json_decref(g.cut);
	json_decref(g.artifacts);
	json_decref(g.runs);
	json_decref(g.approvals);
	free(g.places);
	return rc;
}
