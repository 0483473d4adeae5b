/* A record's line: what is written, what is accepted. */
#include "tests/unit/unit.h"

#include <string.h>

#include "common/json_span.h"
#include "agent/store/record.h"
#include "agent/store/record_time.h"
#include "common/buf.h"
#include "common/clock.h"

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

static const uint8_t zeros[SHA256_RAW];

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

/* Built as v; NULL: left to jansson. */
static void loads_as(const struct buf *b, const json_t *v)
{
	json_t *got = json_span_load((struct span){b->data, b->len});

	ck_assert_msg(got ? json_equal(got, v) : !v, "%s", b->data);
	json_decref(got);
}

/* But for fractions, which it gives 17 digits. */
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
		char *want = json_is_real(v) ? xstrdup(cases[i]) :
			json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
		struct buf b = {0};

		json_add_line(&b, v);
		ck_assert_int_eq(b.len, strlen(want));
		ck_assert_mem_eq(b.data, want, b.len);
		ck_assert(json_span_ok((struct span){b.data, b.len}));
		loads_as(&b, json_is_number(v) && b.len > 2 ? NULL : v);
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
	ck_assert_ptr_null(json_span_load((struct span){deep, 600}));
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

/* Whatever jansson reads alike is built alike, or left to it. */
START_TEST(what_is_built_is_what_jansson_builds)
{
	static const char *const cases[] = {
		"{\"a\":1,\"a\":2}", "{\"\\n\":1}", "[-0]", "[1e5]",
		"[123456789012345678]", "[1234567890123456789]", "[0.5]",
		"[\"\\u0000\"]", "[\"\\u001f\\t\xf0\x9f\x98\x80\"]", "[00]",
		"[-123,[[]],{\"k\":{\"k\":[true,false,null,\"\"]}}]", "[tru]",
		"[\"\\\\\\\"\"]", "[-]", "{\"a\":", "[1", "{\"a\":1", "[nul",
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct span text = {cases[i], strlen(cases[i])};
		json_t *want = json_loadb(text.at, text.len,
			JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
		json_t *got = json_span_load(text);

		ck_assert_msg(!got || json_equal(got, want), "%s", cases[i]);
		json_decref(want);
		json_decref(got);
	}
}
END_TEST

START_TEST(data_goes_with_its_last_reader_and_the_line_stays)
{
	json_t *data = json_pack("{s:i}", "n", 1);
	struct record *r = record_make(&(struct entry){.type = "t",
				       .data = data}, 1, 0, zeros, NULL);
	struct record *line = record_ref_line(r), *reader = record_ref(r);

	record_unref(r);
	ck_assert(json_equal(reader->data, data));
	record_unref(reader);
	ck_assert_uint_eq(data->refcount, 1);
	ck_assert_str_eq(line->type, "t");
	ck_assert_mem_eq(line->line, "{\"seq\":1,", 9);
	record_unref_line(line);
	json_decref(data);
}
END_TEST

TESTS("record",
      a_line_has_exactly_these_bytes,
      what_is_made_is_what_is_parsed,
      times_are_written_as_the_clock_writes_them,
      data_is_written_as_jansson_writes_it,
      what_is_no_compact_json_is_noticed,
      a_member_is_found_where_it_lies,
      a_line_that_we_would_not_write_is_no_record,
      data_nested_as_deep_as_a_request_may_be_is_read_back,
      what_is_built_is_what_jansson_builds,
      data_goes_with_its_last_reader_and_the_line_stays)
