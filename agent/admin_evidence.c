/*
 * `kircerta-agent evidence`: are the files what the record says, and away
 * with what no record knows.
 */
#include "agent/admin.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/admin_audit.h"
#include "agent/store/census.h"
#include "agent/store/checkpoint.h"
#include "agent/store/evidence.h"
#include "agent/store/home.h"
#include "agent/store/index.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/mem.h"

static const struct { const char *word, *member; bool wrong; } fates[] = {
	[CENSUS_WELL] = {"ok", "ok", false},
	[CENSUS_CORRUPT] = {"CORRUPT", "corrupt", true},
	[CENSUS_MISSING] = {"MISSING", "missing", true},
	[CENSUS_FOREIGN] = {"FOREIGN", "foreign", true},
	[CENSUS_LEFT] = {"REMOVED, AND STILL THERE", "left", false},
};

struct check {
	const char *dir;		/* as given, or NULL */
	bool as_json, dry, gc;
	struct home home;
	struct census *census;
	struct index_cursor seen;	/* by the index; seq 0: nothing */
	bool same;			/* the journal has it so */
	struct journal_report report;
	struct census_count count;
	uint64_t number[CENSUS_count];
	json_t *lists;			/* of each fate's member */
	struct audit_progress progress;
	struct journal *journal;	/* gc: to record on; or NULL */
	struct evidence *store;		/* gc: to remove from */
	struct err err;			/* gc: what went wrong */
};

static void on_bytes(void *data, uint64_t bytes)
{
	struct check *k = data;

	audit_progress(&k->progress, "MiB", bytes >> 20);
}

static int on_line(const struct journal_line *l, void *data, struct err *err)
{
	struct check *k = data;

	(void)err;
	if (l->seq == k->seen.seq)
		k->same = !memcmp(l->leaf, k->seen.leaf, SHA256_RAW);
	census_line(k->census, l);
	return 0;
}

static void read_seen(struct check *k)
{
	struct reader *r;

	if (access(k->home.index, R_OK) ||
	    reader_open(&r, k->home.index, NULL))
		return;
	if (reader_cursor(r, &k->seen, NULL))
		k->seen.seq = 0;
	reader_close(r);
}

/* The index may be gone or behind: the newest checkpoint knows as well. */
static int covers_signed(struct check *k, struct err *err)
{
	struct checkpoint c;
	struct note n;
	size_t len;
	char *text;
	int rc = 0;

	if (access(k->home.checkpoint, F_OK))
		return 0;
	text = fs_read(k->home.checkpoint, NOTE_MAX, &len, err);
	if (!text || note_parse(&n, text, len, err) ||
	    checkpoint_parse(&c, n.text, n.text_len, err))
		rc = -1;
	else if (c.size > k->report.records)
		rc = err_set(err, ERR_evidence_corrupt, "%s was made of %"
			     PRIu64 " records, the journal has %" PRIu64,
			     k->home.checkpoint, c.size, k->report.records);
	free(text);
	return rc ? err_hint(err, "The journal is an older copy or was cut: "
			     "restore it first.") : 0;
}

/* Files, then records. The journal has to be whole to say what is foreign. */
static int take(struct check *k, struct err *err)
{
	struct census_options o = {.hash = !k->gc, .data = k,
				   .progress = on_bytes};

	read_seen(k);
	if (census_take(&k->census, k->home.evidence, &o, err) ||
	    journal_scan(k->home.audit, on_line, k, &k->report, err))
		return -1;
	audit_progress_end(&k->progress);
	if (k->report.ok && (!k->seen.seq || k->same))
		return k->gc ? covers_signed(k, err) : 0;
	err_set(err, ERR_evidence_corrupt, "the journal in %s is not whole, so "
		"it cannot say what evidence there has to be", k->home.audit);
	return err_hint(err, "Run `kircerta-agent audit verify` and restore "
			"the journal first.");
}

static void list(struct check *k, enum census_fate fate, const char *path,
		 const char *sha256, uint64_t seq, const char *is)
{
	json_t *v = json_pack("{s:s}", "path", path);

	if (sha256)
		json_set_str(v, "sha256", sha256);
	if (seq)
		json_set_int(v, "seq", (json_int_t)seq);
	if (is)
		json_set_str(v, "is", is);
	json_array_append_new(json_object_get(k->lists, fates[fate].member),
			      v);
}

static int on_file(void *data, enum census_fate fate, const char *path,
		   const char *sha256, uint64_t seq, const char *is)
{
	struct check *k = data;

	k->number[fate]++;
	if (k->as_json) {
		list(k, fate, path, sha256, seq, is);
		return 0;
	}
	printf("%s: %s", fates[fate].word, path);
	if (fate == CENSUS_CORRUPT)
		printf(" has the SHA-256 %s", is ? is : "of nothing: it "
		       "cannot be read");
	if (seq)
		printf(", record %" PRIu64, seq);
	puts(fate == CENSUS_FOREIGN ? ": no record has it" : "");
	return 0;
}

static bool is_well(const struct check *k)
{
	for (size_t i = 0; i < CENSUS_count; i++)
		if (fates[i].wrong && k->number[i])
			return false;
	return true;
}

static void say_verified(struct check *k)
{
	json_t *out;
	char *text;
	size_t len;

	if (!k->as_json) {
		printf("%s: %" PRIu64 " files, %" PRIu64 " bytes hashed; %"
		       PRIu64 " removed on the record\n", is_well(k) ? "ok" :
		       "NOT OK", k->count.files, k->count.bytes,
		       k->count.removed);
		return;
	}
	out = json_pack("{s:b,s:I,s:I,s:I,s:I}", "ok", is_well(k), "files",
			(json_int_t)k->count.files, "bytes",
			(json_int_t)k->count.bytes, "removed",
			(json_int_t)k->count.removed, "unfinished",
			(json_int_t)k->count.unfinished);
	json_object_update(out, k->lists);
	text = json_line(out, &len);
	puts(text);
	free(text);
	json_decref(out);
}

static json_t *empty_lists(void)
{
	json_t *lists = json_object();

	for (size_t i = CENSUS_CORRUPT; i < CENSUS_count; i++)
		json_object_set_new(lists, fates[i].member, json_array());
	return lists;
}

static int cmd_verify(struct check *k)
{
	k->progress.show = !k->as_json && isatty(STDERR_FILENO);
	k->lists = empty_lists();
	if (take(k, &k->err)) {
		say_error(&k->err);
		return k->err.code == ERR_evidence_corrupt ? EXIT_VERIFY :
							     EXIT_FAILURE;
	}
	census_end(k->census, on_file, k, &k->count);
	say_verified(k);
	return is_well(k) ? EXIT_SUCCESS : EXIT_VERIFY;
}

/* Durable when this returns. data is taken over. */
static int record(struct check *k, const char *type, json_t *data)
{
	struct record **batch = NULL;
	struct entry e = {.type = type, .actor = "operator", .data = data,
			  .transport = "internal"};
	size_t n = 0;
	int rc;

	rc = !journal_append(k->journal, &e, &k->err) ||
	     journal_commit(k->journal, &batch, &n, &k->err) ? -1 : 0;
	for (size_t i = 0; i < n; i++)
		record_unref(batch[i]);
	free(batch);
	json_decref(data);
	return rc;
}

/* On the record before the file goes. */
static int record_removed(struct check *k, const char *sha256)
{
	static const char why[] = "no record had it (evidence gc)";
	char now[CLOCK_TEXT];

	clock_text(clock_wall_us(), now);
	return record(k, "evidence_removed", json_pack("{s:s,s:s,s:s,s:{s:{s:s,s:s,s:s,s:s,s:s,s:s}}}",
		"sha256", sha256, "by", "operator", "why", why, "put",
		"tombstone", "id", sha256, "sha256", sha256, "state",
		"removed", "at", now, "by", "operator", "why", why));
}

static int on_garbage(void *data, enum census_fate fate, const char *path,
		      const char *sha256, uint64_t seq, const char *is)
{
	struct check *k = data;

	(void)seq, (void)is;
	if (fate != CENSUS_FOREIGN && fate != CENSUS_LEFT)
		return 0;
	if (!sha256) {
		printf("left alone: %s is no evidence\n", path);
		return 0;
	}
	if (!k->dry && ((fate == CENSUS_FOREIGN &&
			 record_removed(k, sha256)) ||
			evidence_remove(k->store, sha256, &k->err)))
		return -1;
	k->number[fate]++;
	printf("%s: %s%s\n", k->dry ? "would remove" : "removed", sha256,
	       fate == CENSUS_LEFT ? " (its removal was on the record)" :
				     ": no record had it");
	return 0;
}

/* With nobody else at the journal. */
static int open_stores(struct check *k)
{
	struct journal_repair repair = {0};

	if (journal_open(&k->journal, k->home.audit, NULL, &repair, &k->err))
		return -1;
	if (repair.done && record(k, "log_repaired", json_pack(
			"{s:I,s:I,s:s}", "off", (json_int_t)repair.off, "len",
			(json_int_t)repair.len, "sha256", repair.sha256)))
		return -1;
	return evidence_open(&k->store, k->home.evidence, &k->err);
}

static int cmd_gc(struct check *k)
{
	int rc;

	k->gc = true;
	if ((!k->dry && (home_lock(&k->home, &k->err) || open_stores(k))) ||
	    take(k, &k->err))
		return say_error(&k->err);
	rc = census_end(k->census, on_garbage, k, &k->count);
	if (rc)
		return say_error(&k->err);
	if (k->store)
		evidence_sweep(k->store);
	printf("%" PRIu64 " of %" PRIu64 " files %s\n",
	       k->number[CENSUS_FOREIGN] + k->number[CENSUS_LEFT],
	       k->count.files, k->dry ? "would go" : "removed");
	return EXIT_SUCCESS;
}

static const struct {
	const char *name;
	int (*run)(struct check *k);
	const char *flag;
} commands[] = {
	{"verify", cmd_verify, "--json"}, {"gc", cmd_gc, "--dry-run"},
};

static int run(const struct globals *g, size_t which, struct check *k)
{
	int rc;

	if (which ? home_of(g, &k->home) : audit_where(g, k->dir, &k->home))
		return EXIT_FAILURE;
	rc = commands[which].run(k);
	journal_close(k->journal);
	evidence_close(k->store);
	census_free(k->census);
	json_decref(k->lists);
	home_fini(&k->home);
	err_fini(&k->err);
	return rc;
}

int cmd_evidence(const struct globals *g, int argc, char **argv)
{
	struct check k = {0};
	size_t which = 0;
	int i;

	while (argc > 1 && which < ARRAY_LEN(commands) &&
	       strcmp(argv[1], commands[which].name))
		which++;
	for (i = 2; i < argc && which < ARRAY_LEN(commands); i++)
		if (!strcmp(argv[i], commands[which].flag))
			k.as_json = k.dry = true;
		else if (*argv[i] != '-' && !which && !k.dir)
			k.dir = argv[i];
		else
			break;
	if (argc < 2 || which == ARRAY_LEN(commands) || i < argc)
		return say_usage("evidence verify [DIR] [--json] | gc "
				 "[--dry-run]");
	return run(g, which, &k);
}
