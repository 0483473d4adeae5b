/*
 * `kircerta-agent audit export`: records on stdout, the lines as they are, or
 * a table that spreadsheets take.
 */
#include "agent/admin_audit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/admin.h"
#include "agent/store/home.h"
#include "agent/store/journal.h"
#include "agent/store/record_line.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/mem.h"

#define STOP 1			/* what follows is younger than asked for */
#define FLUSH (256u << 10)

struct export {
	int64_t since, until;
	char *task;		/* as it is on a line, with quotes; or NULL */
	size_t task_len;
	bool csv;
	struct buf out;
	struct journal_report report;
};

static int flush(struct export *x, struct err *err)
{
	if (x->out.len &&
	    (fwrite(x->out.data, 1, x->out.len, stdout) < x->out.len ||
	     fflush(stdout)))
		return err_sys(err, ERR_io, "writing the records");
	buf_reset(&x->out);
	return 0;
}

/*
 * A cell of RFC 4180. A program for tables takes what begins with one of
 * these for a formula and would run it, so that a ' goes before it.
 */
static void add_cell(struct buf *b, const char *text, size_t len)
{
	const bool formula = len && memchr("=+-@\t\r", *text, 6);
	const char *quote;

	buf_adds(b, formula ? "\"'" : "\"");
	while ((quote = memchr(text, '"', len))) {
		const size_t n = (size_t)(quote + 1 - text);

		buf_add(b, text, n);
		buf_adds(b, "\"");
		text += n;
		len -= n;
	}
	buf_add(b, text, len);
	buf_adds(b, "\"");
}

/* What the string stands for; with a NUL in it as it is written. */
static void add_text(struct buf *b, struct span value)
{
	char *text;

	if (*value.at != '"')
		return;
	text = xmalloc(value.len + 1);
	if (json_span_read(value, text))
		add_cell(b, text, strlen(text));
	else
		add_cell(b, value.at, value.len);
	free(text);
}

static const char head[] = "seq,ts,type,actor,scope,transport,method,route,"
			   "status,correlation_id,task_id,run_id,data,leaf\r\n";

static void add_row(struct buf *b, const struct journal_line *l)
{
	char time[CLOCK_TEXT], leaf[SHA256_HEX];

	clock_text(l->ts_us, time);
	buf_addf(b, "%" PRIu64 ",%s", l->seq, time);
	for (size_t i = 0; i < LINE_COUNT; i++) {
		const struct span value = l->parts->field[i];

		buf_adds(b, ",");
		if (i == LINE_status && l->parts->status)
			buf_add(b, value.at, value.len);
		else
			add_text(b, value);
	}
	buf_adds(b, ",");
	add_cell(b, l->parts->data.at, l->parts->data.len);
	hex_of(l->leaf, SHA256_RAW, leaf);
	buf_addf(b, ",%s\r\n", leaf);
}

static int each(const struct journal_line *l, void *data, struct err *err)
{
	struct export *x = data;
	const struct span task = l->parts->field[LINE_task_id];

	if (l->ts_us > x->until)
		return STOP;
	if (l->ts_us < x->since || (x->task && (task.len != x->task_len ||
	    memcmp(task.at, x->task, task.len))))
		return 0;
	if (x->csv) {
		add_row(&x->out, l);
	} else {
		buf_add(&x->out, l->text.at, l->text.len);
		buf_adds(&x->out, "\n");
	}
	return x->out.len < FLUSH ? 0 : flush(x, err);
}

static int export(struct export *x, const struct home *home, struct err *err)
{
	int rc;

	if (x->csv)
		buf_adds(&x->out, head);
	rc = journal_scan(home->audit, each, x, &x->report, err);
	return rc < 0 || flush(x, err) ? -1 : 0;
}

/* The id as a line has it: there is one way to write a string. */
static void set_task(struct export *x, const char *id)
{
	free(x->task);
	x->task = xmalloc(6 * strlen(id) + 2);
	x->task_len = (size_t)(json_span_write(x->task, id, strlen(id)) -
			       x->task);
}

/* One option and its value. False: there is no such, or not that. */
static bool set(struct export *x, const char *name, const char *value)
{
	const int64_t now = clock_wall_us();

	if (!strcmp(name, "--since"))
		return clock_parse(value, now, &x->since);
	if (!strcmp(name, "--until"))
		return clock_parse(value, now, &x->until);
	if (!strcmp(name, "--task"))
		return set_task(x, value), true;
	if (strcmp(name, "--format"))
		return false;
	x->csv = !strcmp(value, "csv");
	return x->csv || !strcmp(value, "jsonl");
}

static bool options(struct export *x, const char **dir, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (argv[i][0] != '-' && !*dir)
			*dir = argv[i];
		else if (i + 1 == argc || !set(x, argv[i], argv[i + 1]))
			return false;
		else
			i++;
	return true;
}

static int say_end(const struct journal_report *r)
{
	if (r->ok)
		return EXIT_SUCCESS;
	fprintf(stderr, "kircerta-agent: NOT OK: record %" PRIu64 ": %s\n"
		"  What is before it was written. `kircerta-agent audit "
		"verify` tells more.\n", r->bad_seq, r->what);
	return EXIT_VERIFY;
}

int cmd_audit_export(const struct globals *g, int argc, char **argv)
{
	struct export x = {.since = INT64_MIN, .until = INT64_MAX};
	const char *dir = NULL;
	struct err err = {0};
	struct home home;
	int rc = EXIT_USAGE;

	if (!options(&x, &dir, argc, argv)) {
		say_usage("audit export " AUDIT_EXPORT);
		goto done;
	}
	rc = EXIT_FAILURE;
	if (audit_where(g, dir, &home))
		goto done;
	if (export(&x, &home, &err))
		say_error(&err);
	else
		rc = say_end(&x.report);
	home_fini(&home);
done:
	buf_fini(&x.out);
	free(x.task);
	return rc;
}
