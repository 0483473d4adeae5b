/* JSON as it is written: the same bytes for the same value, always. */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/json_span.h"
#include "common/mem.h"
#include "common/sha256.h"
#include "tests/unit/unit.h"

static char *jansson_pretty(const json_t *v)
{
	char *text = json_dumps(v, JSON_INDENT(2) | JSON_SORT_KEYS);
	char *out = xasprintf("%s\n", text);

	free(text);
	return out;
}

/* By hand where it can be, so the two have to agree. */
static void parsed_back(const char *text, const json_t *v)
{
	json_t *got = json_span_load((struct span){text, strlen(text)});

	ck_assert_msg(!got || json_equal(got, v), "%s", text);
	json_decref(got);
}

#define DRAWN_DIGITS 15		/* more than a fraction below has */

/* The bytes are what shas are of: they may never differ from jansson's. */
static void same_as_jansson(const json_t *v)
{
	char *want = jansson_pretty(v), *got = json_pretty(v, NULL);

	ck_assert_str_eq(got, want);
	free(got);
	free(want);
	parsed_back(got = json_pretty(v, NULL), v);
	free(got);
	parsed_back(got = json_dumps(v, 0), v);
	free(got);
	want = json_dumps(v, JSON_COMPACT);
	got = json_hashed(v, NULL);
	ck_assert_str_eq(got, want);
	free(want);
	free(got);
	got = json_line(v, NULL);
	want = json_dumps(v, JSON_COMPACT | JSON_REAL_PRECISION(DRAWN_DIGITS));
	ck_assert_str_eq(got, want);
	parsed_back(got, v);
	free(got);
	free(want);
}

/* Of text with a byte that somebody changed, at most what jansson takes. */
static void damaged(const json_t *v)
{
	const int flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL;
	size_t len;
	char *text = json_line(v, &len);

	for (int i = 0; i < 20; i++) {
		const size_t at = (size_t)rand() % len;
		const char was = text[at];
		json_t *ours, *theirs;

		text[at] = rand() % 2 ? "{}[],:\"\\ 0-tfn\n"[rand() % 16] :
					(char)rand();
		ours = json_span_load((struct span){text, len});
		theirs = json_loadb(text, len, flags, NULL);
		ck_assert_msg(!ours || json_equal(ours, theirs), "%s", text);
		json_decref(ours);
		json_decref(theirs);
		text[at] = was;
	}
	free(text);
}

/* Memory that was used before: what is not written there is not zero. */
START_TEST(json_ends_with_a_nul)
{
	static const char *const texts[] = {"\"said\"", "7", "0.5", "true",
					    "null", "[]", "{}"};

	mallopt(M_PERTURB, 0x5a);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		json_t *v = json_loads(texts[i], JSON_DECODE_ANY, NULL);
		char *text = json_line(v, NULL);

		ck_assert_str_eq(text, texts[i]);
		free(text);
		json_decref(v);
	}
	mallopt(M_PERTURB, 0);
}
END_TEST

/* As a person writes it, and as JavaScript would but for ".0" and "+". */
START_TEST(a_fraction_has_the_fewest_digits_that_are_read_as_the_same)
{
	static const char *const texts[] = {"0.4", "0.1", "-0.3", "1.0",
		"-0.0", "0.30000000000000004", "0.1234567890123456",
		"5e-324", "-5e-324", "2.2250738585072014e-308", "1e-7",
		"2.225073858507201e-308", "1.7976931348623157e308",
		"4503599627370495.5", "100.25", "1e21", "0.7999999999999999"};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		json_t *v = json_loads(texts[i], JSON_DECODE_ANY, NULL);
		char *text = json_line(v, NULL);
		json_t *back = json_loads(text, JSON_DECODE_ANY, NULL);

		ck_assert_msg(json_equal(v, back), "%s", text);
		ck_assert_str_eq(text, texts[i]);
		free(text);
		json_decref(back);
		json_decref(v);
	}
}
END_TEST

/* As they were always written: what is on record was hashed so. */
START_TEST(a_document_and_what_is_hashed_have_all_digits_of_a_fraction)
{
	json_t *v = json_pack("{s:f}", "progress", 0.4);
	char *text = json_pretty(v, NULL), blob[41];
	size_t len;

	ck_assert_str_eq(text, "{\n  \"progress\": 0.40000000000000002\n}\n");
	git_blob_hex(text, strlen(text), blob);
	ck_assert_str_eq(blob, "a0ec3348694947a8dbd2eaf5ad224d940dc94d94");
	free(text);
	text = json_hashed(v, &len);
	ck_assert_str_eq(text, "{\"progress\":0.40000000000000002}");
	ck_assert_uint_eq(len, strlen(text));
	free(text);
	json_decref(v);
}
END_TEST

static json_t *drawn(int depth)
{
	static const char *const texts[] = {"", "plain", "\"\\/\b\f\n\r\t",
		"\x01\x1f\x7f", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "b", "a"};
	json_t *v = depth > 5 || rand() % 3 ? NULL : rand() % 2 ?
		    json_object() : json_array();
	char key[32];

	for (int n = rand() % 90; v && n > 0; n -= depth ? 20 : 1) {
		snprintf(key, sizeof(key), "%s%d", texts[rand() % 7],
			 rand() % 50);
		if (json_is_object(v))
			json_object_set_new(v, key, drawn(depth + 1));
		else
			json_array_append_new(v, drawn(depth + 1));
	}
	switch (v ? -1 : rand() % 7) {
	case -1: return v;
	case 0: return json_true();
	case 1: return json_false();
	case 2: return json_null();
	case 3: return json_integer(rand() % 2 ? -rand() : rand());
	case 4: return json_integer(rand() % 2 ? INT64_MIN : INT64_MAX);
	case 5: return json_real(rand() / 1e3);
	default: return json_string(texts[rand() % 7]);
	}
}

START_TEST(json_is_written_byte_for_byte_as_jansson_does)
{
	for (int i = 0; i < 1000; i++) {
		json_t *v = json_pack("{s:o,s:o,s:[]}", "b", drawn(0), "a",
				      drawn(0), "z");

		same_as_jansson(v);
		damaged(v);
		json_decref(v);
	}
}
END_TEST

TESTS("json_write", json_is_written_byte_for_byte_as_jansson_does,
      a_fraction_has_the_fewest_digits_that_are_read_as_the_same,
      a_document_and_what_is_hashed_have_all_digits_of_a_fraction,
      json_ends_with_a_nul)
