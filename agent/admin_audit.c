/* `kircerta-agent audit verify`: every record, every link, and one witness. */
#include "agent/admin.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/store/home.h"
#include "agent/store/index.h"
#include "agent/store/journal.h"
#include "common/err.h"
#include "common/sha256.h"

static void say_report(const struct journal_report *r, bool as_json)
{
	char head[SHA256_HEX];

	hex_of(r->head, sizeof(r->head), head);
	if (as_json)
		printf("{\"ok\":%s,\"records\":%" PRIu64 ",\"bytes\":%" PRIu64
		       ",\"head\":\"%s\",\"bad_seq\":%" PRIu64
		       ",\"bad_line\":%" PRIu64 "}\n", r->ok ? "true" :
		       "false", r->records, r->bytes, head, r->bad_seq,
		       r->bad_line);
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

static int compare(struct record *r, void *data, struct err *err)
{
	struct anchor *a = data;

	(void)err;
	if (r->seq == a->at.seq) {
		a->seen = true;
		a->same = !memcmp(r->leaf, a->at.leaf, SHA256_RAW);
	}
	return 0;
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

int cmd_audit(const struct globals *g, int argc, char **argv)
{
	bool as_json = argc == 3 && !strcmp(argv[2], "--json");
	struct journal_report report = {0};
	struct anchor anchor = {0};
	struct err err = {0};
	struct home home;
	int rc;

	if (argc < 2 || strcmp(argv[1], "verify") || argc > 3 ||
	    (argc == 3 && !as_json))
		return say_usage("audit verify [--json]");
	if (home_of(g, &home))
		return EXIT_FAILURE;
	read_anchor(&home, &anchor);	/* first: the journal only grows */
	rc = journal_verify(home.audit, anchor.known ? compare : NULL, &anchor,
			    &report, &err);
	if (rc && errno == ENOENT && !anchor.known)
		err_hint(&err, "An agent that never ran here has no record "
			 "yet; if it did run, restore the journal.");
	home_fini(&home);
	if (rc)
		return say_error(&err);
	judge_anchor(&anchor, &report);
	say_report(&report, as_json);
	if (report.ok && anchor.known && !as_json)
		printf("the index agrees at record %" PRIu64 "\n",
		       anchor.at.seq);
	return report.ok ? EXIT_SUCCESS : EXIT_VERIFY;
}
