/* The journal: what is written, what survives, what is noticed. */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/store/journal.h"
#include "agent/store/json_span.h"
#include "agent/store/record_time.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/fs.h"

#define SEGMENT "00000000000000000001.jsonl"
#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

static const uint8_t zeros[SHA256_RAW];

struct place { char dir[64], file[128]; };

/* In memory where the machine has that: thousands of syncs below. */
static struct place place_new(void)
{
	const char *base = access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm";
	struct place p;

	snprintf(p.dir, sizeof(p.dir), "%s/kircerta-journal-XXXXXX", base);
	ck_assert_ptr_nonnull(mkdtemp(p.dir));
	snprintf(p.file, sizeof(p.file), "%s/%s", p.dir, SEGMENT);
	return p;
}

static struct journal *open_ok(const struct place *p)
{
	struct journal_repair repair;
	struct journal *j = NULL;
	struct err err = {0};

	ck_assert_msg(!journal_open(&j, p->dir, &repair, &err), "%s",
		      err.detail);
	return j;
}

static void append(struct journal *j, const char *type, json_t *data)
{
	struct entry e = {.type = type, .actor = "tester", .data = data,
			  .status = 200, .correlation_id = "c-1"};
	struct err err = {0};

	ck_assert_msg(journal_append(j, &e, &err) != NULL, "%s", err.detail);
	json_decref(data);
}

static void commit(struct journal *j)
{
	struct record **batch;
	struct err err = {0};
	size_t n;

	ck_assert_msg(!journal_commit(j, &batch, &n, &err), "%s", err.detail);
	for (size_t i = 0; i < n; i++)
		record_unref(batch[i]);
	free(batch);
}

static void commit_fails(struct journal *j, const char *says)
{
	struct record **batch;
	struct err err = {0};
	size_t n;

	ck_assert_int_eq(journal_commit(j, &batch, &n, &err), -1);
	ck_assert_int_eq(err.code, ERR_audit_unavailable);
	ck_assert_msg(strstr(err.detail, says) != NULL, "%s", err.detail);
	ck_assert_ptr_null(batch);
	ck_assert(journal_sealed(j));
}

static void fill(const struct place *p, int records)
{
	struct journal *j = open_ok(p);

	for (int i = 1; i <= records; i++) {
		append(j, i % 2 ? "heartbeat" : "task_created",
		       json_pack("{s:i,s:s}", "n", i, "text", "a\n\"b\""));
		if (i % 3 == 0)
			commit(j);
	}
	commit(j);
	journal_close(j);
}

static char *slurp(const struct place *p, size_t *len)
{
	char *text = fs_read(p->file, 1 << 24, len, NULL);

	ck_assert_ptr_nonnull(text);
	return text;
}

static void spill(const struct place *p, const void *text, size_t len)
{
	int fd = open(p->file, O_WRONLY | O_TRUNC | O_CREAT, 0600);

	ck_assert(fd >= 0 && !fs_write_all(fd, text, len));
	close(fd);
}

static struct journal_report verify(const struct place *p)
{
	struct journal_report report;
	struct err err = {0};

	ck_assert_msg(!journal_verify(p->dir, NULL, NULL, &report, &err),
		      "%s", err.detail);
	return report;
}

START_TEST(a_line_has_exactly_these_bytes)
{
	json_t *data = json_pack("{s:s,s:[i,b,n]}", "reason", "x", "l", 1, 1);
	const struct entry full = {
		"policy_denied", "coord\"inator", "tool_runner", "http",
		"POST", "/api/\xff/\x01\x7f\xc3\xa9\t\\", 403, "c-1", "t-1",
		"r-1", data};
	static const char want[] =
		"{\"seq\":1024,\"ts\":\"2026-01-02T03:04:05.000678Z\","
		"\"type\":\"policy_denied\",\"actor\":\"coord\\\"inator\","
		"\"scope\":\"tool_runner\",\"transport\":\"http\","
		"\"method\":\"POST\",\"route\":\"/api/\xef\xbf\xbd/\\u0001\x7f"
		"\xc3\xa9\\t\\\\\",\"status\":403,\"correlation_id\":\"c-1\","
		"\"task_id\":\"t-1\",\"run_id\":\"r-1\","
		"\"data\":{\"reason\":\"x\",\"l\":[1,true,null]},"
		"\"prev\":\"" ZEROS "\"}";
	static const char bare[] =
		"{\"seq\":1,\"ts\":\"1970-01-01T00:00:00.000000Z\","
		"\"type\":\"request\",\"actor\":null,\"scope\":null,"
		"\"transport\":null,\"method\":null,\"route\":null,"
		"\"status\":null,\"correlation_id\":null,\"task_id\":null,"
		"\"run_id\":null,\"data\":{},\"prev\":\"" ZEROS "\"}";
	struct record *r = record_make(&full, 1024, 1767323045000678, zeros,
				       NULL);

	ck_assert_int_eq(r->len, sizeof(want) - 1);
	ck_assert_mem_eq(r->line, want, r->len);
	ck_assert_str_eq(r->actor, "coord\"inator");
	record_unref(r);
	json_decref(data);
	r = record_make(&(struct entry){.type = "request"}, 1, 0, zeros, NULL);
	ck_assert_int_eq(r->len, sizeof(bare) - 1);
	ck_assert_mem_eq(r->line, bare, r->len);
	ck_assert(!r->actor && !r->task_id && json_is_object(r->data));
	record_unref(r);
}
END_TEST

START_TEST(what_is_made_is_what_is_parsed)
{
	char all[256] = "";
	struct entry e = {.type = "t", .actor = all, .status = 7,
			  .correlation_id = "\xe2\x82\xac\xed\xa0\x80", .run_id = "",
			  .data = json_pack("{s:{s:{s:s}}}", "put", "task",
					    "id", "t-1")};
	uint8_t prev[SHA256_RAW], got[SHA256_RAW];
	struct record *a, *b;

	for (int i = 1; i < 256; i++)
		all[i - 1] = (char)i;
	sha256_raw("x", 1, prev);
	a = record_make(&e, 9, 1, prev, NULL);
	b = record_parse(a->line, a->len, got, NULL);
	ck_assert_mem_eq(prev, got, SHA256_RAW);
	ck_assert_mem_eq(a->leaf, b->leaf, SHA256_RAW);
	ck_assert(b->seq == 9 && b->ts_us == 1 && b->status == 7);
	ck_assert_str_eq(a->actor, b->actor);
	ck_assert_str_eq(b->correlation_id, "\xe2\x82\xac\xef\xbf\xbd"
			 "\xef\xbf\xbd\xef\xbf\xbd");
	ck_assert(b->run_id && !*b->run_id && !b->task_id);
	ck_assert(json_equal(a->data, b->data));
	record_unref(a);
	record_unref(b);
	json_decref(e.data);
}
END_TEST

START_TEST(times_are_written_as_the_clock_writes_them)
{
	char text[CLOCK_TEXT], own[CLOCK_TEXT] = "";
	int64_t back;

	for (int64_t us = 0; us <= RECORD_TIME_MAX; us += 3123456789123) {
		clock_text(us, text);
		record_time_write(own, us);
		ck_assert_str_eq(own, text);
		ck_assert(record_time_read(own, &back) && back == us);
	}
}
END_TEST

START_TEST(data_is_written_as_jansson_writes_it)
{
	static const char *const cases[] = {
		"{}", "[]", "{\"a\":[]}", "[[],{},[{}]]", "true", "[null,false]",
		"0", "-1", "9223372036854775807", "-9223372036854775808",
		"0.1", "-1.5e-300", "1e300", "\"\"",
		"{\"b\":1,\"a\":{\"\xc3\xa9\":\"\\\"\\\\\\n/\x7f\"}}",
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		json_t *v = json_loads(cases[i], JSON_DECODE_ANY, NULL);
		char *want = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
		struct buf b = {0};

		json_span_dump(&b, v);
		ck_assert_int_eq(b.len, strlen(want));
		ck_assert_mem_eq(b.data, want, b.len);
		ck_assert(json_span_ok((struct span){b.data, b.len}));
		buf_fini(&b);
		free(want);
		json_decref(v);
	}
}
END_TEST

START_TEST(what_is_no_compact_json_is_noticed)
{
	static const char *const cases[] = {
		"", "{", "}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{,}",
		"{\"a\" :1}", "{a:1}", "[1,]", "[1 ,2]", "[1", "[1}", "01",
		"1.", ".5", "+1", "1e", "-", "tru", "nul", "\"", "\"\\\"",
		"\"\\x\"", "\"\\u12\"", "\"\x01\"", "\"\xc3\"", "{}{}",
		"\"\xed\xa0\x80\"", "{\"a\":\"\xff\"}",
	};
	char deep[600];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		ck_assert_msg(!json_span_ok((struct span){
			cases[i], strlen(cases[i])}), "%s", cases[i]);
	memset(deep, '[', 300);
	memset(deep + 300, ']', 300);
	ck_assert(!json_span_ok((struct span){deep, 600}));
	ck_assert(json_span_ok((struct span){deep + 50, 500}));
}
END_TEST

START_TEST(a_member_is_found_where_it_lies)
{
	static const char text[] = "{\"a\":{\"b\":1},\"bb\":[\"}\"],"
				   "\"b\":\"x,\\\"\"}";
	static const struct { const char *key, *want; } cases[] = {
		{"a", "{\"b\":1}"}, {"bb", "[\"}\"]"},
		{"b", "\"x,\\\"\""}, {"c", NULL}, {"", NULL},
	};
	struct span got;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		bool found = json_span_member((struct span){
			text, sizeof(text) - 1}, cases[i].key, &got);

		ck_assert_int_eq(found, cases[i].want != NULL);
		if (found)
			ck_assert(got.len == strlen(cases[i].want) &&
				  !memcmp(got.at, cases[i].want, got.len));
	}
}
END_TEST

/* Replace one piece of a good line by another. */
static struct record *parse_with(const char *from, const char *to)
{
	struct entry e = {.type = "t", .status = 200, .route = "/x",
			  .data = json_pack("{s:i}", "a", 1)};
	struct record *r = record_make(&e, 5, 1767323045000678, zeros, NULL);
	char *text = xstrndup(r->line, r->len), *at = strstr(text, from);
	struct buf b = {0};

	ck_assert_msg(at != NULL, "%s", from);
	buf_add(&b, text, (size_t)(at - text));
	buf_adds(&b, to);
	buf_adds(&b, at + strlen(from));
	record_unref(r);
	r = record_parse(b.data, b.len, NULL, NULL);
	buf_fini(&b);
	free(text);
	json_decref(e.data);
	return r;
}

START_TEST(a_line_that_we_would_not_write_is_no_record)
{
	static const struct { const char *from, *to; bool ok; } cases[] = {
		{"seq", "seq", true}, {"\"seq\":5", "\"seq\":05", false},
		{"\"seq\":5", "\"seq\":0", false},
		{"\"seq\":5", "\"seq\":1000000000000000000", false},
		{"\"seq\":5", "\"seq\": 5", false},
		{"{\"seq", " {\"seq", false}, {"\"}", "\"} ", false},
		{"2026-01-02", "2026-02-29", false},
		{"2026-01-02", "2024-02-29", true},
		{"2026-01-02", "1969-12-31", false},
		{"T03", "T24", false}, {"678Z", "678z", false},
		{"\"type\":\"t\"", "\"type\":null", false},
		{"\"type\":\"t\"", "\"type\":5", false},
		{"\"/x\"", "\"/\\u0078\"", false},
		{"\"/x\"", "\"/\\/x\"", false},
		{"\"/x\"", "\"/\\u001f\"", true},
		{"\"type\":\"t\"", "\"type\":\"\\u0000\"", false},
		{"\"/x\"", "\"/\xff\"", false}, {"\"/x\"", "\"/\x01\"", false},
		{"\"/x\"", "\"/x", false},
		{":200", ":\"200\"", false}, {":200", ":-1", false},
		{":200", ":1e3", false}, {":200", ":0200", false},
		{"\"scope\":null", "\"scope\":nul", false},
		{"\"scope\":null,", "", false},
		{"{\"a\":1}", "[1]", false}, {"{\"a\":1}", "{}", true},
		{"{\"a\":1}", "{\"a\":1,\"a\":2}", false},
		{"{\"a\":1}", "{\"a\":1}}", false}, {"{\"a\":1}", "", false},
		{"\"prev\":\"0", "\"prev\":\"A", false},
		{"\"prev\":\"0", "\"prev\":\"", false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct record *r = parse_with(cases[i].from, cases[i].to);

		ck_assert_msg(!r == !cases[i].ok, "%zu: %s -> %s", i,
			      cases[i].from, cases[i].to);
		record_unref(r);
	}
}
END_TEST

START_TEST(data_nested_as_deep_as_a_request_may_be_is_read_back)
{
	json_t *data = json_object();
	struct record *a, *b;

	for (int i = 0; i < 40; i++)
		data = json_pack("{s:o}", "d", data);
	a = record_make(&(struct entry){.type = "t", .data = data}, 1, 0,
			zeros, NULL);
	b = record_parse(a->line, a->len, NULL, NULL);
	ck_assert_ptr_nonnull(b);
	record_unref(a);
	record_unref(b);
	json_decref(data);
}
END_TEST

static int follow(struct record *r, void *data, struct err *err)
{
	struct record **last = data;
	uint8_t prev[SHA256_RAW];
	struct record *again = record_parse(r->line, r->len, prev, err);

	ck_assert_int_eq(r->seq, *last ? (*last)->seq + 1 : 1);
	ck_assert_mem_eq(prev, *last ? (*last)->leaf : zeros, SHA256_RAW);
	ck_assert_int_eq(r->off, *last ? (*last)->off + (*last)->len + 1 : 0);
	record_unref(again);
	record_unref(*last);
	*last = record_ref(r);
	return 0;
}

START_TEST(each_record_names_the_hash_of_the_one_before)
{
	struct place p = place_new();
	struct journal_report report;
	struct record *last = NULL;
	struct journal_head head;
	struct journal *j;

	fill(&p, 10);
	j = open_ok(&p);
	append(j, "agent_started", NULL);
	commit(j);
	head = journal_head(j);
	ck_assert_int_eq(journal_replay(j, 0, follow, &last, NULL), 0);
	ck_assert_int_eq(last->seq, 11);
	ck_assert_int_eq(head.seq, 11);
	ck_assert_int_eq(head.off, last->off + last->len + 1);
	ck_assert_mem_eq(head.leaf, last->leaf, SHA256_RAW);
	record_unref(last);
	journal_close(j);
	report = verify(&p);
	ck_assert(report.ok && report.records == 11);
	ck_assert_int_eq(report.bytes, head.off);
	ck_assert_mem_eq(report.head, head.leaf, SHA256_RAW);
	fs_remove_tree(p.dir);
}
END_TEST

static int count(struct record *r, void *data, struct err *err)
{
	uint64_t *n = data;

	(void)err;
	n[n[0]++ ? 2 : 1] = r->seq;
	return r->seq == 8 ? 42 : 0;
}

START_TEST(a_replay_starts_at_any_record_and_ends_when_told)
{
	struct place p = place_new();
	uint64_t n[3] = {0}, off;
	size_t len;
	char *text, byte;
	struct journal *j;
	struct err err = {0};

	fill(&p, 9);
	text = slurp(&p, &len);
	off = (uint64_t)(strchr(strchr(text, '\n') + 1, '\n') + 1 - text);
	j = open_ok(&p);
	ck_assert_int_eq(journal_replay(j, off, count, n, NULL), 42);
	ck_assert(n[0] == 6 && n[1] == 3 && n[2] == 8);
	ck_assert_int_eq(journal_replay(j, len, count, n, NULL), 0);
	ck_assert_int_eq(n[0], 6);
	ck_assert_int_eq(journal_replay(j, off + 1, count, n, &err), -1);
	ck_assert_int_eq(journal_replay(j, len + 1, count, n, &err), -1);
	ck_assert_int_eq(journal_read(j, len - 1, 1, &byte, NULL), 0);
	ck_assert_int_eq(byte, '\n');
	ck_assert_int_eq(journal_read(j, len - 1, 2, &byte, &err), -1);
	ck_assert_int_eq(journal_read(j, UINT64_MAX, 2, &byte, &err), -1);
	journal_close(j);
	free(text);
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(a_point_of_the_past_is_known_again)
{
	struct place p = place_new();
	struct journal *j = open_ok(&p);
	struct journal_head points[4] = {journal_head(j)}, odd;
	size_t len;
	char *text;

	for (int i = 1; i < 4; i++) {
		append(j, "heartbeat", json_pack("{s:i}", "n", i));
		commit(j);
		points[i] = journal_head(j);
	}
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(journal_has(j, &points[i], NULL), 1);
	odd = points[2], odd.off--;
	ck_assert_int_eq(journal_has(j, &odd, NULL), 0);
	odd = points[2], odd.seq++;
	ck_assert_int_eq(journal_has(j, &odd, NULL), 0);
	odd = points[2], odd.leaf[0] ^= 1;
	ck_assert_int_eq(journal_has(j, &odd, NULL), 0);
	odd = points[3], odd.off++;
	ck_assert_int_eq(journal_has(j, &odd, NULL), 0);
	odd = points[1], odd.off = 0;
	ck_assert_int_eq(journal_has(j, &odd, NULL), 0);
	journal_close(j);
	/* An older copy is whole in itself; only its past tells. */
	text = slurp(&p, &len);
	spill(&p, text, points[2].off);
	free(text);
	ck_assert(verify(&p).ok);
	j = open_ok(&p);
	ck_assert_int_eq(journal_has(j, &points[3], NULL), 0);
	ck_assert_int_eq(journal_has(j, &points[2], NULL), 1);
	append(j, "heartbeat", json_pack("{s:i}", "n", 9));
	commit(j);
	ck_assert_int_eq(journal_has(j, &points[3], NULL), 0);
	journal_close(j);
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(time_never_goes_back_even_if_the_clock_does)
{
	struct place p = place_new();
	const int64_t future = 4102444800000000;	/* 2100 */
	struct entry e = {.type = "t"};
	struct record *r = record_make(&e, 1, future, zeros, NULL);
	struct buf b = {0};
	struct journal *j;

	buf_add(&b, r->line, r->len);
	buf_adds(&b, "\n");
	spill(&p, b.data, b.len);
	buf_fini(&b);
	record_unref(r);
	j = open_ok(&p);
	r = journal_append(j, &e, NULL);
	ck_assert_int_eq(r->ts_us, future);
	commit(j);
	journal_close(j);
	ck_assert(verify(&p).ok);
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(every_flipped_bit_is_noticed)
{
	struct place p = place_new();
	struct journal_report good, now;
	size_t len, last;
	char *text;
	int fd;

	fill(&p, 4);
	good = verify(&p);
	text = slurp(&p, &len);
	last = (size_t)((char *)memrchr(text, '\n', len - 1) + 1 - text);
	fd = open(p.file, O_WRONLY);
	for (size_t bit = 0; bit < len * 8; bit++) {
		char c = (char)(text[bit / 8] ^ 1 << bit % 8);
		off_t at = (off_t)(bit / 8);

		ck_assert_int_eq(pwrite(fd, &c, 1, at), 1);
		now = verify(&p);
		/* The last record is vouched for by the head kept elsewhere. */
		ck_assert_msg(!now.ok || (bit / 8 >= last &&
			      memcmp(now.head, good.head, SHA256_RAW)),
			      "bit %zu", bit);
		ck_assert_msg(now.ok || (now.bad_seq && *now.what),
			      "bit %zu", bit);
		ck_assert_int_eq(pwrite(fd, &text[bit / 8], 1, at), 1);
	}
	ck_assert(verify(&p).ok);
	close(fd);
	free(text);
	fs_remove_tree(p.dir);
}
END_TEST

/* Put the lines of text into the file in the order that digits name. */
static void arrange(const struct place *p, const char *text, const char *order)
{
	struct buf b = {0};

	for (; *order; order++) {
		const char *line = text, *lf;

		for (int i = '1'; i < *order; i++)
			line = strchr(line, '\n') + 1;
		lf = strchr(line, '\n');
		buf_add(&b, line, (size_t)(lf + 1 - line));
	}
	spill(p, b.data, b.len);
	buf_fini(&b);
}

START_TEST(moved_missing_and_doubled_lines_are_told_apart)
{
	static const struct {
		const char *order;
		unsigned seq, line;
		const char *says;
	} cases[] = {
		{"1234567", 0, 0, ""},
		{"134567", 2, 2, "missing: record 2"},
		{"14567", 2, 2, "missing: records 2 to 3"},
		{"234567", 1, 1, "missing: record 1"},
		{"1324567", 2, 2, "reordered: record 2 stands in line 3"},
		{"1342567", 2, 2, "reordered: record 2 stands in line 4"},
		{"1256347", 3, 3, "reordered: record 3"},
		{"2134567", 1, 1, "reordered: record 1"},
		{"12234567", 2, 3, "inserted: a second record 2"},
		{"12345267", 2, 6, "inserted: a second record 2"},
		{"12534567", 3, 3, "inserted: a record 5"},
	};
	struct place p = place_new();
	char *text;
	size_t len;

	fill(&p, 7);
	text = slurp(&p, &len);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct journal_report now;

		arrange(&p, text, cases[i].order);
		now = verify(&p);
		ck_assert_msg(now.ok == (i == 0) &&
			      !strncmp(now.what, cases[i].says,
				       strlen(cases[i].says)),
			      "%s: %s", cases[i].order, now.what);
		ck_assert_int_eq(now.bad_seq, cases[i].seq);
		ck_assert_int_eq(now.bad_line, cases[i].line);
	}
	free(text);
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(an_edited_record_is_named)
{
	static const struct {
		const char *from, *to;
		unsigned seq;
		const char *says;
	} cases[] = {
		{"\"n\":3", "\"n\":4", 3, "edited: record 4 names another"},
		{"\"n\":5", "\"n\":6", 5, "edited: record 5, or the link"},
		{"\"n\":3,", "\"n\":,", 3, "not a record: line 3"},
		{"\"seq\":3", "\"seq\":4", 3, "missing: record 3"},
		{"\"prev\":\"0", "\"prev\":\"1", 1, "edited: "},
	};
	struct place p = place_new();
	struct journal_report now;
	char *text, *at, *link;
	size_t len;

	fill(&p, 6);
	text = slurp(&p, &len);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf b = {0};

		at = strstr(text, cases[i].from);
		ck_assert_ptr_nonnull(at);
		buf_add(&b, text, (size_t)(at - text));
		buf_adds(&b, cases[i].to);
		buf_adds(&b, at + strlen(cases[i].from));
		spill(&p, b.data, b.len);
		buf_fini(&b);
		now = verify(&p);
		ck_assert_msg(!now.ok && now.bad_seq == cases[i].seq &&
			      !strncmp(now.what, cases[i].says,
				       strlen(cases[i].says)),
			      "%zu: %u %s", i, (unsigned)now.bad_seq,
			      now.what);
	}
	at = strstr(text, "\"seq\":4,");
	link = strstr(at, "\"prev\":\"") + 8;
	*link = *link == '0' ? '1' : '0';
	spill(&p, text, len);
	now = verify(&p);
	ck_assert_msg(now.bad_seq == 4 && strstr(now.what, "edited: neither"),
		      "%s", now.what);
	free(text);
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(only_a_torn_last_line_is_cut_and_told)
{
	struct place p = place_new();
	char *text, hex[SHA256_HEX];
	size_t len, from;

	fill(&p, 7);
	text = slurp(&p, &len);
	from = (size_t)(strstr(text, "{\"seq\":5,") - text);
	for (size_t cut = len; cut-- > from;) {
		struct journal_repair repair;
		struct journal *j = NULL;
		size_t end, after;
		bool torn = text[cut - 1] != '\n';

		for (end = cut; end && text[end - 1] != '\n'; end--)
			;
		spill(&p, text, cut);
		ck_assert_int_eq(verify(&p).ok, !torn);
		ck_assert_int_eq(journal_open(&j, p.dir, &repair, NULL), 0);
		ck_assert_int_eq(repair.done, torn);
		ck_assert_int_eq(journal_head(j).off, end);
		if (torn) {
			sha256_hex(text + end, cut - end, hex);
			ck_assert_int_eq(repair.off, end);
			ck_assert_int_eq(repair.len, cut - end);
			ck_assert_str_eq(repair.sha256, hex);
		}
		append(j, "log_repaired", NULL);
		commit(j);
		after = journal_head(j).off;
		journal_close(j);
		ck_assert(verify(&p).ok && verify(&p).bytes == after);
	}
	free(text);
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(what_a_power_cut_leaves_as_nuls_is_cut_too)
{
	static const struct { const char *tail; size_t nuls; } cases[] = {
		{"", 1}, {"", 700000}, {"{\"seq\":4,\"ts", 4096},
	};
	struct place p = place_new();

	fill(&p, 3);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct journal_repair repair;
		struct journal *j = NULL;
		struct buf b = {0};
		size_t len, whole;
		char *text = slurp(&p, &len);

		buf_add(&b, text, len);
		whole = b.len;
		buf_adds(&b, cases[i].tail);
		memset(buf_room(&b, cases[i].nuls), 0, cases[i].nuls);
		b.len += cases[i].nuls;
		spill(&p, b.data, b.len);
		ck_assert_int_eq(journal_open(&j, p.dir, &repair, NULL), 0);
		ck_assert(repair.done && repair.off == whole);
		ck_assert_int_eq(repair.len, b.len - whole);
		ck_assert_int_eq(journal_head(j).seq, 3);
		journal_close(j);
		buf_fini(&b);
		free(text);
	}
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(any_other_damage_at_the_end_is_refused_and_left_alone)
{
	static const struct { const char *from, *to, *says; } cases[] = {
		{"\"seq\":6", "\"seq\":7", "record 6"},
		{"\"n\":5", "\"n\":7", "record 6"},
		{"\"actor\"", "\"actress\"", "record 1 "},
		{"\n", " ", "record 1 "},
	};
	struct place p = place_new();
	char *text, *other, *at;
	size_t len, now;

	fill(&p, 6);
	text = slurp(&p, &len);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct journal_repair repair;
		struct journal *j = NULL;
		struct err err = {0};
		struct buf b = {0};

		at = strstr(text, cases[i].from);
		buf_add(&b, text, (size_t)(at - text));
		buf_adds(&b, cases[i].to);
		buf_adds(&b, at + strlen(cases[i].from));
		buf_adds(&b, "{\"seq\"");	/* a torn tail beside it */
		spill(&p, b.data, b.len);
		ck_assert_int_eq(journal_open(&j, p.dir, &repair, &err), -1);
		ck_assert_int_eq(err.code, ERR_audit_unavailable);
		ck_assert_msg(strstr(err.detail, cases[i].says) != NULL,
			      "%zu: %s", i, err.detail);
		ck_assert(!repair.done && *err.hint);
		other = slurp(&p, &now);
		ck_assert(now == b.len && !memcmp(other, b.data, now));
		free(other);
		buf_fini(&b);
	}
	free(text);
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(a_file_that_is_not_ours_is_refused)
{
	struct place p = place_new();
	struct journal_repair repair;
	struct journal *j = NULL;
	struct err err = {0};
	char *noise = xmalloc(300000), path[160];

	memset(noise, 'x', 300000);
	spill(&p, noise, 300000);
	free(noise);
	ck_assert_int_eq(journal_open(&j, p.dir, &repair, &err), -1);
	unlink(p.file);
	fill(&p, 1);
	snprintf(path, sizeof(path), "%s/00000000000000000002.jsonl", p.dir);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	ck_assert_int_eq(journal_open(&j, p.dir, &repair, &err), -1);
	ck_assert_msg(strstr(err.detail, path) != NULL, "%s", err.detail);
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(a_journal_has_one_writer)
{
	struct place p = place_new();
	struct journal *j = open_ok(&p), *other = NULL;
	struct journal_repair repair;
	struct err err = {0};

	ck_assert_int_eq(journal_open(&other, p.dir, &repair, &err), -1);
	ck_assert_msg(strstr(err.detail, "in use") != NULL, "%s", err.detail);
	journal_close(j);
	journal_close(open_ok(&p));
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(an_entry_that_is_too_long_harms_no_other)
{
	struct place p = place_new();
	struct journal *j = open_ok(&p);
	char *text = xcalloc(1, 70000);
	struct entry big = {.type = "t", .route = text};
	struct err err = {0};
	struct record *r;

	append(j, "heartbeat", NULL);
	memset(text, 'a', 69999);
	ck_assert_ptr_null(journal_append(j, &big, &err));
	ck_assert_int_eq(err.code, ERR_task_too_large);
	append(j, "heartbeat", NULL);
	commit(j);
	/* The longest that fits is one that can be read again. */
	text[RECORD_LINE_MAX] = 0;
	while (!(r = journal_append(j, &big, NULL)))
		text[strlen(text) - 1] = 0;
	ck_assert_int_eq(r->len, RECORD_LINE_MAX);
	commit(j);
	journal_close(j);
	ck_assert_int_eq(verify(&p).records, 3);
	j = open_ok(&p);
	ck_assert_int_eq(journal_head(j).seq, 3);
	journal_close(j);
	free(text);
	fs_remove_tree(p.dir);
}
END_TEST

static void unlink_it(void *p)
{
	unlink(((struct place *)p)->file);
}

static void rename_it(void *p)
{
	char away[160];

	snprintf(away, sizeof(away), "%s.away", ((struct place *)p)->file);
	ck_assert_int_eq(rename(((struct place *)p)->file, away), 0);
}

static void replace_it(void *p)
{
	size_t len;
	char *text = slurp(p, &len);

	rename_it(p);
	spill(p, text, len);
	free(text);
}

static void truncate_it(void *p)
{
	ck_assert_int_eq(truncate(((struct place *)p)->file, 10), 0);
}

static void write_into_it(void *p)
{
	int fd = open(((struct place *)p)->file, O_WRONLY | O_APPEND);

	ck_assert_int_eq(write(fd, "x\n", 2), 2);
	close(fd);
}

/* What fdatasync says of a pipe is EINVAL: a sync that fails. */
static void break_sync(void *p)
{
	char name[64], target[160];
	int pipes[2];

	ck_assert_int_eq(pipe(pipes), 0);
	for (int fd = 3; fd < 256; fd++) {
		ssize_t n;

		snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
		n = readlink(name, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = 0;
		if (!strcmp(target, ((struct place *)p)->file))
			dup2(pipes[1], fd);
	}
}

START_TEST(a_commit_fails_for_good_when_the_file_is_not_the_one)
{
	static const struct {
		void (*attack)(void *);
		const char *says;
	} cases[] = {
		{unlink_it, "was deleted"}, {rename_it, "No such file"},
		{replace_it, "another file"}, {truncate_it, "has 10 bytes"},
		{write_into_it, "bytes where"}, {break_sync, "syncing"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct place p = place_new();
		struct journal *j = open_ok(&p);
		struct journal_head head;
		struct err err = {0};

		append(j, "heartbeat", NULL);
		commit(j);
		head = journal_head(j);
		journal_on_sync(j, cases[i].attack, &p);
		append(j, "heartbeat", NULL);
		commit_fails(j, cases[i].says);
		journal_on_sync(j, NULL, NULL);
		ck_assert_ptr_null(journal_append(
			j, &(struct entry){.type = "t"}, &err));
		ck_assert_int_eq(err.code, ERR_audit_unavailable);
		commit_fails(j, cases[i].says);
		ck_assert_int_eq(journal_head(j).seq, head.seq);
		journal_close(j);
		fs_remove_tree(p.dir);
	}
}
END_TEST

START_TEST(a_full_disk_seals_and_leaves_what_was_committed)
{
	struct place p = place_new();
	struct journal *j = open_ok(&p);
	struct rlimit limit = {.rlim_max = RLIM_INFINITY};
	struct journal_head head;
	size_t len;

	append(j, "heartbeat", NULL);
	commit(j);
	head = journal_head(j);
	signal(SIGXFSZ, SIG_IGN);
	limit.rlim_cur = head.off + 300;	/* one and a bit of the two */
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	append(j, "heartbeat", NULL);
	append(j, "heartbeat", NULL);
	commit_fails(j, "writing");
	limit.rlim_cur = RLIM_INFINITY;
	setrlimit(RLIMIT_FSIZE, &limit);
	commit_fails(j, "writing");
	ck_assert_int_eq(journal_head(j).off, head.off);
	journal_close(j);
	/* Of what was refused nothing comes back with the next start. */
	free(slurp(&p, &len));
	ck_assert_int_eq(len, head.off);
	j = open_ok(&p);
	append(j, "heartbeat", NULL);
	commit(j);
	ck_assert_int_eq(journal_head(j).seq, head.seq + 1);
	journal_close(j);
	ck_assert(verify(&p).ok);
	fs_remove_tree(p.dir);
}
END_TEST

static void look_at_head(void *data)
{
	struct { struct journal *j; struct place p; uint64_t seq; } *s = data;
	size_t len;

	s->seq = journal_head(s->j).seq;
	free(slurp(&s->p, &len));
	ck_assert_int_gt(len, journal_head(s->j).off);	/* it is written */
}

START_TEST(nothing_is_committed_before_the_sync)
{
	struct { struct journal *j; struct place p; uint64_t seq; } s;

	s.p = place_new();
	s.j = open_ok(&s.p);
	append(s.j, "heartbeat", NULL);
	ck_assert_int_eq(journal_head(s.j).seq, 0);
	s.seq = 99;
	journal_on_sync(s.j, look_at_head, &s);
	commit(s.j);
	ck_assert_int_eq(s.seq, 0);
	ck_assert_int_eq(journal_head(s.j).seq, 1);
	s.seq = 99;
	commit(s.j);			/* nothing to do: no sync */
	ck_assert_int_eq(s.seq, 99);
	journal_close(s.j);
	fs_remove_tree(s.p.dir);
}
END_TEST

struct shared { struct journal *j; atomic_bool done; };

static void *read_along(void *data)
{
	struct shared *s = data;
	bool last;

	do {
		struct record *r = NULL;
		struct journal_head head;
		struct err err = {0};
		char *line;

		last = atomic_load(&s->done);
		head = journal_head(s->j);
		ck_assert_msg(!journal_replay(s->j, 0, follow, &r, &err),
			      "%s", err.detail);
		ck_assert(!head.seq || r->seq >= head.seq);
		if (r) {
			line = xmalloc(r->len);
			ck_assert(!journal_read(s->j, r->off, r->len, line,
						NULL));
			ck_assert_mem_eq(line, r->line, r->len);
			free(line);
		}
		record_unref(r);
	} while (!last);
	return NULL;
}

START_TEST(two_threads_read_while_one_appends)
{
	struct place p = place_new();
	struct shared s = {.j = open_ok(&p)};
	pthread_t readers[2];

	for (int i = 0; i < 2; i++)
		pthread_create(&readers[i], NULL, read_along, &s);
	for (int i = 0; i < 300; i++) {
		for (int k = 0; k <= i % 4; k++)
			append(s.j, "heartbeat", json_pack("{s:i}", "i", i));
		commit(s.j);
	}
	atomic_store(&s.done, true);
	for (int i = 0; i < 2; i++)
		pthread_join(readers[i], NULL);
	journal_close(s.j);
	ck_assert(verify(&p).ok);
	fs_remove_tree(p.dir);
}
END_TEST

TESTS("journal",
      a_line_has_exactly_these_bytes,
      what_is_made_is_what_is_parsed,
      times_are_written_as_the_clock_writes_them,
      data_is_written_as_jansson_writes_it,
      what_is_no_compact_json_is_noticed,
      a_member_is_found_where_it_lies,
      a_line_that_we_would_not_write_is_no_record,
      data_nested_as_deep_as_a_request_may_be_is_read_back,
      each_record_names_the_hash_of_the_one_before,
      a_replay_starts_at_any_record_and_ends_when_told,
      a_point_of_the_past_is_known_again,
      time_never_goes_back_even_if_the_clock_does,
      every_flipped_bit_is_noticed,
      moved_missing_and_doubled_lines_are_told_apart,
      an_edited_record_is_named,
      only_a_torn_last_line_is_cut_and_told,
      what_a_power_cut_leaves_as_nuls_is_cut_too,
      any_other_damage_at_the_end_is_refused_and_left_alone,
      a_file_that_is_not_ours_is_refused,
      a_journal_has_one_writer,
      an_entry_that_is_too_long_harms_no_other,
      a_commit_fails_for_good_when_the_file_is_not_the_one,
      a_full_disk_seals_and_leaves_what_was_committed,
      nothing_is_committed_before_the_sync,
      two_threads_read_while_one_appends)
