/* See admin_audit.h: the repository's side of `audit verify --with-ssot`. */
#include "agent/admin_audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/store/home.h"
#include "agent/store/journal.h"
#include "agent/store/record.h"
#include "agent/store/ssot_verify.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"

#define FIRST_READ 2		/* 1 would go on */

struct audit_ssot {
	struct ssot_verify *verify;
	const struct ssot_report *report;
	char log_id[17];
	struct audit_progress *progress;
};

static void progress(void *data, const char *what, uint64_t n)
{
	struct audit_ssot *s = data;

	audit_progress(s->progress, what, n);
}

/* The journal is known by its first record. */
static int first(struct record *r, void *data, struct err *err)
{
	struct audit_ssot *s = data;

	(void)err;
	hex_of(r->leaf, (sizeof(s->log_id) - 1) / 2, s->log_id);
	return FIRST_READ;
}

static int missing(const struct home *home, struct err *err)
{
	err_sys(err, ERR_io, "%s", home->ssot);
	return err_hint(err, "The repository is missing: nothing vouches for "
			"the journal but itself. Restore it, or start the "
			"agent: it is made anew from the journal.");
}

int audit_ssot_open(struct audit_ssot **out, const struct home *home,
		    const struct note_key *key,
		    struct audit_progress *shown, struct err *err)
{
	struct audit_ssot *s = xcalloc(1, sizeof(*s));
	struct journal_report ignored;
	struct ssot_verify_options o = {.log_id = s->log_id,
					.key = key, .progress = progress,
					.data = s};

	s->progress = shown;
	if ((access(home->ssot, F_OK) && missing(home, err)) ||
	    journal_verify(home->audit, first, s, &ignored, err) < 0 ||
	    ssot_verify_open(&s->verify, home->ssot, &o, err)) {
		audit_progress_end(shown);
		free(s);
		return -1;
	}
	*out = s;
	return 0;
}

void audit_ssot_close(struct audit_ssot *s)
{
	if (!s)
		return;
	ssot_verify_close(s->verify);
	free(s);
}

int audit_ssot_record(struct audit_ssot *s, struct record *r, struct err *err)
{
	return ssot_verify_record(r, s->verify, err);
}

int audit_ssot_end(struct audit_ssot *s, const struct home *home, bool *ok,
		   struct err *err)
{
	int rc = ssot_verify_end(s->verify, journal_in_use(home->audit),
				 &s->report, err);

	audit_progress_end(s->progress);
	*ok = !rc && !s->report->n_problems;
	return rc;
}

static void say_anchor(const char *who, const struct ssot_anchor *a)
{
	if (a->seq)
		printf("anchored%s: records 1 to %" PRIu64 ", by commit "
		       "%.12s\n", who, a->seq, a->commit);
	else
		printf("anchored%s: no record\n", who);
}

static void say_ranges(const struct ssot_report *r)
{
	say_anchor(" by main", &r->local);
	if (r->remote[0])
		say_anchor(" by the remote, as last fetched", &r->away);
	if (r->local.seq < r->head)
		printf("not anchored: records %" PRIu64 " to %" PRIu64 "\n",
		       r->local.seq + 1, r->head);
}

static void say_marks(const struct ssot_report *r)
{
	printf("checkpoints in commits: %zu", r->marks.count);
	if (r->marks.to)
		printf("; the newest that agrees is of records 1 to %" PRIu64
		       ", in commit %.12s", r->marks.to, r->marks.commit);
	puts(r->marks.count && !r->marks.checked ?
	     "; no key to check signatures with" : "");
}

static void say_problems(const struct ssot_report *r)
{
	for (size_t i = 0; i < r->n_problems && i < SSOT_PROBLEMS; i++) {
		const struct ssot_problem *p = &r->problems[i];

		printf("NOT OK: %s: %s", p->what, p->text);
		if (p->seq)
			printf("; record %" PRIu64, p->seq);
		if (p->commit[0])
			printf("; commit %.12s", p->commit);
		putchar('\n');
	}
	if (r->n_problems > SSOT_PROBLEMS)
		printf("NOT OK: and %zu more\n", r->n_problems -
		       SSOT_PROBLEMS);
}

void audit_ssot_say(const struct audit_ssot *s)
{
	const struct ssot_report *r = s->report;

	if (!r) {
		puts("the repository was not compared: first the journal has "
		     "to be whole");
		return;
	}
	printf("repository: %zu commits on main, %zu of this journal\n",
	       r->commits, r->ours);
	if (r->waiting)
		printf("not taken into the journal yet: the newest %zu; row "
		       "ssot of /api/health says if and why not\n",
		       r->waiting);
	if (r->lost)
		printf("commits of others that were taken in, and that main "
		       "does not have: %zu\n", r->lost);
	if (r->remote[0])
		printf("remote: main is %zu commits ahead and %zu behind\n",
		       r->ahead, r->behind);
	say_ranges(r);
	say_marks(r);
	printf("documents: %zu, as the journal has them %zu, not in git yet "
	       "%zu, otherwise %zu\n", r->documents, r->equal, r->late,
	       r->other);
	if (r->unknown)
		printf("files that are not the agent's: %zu\n", r->unknown);
	say_problems(r);
}

static json_t *anchor_json(const struct ssot_anchor *a)
{
	return a->seq ? json_pack("{s:i,s:I,s:s}", "from", 1, "to",
				  (json_int_t)a->seq, "commit", a->commit) :
			json_null();
}

static json_t *marks_json(const struct ssot_report *r)
{
	json_t *v = json_pack("{s:I,s:b,s:I}", "count",
			      (json_int_t)r->marks.count, "signatures_checked",
			      r->marks.checked, "to",
			      (json_int_t)r->marks.to);

	json_set_str(v, "commit", r->marks.to ? r->marks.commit : NULL);
	return v;
}

static json_t *remote_json(const struct ssot_report *r)
{
	return r->remote[0] ? json_pack(
		"{s:s,s:I,s:I,s:o}", "commit", r->remote, "ahead",
		(json_int_t)r->ahead, "behind", (json_int_t)r->behind,
		"anchored", anchor_json(&r->away)) : json_null();
}

static json_t *problem_json(const struct ssot_problem *p)
{
	json_t *v = json_pack("{s:s,s:o}", "what", p->what, "detail",
			      json_lossy(p->text));

	if (p->seq)
		json_set_int(v, "seq", (json_int_t)p->seq);
	if (p->path[0])
		json_object_set_new(v, "path", json_lossy(p->path));
	if (p->task_id[0])
		json_set_str(v, "task_id", p->task_id);
	if (p->commit[0])
		json_set_str(v, "commit", p->commit);
	return v;
}

static json_t *report_json(const struct ssot_report *r)
{
	json_t *problems = json_array();

	for (size_t i = 0; i < r->n_problems && i < SSOT_PROBLEMS; i++)
		json_array_append_new(problems, problem_json(&r->problems[i]));
	return json_pack(
		"{s:b,s:s?,s:I,s:I,s:I,s:I,s:o,s:o,s:o,s:{s:I,s:I,s:I,s:I,s:I},"
		"s:o,s:o,s:I}", "ok", !r->n_problems,
		"main", r->main[0] ? r->main : NULL,
		"commits", (json_int_t)r->commits,
		"ours", (json_int_t)r->ours,
		"not_taken", (json_int_t)r->waiting,
		"taken_and_lost", (json_int_t)r->lost,
		"anchored", anchor_json(&r->local),
		"unanchored", r->local.seq < r->head ?
			json_pack("{s:I,s:I}", "from",
				  (json_int_t)r->local.seq + 1, "to",
				  (json_int_t)r->head) : json_null(),
		"remote", remote_json(r),
		"documents", "all", (json_int_t)r->documents,
		"equal", (json_int_t)r->equal,
		"behind", (json_int_t)r->late,
		"other", (json_int_t)r->other,
		"unknown_files", (json_int_t)r->unknown,
		"checkpoints", marks_json(r),
		"problems", problems, "problem_count",
		(json_int_t)r->n_problems);
}

json_t *audit_ssot_json(const struct audit_ssot *s)
{
	return s->report ? report_json(s->report) : json_null();
}
