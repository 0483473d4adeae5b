/*
 * journal_verify: every line, every link, and where it is broken, which of
 * the ways to break it that was. The chain speaks for all but the last
 * record: for that one, and for records cut off behind it, compare the head
 * in the report with one that was kept elsewhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "agent/store/journal.h"
#include "agent/store/journal_walk.h"
#include "agent/store/record_line.h"
#include "common/err.h"

struct seen {			/* a record, and where it stands */
	struct walk_at at;
	uint64_t seq;
	int64_t ts_us;
	uint8_t prev[SHA256_RAW], leaf[SHA256_RAW];
};

struct verify {
	struct walk *walk;
	struct seen last, now;
	struct span text;	/* of now */
	struct line parts;	/* of text */
	journal_each_line *each;
	void *data;
	struct journal_report *report;
};

#define LLU(n) ((unsigned long long)(n))

static int bad(struct verify *v, uint64_t seq, const struct seen *where,
	       const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Note the first thing that is wrong. 0, as that is an answer too. */
static int bad(struct verify *v, uint64_t seq, const struct seen *where,
	       const char *fmt, ...)
{
	struct journal_report *report = v->report;
	va_list ap;

	report->ok = false;
	report->bad_seq = seq;
	report->bad_line = where->at.line;
	report->bad_off = where->at.off;
	memcpy(report->bad_file, where->at.file, sizeof(report->bad_file));
	va_start(ap, fmt);
	vsnprintf(report->what, sizeof(report->what), fmt, ap);
	va_end(ap);
	return 0;
}

static enum lines_got next_line(struct verify *v, struct err *err)
{
	return walk_next(v->walk, &v->text, &v->now.at, err);
}

/* Read v->text into v->now without building anything. */
static int scan(struct verify *v, struct err *err)
{
	struct line *line = &v->parts;

	if (line_scan(v->text, line, err))
		return -1;
	if (*line->field[LINE_type].at != '"')
		return err_set(err, ERR_invalid_json, "it has no type");
	if (!json_span_ok(line->data))
		return err_set(err, ERR_invalid_json, "data is no JSON");
	v->now.seq = line->seq;
	v->now.ts_us = line->ts_us;
	memcpy(v->now.prev, line->prev, SHA256_RAW);
	sha256_leaf(v->text.at, v->text.len, v->now.leaf);
	return 0;
}

static bool names(const struct seen *later, const struct seen *before)
{
	return !memcmp(later->prev, before->leaf, SHA256_RAW);
}

/*
 * The record has its number but names another hash than that of the one
 * before. Whichever of the two the record after them agrees with is good.
 */
static int explain_edit(struct verify *v, struct err *err)
{
	const struct seen last = v->last, now = v->now;
	enum lines_got got = next_line(v, err);

	if (got == LINES_FAILED)
		return -1;
	if (got == LINES_LINE && !scan(v, NULL) && !names(&v->now, &now))
		return bad(v, now.seq, &now, "edited: neither does record "
			   "%llu name the hash of the record before it, nor "
			   "does the next record name its hash",
			   LLU(now.seq));
	if (got == LINES_LINE || now.seq == 1)
		return bad(v, last.seq ? last.seq : now.seq,
			   last.seq ? &last : &now,
			   "edited: record %llu names another hash for the "
			   "record before it", LLU(now.seq));
	return bad(v, last.seq, &last, "edited: record %llu, or the link to "
		   "it in record %llu, which is the last", LLU(last.seq),
		   LLU(now.seq));
}

/* A number that is too high: look for the right one further on. */
static int explain_gap(struct verify *v, struct err *err)
{
	const uint64_t want = v->last.seq + 1;
	const struct seen odd = v->now;
	uint64_t found = 0, highest = 0;
	bool again = false;
	enum lines_got got;

	while ((got = next_line(v, err)) == LINES_LINE) {
		if (scan(v, NULL))
			continue;
		if (v->now.seq == want && !found)
			found = v->now.at.line;
		again |= v->now.seq == odd.seq;
		if (v->now.seq > highest)
			highest = v->now.seq;
	}
	if (got == LINES_FAILED)
		return -1;
	if (!found && odd.seq == want + 1)
		return bad(v, want, &odd, "missing: record %llu", LLU(want));
	if (!found)
		return bad(v, want, &odd, "missing: records %llu to %llu",
			   LLU(want), LLU(odd.seq - 1));
	if (again || odd.seq > highest)
		return bad(v, want, &odd, "inserted: a record %llu stands "
			   "before record %llu", LLU(odd.seq), LLU(want));
	return bad(v, want, &odd, "reordered: record %llu stands in line "
		   "%llu, behind record %llu", LLU(want), LLU(found),
		   LLU(odd.seq));
}

/* 1: now follows last. 0: it does not, and that is in the report. */
static int judge(struct verify *v, struct err *err)
{
	const struct seen *now = &v->now;
	const uint64_t want = v->last.seq + 1;

	if (now->seq > want)
		return explain_gap(v, err);
	if (now->seq < want)
		return bad(v, now->seq, now, "inserted: a second record %llu, "
			   "where record %llu should be", LLU(now->seq),
			   LLU(want));
	if (!names(now, &v->last))
		return explain_edit(v, err);
	if (now->ts_us < v->last.ts_us)
		return bad(v, want, now, "edited: record %llu is older than "
			   "the one before it", LLU(want));
	return 1;
}

/* Hand now to the caller. 1: go on. Else its answer. */
static int give(struct verify *v, struct err *err)
{
	const struct journal_line l = {
		.seq = v->now.seq, .off = v->now.at.off, .ts_us = v->now.ts_us,
		.text = v->text, .parts = &v->parts, .leaf = v->now.leaf,
	};
	int rc = v->each ? v->each(&l, v->data, err) : 0;

	return rc || !v->report->ok ? rc : 1;
}

/* An empty line has something behind it: fill was written over records. */
static int no_record(struct verify *v, const char *why)
{
	const uint64_t want = v->last.seq + 1;

	if (!v->text.len)
		return bad(v, want, &v->now, "missing: record %llu, in the "
			   "place of which are empty lines", LLU(want));
	if (walk_at_end(v->walk))
		return bad(v, want, &v->now, "torn or edited: the last line, "
			   "in the place of record %llu: %s", LLU(want), why);
	return bad(v, want, &v->now, "not a record: line %llu, in the place "
		   "of record %llu: %s", LLU(v->now.at.line), LLU(want), why);
}

/* One line. 1: go on. 0: something is wrong with it. Else the answer. */
static int step(struct verify *v, struct err *err)
{
	const uint64_t want = v->last.seq + 1;
	struct err why = {0};
	int rc;

	if (scan(v, &why))
		return walk_again(v->walk) ? 1 : no_record(v, why.detail);
	rc = judge(v, err);
	if (rc == 1 && v->now.at.line == 1 && v->now.at.first != want)
		return bad(v, want, &v->now, "misnamed: record %llu begins a "
			   "file that is named after record %llu", LLU(want),
			   LLU(v->now.at.first));
	if (rc == 1)
		rc = give(v, err);
	if (rc != 1)
		return rc;
	v->report->records++;
	v->report->bytes += v->text.len + 1;
	v->last = v->now;
	return 1;
}

bool journal_in_use(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool is = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) &&
		  errno == EWOULDBLOCK;

	if (fd >= 0)
		close(fd);
	return is;
}

static int walk(struct verify *v, struct err *err)
{
	struct err why = {0};
	enum lines_got got;
	int rc;

	do {
		got = next_line(v, &why);
		rc = got == LINES_LINE ? step(v, err) : 1;
		if (rc != 1)
			return rc;
	} while (got == LINES_LINE ||
		 (got != LINES_END && walk_again(v->walk)));
	if (got == LINES_TORN)
		bad(v, v->last.seq + 1, &v->now, "torn: the last %zu bytes "
		    "have no line feed", v->text.len);
	else if (got == LINES_LONG)
		bad(v, v->last.seq + 1, &v->now, "not a record: line %llu is "
		    "over %d bytes", LLU(v->now.at.line), RECORD_LINE_MAX);
	else if (got == LINES_FAILED)
		bad(v, v->last.seq + 1, &v->now, "not to be read: %.250s",
		    why.detail);
	return 0;
}

static int verify(struct verify *v, const char *dir, struct err *err)
{
	int rc;

	*v->report = (struct journal_report){.ok = true};
	if (walk_open(&v->walk, dir, err))
		return -1;
	v->report->segments = walk_segments(v->walk);
	rc = walk(v, err);
	memcpy(v->report->head, v->last.leaf, SHA256_RAW);
	walk_close(v->walk);
	return rc;
}

int journal_scan(const char *dir, journal_each_line *each, void *data,
		 struct journal_report *report, struct err *err)
{
	struct verify v = {.each = each, .data = data, .report = report};

	return verify(&v, dir, err);
}

struct parsing {
	struct verify *v;
	journal_each *each;
	void *data;
};

static int parse(const struct journal_line *l, void *data, struct err *err)
{
	struct parsing *p = data;
	struct err why = {0};
	struct record *r;
	int rc;

	if (!p->each)
		return 0;
	r = record_parse(l->text.at, l->text.len, NULL, &why);
	if (!r)
		return bad(p->v, l->seq, &p->v->now, "not a record: %s",
			   why.detail);
	r->off = l->off;
	rc = p->each(r, p->data, err);
	record_unref(r);
	return rc;
}

int journal_verify(const char *dir, journal_each *each, void *data,
		   struct journal_report *report, struct err *err)
{
	struct verify v = {.each = parse, .report = report};
	struct parsing p = {&v, each, data};

	v.data = &p;
	return verify(&v, dir, err);
}
