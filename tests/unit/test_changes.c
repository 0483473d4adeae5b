/* What is said of two versions of a document. */
#include <string.h>

#include "agent/store/changes.h"
#include "tests/unit/unit.h"

static const struct { const char *from, *to, *want; } cases[] = {
	{"{}", "{}", "[]"},
	{"{'a':1,'b':[1,{'c':null}]}", "{'b':[1,{'c':null}],'a':1}", "[]"},
	{NULL, "{'a':1,'b':{}}",
	 "[{'path':'/a','to':1},{'path':'/b','to':{}}]"},
	{"{'a':1}", NULL, "[{'path':'/a','from':1}]"},
	{"{'a':1}", "{'a':2}", "[{'path':'/a','from':1,'to':2}]"},
	{"{'a':1}", "{'a':'1'}", "[{'path':'/a','from':1,'to':'1'}]"},
	{"{'a':null}", "{}", "[{'path':'/a','from':null}]"},
	{"{}", "{'a':null}", "[{'path':'/a','to':null}]"},
	{"{'a':{'b':1,'c':2}}", "{'a':{'b':1,'c':3}}",
	 "[{'path':'/a/c','from':2,'to':3}]"},
	{"{'a':null}", "{'a':{'b':1}}",
	 "[{'path':'/a','from':null,'to':{'b':1}}]"},
	{"{'a':[1,2,3]}", "{'a':[1,4]}",
	 "[{'path':'/a/1','from':2,'to':4},{'path':'/a/2','from':3}]"},
	{"{'a':[]}", "{'a':[{'b':1}]}", "[{'path':'/a/0','to':{'b':1}}]"},
	{"{'a':{}}", "{'a':[]}", "[{'path':'/a','from':{},'to':[]}]"},
	{"{'a/b':1,'m~n':1,'':1}", "{'a/b':2,'m~n':2,'':2}",
	 "[{'path':'/a~1b','from':1,'to':2},{'path':'/m~0n','from':1,'to':2},"
	 "{'path':'/','from':1,'to':2}]"},
	{"{'a':'А'}", "{'a':'A'}", "[{'path':'/a','from':'А','to':'A'}]"},
};

static json_t *loads(const char *text)
{
	char *own = xstrdup(text);
	json_t *v;

	for (char *at = own; *at; at++)
		if (*at == '\'')
			*at = '"';
	v = json_loads(own, JSON_DECODE_ANY, NULL);
	ck_assert_msg(v != NULL, "%s", own);
	free(own);
	return v;
}

START_TEST(each_member_that_differs_is_named_by_its_pointer)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		json_t *from = cases[i].from ? loads(cases[i].from) : NULL;
		json_t *to = cases[i].to ? loads(cases[i].to) : NULL;
		json_t *want = loads(cases[i].want);
		int more;
		json_t *got = changes_between(from, to, &more);
		char *text = json_line(got, NULL);

		ck_assert_msg(json_equal(got, want), "case %zu: %s", i, text);
		ck_assert_int_eq(more, 0);
		free(text);
		json_decref(got);
		json_decref(want);
		json_decref(from);
		json_decref(to);
	}
}
END_TEST

static json_t *text_of(size_t len, char c)
{
	char *text = xcalloc(1, len + 1);
	json_t *v;

	memset(text, c, len);
	v = json_string(text);
	free(text);
	return v;
}

START_TEST(a_long_value_is_told_by_its_hash)
{
	/* printf '"%s"' $(head -c 1023 /dev/zero | tr '\0' x) | sha256sum */
	static const char hash[] = "bd752ecad52fb02540c855864234ec64"
		"79fba3cb8278ebe0e97b612c6b326600";
	json_t *from = json_pack("{s:o}", "a", text_of(CHANGES_VALUE - 2, 'x'));
	json_t *to = json_pack("{s:o}", "a", text_of(CHANGES_VALUE - 1, 'x'));
	json_t *out, *one;
	int more;

	out = changes_between(from, to, &more);
	one = json_array_get(out, 0);
	ck_assert_uint_eq(json_array_size(out), 1);
	ck_assert(json_is_string(json_object_get(one, "from")));
	one = json_object_get(one, "to");
	ck_assert_int_eq(json_int(one, "bytes", 0), CHANGES_VALUE + 1);
	ck_assert_str_eq(json_str(one, "sha256"), hash);
	json_decref(out);
	json_decref(from);
	json_decref(to);
}
END_TEST

START_TEST(what_is_too_much_is_counted)
{
	json_t *to = json_object(), *out;
	char key[16];
	int more;

	for (int i = 0; i < CHANGES_MAX + 50; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		json_object_set_new(to, key, json_integer(i));
	}
	out = changes_between(NULL, to, &more);
	ck_assert_uint_eq(json_array_size(out), CHANGES_MAX);
	ck_assert_int_eq(more, 50);
	json_decref(out);
	json_decref(to);
}
END_TEST

/* 20 KB of name in front of a thousand members would be 20 MB. */
START_TEST(what_lies_behind_a_long_name_changes_as_a_whole)
{
	json_t *name = text_of(20000, 'n'), *inner[2], *doc[2], *out;
	char key[16];
	int more;

	for (int k = 0; k < 2; k++) {
		inner[k] = json_object();
		for (int i = 0; i < 1000; i++) {
			snprintf(key, sizeof(key), "k%d", i);
			json_object_set_new(inner[k], key, json_integer(k));
		}
		doc[k] = json_pack("{s:{s:o}}", "meta",
				   json_string_value(name), inner[k]);
	}
	out = changes_between(doc[0], doc[1], &more);
	ck_assert_uint_eq(json_array_size(out), 1);
	ck_assert_str_eq(json_str(json_array_get(out, 0), "path"), "/meta");
	ck_assert_int_eq(more, 0);
	json_decref(out);
	json_decref(doc[0]);
	json_decref(doc[1]);
	json_decref(name);
}
END_TEST

START_TEST(a_long_name_on_one_side_is_enough)
{
	json_t *name = text_of(20000, 'n'), *small, *large, *out;
	int more;

	small = json_pack("{s:{s:i}}", "meta", "a", 1);
	large = json_pack("{s:{s:i,s:i}}", "meta", "a", 2,
			  json_string_value(name), 1);
	for (int k = 0; k < 2; k++) {
		out = changes_between(k ? large : small, k ? small : large,
				      &more);
		ck_assert_uint_eq(json_array_size(out), 1);
		ck_assert_str_eq(json_str(json_array_get(out, 0), "path"),
				 "/meta");
		json_decref(out);
	}
	json_decref(small);
	json_decref(large);
	json_decref(name);
}
END_TEST

TESTS("changes",
      each_member_that_differs_is_named_by_its_pointer,
      a_long_value_is_told_by_its_hash,
      what_is_too_much_is_counted,
      what_lies_behind_a_long_name_changes_as_a_whole,
      a_long_name_on_one_side_is_enough)
