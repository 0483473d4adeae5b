/*
 * `kircerta-agent audit reindex`: the read model made anew from the journal,
 * beside the old one, which it replaces when it is whole. What the old one
 * has seen of the journal must be there still.
 */
#include "agent/admin_audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/admin.h"
#include "agent/store/home.h"
#include "agent/store/index.h"
#include "agent/store/journal.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/mem.h"

enum { AT_ONCE = 1024, COMMIT_AFTER = 131072 };

struct reindex {
	struct home *home;
	char *path;			/* of the new one */
	struct index *index;
	struct index_cursor old;	/* seq 0: knows nothing */
	bool same;			/* the journal has it so */
	struct record *records[AT_ONCE];
	size_t n;
	uint64_t taken;
	struct audit_progress progress;
};

static void remove_beside(const char *path)
{
	static const char *const ends[] = {"-wal", "-shm"};

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		char *other = xasprintf("%s%s", path, ends[i]);

		unlink(other);
		free(other);
	}
}

static void remove_new(const char *path)
{
	unlink(path);
	remove_beside(path);
}

static void read_old(struct reindex *x)
{
	struct reader *r;

	x->same = true;
	if (access(x->home->index, F_OK) ||
	    reader_open(&r, x->home->index, NULL))
		return;
	if (reader_cursor(r, &x->old, NULL))
		x->old.seq = 0;
	x->same = !x->old.seq;
	reader_close(r);
}

static int take(struct reindex *x, struct err *err)
{
	int rc = index_take(x->index, x->records, x->n, err);

	x->taken += x->n;
	if (!rc && x->taken % COMMIT_AFTER == 0)
		rc = index_commit(x->index, err);
	while (x->n)
		record_unref(x->records[--x->n]);
	audit_progress(&x->progress, "records", x->taken);
	return rc;
}

static int each(struct record *r, void *data, struct err *err)
{
	struct reindex *x = data;

	if (r->seq == x->old.seq)
		x->same = !memcmp(r->leaf, x->old.leaf, SHA256_RAW);
	x->records[x->n++] = record_ref(r);
	return x->n == AT_ONCE ? take(x, err) : 0;
}

static int refuse(const struct reindex *x, const struct journal_report *r,
		  struct err *err)
{
	if (!r->ok) {
		err_set(err, ERR_audit_unavailable, "record %" PRIu64
			" of the journal: %s", r->bad_seq, r->what);
		return err_hint(err, "Nothing was changed. `kircerta-agent "
				"audit verify` tells more.");
	}
	err_set(err, ERR_audit_unavailable, "%s has seen record %" PRIu64
		", and the journal does not have it so", x->home->index,
		x->old.seq);
	return err_hint(err, "Nothing was changed. The journal is an older "
			"copy or was changed: restore it. To accept what is "
			"there, move index.db away and say so to whoever "
			"relies on the record.");
}

static int build(struct reindex *x, struct err *err)
{
	struct journal_report report;
	bool rebuilt;

	read_old(x);
	remove_new(x->path);
	if (index_open(&x->index, x->path, &rebuilt, err) ||
	    journal_verify(x->home->audit, each, x, &report, err) ||
	    take(x, err) || index_commit(x->index, err))
		return -1;
	return report.ok && x->same ? 0 : refuse(x, &report, err);
}

/* The old one's log goes before its file, so that no file has another's. */
static int put_in_place(const struct reindex *x, struct err *err)
{
	remove_beside(x->home->index);
	if (rename(x->path, x->home->index))
		return err_sys(err, ERR_io, "renaming %s", x->path);
	return fs_sync_dir(x->home->dir, err);
}

static int reindex(struct reindex *x, struct err *err)
{
	int rc = home_lock(x->home, err) || build(x, err) ? -1 : 0;

	while (x->n)
		record_unref(x->records[--x->n]);
	audit_progress_end(&x->progress);
	index_close(x->index);
	if (!rc)
		rc = put_in_place(x, err);
	else if (x->home->lock >= 0)
		remove_new(x->path);
	return rc;
}

int cmd_audit_reindex(const struct globals *g, int argc, char **argv)
{
	struct reindex *x = xcalloc(1, sizeof(*x));
	const int64_t start = clock_mono_us();
	struct err err = {0};
	struct home home;
	int rc;

	(void)argv;
	if (argc > 1 || home_of(g, &home)) {
		free(x);
		return argc > 1 ? say_usage("audit reindex") : EXIT_FAILURE;
	}
	x->home = &home;
	x->path = xasprintf("%s.new", home.index);
	x->progress.show = isatty(STDERR_FILENO);
	rc = reindex(x, &err);
	if (rc)
		rc = say_error(&err);
	else
		printf("%s was made anew from %" PRIu64 " records in %.1f s\n",
		       home.index, x->taken,
		       (double)(clock_mono_us() - start) / 1e6);
	free(x->path);
	free(x);
	home_fini(&home);
	return rc;
}
