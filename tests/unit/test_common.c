/* The small pieces that everything stands on. */
#include "tests/unit/unit.h"

#include <string.h>
#include <unistd.h>

#include "common/base64.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/conf.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/id.h"
#include "common/jcs.h"
#include "common/sha256.h"
#include "common/utf8.h"
#include "common/words.h"

START_TEST(json_that_could_be_read_two_ways_is_refused)
{
	static const struct { const char *text; bool ok; } cases[] = {
		{"{}", true}, {"{\"a\":1}", true},
		{"{\"a\":1,\"a\":2}", false}, {"[]", false}, {"1", false},
		{"{\"a\":\"\\u0000\"}", false}, {"{\"a\":1} x", false},
		{"{\"a\":\"\xff\"}", false}, {"{\"a\":\"\\ud800\"}", false},
		{"{\"a\":9007199254740992}", true},
		{"{\"a\":9007199254740993}", false},
		{"{\"a\":1e300}", false}, {"{\"a\":NaN}", false},
		{"\xef\xbb\xbf{}", false}, {"", false}, {"{", false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = {0};
		json_t *v = json_parse(cases[i].text, strlen(cases[i].text),
				       &err);

		ck_assert_msg(!v == !cases[i].ok, "%s", cases[i].text);
		if (!v)
			ck_assert_int_eq(err.code, ERR_invalid_json);
		json_decref(v);
		err_fini(&err);
	}
}
END_TEST

START_TEST(json_nesting_ends_at_32)
{
	for (int depth = 30; depth <= 35; depth++) {
		char text[256] = "";
		json_t *v;

		for (int i = 0; i < depth; i++)
			strcat(text, i ? "[" : "{\"a\":");
		strcat(text, depth > 1 ? "" : "1");
		for (int i = depth; i-- > 0;)
			strcat(text, i ? "]" : "}");
		v = json_parse(text, strlen(text), NULL);
		ck_assert_msg(!v == (depth > 32), "depth %d", depth);
		json_decref(v);
	}
}
END_TEST

START_TEST(canonical_json_sorts_by_utf16_and_escapes_as_rfc_8785)
{
	/* RFC 8785 section 3.2.3's example keys, out of order. */
	static const char in[] =
		"{\"\\u20ac\":\"Euro\",\"\\r\":\"CR\",\"\\ufb33\":\"Dalet\","
		"\"1\":\"One\",\"\\ud83d\\ude00\":\"Smiley\",\"\\u0080\":\"C\","
		"\"\\u00f6\":\"o\"}";
	static const char out[] =
		"{\"\\r\":\"CR\",\"1\":\"One\",\"\xc2\x80\":\"C\","
		"\"\xc3\xb6\":\"o\",\"\xe2\x82\xac\":\"Euro\","
		"\"\xf0\x9f\x98\x80\":\"Smiley\",\"\xef\xac\xb3\":\"Dalet\"}";
	json_t *v = json_parse(in, sizeof(in) - 1, NULL);
	char *text = jcs_text(v, NULL, NULL);

	ck_assert_str_eq(text, out);
	free(text);
	json_decref(v);
	v = json_pack("{s:s,s:[b,n,i]}", "b", "\b\t\x01\"\\/", "a", 1, -5);
	text = jcs_text(v, NULL, NULL);
	ck_assert_str_eq(text, "{\"a\":[true,null,-5],"
			       "\"b\":\"\\b\\t\\u0001\\\"\\\\/\"}");
	free(text);
	json_object_set_new(v, "r", json_real(0.1));
	ck_assert_ptr_null(jcs_text(v, NULL, NULL));
	json_decref(v);
}
END_TEST

START_TEST(merge_patch_follows_rfc_7396)
{
	static const char *const cases[][3] = {
		{"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
		{"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
		{"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
		{"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
		{"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}",
		 "{\"a\":{\"b\":\"d\"}}"},
		{"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}",
		 "{\"a\":{\"bb\":{}}}"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		json_t *t = json_loads(cases[i][0], 0, NULL);
		json_t *p = json_loads(cases[i][1], 0, NULL);
		json_t *want = json_loads(cases[i][2], 0, NULL);
		json_t *got = json_merge_patch(t, p);

		ck_assert_msg(json_equal(got, want), "case %zu", i);
		json_decref(t);
		json_decref(p);
		json_decref(want);
		json_decref(got);
	}
}
END_TEST

START_TEST(hashes_equal_the_published_ones)
{
	char hex[SHA256_HEX], blob[41];
	uint8_t raw[SHA256_RAW];

	sha256_hex("abc", 3, hex);
	ck_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223"
			      "b00361a396177a9cb410ff61f20015ad");
	sha256_leaf("", 0, raw);
	hex_of(raw, sizeof(raw), hex);
	ck_assert_str_eq(hex, "6e340b9cffb37a989ca544e6bb780a2c"
			      "78901d3fb33738768511a30617afa01d");
	git_blob_hex("hello\n", 6, blob);
	ck_assert_str_eq(blob, "ce013625030ba8dba906f756967f9e9ca394464a");
}
END_TEST

START_TEST(ids_sort_by_time_and_odd_ones_are_refused)
{
	static const char *const bad[] = {"", "-a", ".a", "a/b", "a b", "a\n",
					  "\xc3\xa4"};
	char first[ID_MADE], second[ID_MADE];

	id_make('t', first);
	usleep(3000);
	id_make('t', second);
	ck_assert_str_lt(first, second);
	ck_assert(id_valid(first));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert(!id_valid(bad[i]));
	ck_assert(correlation_valid("c-1:x") && !correlation_valid("a b"));
}
END_TEST

START_TEST(times_are_read_and_written_exactly)
{
	char text[CLOCK_TEXT];
	int64_t us;

	ck_assert(clock_parse("2026-11-22T10:00:01.25+02:00", 0, &us));
	clock_text(us, text);
	ck_assert_str_eq(text, "2026-11-22T08:00:01.250000Z");
	ck_assert(clock_parse("2h", 7200000000, &us) && us == 0);
	ck_assert(!clock_parse("2026-13-01T00:00:00Z", 0, &us));
	ck_assert(!clock_parse("yesterday", 0, &us));
	ck_assert(duration_parse("10s", &us) && us == 10000000);
	ck_assert(!duration_parse("10", &us) && !duration_parse("-1s", &us));
}
END_TEST

START_TEST(what_could_deceive_a_reader_becomes_visible)
{
	static const char *const cases[][2] = {
		{"plain \xc3\xa4 \xe4\xb8\xad", "plain \xc3\xa4 \xe4\xb8\xad"},
		{"a\x1b[31mb", "a<U+001B>[31mb"},
		{"a\xe2\x80\xae" "b", "a<U+202E>b"},
		{"a\xe2\x80\x8b" "b", "a<U+200B>b"},
		{"a\xc2\x9b" "b", "a<U+009B>b"},
		{"a\rb\n", "a<U+000D>b<U+000A>"},
		{"a\xff", "a<FF>"}, {"\xf3\xa0\x81\x81", "<U+E0041>"},
	};
	char out[64];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		utf8_visible(cases[i][0], out, sizeof(out));
		ck_assert_str_eq(out, cases[i][1]);
	}
	utf8_visible("a\xe2\x80\xae", out, 5);
	ck_assert_str_eq(out, "a");
}
END_TEST

START_TEST(a_word_of_a_list_is_a_whole_word)
{
	static const struct { const char *list, *word; int index; } cases[] = {
		{"allow|approve|deny", "allow", 0},
		{"allow|approve|deny", "deny", 2}, {"allow|deny", "all", -1},
		{"allow|deny", "allow|deny", -1}, {"", "", -1},
		{"a||b", "", 1}, {"a", "ab", -1}, {"a|", "", -1},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		ck_assert_int_eq(words_index(cases[i].list, '|',
					     cases[i].word), cases[i].index);
}
END_TEST

struct sample {
	int64_t grace;
	int level;
	char *name;
};

static const struct conf_key sample_keys[] = {
	{"policy", "grace", CONF_TIME, offsetof(struct sample, grace), "10s",
	 NULL, 0, 0, ""},
	{"policy", "level", CONF_CHOICE, offsetof(struct sample, level),
	 "deny", "allow|deny", 0, 0, ""},
	{"policy", "name", CONF_TEXT, offsetof(struct sample, name), "", NULL,
	 0, 0, ""},
};

static int take(const struct conf_entry *e, void *data, struct err *err)
{
	return conf_set(sample_keys, ARRAY_LEN(sample_keys), e, data, err);
}

static int read_sample(const char *text, struct sample *s, struct err *err)
{
	char path[] = "/tmp/kircerta-conf-XXXXXX";
	int fd = mkstemp(path), rc;

	ck_assert(fd >= 0 && !fs_write_all(fd, text, strlen(text)));
	conf_defaults(sample_keys, ARRAY_LEN(sample_keys), s);
	rc = conf_read(path, take, s, err);
	close(fd);
	unlink(path);
	return rc;
}

START_TEST(a_config_error_names_file_line_and_key)
{
	static const struct { const char *text, *says; } cases[] = {
		{"[policy]\n\tgrace = 5s\n\tgrase = 5s\n",
		 ":3: policy.grase: unknown key"},
		{"# c\n[policy]\ngrace = soon\n", ":3: policy.grace: \"soon\""},
		{"[policy]\nlevel = maybe\n", "allow|deny"},
		{"[policy \"a.b\"]\n\n  nope=1\n",
		 ":3: policy \"a.b\".nope: unknown key"},
		{"[policy\n", "policy"},
	};
	struct sample s = {0};
	struct err err = {0};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		ck_assert_int_ne(read_sample(cases[i].text, &s, &err), 0);
		ck_assert_int_eq(err.code, ERR_bad_config);
		ck_assert_msg(i == 4 || strstr(err.detail, cases[i].says),
			      "%s", err.detail);
	}
	ck_assert_int_eq(read_sample("[policy]\nlevel=allow", &s, &err), 0);
	ck_assert(s.level == 0 && s.grace == 10000000);
	conf_free(sample_keys, ARRAY_LEN(sample_keys), &s);
}
END_TEST

START_TEST(a_problem_object_is_whole_even_for_bad_bytes)
{
	struct err err = {0};
	json_t *p;

	err_set(&err, ERR_not_found, "no \xff here");
	err_member(&err, "from", json_string("x"));
	p = err_problem(&err, "c-1");
	ck_assert_str_eq(json_str(p, "detail"), "no ? here");
	ck_assert_str_eq(json_str(p, "error_code"), "not_found");
	ck_assert_int_eq(json_int(p, "status", 0), 404);
	ck_assert_str_eq(json_str(p, "from"), "x");
	ck_assert(*json_str(p, "remediation_hint"));
	json_decref(p);
	err_fini(&err);
}
END_TEST

/* RFC 4648, section 10; and each text stands for bytes in one way only. */
START_TEST(base64_has_one_form_for_all_bytes)
{
	static const struct { const char *raw, *text; } cases[] = {
		{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"},
		{"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="},
		{"foobar", "Zm9vYmFy"}, {"\xfb\xff\xfe", "+//+"},
	};
	static const char *const bad[] = {
		"Z", "Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "=", "Zg==Zg==",
		"Zm 9", "Zm9v\n", "Zm-_", "Z=9v",
	};
	struct buf b = {0};
	char raw[16];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const size_t len = strlen(cases[i].raw);

		buf_reset(&b);
		base64_add(&b, cases[i].raw, len);
		ck_assert_uint_eq(b.len, BASE64_LEN(len));
		ck_assert_str_eq(b.data, cases[i].text);
		ck_assert_int_eq(base64_raw(b.data, b.len, raw, len),
				 (ssize_t)len);
		ck_assert_mem_eq(raw, cases[i].raw, len);
		if (len)
			ck_assert_int_eq(base64_raw(b.data, b.len, raw,
						    len - 1), -1);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(base64_raw(bad[i], strlen(bad[i]), raw, 16) < 0,
			      "%s", bad[i]);
	ck_assert_int_eq(base64_raw("Zm\0v", 4, raw, 16), -1);
	buf_fini(&b);
}
END_TEST

TESTS("common", base64_has_one_form_for_all_bytes,
      json_that_could_be_read_two_ways_is_refused,
      json_nesting_ends_at_32,
      canonical_json_sorts_by_utf16_and_escapes_as_rfc_8785,
      merge_patch_follows_rfc_7396,
      hashes_equal_the_published_ones,
      ids_sort_by_time_and_odd_ones_are_refused,
      times_are_read_and_written_exactly,
      what_could_deceive_a_reader_becomes_visible,
      a_word_of_a_list_is_a_whole_word,
      a_config_error_names_file_line_and_key,
      a_problem_object_is_whole_even_for_bad_bytes)
