/* `kircerta-agent audit verify`: every record, every link, and witnesses. */
#include "agent/admin.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/admin_audit.h"
#include "agent/store/home.h"
#include "agent/store/index.h"
#include "agent/store/journal.h"
#include "common/err.h"
#include "common/sha256.h"

static void say_report(const struct journal_report *r, bool as_json, bool ok)
{
	char head[SHA256_HEX];

	hex_of(r->head, sizeof(r->head), head);
	if (as_json)
		printf("{\"ok\":%s,\"records\":%" PRIu64 ",\"bytes\":%" PRIu64
		       ",\"head\":\"%s\",\"bad_seq\":%" PRIu64
		       ",\"bad_line\":%" PRIu64, ok ? "true" : "false",
		       r->records, r->bytes, head, r->bad_seq, r->bad_line);
	else if (r->ok)
		printf("ok: %" PRIu64 " records, %" PRIu64 " bytes, every "
		       "link holds\nhead %s\n", r->records, r->bytes, head);
	else
		printf("NOT OK: record %" PRIu64 ", line %" PRIu64 ", byte %"
		       PRIu64 ": %s\n", r->bad_seq, r->bad_line, r->bad_off,
		       r->what);
}

/* What the index remembers of the journal: the second place to ask. */
struct anchor {
	struct index_cursor at;
	bool known, seen, same;
};

static void compare(struct anchor *a, const struct record *r)
{
	if (r->seq == a->at.seq) {
		a->seen = true;
		a->same = !memcmp(r->leaf, a->at.leaf, SHA256_RAW);
	}
}

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

struct audit {			/* one verification */
	bool as_json, with_ssot;
	struct anchor anchor;
	struct audit_ssot *ssot;
	struct journal_report report;
};

static int each(struct record *r, void *data, struct err *err)
{
	struct audit *a = data;

	compare(&a->anchor, r);
	return a->ssot ? audit_ssot_record(a->ssot, r, err) : 0;
}

/* The witnesses first: the journal only grows. */
static int verify(struct audit *a, const struct home *home, bool *ok,
		  struct err *err)
{
	bool read;

	read_anchor(home, &a->anchor);
	if (a->with_ssot &&
	    audit_ssot_open(&a->ssot, home, a->as_json, err))
		return -1;
	read = a->anchor.known || a->ssot;
	if (journal_verify(home->audit, read ? each : NULL, a, &a->report,
			   err)) {
		if (errno == ENOENT && !a->anchor.known)
			err_hint(err, "An agent that never ran here has no "
				 "record yet; if it did run, restore the "
				 "journal.");
		return -1;
	}
	if (a->ssot && a->report.ok &&
	    audit_ssot_end(a->ssot, home, ok, err))
		return -1;
	judge_anchor(&a->anchor, &a->report);
	*ok = *ok && a->report.ok;
	return 0;
}

static void say(const struct audit *a, bool ok)
{
	say_report(&a->report, a->as_json, ok);
	if (a->as_json) {
		if (a->ssot)
			fputs(",\"ssot\":", stdout);
		if (a->ssot)
			audit_ssot_say_json(a->ssot);
		puts("}");
		return;
	}
	if (a->report.ok && a->anchor.known)
		printf("the index agrees at record %" PRIu64 "\n",
		       a->anchor.at.seq);
	if (a->ssot)
		audit_ssot_say(a->ssot);
}

static bool options(struct audit *a, int argc, char **argv)
{
	if (argc < 2 || strcmp(argv[1], "verify"))
		return false;
	for (int i = 2; i < argc; i++)
		if (!strcmp(argv[i], "--json"))
			a->as_json = true;
		else if (!strcmp(argv[i], "--with-ssot"))
			a->with_ssot = true;
		else
			return false;
	return true;
}

int cmd_audit(const struct globals *g, int argc, char **argv)
{
	struct audit a = {0};
	struct err err = {0};
	struct home home;
	bool ok = true;
	int rc;

	if (!options(&a, argc, argv))
		return say_usage("audit verify [--with-ssot] [--json]");
	if (home_of(g, &home))
		return EXIT_FAILURE;
	rc = verify(&a, &home, &ok, &err);
	if (rc)
		rc = say_error(&err);
	else
		say(&a, ok);
	audit_ssot_close(a.ssot);
	home_fini(&home);
	return rc ? rc : ok ? EXIT_SUCCESS : EXIT_VERIFY;
}
