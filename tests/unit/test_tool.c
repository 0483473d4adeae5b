/* Manifests and what they make of arguments. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/run/manifest.h"
#include "agent/run/tool.h"
#include "common/err.h"
#include "common/fs.h"

static char dir[] = "/tmp/kircerta-tool-XXXXXX";

static void make_dir(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void drop_dir(void)
{
	fs_remove_tree(dir);
}

static void put(const char *name, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	ck_assert_int_eq(fs_replace(path, text, strlen(text), 0600, NULL), 0);
}

static struct tools *load(struct err *err)
{
	const char *dirs[] = {"/nonexistent/tools", dir, NULL};
	struct tools *t = NULL;

	if (tools_load(&t, dirs, 60000000, err))
		ck_assert_ptr_null(t);
	return t;
}

#define HEAD "[tool]\nname = x.y\nside-effect-level = read_only\ncommand = /bin/true\n"

START_TEST(a_manifest_is_read_whole)
{
	struct err err = {0};
	const struct tool *t;
	struct tools *set;
	json_t *shown;
	char *text;

	make_dir();
	put("paste.conf", "[tool]\n"
	    "\tname = paste.publish\n"
	    "\tsummary = Publish a text # to the paste service\n"
	    "\tside-effect-level = external_publish\n"
	    "\tcommand = bin/paste 'two words' a\\\\ b \\\"q\\\"\n"
	    "\ttimeout = 2m\n\tconfig = paste\n\tpass-env = DISPLAY, XAUTHORITY\n"
	    "\treversibility = compensable\n"
	    "[arg \"text\"]\n\ttype = string\n\trequired = true\n"
	    "\tmax-length = 280\n"
	    "[arg \"kind\"]\n\ttype = enum\n\tvalues = png, jpeg\n"
	    "\tdefault = png\n"
	    "[arg \"n\"]\n\ttype = integer\n\tmin = -3\n\tmax = 0\n"
	    "\tdefault = -1\n"
	    "[arg \"token\"]\n\tsecret = true\n\tsummary = What opens it\n");
	put("ignored.txt", "not a manifest");
	put(".hidden.conf", "not a manifest");
	set = load(&err);
	ck_assert_msg(set != NULL, "%s", err.detail);
	t = tools_find(set, "paste.publish");
	ck_assert_ptr_nonnull(t);
	ck_assert_ptr_null(tools_find(set, "paste"));
	ck_assert_ptr_null(tools_find(set, NULL));
	ck_assert_str_eq(t->summary, "Publish a text");
	ck_assert_int_eq(t->level, LEVEL_EXTERNAL_PUBLISH);
	ck_assert_int_eq(t->reversibility, COMPENSABLE);
	ck_assert_int_eq(t->timeout_us, 120000000);
	ck_assert_str_eq(t->config, "paste");
	ck_assert_str_eq(t->pass_env[0], "DISPLAY");
	ck_assert_str_eq(t->pass_env[1], "XAUTHORITY");
	ck_assert_ptr_null(t->pass_env[2]);
	ck_assert_int_eq(t->argv[0][0], '/');
	ck_assert_ptr_nonnull(strstr(t->argv[0], "/bin/paste"));
	ck_assert_str_eq(t->argv[1], "two words");
	ck_assert_str_eq(t->argv[2], "a b");
	shown = tools_json(set);
	text = json_line(shown, NULL);
	ck_assert_str_eq(text, "[{\"name\":\"paste.publish\","
		"\"summary\":\"Publish a text\","
		"\"side_effect_level\":\"external_publish\","
		"\"reversibility\":\"compensable\",\"timeout_s\":120,"
		"\"reconcile\":false,"
		"\"args\":[{\"name\":\"text\",\"type\":\"string\","
		"\"required\":true,\"max_length\":280,\"secret\":false,"
		"\"summary\":\"\"},"
		"{\"name\":\"kind\",\"type\":\"enum\",\"required\":false,"
		"\"values\":[\"png\",\"jpeg\"],\"default\":\"png\","
		"\"secret\":false,\"summary\":\"\"},"
		"{\"name\":\"n\",\"type\":\"integer\",\"required\":false,"
		"\"min\":-3,\"max\":0,\"default\":-1,\"secret\":false,"
		"\"summary\":\"\"},"
		"{\"name\":\"token\",\"type\":\"string\",\"required\":false,"
		"\"secret\":true,\"summary\":\"What opens it\"}]}]");
	free(text);
	json_decref(shown);
	tools_unref(set);
	drop_dir();
}
END_TEST

/* Whoever does not say is taken to be as bad as its level can be. */
START_TEST(what_can_be_taken_back_goes_by_the_level_where_it_is_not_said)
{
	static const char *const says[] = {"reversible", "compensable",
					   "irreversible"};
	char name[16], text[200];
	struct tools *set;

	make_dir();
	for (int i = 0; i < 6; i++) {
		snprintf(name, sizeof(name), "%d.conf", i);
		snprintf(text, sizeof(text), "[tool]\nname = t%d\ncommand = y\n"
			 "side-effect-level = %s\n%s", i, level_name(i % 3),
			 i < 3 ? "" : "reversibility = reversible\n");
		put(name, text);
	}
	set = load(NULL);
	for (int i = 0; i < 6; i++) {
		snprintf(name, sizeof(name), "t%d", i);
		ck_assert_str_eq(reversibility_name(tools_find(set,
				 name)->reversibility), says[i < 3 ? i : 0]);
	}
	tools_unref(set);
	drop_dir();
}
END_TEST

START_TEST(what_is_wrong_in_a_manifest_is_named)
{
	static const struct { const char *text, *says; } cases[] = {
		{"", "tool.name is missing"},
		{"[tool]\nname = x\ncommand = y\n",
		 "side-effect-level is missing"},
		{"[tool]\nname = x\nside-effect-level = read_only\n",
		 "command is missing"},
		{HEAD "colour = red\n", ":5: tool.colour: unknown key"},
		{HEAD "[arg \"a\"]\ncolour = red\n", ":6: arg \"a\".colour"},
		{"[tool]\nname = x\nside-effect-level = read_only\n"
		 "command = /a/\xe9\n", ":4: tool.command: this is not UTF-8"},
		{HEAD "[arg \"a\"]\ntype = string\nsummary = \xff\n",
		 "not UTF-8"},
		{HEAD "[other]\nx = y\n", "unknown key"},
		{HEAD "[other \"a\"]\nx = y\n", "unknown section"},
		{HEAD "[arg]\ntype = string\n", "unknown key"},
		{HEAD "name = again\n", ":5: tool.name: given twice"},
		{HEAD "reversibility = maybe\n", "reversibility"},
		{HEAD "timeout = 25h\n", "out of range"},
		{HEAD "timeout = 10ms\n", "out of range"},
		{HEAD "pass-env = 'A\n", "not closed"},
		{"[tool]\nname = X\nside-effect-level = read_only\n"
		 "command = y\n", "tool.name"},
		{"[tool]\nname = x\nside-effect-level = harmless\n"
		 "command = y\n", ":3: tool.side-effect-level"},
		{"[tool]\nname = x\nside-effect-level = read_only\n"
		 "command = y 'z\n", "not closed"},
		{"[tool]\nname = x\nside-effect-level = read_only\n"
		 "command = ''\n", "names no program"},
		{HEAD "[arg \"A b\"]\ntype = string\n", "an argument's name"},
		{HEAD "[arg \"a\"]\ntype = text\n", "type"},
		{HEAD "[arg \"a\"]\ntype = enum\n", "belong together"},
		{HEAD "[arg \"a\"]\nvalues = b\n", "belong together"},
		{HEAD "[arg \"a\"]\nmin = 1\n", "are for integer"},
		{HEAD "[arg \"a\"]\ntype = integer\nmin = 2\nmax = 1\n",
		 "over max"},
		{HEAD "[arg \"a\"]\ntype = integer\nmax-length = 4\n",
		 "is for string"},
		{HEAD "[arg \"a\"]\ntype = integer\ndefault = 1.5\n",
		 "default"},
		{HEAD "[arg \"a\"]\ntype = integer\nmax = 1\ndefault = 2\n",
		 "default"},
		{HEAD "[arg \"a\"]\ntype = boolean\ndefault = maybe\n",
		 "default"},
		{HEAD "[arg \"a\"]\ntype = file\ndefault = here\n", "default"},
		{HEAD "[arg \"a\"]\nsecret = true\ndefault = k\n",
		 "cannot have a default"},
		{HEAD "[arg \"a\"]\ntype = file\nsecret = true\n",
		 "can be secret"},
	};

	make_dir();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = {0};

		put("bad.conf", cases[i].text);
		ck_assert_ptr_null(load(&err));
		ck_assert_int_eq(err.code, ERR_bad_config);
		ck_assert_msg(strstr(err.detail, cases[i].says) &&
			      strstr(err.detail, "bad.conf"),
			      "%s: %s", cases[i].says, err.detail);
		err_fini(&err);
	}
	drop_dir();
}
END_TEST

START_TEST(two_manifests_with_one_name_are_an_error)
{
	struct err err = {0};

	make_dir();
	put("a.conf", HEAD);
	put("b.conf", HEAD);
	ck_assert_ptr_null(load(&err));
	ck_assert_ptr_nonnull(strstr(err.detail, "b.conf"));
	ck_assert_ptr_nonnull(strstr(err.detail, "a.conf"));
	drop_dir();
}
END_TEST

START_TEST(a_set_in_use_outlives_its_folder)
{
	struct err err = {0};
	struct tools *set, *mine;

	make_dir();
	put("a.conf", HEAD);
	set = load(&err);
	ck_assert_ptr_nonnull(set);
	mine = tools_ref(set);
	tools_unref(set);
	drop_dir();
	ck_assert_str_eq(tools_find(mine, "x.y")->name, "x.y");
	tools_unref(mine);
}
END_TEST

START_TEST(words_are_split_as_a_shell_splits_them)
{
	static const struct { const char *text, *words; } cases[] = {
		{"", ""}, {"  ", ""}, {"a", "<a>"}, {" a  b\t", "<a><b>"},
		{"'a b' \"c d\"", "<a b><c d>"}, {"a\\ b", "<a b>"},
		{"'a\\b'", "<a\\b>"}, {"\"a\\\"b\"", "<a\"b>"},
		{"a''b ''", "<ab><>"}, {"$HOME `x` *", "<$HOME><`x`><*>"},
		{"it\"'\"s", "<it's>"}, {"'open", NULL}, {"\"open", NULL},
		{"end\\", "<end\\>"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char **words = words_split(cases[i].text), got[64] = "";

		ck_assert_msg(!words == !cases[i].words, "%s", cases[i].text);
		for (char **w = words; w && *w; w++)
			snprintf(got + strlen(got), sizeof(got) - strlen(got),
				 "<%s>", *w);
		if (words)
			ck_assert_str_eq(got, cases[i].words);
		words_free(words);
	}
}
END_TEST

static struct tools *load_all_types(void)
{
	struct err err = {0};
	struct tools *set;

	make_dir();
	put("all.conf", HEAD
	    "[arg \"s\"]\ntype = string\nmax-length = 3\n"
	    "[arg \"long\"]\ntype = string\n"
	    "[arg \"i\"]\ntype = integer\nmin = 1\nmax = 9\n"
	    "[arg \"f\"]\ntype = number\nmin = 0\nmax = 1\n"
	    "[arg \"b\"]\ntype = boolean\ndefault = false\n"
	    "[arg \"file\"]\ntype = file\n"
	    "[arg \"sha\"]\ntype = sha256\n"
	    "[arg \"e\"]\ntype = enum\nvalues = one two\nrequired = true\n"
	    "[arg \"key\"]\nsecret = true\n"
	    "[arg \"pin\"]\ntype = integer\nsecret = true\n");
	set = load(&err);
	ck_assert_msg(set != NULL, "%s", err.detail);
	drop_dir();
	return set;
}

#define SHA "00000000000000000000000000000000000000000000000000000000000000aa"

START_TEST(an_argument_is_of_its_type_and_within_its_bounds)
{
	static const struct { const char *args, *says; } cases[] = {
		{"{\"e\":\"one\"}", NULL},
		{"{}", "e is required"},
		{"{\"e\":\"three\"}", "e has to be one of: one two"},
		{"{\"e\":1}", "e has to be of type enum"},
		{"{\"e\":null}", "e has to be of type enum"},
		{"{\"e\":\"one\",\"x\":1}", "has no argument \"x\""},
		{"{\"e\":\"one\",\"s\":\"abc\"}", NULL},
		{"{\"e\":\"one\",\"s\":\"abcd\"}", "longer than 3 bytes"},
		{"{\"e\":\"one\",\"s\":\"\xc3\xa4\xc3\xa4\"}",
		 "longer than 3 bytes"},
		{"{\"e\":\"one\",\"s\":[]}", "of type string"},
		{"{\"e\":\"one\",\"i\":1}", NULL},
		{"{\"e\":\"one\",\"i\":0}", "at least 1 and at most 9"},
		{"{\"e\":\"one\",\"i\":10}", "at least 1 and at most 9"},
		{"{\"e\":\"one\",\"i\":1.0}", "of type integer"},
		{"{\"e\":\"one\",\"i\":\"1\"}", "of type integer"},
		{"{\"e\":\"one\",\"f\":0.5}", NULL},
		{"{\"e\":\"one\",\"f\":1}", NULL},
		{"{\"e\":\"one\",\"f\":1.5}", "at most 1"},
		{"{\"e\":\"one\",\"b\":true}", NULL},
		{"{\"e\":\"one\",\"b\":0}", "of type boolean"},
		{"{\"e\":\"one\",\"file\":\"/a\"}", NULL},
		{"{\"e\":\"one\",\"file\":\"" SHA "\"}", NULL},
		{"{\"e\":\"one\",\"file\":\"a\"}", "absolute path"},
		{"{\"e\":\"one\",\"file\":\"\"}", "absolute path"},
		{"{\"e\":\"one\",\"sha\":\"" SHA "\"}", NULL},
		{"{\"e\":\"one\",\"sha\":\"AA\"}", "64 lower-case"},
	};
	struct tools *set = load_all_types();
	const struct tool *t = tools_find(set, "x.y");

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *says = cases[i].says;
		struct err err = {0};
		json_t *out, *args = json_parse(cases[i].args,
						strlen(cases[i].args), &err);

		ck_assert_msg(args != NULL, "%s", cases[i].args);
		ck_assert_msg(!tool_args_check(t, args, &out, &err) == !says,
			      "%s: %s", cases[i].args, err.detail);
		ck_assert(!out == !!says);
		if (says)
			ck_assert_int_eq(err.code, ERR_invalid_args);
		ck_assert_msg(!says || strstr(err.detail, says), "%s: %s",
			      cases[i].args, err.detail);
		json_decref(out);
		json_decref(args);
		err_fini(&err);
	}
	tools_unref(set);
}
END_TEST

START_TEST(defaults_are_filled_in_and_long_strings_are_refused)
{
	struct tools *set = load_all_types();
	const struct tool *t = tools_find(set, "x.y");
	json_t *args = json_object(), *out;
	char *big = xmalloc(8194);
	struct err err = {0};

	json_set_str(args, "e", "two");
	ck_assert_int_eq(tool_args_check(t, args, &out, &err), 0);
	ck_assert(json_is_false(json_object_get(out, "b")));
	ck_assert_uint_eq(json_object_size(out), 2);
	json_decref(out);
	memset(big, 'x', 8193);
	big[8193] = 0;
	json_set_str(args, "long", big);
	ck_assert_int_eq(tool_args_check(t, args, &out, &err), -1);
	big[8192] = 0;
	json_set_str(args, "long", big);
	ck_assert_int_eq(tool_args_check(t, args, &out, &err), 0);
	json_decref(out);
	ck_assert_int_eq(tool_args_check(t, NULL, &out, &err), -1);
	ck_assert_int_eq(tool_args_check(t, json_object_get(args, "e"), &out,
					 &err), -1);
	json_decref(args);
	free(big);
	err_fini(&err);
	tools_unref(set);
}
END_TEST

START_TEST(secrets_are_redacted_and_never_quoted_in_an_error)
{
	struct tools *set = load_all_types();
	const struct tool *t = tools_find(set, "x.y");
	json_t *args = json_pack("{s:s, s:s, s:i}", "e", "one", "key",
				 "hunter2!", "pin", 4711);
	json_t *out = tool_args_redacted(t, args);
	struct err err = {0};
	char *text = json_line(out, NULL);

	ck_assert(tool_has_secret(t, args));
	ck_assert_str_eq(text, "{\"e\":\"one\",\"key\":\"[redacted]\","
			 "\"pin\":\"[redacted]\"}");
	ck_assert_str_eq(json_str(args, "key"), "hunter2!");
	json_decref(out);
	json_set_str(args, "pin", "hunter2!");
	ck_assert_int_eq(tool_args_check(t, args, &out, &err), -1);
	ck_assert_ptr_null(strstr(err.detail, "hunter2"));
	json_object_del(args, "pin");
	json_object_del(args, "key");
	ck_assert(!tool_has_secret(t, args));
	free(text);
	json_decref(args);
	err_fini(&err);
	tools_unref(set);
}
END_TEST

START_TEST(a_bare_program_is_looked_for_beside_its_manifest_first)
{
	static const char text[] = "[tool]\nname = x.y\n"
		"side-effect-level = read_only\ncommand = paste\n";
	char beside[64], path[64];
	struct err err = {0};
	struct tools *t;

	make_dir();
	put("x.conf", text);
	t = load(&err);
	ck_assert_str_eq(tools_find(t, "x.y")->argv[0], "paste");
	tools_unref(t);
	put("paste", "#!/bin/sh\n");
	snprintf(path, sizeof(path), "%s/paste", dir);
	ck_assert_int_eq(chmod(path, 0700), 0);
	t = load(&err);
	snprintf(beside, sizeof(beside), "%s", tools_find(t, "x.y")->argv[0]);
	ck_assert_str_eq(beside, path);
	tools_unref(t);
	drop_dir();
}
END_TEST

START_TEST(a_level_has_one_name)
{
	for (int i = 0; i <= LEVEL_EXTERNAL_PUBLISH; i++)
		ck_assert_int_eq(level_of(level_name(i)), i);
	ck_assert_int_eq(level_of("harmless"), -1);
	ck_assert_int_eq(level_of(NULL), -1);
}
END_TEST

TESTS("tool", a_manifest_is_read_whole,
      what_can_be_taken_back_goes_by_the_level_where_it_is_not_said,
      what_is_wrong_in_a_manifest_is_named,
      two_manifests_with_one_name_are_an_error,
      a_set_in_use_outlives_its_folder,
      words_are_split_as_a_shell_splits_them,
      an_argument_is_of_its_type_and_within_its_bounds,
      defaults_are_filled_in_and_long_strings_are_refused,
      secrets_are_redacted_and_never_quoted_in_an_error, a_level_has_one_name,
      a_bare_program_is_looked_for_beside_its_manifest_first)
