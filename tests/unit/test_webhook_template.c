/* What of an event goes into a task: pointers, templates, nothing else. */
#include "tests/unit/unit.h"

#include <string.h>

#include "agent/store/webhook_template.h"
#include "common/err.h"
#include "common/utf8.h"

static const char event[] =
	"{\"action\": \"opened\", \"n\": 7, \"half\": 0.5, \"none\": null,"
	" \"yes\": true, \"\": {\"\": \"deep\"}, \"a/b\": 1, \"m~n\": 2,"
	" \"~1\": 3, \"list\": [\"zero\", {\"x\": \"one\"}],"
	" \"issue\": {\"title\": \"Umlaut \\u00e4\", \"body\":"
	" \"one\\r\\ntwo\\rthree\\nfour\\tfive\\u0007\\u009b\\u007f\"},"
	" \"kind\": {\"a\": [1, \"two\"]}}";

static json_t *read_event(void)
{
	struct err err = {0};
	json_t *body = json_parse(event, strlen(event), &err);

	ck_assert_ptr_nonnull(body);
	return body;
}

START_TEST(a_pointer_names_what_rfc_6901_says_it_does)
{
	static const struct { const char *pointer, *json; } cases[] = {
		{"/action", "\"opened\""}, {"/n", "7"}, {"/none", "null"},
		{"/a~1b", "1"}, {"/m~0n", "2"}, {"/~01", "3"},
		{"//", "\"deep\""}, {"/list/0", "\"zero\""},
		{"/list/1/x", "\"one\""}, {"/kind/a", "[1,\"two\"]"},
		{"/list/00", NULL}, {"/list/01", NULL}, {"/list/2", NULL},
		{"/list/-", NULL}, {"/list/", NULL}, {"/list/-1", NULL},
		{"/list/18446744073709551616", NULL}, {"/a", NULL},
		{"/action/0", NULL}, {"/none/x", NULL}, {"/issue/", NULL},
	};
	json_t *body = read_event();

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		json_t *v = pointer_get(body, cases[i].pointer);
		char *said = v ? json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY)
			       : NULL;

		ck_assert_ptr_null(pointer_wrong(cases[i].pointer));
		ck_assert_msg(!said == !cases[i].json && (!said ||
			      !strcmp(said, cases[i].json)), "%s gave %s",
			      cases[i].pointer, said ? said : "nothing");
		free(said);
	}
	json_decref(body);
}
END_TEST

START_TEST(what_is_no_pointer_or_template_is_told)
{
	static const char *const pointers[] = {"", "a", "a/b", "/a~", "/~2",
					       "/a~b/c", "/\xff", "#/a"};
	static const char *const wrong[] = {
		"{", "}", "a{b", "{action}", "{/a", "{/a{/b}", "{}", "{/~}",
		"{{}", "{/a}}", "x}y", "{ /a}", "\xc3"};
	static const char *const right[] = {
		"", "{/a}", "{{}}", "{{{/a}}}", "{/a}{/b}", "{/}", "text \xc3\xa4"};
	char longest[600];

	for (size_t i = 0; i < ARRAY_LEN(pointers); i++)
		ck_assert_msg(pointer_wrong(pointers[i]) != NULL, "%s",
			      pointers[i]);
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		ck_assert_msg(template_wrong(wrong[i]) != NULL, "%s",
			      wrong[i]);
	for (size_t i = 0; i < ARRAY_LEN(right); i++)
		ck_assert_msg(!template_wrong(right[i]), "%s: %s", right[i],
			      template_wrong(right[i]));
	memset(longest, 'a', sizeof(longest));
	memcpy(longest, "{/", 2);
	memcpy(longest + sizeof(longest) - 2, "}", 2);
	ck_assert_ptr_nonnull(template_wrong(longest));
	ck_assert_ptr_nonnull(pointer_wrong(longest + 1));
}
END_TEST

START_TEST(a_template_is_filled_with_what_is_there)
{
	static const struct {
		const char *text;
		enum template_kind kind;
		size_t max;
		const char *expected;
	} cases[] = {
		{"", TEMPLATE_LINE, 9, ""},
		{"plain", TEMPLATE_LINE, 9, "plain"},
		{"{/action}: {/issue/title}", TEMPLATE_LINE, 99,
		 "opened: Umlaut \xc3\xa4"},
		{"{{{/n}}} {{}}", TEMPLATE_LINE, 99, "{7} {}"},
		{"{/half} {/yes} {/none}.", TEMPLATE_LINE, 99, "0.5 true ."},
		{"{/kind}", TEMPLATE_LINE, 99, "{\"a\":[1,\"two\"]}"},
		{"[{/nothing}]", TEMPLATE_LINE, 99, "[]"},
		{"{/issue/body}", TEMPLATE_TEXT, 99, "one\ntwo\nthree\nfour\t"
		 "five\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"{/issue/body}", TEMPLATE_LINE, 99, "one two three four "
		 "five\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"a\r\nb\xe2\x80\xae", TEMPLATE_TEXT, 99, "a\nb\xe2\x80\xae"},
		{"{/action}", TEMPLATE_LINE, 6, "opened"},
		{"{/action}", TEMPLATE_LINE, 5, "op\xe2\x80\xa6"},
		{"{/action}{/n}", TEMPLATE_LINE, 6, "ope\xe2\x80\xa6"},
		{"\xc3\xa4\xc3\xa4\xc3\xa4", TEMPLATE_LINE, 6,
		 "\xc3\xa4\xc3\xa4\xc3\xa4"},
		{"\xc3\xa4\xc3\xa4\xc3\xa4", TEMPLATE_LINE, 5,
		 "\xc3\xa4\xe2\x80\xa6"},
		{"x\xf0\x9f\x98\x80yyyy", TEMPLATE_LINE, 7,
		 "x\xe2\x80\xa6"},
		{"x\xf0\x9f\x98\x80yyyy", TEMPLATE_LINE, 8,
		 "x\xf0\x9f\x98\x80\xe2\x80\xa6"},
	};
	json_t *body = read_event();

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *said = template_fill(cases[i].text, body, cases[i].kind,
					   cases[i].max, NULL);

		ck_assert_ptr_null(template_wrong(cases[i].text));
		ck_assert_str_eq(said, cases[i].expected);
		ck_assert_uint_le(strlen(said), cases[i].max);
		free(said);
	}
	json_decref(body);
}
END_TEST

START_TEST(what_is_missing_is_told_once)
{
	json_t *body = read_event(), *missing = json_array();
	char *said = template_fill("{/x}{/action}{/y/z}{/x}{/none}", body,
				   TEMPLATE_LINE, 99, missing);
	char *list = json_dumps(missing, JSON_COMPACT);

	ck_assert_str_eq(said, "opened");
	ck_assert_str_eq(list, "[\"/x\",\"/y/z\"]");
	free(said);
	free(list);
	json_decref(missing);
	json_decref(body);
}
END_TEST

START_TEST(a_huge_value_costs_no_more_than_what_is_kept)
{
	size_t len = 1000000;
	char *huge = xmalloc(len + 1);
	json_t *body;

	memset(huge, 'y', len);
	huge[len] = 0;
	body = json_pack("{s:s}", "t", huge);
	for (size_t max = 3; max < 60; max++) {
		char *said = template_fill("{/t}{/t}{/t}", body,
					   TEMPLATE_TEXT, max, NULL);

		ck_assert_uint_eq(strlen(said), max);
		ck_assert(utf8_valid(said, max));
		free(said);
	}
	json_decref(body);
	free(huge);
}
END_TEST

TESTS("webhook_template", a_pointer_names_what_rfc_6901_says_it_does,
      what_is_no_pointer_or_template_is_told,
      a_template_is_filled_with_what_is_there, what_is_missing_is_told_once,
      a_huge_value_costs_no_more_than_what_is_kept)
