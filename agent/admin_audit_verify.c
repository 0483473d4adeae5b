/* `kircerta-agent audit verify`: every record, every link, and witnesses. */
#include "agent/admin_audit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/admin.h"
#include "agent/store/home.h"
#include "agent/store/index.h"
#include "agent/store/journal.h"
#include "common/err.h"
#include "common/json.h"
#include "common/sha256.h"

/* What the index remembers of the journal: the second place to ask. */
struct anchor {
	struct index_cursor at;
	bool known, seen, same;
};

struct audit {			/* one verification */
	const char *dir, *since, *key;
	bool as_json, with_ssot;
	struct anchor anchor;
	struct audit_progress progress;
	struct audit_ssot *ssot;
	struct audit_tree *tree;
	struct journal_report report;
	bool ok;
};

static void read_anchor(const struct home *home, struct anchor *a)
{
	struct reader *r;

	if (access(home->index, R_OK) || reader_open(&r, home->index, NULL))
		return;
	a->known = !reader_cursor(r, &a->at, NULL) && a->at.seq;
	reader_close(r);
}

/* Fewer records than were seen, or another one in that place. */
static void judge_anchor(const struct anchor *a, struct journal_report *r)
{
	if (!r->ok || !a->known || (a->seen && a->same))
		return;
	r->ok = false;
	r->bad_seq = a->at.seq;
	r->bad_off = a->at.off;
	r->bad_line = 0;
	snprintf(r->what, sizeof(r->what), a->seen ?
		 "it is not the record that the index has seen" :
		 "the index has seen it, and it is not there any more");
}

/* The repository's side needs the record built. */
static int give_ssot(struct audit *a, const struct journal_line *l,
		     struct err *err)
{
	struct err why = {0};
	struct record *r = record_parse(l->text.at, l->text.len, NULL, &why);
	int rc;

	if (!r) {
		a->report.ok = false;
		a->report.bad_seq = l->seq;
		a->report.bad_off = l->off;
		snprintf(a->report.what, sizeof(a->report.what),
			 "not a record: %.280s", why.detail);
		return 0;
	}
	r->off = l->off;
	rc = audit_ssot_record(a->ssot, r, err);
	record_unref(r);
	return rc;
}

static int each(const struct journal_line *l, void *data, struct err *err)
{
	struct audit *a = data;

	if (l->seq == a->anchor.at.seq) {
		a->anchor.seen = true;
		a->anchor.same = !memcmp(l->leaf, a->anchor.at.leaf,
					 SHA256_RAW);
	}
	audit_tree_add(a->tree, l);
	if (l->seq % 4096 == 0)
		audit_progress(&a->progress, "records", l->seq);
	return a->ssot ? give_ssot(a, l, err) : 0;
}

static int no_journal(const struct audit *a, struct err *err)
{
	if (errno == ENOENT && !a->anchor.known)
		err_hint(err, "An agent that never ran here has no record "
			 "yet; if it did run, restore the journal.");
	return -1;
}

/* The witnesses first: the journal only grows. */
static int verify(struct audit *a, const struct home *home, struct err *err)
{
	read_anchor(home, &a->anchor);
	a->ok = true;
	if (audit_tree_open(&a->tree, home, a->since, a->key, err) ||
	    (a->with_ssot &&
	     audit_ssot_open(&a->ssot, home, audit_tree_key(a->tree),
			     &a->progress, err)))
		return -1;
	if (journal_scan(home->audit, each, a, &a->report, err))
		return no_journal(a, err);
	audit_progress_end(&a->progress);
	if (a->ssot && a->report.ok &&
	    audit_ssot_end(a->ssot, home, &a->ok, err))
		return -1;
	a->ok = audit_tree_end(a->tree, &a->report) && a->ok;
	judge_anchor(&a->anchor, &a->report);
	a->ok = a->ok && a->report.ok;
	return 0;
}

static void say_json(const struct audit *a)
{
	const struct journal_report *r = &a->report;
	char head[SHA256_HEX], *text;
	json_t *v;

	hex_of(r->head, sizeof(r->head), head);
	v = json_pack("{s:b,s:I,s:I,s:s,s:I,s:I}", "ok", a->ok,
		      "records", (json_int_t)r->records,
		      "bytes", (json_int_t)r->bytes, "head", head,
		      "bad_seq", (json_int_t)r->bad_seq,
		      "bad_line", (json_int_t)r->bad_line);
	json_set_int(v, "segments", (json_int_t)r->segments);
	if (!r->ok)
		json_object_set_new(v, "bad_file", json_lossy(r->bad_file));
	if (!r->ok)
		json_object_set_new(v, "bad", json_lossy(r->what));
	audit_tree_json(a->tree, v);
	if (a->ssot)
		json_object_set_new(v, "ssot", audit_ssot_json(a->ssot));
	text = json_dumps(v, JSON_COMPACT);
	puts(text);
	free(text);
	json_decref(v);
}

/* The head is told of a journal whose links hold, whatever else is wrong. */
static void say_report(const struct journal_report *r, bool ok)
{
	char head[SHA256_HEX], line[80] = "";

	hex_of(r->head, sizeof(r->head), head);
	if (r->bad_line)
		snprintf(line, sizeof(line), ", %s line %" PRIu64,
			 r->bad_file, r->bad_line);
	if (r->ok)
		printf("%s: %" PRIu64 " records, %" PRIu64 " bytes, every "
		       "link holds\nhead %s\n", ok ? "ok" : "read",
		       r->records, r->bytes, head);
	else
		printf("NOT OK: record %" PRIu64 "%s, byte %" PRIu64 ": %s\n",
		       r->bad_seq, line, r->bad_off, r->what);
}

static void say(const struct audit *a)
{
	if (a->as_json) {
		say_json(a);
		return;
	}
	say_report(&a->report, a->ok);
	if (a->report.ok && a->anchor.known)
		printf("the index agrees at record %" PRIu64 "\n",
		       a->anchor.at.seq);
	audit_tree_say(a->tree);
	if (a->ssot)
		audit_ssot_say(a->ssot);
}

static bool option(struct audit *a, char **argv, int *i)
{
	const struct { const char *name, **value; } with[] = {
		{"--since", &a->since}, {"--key", &a->key},
	};
	const struct { const char *name; bool *set; } alone[] = {
		{"--json", &a->as_json}, {"--with-ssot", &a->with_ssot},
	};

	for (size_t k = 0; k < 2; k++) {
		if (!strcmp(argv[*i], alone[k].name))
			return (*alone[k].set = true);
		if (!strcmp(argv[*i], with[k].name) && argv[*i + 1])
			return (*with[k].value = argv[++*i]) != NULL;
	}
	if (argv[*i][0] == '-' || a->dir)
		return false;
	a->dir = argv[*i];
	return true;
}

int cmd_audit_verify(const struct globals *g, int argc, char **argv)
{
	struct audit a = {0};
	struct err err = {0};
	struct home home;
	int rc;

	for (int i = 1; i < argc; i++)
		if (!option(&a, argv, &i))
			return say_usage("audit verify " AUDIT_VERIFY);
	if (audit_where(g, a.dir, &home))
		return EXIT_FAILURE;
	a.progress.show = !a.as_json && isatty(STDERR_FILENO);
	rc = verify(&a, &home, &err);
	audit_progress_end(&a.progress);
	if (rc)
		rc = say_error(&err);
	else
		say(&a);
	audit_ssot_close(a.ssot);
	audit_tree_close(a.tree);
	home_fini(&home);
	return rc ? rc : a.ok ? EXIT_SUCCESS : EXIT_VERIFY;
}
