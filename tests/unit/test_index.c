/* The read model: it answers what the journal says, and may be lost. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/store/index.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/log.h"

struct place { char dir[64], file[128]; };

static struct place place_new(void)
{
	const char *base = access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm";
	struct place p;

	snprintf(p.dir, sizeof(p.dir), "%s/kircerta-index-XXXXXX", base);
	ck_assert_ptr_nonnull(mkdtemp(p.dir));
	snprintf(p.file, sizeof(p.file), "%s/index.db", p.dir);
	return p;
}

static struct index *open_ok(const struct place *p, bool anew)
{
	struct index *x = NULL;
	struct err err = {0};
	bool rebuilt = !anew;

	ck_assert_msg(!index_open(&x, p->file, &rebuilt, &err), "%s",
		      err.detail);
	ck_assert_int_eq(rebuilt, anew);
	return x;
}

static struct reader *reader_ok(const struct place *p)
{
	struct reader *r = NULL;

	ck_assert_int_eq(reader_open(&r, p->file, NULL), 0);
	return r;
}

/* Records as a journal would give them, without one. */
struct log { struct record *r[4000]; size_t n; uint64_t off; };

static void log_add(struct log *l, struct entry e, int64_t ts)
{
	static const uint8_t prev[SHA256_RAW];
	struct record *r = record_make(&e, l->n + 1, ts, prev, NULL);

	ck_assert_ptr_nonnull(r);
	r->off = l->off;
	l->off += r->len + 1;
	l->r[l->n++] = r;
	json_decref(e.data);
}

static void log_put(struct log *l, const char *kind, const char *doc)
{
	json_t *value = json_loads(doc, 0, NULL);

	ck_assert_ptr_nonnull(value);
	log_add(l, (struct entry){.type = "task_updated", .data =
		json_pack("{s:i,s:{s:o}}", "x", 1, "put", kind, value)},
		(int64_t)l->n);
}

static void log_free(struct log *l)
{
	while (l->n)
		record_unref(l->r[--l->n]);
	free(l);
}

static void apply(struct index *x, const struct log *l, size_t from, size_t to)
{
	struct err err = {0};

	ck_assert_msg(!index_apply(x, l->r + from, to - from, &err), "%s",
		      err.detail);
}

static char *text_of(json_t *v)
{
	char *text = v ? json_line(v, NULL) : xstrdup("none");

	json_decref(v);
	return text;
}

static void ids_are(struct reader *r, struct doc_filter f, const char *want)
{
	struct err err = {0};
	json_t *docs = reader_docs(r, &f, &err), *doc;
	char got[512] = "";
	size_t i;

	ck_assert_msg(docs != NULL, "%s", err.detail);
	json_array_foreach (docs, i, doc) {
		strcat(got, i ? " " : "");
		strcat(got, json_str(doc, "id"));
	}
	json_decref(docs);
	ck_assert_str_eq(got, want);
}

START_TEST(a_document_is_read_as_it_was_last_recorded)
{
	static const char escaped[] = "{\"id\":\"t-1\",\"state\":\"running\","
		"\"title\":\"a \\\"b\\\" \\n\xc3\xa9\",\"n\":[1,2.5,{}]}";
	struct log *l = xcalloc(1, sizeof(*l));
	struct place p = place_new();
	struct index *x = open_ok(&p, false);
	struct reader *r = reader_ok(&p);
	struct err err = {0};
	char *got;

	ck_assert_ptr_null(reader_doc(r, "task", "t-1", &err));
	ck_assert_int_eq(err.code, ERR_none);
	log_put(l, "task", "{\"id\":\"t-1\",\"state\":\"pending\"}");
	log_put(l, "run", "{\"id\":\"t-1\",\"state\":\"queued\"}");
	log_put(l, "task", escaped);
	apply(x, l, 0, l->n);
	got = text_of(reader_doc(r, "task", "t-1", &err));
	ck_assert_str_eq(got, escaped);
	free(got);
	got = text_of(reader_doc(r, "run", "t-1", &err));
	ck_assert_str_eq(got, "{\"id\":\"t-1\",\"state\":\"queued\"}");
	free(got);
	ck_assert_ptr_null(reader_doc(r, "nothing", "t-1", &err));
	ids_are(r, (struct doc_filter){.kind = "task", .state = "pending"}, "");
	ids_are(r, (struct doc_filter){.kind = "task", .state = "running"},
		"t-1");
	reader_close(r);
	index_close(x);
	log_free(l);
	fs_remove_tree(p.dir);
}
END_TEST

static struct log *some_docs(void)
{
	struct log *l = xcalloc(1, sizeof(*l));

	log_put(l, "task", "{\"id\":\"t-1\",\"state\":\"pending\",\"title\":"
		"\"100% \xc3\x81rv\xc3\xadz_t\xc5\xb1r\xc5\x90\","
		"\"correlation_id\":\"c-1\"}");
	log_put(l, "task", "{\"id\":\"t-2\",\"state\":\"running\",\"title\":"
		"\"100 things\",\"correlation_id\":\"c-1\"}");
	log_put(l, "task", "{\"id\":\"t-3\",\"state\":\"pending\"}");
	log_put(l, "run", "{\"id\":\"r-1\",\"state\":\"running\","
		"\"task_id\":\"t-1\",\"correlation_id\":\"c-1\"}");
	log_put(l, "run", "{\"id\":\"r-2\",\"state\":\"failed\","
		"\"task_id\":\"t-1\",\"correlation_id\":\"c-2\"}");
	log_put(l, "evidence", "{\"id\":\"e-1\",\"sha256\":\"aa\","
		"\"run_id\":\"r-1\",\"task_id\":\"t-1\"}");
	log_put(l, "evidence", "{\"id\":\"e-2\",\"match_sha256\":\"aa\","
		"\"ref\":\"bb\",\"run_id\":\"r-2\"}");
	log_put(l, "evidence", "{\"id\":\"e-3\",\"ref\":\"bb\"}");
	log_put(l, "task", "{\"id\":\"t-2\",\"state\":\"stalled\",\"title\":"
		"\"100 things\",\"correlation_id\":\"c-9\"}");
	log_put(l, "task", "{\"title\":\"a document without an id\"}");
	return l;
}

START_TEST(documents_are_filtered)
{
	static const struct { struct doc_filter f; const char *want; } cases[] = {
		{{.kind = "task"}, "t-1 t-2 t-3"},
		{{.kind = "task", .limit = 2}, "t-1 t-2"},
		{{.kind = "task", .after_id = "t-1"}, "t-2 t-3"},
		{{.kind = "task", .state = "pending"}, "t-1 t-3"},
		{{.kind = "task", .state = "stalled,pending"}, "t-1 t-2 t-3"},
		{{.kind = "task", .state = "pending,stalled", .limit = 2},
		 "t-1 t-2"},
		{{.kind = "task", .state = "pending,pending,,no"}, "t-1 t-3"},
		{{.kind = "task", .state = "running"}, ""},
		{{.kind = "task", .state = "no"}, ""}, {{.kind = "no"}, ""},
		{{.kind = "run", .task_id = "t-1"}, "r-1 r-2"},
		{{.kind = "run", .task_id = "t-1", .after_id = "r-1"}, "r-2"},
		{{.kind = "run", .task_id = "t-1", .state = "failed,x"}, "r-2"},
		{{.kind = "task", .correlation_id = "c-1"}, "t-1"},
		{{.kind = "task", .correlation_id = "c-9"}, "t-2"},
		{{.correlation_id = "c-1"}, "r-1 t-1"},
		{{.kind = "evidence", .run_id = "r-2"}, "e-2"},
		{{.kind = "evidence", .ref = "aa"}, "e-1 e-2"},
		{{.kind = "evidence", .ref = "bb"}, "e-3"},
		{{.kind = "evidence", .ref = "aa", .task_id = "t-1"}, "e-1"},
		{{.kind = "task", .words = "100"}, "t-1 t-2"},
		{{.kind = "task", .words = "100%"}, "t-1"},
		{{.kind = "task", .words = "z_T"}, "t-1"},
		{{.kind = "task", .words = "\xc3\xa1RV\xc3\x8dZ"}, "t-1"},
		{{.kind = "task", .words = "T\xc5\xb0R\xc5\x91"}, "t-1"},
		{{.kind = "task", .words = "1_0"}, ""},
		{{.kind = "task", .words = "' OR 1 --"}, ""},
		{{.kind = "task", .words = ""}, "t-1 t-2 t-3"},
		{{.state = "pending,failed"}, "r-2 t-1 t-3"},
	};
	struct log *l = some_docs();
	struct place p = place_new();
	struct index *x = open_ok(&p, false);
	struct reader *r = reader_ok(&p);

	apply(x, l, 0, l->n);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		ids_are(r, cases[i].f, cases[i].want);
	reader_close(r);
	index_close(x);
	log_free(l);
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(an_id_may_be_shortened_from_either_end)
{
	static const struct { const char *text, *want; enum err_code code; }
	cases[] = {
		{"t-01aaaa", "t-01aaaa", 0}, {"t-01aaaab", "t-01aaaab", 0},
		{"t-02", "t-02cccc", 0}, {"t-02cccc", "t-02cccc", 0},
		{"cccc", "t-02cccc", 0}, {"aaaab", "t-01aaaab", 0},
		{"t-01", NULL, ERR_ambiguous_id},
		{"1aaa", NULL, ERR_not_found},
		{"t-0", NULL, ERR_not_found}, {"ccc", NULL, ERR_not_found},
		{"", NULL, ERR_not_found}, {"%%%%", NULL, ERR_not_found},
		{"____", NULL, ERR_not_found}, {"t-03", NULL, ERR_not_found},
		{"abcd", NULL, ERR_ambiguous_id},	/* one of each end */
		{"dddd", "dddd", 0},	/* both ends of the same one */
		{"T-02", NULL, ERR_not_found}, {"t-02\xff", NULL, ERR_not_found},
	};
	static const char *const ids[] = {"t-01aaaa", "t-01aaaab", "t-02cccc",
					  "abcd-1", "2-abcd", "dddd"};
	struct log *l = xcalloc(1, sizeof(*l));
	struct place p = place_new();
	struct index *x = open_ok(&p, false);
	struct reader *r = reader_ok(&p);
	char doc[64], id[129];

	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		snprintf(doc, sizeof(doc), "{\"id\":\"%s\"}", ids[i]);
		log_put(l, "task", doc);
	}
	log_put(l, "run", "{\"id\":\"t-02dddd\"}");
	apply(x, l, 0, l->n);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = {0};
		int rc = reader_resolve(r, "task", cases[i].text, id, &err);

		ck_assert_msg(err.code == cases[i].code, "%s: %s",
			      cases[i].text, err.detail);
		ck_assert_int_eq(rc, cases[i].want ? 0 : -1);
		if (!rc)
			ck_assert_str_eq(id, cases[i].want);
	}
	reader_close(r);
	index_close(x);
	log_free(l);
	fs_remove_tree(p.dir);
}
END_TEST

/* Small numbers that look like chance and are the same on every machine. */
static unsigned next(unsigned *seed)
{
	*seed = *seed * 1103515245u + 12345u;
	return *seed >> 16;
}

static const char *const types[] = {"request", "request", "request",
				    "heartbeat", "policy_denied",
				    "task_state"};
static const char *const actors[] = {NULL, "ann", "bob", "cy"};
static const char *const tasks[] = {NULL, NULL, "t-1", "t-2", "t-3"};
static const char *const chains[] = {NULL, "c-1", "c-2", "c-3", "c-4", "c-5"};
static const int statuses[] = {0, 200, 200, 403};

#define PICK(a) a[next(seed) % ARRAY_LEN(a)]

static struct log *many_records(size_t n)
{
	struct log *l = xcalloc(1, sizeof(*l));
	unsigned s = 1, *seed = &s;
	int64_t ts = 1000;

	while (l->n < n) {
		ts += next(seed) % 3 ? 0 : 10;
		log_add(l, (struct entry){.type = PICK(types),
			.actor = PICK(actors), .task_id = PICK(tasks),
			.run_id = PICK(tasks), .correlation_id = PICK(chains),
			.status = PICK(statuses)}, ts);
	}
	return l;
}

static bool in_list(const char *list, const char *text)
{
	size_t len = strlen(text);

	for (const char *at = list; (at = strstr(at, text)); at += len)
		if ((at == list || at[-1] == ',') &&
		    (!at[len] || at[len] == ','))
			return true;
	return false;
}

static bool same(const char *want, const char *got)
{
	return !want || (got && !strcmp(want, got));
}

/* What index.h says a filter means, record by record. */
static bool fits(const struct record_filter *f, const struct record *r)
{
	return (!f->types ? strcmp(r->type, "request") != 0 :
			    !strcmp(f->types, "*") ||
			    in_list(f->types, r->type)) &&
	       same(f->task_id, r->task_id) && same(f->run_id, r->run_id) &&
	       same(f->correlation_id, r->correlation_id) &&
	       same(f->actor, r->actor) &&
	       (!f->status || f->status == r->status) &&
	       (!f->since_us || r->ts_us >= f->since_us) &&
	       (!f->until_us || r->ts_us <= f->until_us) &&
	       r->seq > f->after_seq;
}

static void answer_is_right(struct reader *r, const struct log *l,
			    const struct record_filter *f, unsigned no)
{
	struct record_place got[64];
	struct err err = {0};
	size_t n, want = 0;

	ck_assert_msg(!reader_records(r, f, got, &n, &err), "%u: %s", no,
		      err.detail);
	for (size_t i = 0; i < l->n && want < f->limit; i++) {
		if (!fits(f, l->r[i]))
			continue;
		ck_assert_msg(want < n && got[want].seq == l->r[i]->seq &&
			      got[want].off == l->r[i]->off &&
			      got[want].len == l->r[i]->len,
			      "question %u, record %zu", no, want);
		want++;
	}
	ck_assert_msg(n == want, "question %u: %zu of %zu", no, n, want);
}

START_TEST(a_thousand_questions_are_answered_as_by_reading_everything)
{
	static const char *const lists[] = {NULL, NULL, "*", "request", "heartbeat",
		"policy_denied,heartbeat", "request,task_state", "no,task_state",
		"no", "heartbeat,policy_denied,task_state,request"};
	static const size_t limits[] = {0, 1, 7, 64};
	struct log *l = many_records(2000);
	struct place p = place_new();
	struct index *x = open_ok(&p, false);
	struct reader *r = reader_ok(&p);
	unsigned s = 7, *seed = &s;

	for (size_t i = 0; i < l->n; i += 100)
		apply(x, l, i, i + 100);
	for (unsigned i = 0; i < 1000; i++) {
		struct record_filter f = {.types = PICK(lists),
					  .limit = PICK(limits)};

		if (next(seed) % 3 == 0)
			f.actor = next(seed) % 5 ? PICK(actors) : "nobody";
		if (next(seed) % 3 == 0)
			f.task_id = PICK(tasks);
		if (next(seed) % 4 == 0)
			f.run_id = PICK(tasks);
		if (next(seed) % 3 == 0)
			f.correlation_id = PICK(chains);
		if (next(seed) % 4 == 0)
			f.status = PICK(statuses);
		if (next(seed) % 3 == 0)
			f.since_us = 900 + next(seed) % 8000;
		if (next(seed) % 3 == 0)
			f.until_us = 900 + next(seed) % 8000;
		if (next(seed) % 3 == 0)
			f.after_seq = next(seed) % 2100;
		answer_is_right(r, l, &f, i);
	}
	reader_close(r);
	index_close(x);
	log_free(l);
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(a_time_is_a_place_in_the_journal)
{
	static const struct { int64_t ts; unsigned want; } cases[] = {
		{0, 1}, {10, 1}, {11, 2}, {20, 2}, {21, 5}, {30, 5}, {31, 0},
	};
	static const int64_t at[] = {10, 20, 20, 20, 30};
	struct log *l = xcalloc(1, sizeof(*l));
	struct place p = place_new();
	struct index *x = open_ok(&p, false);
	struct reader *r = reader_ok(&p);

	ck_assert_int_eq(reader_seq_at(r, 0), 0);
	for (size_t i = 0; i < ARRAY_LEN(at); i++)
		log_add(l, (struct entry){.type = "t"}, at[i]);
	apply(x, l, 0, l->n);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		ck_assert_int_eq(reader_seq_at(r, cases[i].ts), cases[i].want);
	reader_close(r);
	index_close(x);
	log_free(l);
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(what_is_in_already_is_skipped_and_a_gap_is_refused)
{
	struct log *l = some_docs();
	struct place p = place_new();
	struct index *x = open_ok(&p, false);
	struct reader *r = reader_ok(&p);
	struct index_cursor c, seen;
	struct err err = {0};

	apply(x, l, 0, 4);
	apply(x, l, 0, 4);
	apply(x, l, 2, 6);
	ck_assert_int_eq(index_apply(x, l->r + 7, 2, &err), -1);
	c = index_cursor(x);
	ck_assert(c.seq == 6 && c.off == l->r[6]->off);
	ck_assert_mem_eq(c.leaf, l->r[5]->leaf, SHA256_RAW);
	ck_assert_int_eq(reader_cursor(r, &seen, NULL), 0);
	ck_assert(seen.seq == c.seq && seen.off == c.off &&
		  !memcmp(seen.leaf, c.leaf, SHA256_RAW));
	ids_are(r, (struct doc_filter){.kind = "evidence"}, "e-1");
	index_close(x);
	x = open_ok(&p, false);
	ck_assert_int_eq(index_cursor(x).seq, 6);
	apply(x, l, 0, l->n);
	ids_are(r, (struct doc_filter){.kind = "evidence"}, "e-1 e-2 e-3");
	reader_close(r);
	index_close(x);
	log_free(l);
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(a_batch_is_in_whole_or_not_at_all)
{
	struct log *l = xcalloc(1, sizeof(*l));
	struct place p = place_new();
	struct index *x = open_ok(&p, false);
	struct reader *r = reader_ok(&p);
	struct record *gap[2];
	struct err err = {0};

	/* Kind, type and state are new names that go with the batch. */
	log_put(l, "odd", "{\"id\":\"o-1\",\"state\":\"strange\"}");
	log_put(l, "task", "{\"id\":\"t-1\",\"state\":\"strange\"}");
	log_put(l, "odd", "{\"id\":\"o-2\",\"state\":\"strange\"}");
	gap[0] = l->r[0];
	gap[1] = l->r[2];
	ck_assert_int_eq(index_apply(x, gap, 2, &err), -1);
	ck_assert_int_eq(index_cursor(x).seq, 0);
	ids_are(r, (struct doc_filter){.state = "strange"}, "");
	apply(x, l, 0, l->n);
	ids_are(r, (struct doc_filter){.kind = "odd", .state = "strange"},
		"o-1 o-2");
	ids_are(r, (struct doc_filter){.kind = "task", .state = "strange"},
		"t-1");
	reader_close(r);
	index_close(x);
	log_free(l);
	fs_remove_tree(p.dir);
}
END_TEST

/* Everything that the index can be asked for, as one text. */
static char *all_of(const struct place *p)
{
	struct reader *r = reader_ok(p);
	struct record_place *places = xcalloc(4000, sizeof(*places));
	json_t *all = reader_docs(r, &(struct doc_filter){0}, NULL);
	size_t n;

	ck_assert(!reader_records(r, &(struct record_filter){.limit = 4000,
		.types = "*"}, places, &n, NULL));
	for (size_t i = 0; i < n; i++)
		json_array_append_new(all, json_pack("[I,I,I]",
			(json_int_t)places[i].seq, (json_int_t)places[i].off,
			(json_int_t)places[i].len));
	free(places);
	reader_close(r);
	return text_of(all);
}

START_TEST(a_rebuilt_index_equals_one_that_followed)
{
	struct log *l = many_records(500), *docs = some_docs();
	struct place a = place_new(), b = place_new();
	struct index *x = open_ok(&a, false);
	char *followed, *rebuilt;

	for (size_t i = 0; i < docs->n; i++)
		log_add(l, (struct entry){.type = "task_updated", .data =
			json_incref(docs->r[i]->data)}, 1000000);
	for (size_t i = 0; i < l->n; i++)
		apply(x, l, i, i + 1);
	followed = all_of(&a);
	ck_assert_int_gt(strlen(followed), 4000);
	index_close(x);
	x = open_ok(&b, false);
	apply(x, l, 0, l->n);
	rebuilt = all_of(&b);
	ck_assert_str_eq(followed, rebuilt);
	free(rebuilt);
	ck_assert_int_eq(index_reset(x, NULL), 0);
	ck_assert_int_eq(index_cursor(x).seq, 0);
	rebuilt = all_of(&b);
	ck_assert_str_eq(rebuilt, "[]");
	free(rebuilt);
	for (size_t i = 0; i < l->n; i += 17)
		apply(x, l, i, i + 17 < l->n ? i + 17 : l->n);
	rebuilt = all_of(&b);
	ck_assert_str_eq(followed, rebuilt);
	free(rebuilt);
	free(followed);
	index_close(x);
	log_free(l);
	log_free(docs);
	fs_remove_tree(a.dir);
	fs_remove_tree(b.dir);
}
END_TEST

static void noise(const char *file, off_t from, off_t to)
{
	int fd = open(file, O_WRONLY | O_CREAT, 0600);

	for (off_t at = from; at < to; at++)
		ck_assert_int_eq(pwrite(fd, "\xa5", 1, at), 1);
	close(fd);
}

static void run_sql(const char *file, const char *sql)
{
	sqlite3 *db;

	ck_assert_int_eq(sqlite3_open(file, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void no_database(const char *file) { noise(file, 0, 5000); }
static void lost_header(const char *file) { noise(file, 0, 16); }
static void lost_pages(const char *file) { noise(file, 4096, 200000); }
static void cut_short(const char *file) { (void)!truncate(file, 9000); }
static void other_version(const char *file)
{
	run_sql(file, "PRAGMA user_version=99");
}
static void other_program(const char *file)
{
	run_sql(file, "PRAGMA application_id=1");
}
static void lost_table(const char *file) { run_sql(file, "DROP TABLE name"); }
static void lost_row(const char *file)
{
	run_sql(file, "DELETE FROM event WHERE seq=500;"
		"DELETE FROM request WHERE seq=500");
}
static void moved_cursor(const char *file)
{
	run_sql(file, "UPDATE meta SET off=off-1");
}

START_TEST(a_damaged_index_is_set_aside_and_made_anew)
{
	static void (*const damage[])(const char *) = {
		no_database, lost_header, lost_pages, cut_short, other_version,
		other_program, lost_table, lost_row, moved_cursor,
	};
	struct log *l = many_records(500);

	log_setup(LOG_ERROR);
	for (size_t i = 0; i < ARRAY_LEN(damage); i++) {
		struct place p = place_new();
		struct index *x = open_ok(&p, false);
		char aside[160], *before, *after;
		struct stat st;

		apply(x, l, 0, l->n);
		before = all_of(&p);
		index_close(x);
		damage[i](p.file);
		x = open_ok(&p, true);
		snprintf(aside, sizeof(aside), "%s.damaged", p.file);
		ck_assert_int_eq(stat(aside, &st), 0);
		ck_assert_int_eq(index_cursor(x).seq, 0);
		apply(x, l, 0, l->n);
		after = all_of(&p);
		ck_assert_str_eq(before, after);
		free(before);
		free(after);
		index_close(x);
		fs_remove_tree(p.dir);
	}
	log_free(l);
}
END_TEST

START_TEST(damage_that_shows_later_is_told_and_cured_by_a_restart)
{
	struct log *l = xcalloc(1, sizeof(*l));
	struct place p = place_new();
	struct index *x = open_ok(&p, false);
	struct reader *r;
	struct err err = {0};
	char doc[3000];
	struct stat st;

	log_setup(LOG_ERROR);
	for (int i = 0; i < 300; i++) {
		snprintf(doc, sizeof(doc), "{\"id\":\"t-%04d\",\"x\":\"%0*d\"}",
			 i, 2000, i);
		log_put(l, "task", doc);
	}
	apply(x, l, 0, l->n);
	index_close(x);
	/* Most pages are of texts, which opening does not look at. */
	ck_assert_int_eq(stat(p.file, &st), 0);
	noise(p.file, st.st_size / 4, st.st_size / 2);
	x = open_ok(&p, false);
	r = reader_ok(&p);
	ck_assert_ptr_null(reader_docs(r, &(struct doc_filter){.kind = "task"},
				       &err));
	ck_assert_int_eq(err.code, ERR_io);
	ck_assert_msg(strstr(err.hint, "Restart") != NULL, "%s", err.detail);
	reader_close(r);
	index_close(x);
	index_close(open_ok(&p, true));
	log_free(l);
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(an_index_that_cannot_be_opened_is_left_alone)
{
	struct place p = place_new();
	struct index *x = NULL;
	struct err err = {0};
	bool rebuilt;

	ck_assert_int_eq(mkdir(p.file, 0700), 0);
	ck_assert_int_eq(index_open(&x, p.file, &rebuilt, &err), -1);
	ck_assert_int_eq(err.code, ERR_io);
	ck_assert_int_eq(rmdir(p.file), 0);
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(a_full_disk_leaves_the_index_where_it_was)
{
	struct log *l = many_records(2000);
	struct place p = place_new();
	struct index *x = open_ok(&p, false);
	struct rlimit limit = {150000, RLIM_INFINITY};
	struct err err = {0};
	char *before, *after;

	apply(x, l, 0, 100);
	before = all_of(&p);
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	ck_assert_int_eq(index_apply(x, l->r + 100, 1900, &err), -1);
	ck_assert_int_eq(err.code, ERR_io);
	ck_assert_int_eq(index_cursor(x).seq, 100);
	limit.rlim_cur = RLIM_INFINITY;
	setrlimit(RLIMIT_FSIZE, &limit);
	after = all_of(&p);
	ck_assert_str_eq(before, after);
	free(before);
	free(after);
	apply(x, l, 100, 2000);
	ck_assert_int_eq(index_cursor(x).seq, 2000);
	index_close(x);
	index_close(open_ok(&p, false));
	log_free(l);
	fs_remove_tree(p.dir);
}
END_TEST

struct shared { struct place p; atomic_bool done; };

static void *ask(void *data)
{
	struct shared *s = data;
	struct reader *r = reader_ok(&s->p);
	struct record_place got[8];
	json_int_t seen = 0, now;
	size_t n;

	while (!atomic_load(&s->done)) {
		json_t *doc = reader_doc(r, "task", "t-1", NULL);

		now = json_int(doc, "n", 0);
		ck_assert_int_ge(now, seen);
		seen = now;
		json_decref(doc);
		ck_assert(!reader_records(r, &(struct record_filter){
			.types = "task_updated", .limit = 8,
			.after_seq = (uint64_t)(seen ? seen - 1 : 0)},
			got, &n, NULL));
		ck_assert(!seen || (n && got[0].seq == (uint64_t)seen));
	}
	reader_close(r);
	return NULL;
}

START_TEST(two_threads_ask_while_one_applies)
{
	struct shared s = {.p = place_new()};
	struct index *x = open_ok(&s.p, false);
	struct log *l = xcalloc(1, sizeof(*l));
	pthread_t readers[2];
	char doc[64];

	for (int i = 0; i < 2; i++)
		pthread_create(&readers[i], NULL, ask, &s);
	for (int i = 1; i <= 400; i++) {
		snprintf(doc, sizeof(doc), "{\"id\":\"t-1\",\"n\":%d}", i);
		log_put(l, "task", doc);
		apply(x, l, l->n - 1, l->n);
	}
	atomic_store(&s.done, true);
	for (int i = 0; i < 2; i++)
		pthread_join(readers[i], NULL);
	index_close(x);
	log_free(l);
	fs_remove_tree(s.p.dir);
}
END_TEST

TESTS("index",
      a_document_is_read_as_it_was_last_recorded,
      documents_are_filtered,
      an_id_may_be_shortened_from_either_end,
      a_thousand_questions_are_answered_as_by_reading_everything,
      a_time_is_a_place_in_the_journal,
      what_is_in_already_is_skipped_and_a_gap_is_refused,
      a_batch_is_in_whole_or_not_at_all,
      a_rebuilt_index_equals_one_that_followed,
      a_damaged_index_is_set_aside_and_made_anew,
      damage_that_shows_later_is_told_and_cured_by_a_restart,
      an_index_that_cannot_be_opened_is_left_alone,
      a_full_disk_leaves_the_index_where_it_was,
      two_threads_ask_while_one_applies)
