/*
 * `kircerta-agent audit reindex`: the read model made anew from the journal,
 * beside the old one, which it replaces when it is whole: at once, or where
 * an agent is at work, when that starts again. What the old one has seen of
 * the journal must be there still.
 */
#include "agent/admin_audit.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "agent/admin.h"
#include "agent/store/home.h"
#include "agent/store/index.h"
#include "agent/store/journal.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/mem.h"

enum { AT_ONCE = 1024, COMMIT_AFTER = 131072 };

struct reindex {
	struct home *home;
	char *path;			/* of the new one */
	int fd;				/* of the home, locked meanwhile */
	bool ours;
	struct index *index;
	struct index_cursor old;	/* seq 0: knows nothing */
	bool same;			/* the journal has it so */
	struct record *records[AT_ONCE];
	size_t n;
	uint64_t taken;
	int64_t start_us;
	struct audit_progress progress;
};

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

/* One at a time; what an earlier one left half done is thrown away. */
static int begin(struct reindex *x, struct err *err)
{
	x->fd = open(x->home->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (x->fd < 0)
		return err_sys(err, ERR_io, "%s", x->home->dir);
	if (flock(x->fd, LOCK_EX | LOCK_NB))
		return err_set(err, ERR_io, "%s: another reindex is at work",
			       x->home->dir);
	x->ours = true;
	index_remove(x->path);
	return 0;
}

static int build(struct reindex *x, struct err *err)
{
	struct journal_report report;
	bool rebuilt;

	read_old(x);
	if (begin(x, err) || index_open(&x->index, x->path, &rebuilt, err) ||
	    journal_verify(x->home->audit, each, x, &report, err) ||
	    take(x, err) || index_commit(x->index, err))
		return -1;
	return report.ok && x->same ? 0 : refuse(x, &report, err);
}

static void say(const struct reindex *x, bool at_work)
{
	printf("%s was made anew from %" PRIu64 " records in %.1f s\n",
	       x->home->index, x->taken,
	       (double)(clock_mono_us() - x->start_us) / 1e6);
	if (at_work)
		puts("An agent is at work: it goes on with the old one, and "
		     "takes the new one when it starts again.");
}

/* Nobody is to see half of it under the name that is looked for. */
static int hand_over(struct reindex *x, bool at_work, struct err *err)
{
	char *anew = xasprintf("%s%s", x->home->index, INDEX_ANEW);
	int rc = index_replace(at_work ? anew : x->home->index, x->path, err);

	if (!at_work)		/* an older one that was left there */
		index_remove(anew);
	free(anew);
	return rc;
}

/* Beside an agent at work too: it goes on with what it has. */
static int reindex(struct reindex *x, struct err *err)
{
	struct err held = {0};
	bool at_work;
	int rc;

	at_work = home_lock(x->home, &held) && journal_in_use(x->home->audit);
	rc = x->home->lock < 0 && !at_work ? -1 : 0;
	if (rc)
		*err = held;
	else
		err_fini(&held);
	if (!rc)
		rc = build(x, err);
	while (x->n)
		record_unref(x->records[--x->n]);
	audit_progress_end(&x->progress);
	index_close(x->index);
	rc = rc ? rc : hand_over(x, at_work, err);
	if (rc && x->ours)
		index_remove(x->path);
	if (!rc)
		say(x, at_work);
	if (x->fd >= 0)
		close(x->fd);
	return rc;
}

int cmd_audit_reindex(const struct globals *g, int argc, char **argv)
{
	struct reindex *x = xcalloc(1, sizeof(*x));
	struct err err = {0};
	struct home home;
	int rc;

	(void)argv;
	if (argc > 1 || home_of(g, &home)) {
		free(x);
		return argc > 1 ? say_usage("audit reindex") : EXIT_FAILURE;
	}
	x->home = &home;
	x->path = xasprintf("%s.making", home.index);
	x->fd = -1;
	x->start_us = clock_mono_us();
	x->progress.show = isatty(STDERR_FILENO);
	rc = reindex(x, &err);
	if (rc)
		rc = say_error(&err);
	free(x->path);
	free(x);
	home_fini(&home);
	return rc;
}
