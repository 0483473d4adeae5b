/* The read model: it follows the journal, whole batch by whole batch. */
#include "tests/unit/indexes.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>

#include "common/buf.h"
#include "common/sha256.h"

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

/* Byte for byte, and a task's with its blob id. */
static void text_is(struct reader *r, const char *kind, const char *want,
		    bool hashed)
{
	json_t *doc = json_loads(want, 0, NULL);
	char *pretty = json_pretty(doc, NULL), sha[41], blob[41] = "";
	struct buf text = {0};
	struct err err = {0};

	if (hashed)
		git_blob_hex(pretty, strlen(pretty), blob);
	ck_assert_int_eq(reader_text(r, kind, "t-1", &text, sha, &err), 1);
	ck_assert_str_eq(text.data, want);
	ck_assert_str_eq(sha, blob);
	buf_fini(&text);
	free(pretty);
	json_decref(doc);
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
	struct buf text = {0};
	char *got, sha[41];

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
	text_is(r, "task", escaped, true);
	text_is(r, "run", "{\"id\":\"t-1\",\"state\":\"queued\"}", false);
	ck_assert_int_eq(reader_text(r, "task", "t-2", &text, sha, &err), 0);
	buf_fini(&text);
	ck_assert(reader_has(r, "task", "t-1"));
	ck_assert(!reader_has(r, "task", "t-2"));
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

START_TEST(questions_of_many_shapes_do_not_disturb_each_other)
{
	struct log *l = xcalloc(1, sizeof(*l));
	struct place p = place_new();
	struct index *x = open_ok(&p, false);
	struct reader *r = reader_ok(&p);
	char doc[64], list[512];
	unsigned seed = 3;

	for (int i = 0; i < 60; i++) {
		snprintf(doc, sizeof(doc), "{\"id\":\"t-%02d\","
			 "\"state\":\"s%02d\"}", i, i);
		log_put(l, "task", doc);
	}
	apply(x, l, 0, l->n);
	/* More statements than are kept: each may push out any other. */
	for (int i = 0; i < 2000; i++) {
		size_t n = 1 + next(&seed) % 60;
		struct doc_filter f = {.kind = "task", .state = list};
		json_t *docs;

		*list = 0;
		for (size_t k = 0; k < n; k++)
			sprintf(list + strlen(list), "s%02zu,", k);
		docs = reader_docs(r, &f, NULL);
		ck_assert_int_eq(json_array_size(docs), n);
		json_decref(docs);
		docs = next(&seed) % 4 ? NULL : reader_doc(r, "task", "t-07",
							   NULL);
		json_decref(docs);
	}
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
      questions_of_many_shapes_do_not_disturb_each_other,
      an_id_may_be_shortened_from_either_end,
      what_is_in_already_is_skipped_and_a_gap_is_refused,
      a_batch_is_in_whole_or_not_at_all,
      a_rebuilt_index_equals_one_that_followed,
      a_full_disk_leaves_the_index_where_it_was,
      two_threads_ask_while_one_applies)
