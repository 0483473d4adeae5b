/* What a commit of somebody else may hold, file by file. */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "agent/ops/intake.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"

#define PLAIN 0100644

static const char task_text[] =
	"{\"id\":\"t-1\",\"title\":\"one\",\"request_text\":\"\",\"source\":"
	"\"api\",\"state\":\"pending\",\"attempt\":1,\"correlation_id\":"
	"\"c-1\",\"created_at\":\"2026-01-02T03:04:05.000006Z\","
	"\"updated_at\":\"2026-01-02T03:04:05.000006Z\",\"created_by\":\"ann\","
	"\"acceptance_criteria\":[{\"id\":\"AC-1\",\"text\":\"done\"}],"
	"\"side_effect_level\":\"read_only\",\"allow_external_publish\":false,"
	"\"admin_approved\":false,\"admin_approved_by\":null,"
	"\"admin_approved_at\":null,\"lease\":null,\"assignee\":null,"
	"\"labels\":{},\"meta\":{}}";

static const char attempt_text[] =
	"{\"id\":\"t-1.1.ack\",\"task_id\":\"t-1\",\"attempt\":1,\"by\":"
	"\"codex\",\"at\":\"2026-01-02T03:04:05.000006Z\",\"correlation_id\":"
	"\"c-1\",\"echoed_acceptance_criteria\":[]}";

#define ISSUES "[{\"criterion_ref\":\"AC-1\",\"text\":\"\u00e9\"}]"

static const char verdict_text[] =
	"{\"id\":\"t-1.1.verdict\",\"task_id\":\"t-1\",\"attempt\":1,\"by\":"
	"\"codex\",\"at\":\"2026-01-02T03:04:05.000006Z\",\"correlation_id\":"
	"\"c-1\",\"decision\":\"fail\",\"result_sha\":null,\"issues\":" ISSUES
	",\"issues_sha256\":\"8ba16e79e8b6a07406466b0d30abafc0"
	"53290dcd417194543201b12063bcb8ed\"}";

/* The document with one member set (JSON) or, with NULL, left out. */
static char *changed(const char *text, const char *key, const char *value,
		     size_t *len)
{
	json_t *doc = json_parse(text, strlen(text), NULL);
	char *out;

	if (key && value)
		json_object_set_new(doc, key, json_loads(value,
						JSON_DECODE_ANY, NULL));
	else if (key)
		json_object_del(doc, key);
	out = json_pretty(doc, len);
	json_decref(doc);
	return out;
}

/* Add one file as a person or an agent; NULL, or why it is refused. */
static char *add(bool peer, const struct ssot_change *c)
{
	struct intake *in = intake_new();
	struct err err = {0};
	char *why = NULL;

	in->from = "main";
	in->peer = peer;
	if (intake_add(in, c, &err))
		why = xstrdup(err.detail);
	err_fini(&err);
	intake_free(in);
	return why;
}

static struct ssot_change place(const char *kind, const char *text,
				size_t len)
{
	struct ssot_change c = {.kind = kind, .reserved = true, .mode = PLAIN,
				.text = text, .len = len};
	json_t *doc = json_parse(text, len, NULL);

	ck_assert(doc && ssot_path(NULL, kind, doc, c.path));
	json_decref(doc);
	memset(c.sha, 'a', 40);
	return c;
}

static const struct {
	const char *key, *value, *person, *peer;	/* NULL: let through */
} edits[] = {
	{"title", "\"two\"", NULL, NULL},
	{"title", "\"\\u202e\\u001b[31m\"", NULL, NULL},
	{"title", "\"\"", "1 to 500", "1 to 500"},
	{"title", "7", "string", "string"},
	{"title", NULL, "missing", "missing"},
	{"request_text", "\"do\"", NULL, NULL},
	{"acceptance_criteria", "[]", NULL, NULL},
	{"acceptance_criteria", "[{\"id\":\"a\"}]", "nothing else", "nothing"},
	{"side_effect_level", "\"external_publish\"", NULL, NULL},
	{"side_effect_level", "\"all\"", "one of", "one of"},
	{"labels", "{\"k\":\"v\"}", NULL, NULL},
	{"labels", "{\"k\":[]}", "string", "string"},
	{"meta", "{\"k\":[1]}", NULL, NULL},
	{"meta", "[]", "object", "object"},
	{"assignee", "\"codex\"", NULL, NULL},
	{"assignee", "null", NULL, NULL},
	{"updated_at", "\"2026-01-03T03:04:05Z\"", NULL, NULL},
	{"updated_at", "\"2h\"", "3339", "3339"},
	{"state", "\"approved\"", "by hand", NULL},
	{"state", "\"done\"", "one of", "one of"},
	{"attempt", "2", "by hand", NULL},
	{"attempt", "0", "whole number", "whole number"},
	{"attempt", "1.0", "whole number", "whole number"},
	{"lease", "{\"holder\":\"x\",\"agent\":\"b\",\"expires_at\":"
	 "\"2026-01-03T03:04:05Z\"}", "by hand", NULL},
	{"lease", "{\"holder\":\"x\"}", "expires_at", "expires_at"},
	{"lease", "{\"holder\":\"x\",\"expires_at\":\"2026-01-03T03:04:05Z\","
	 "\"more\":1}", "more", "more"},
	{"admin_approved", "true", "by hand", NULL},
	{"admin_approved_by", "\"eve\"", "by hand", NULL},
	{"allow_external_publish", "true", "by hand", NULL},
	{"created_by", "\"admin\"", "by hand", NULL},
	{"created_at", "\"2020-01-03T03:04:05Z\"", "by hand", NULL},
	{"correlation_id", "\"c-2\"", "by hand", NULL},
	{"correlation_id", "\"c 2\"", "A-Za-z0-9", "A-Za-z0-9"},
	{"source", "\"mail\"", "by hand", NULL},
	{"id", "\"t-2\"", "path", "path"},
	{"sha", "\"x\"", "no such member", "no such member"},
	{"put", "{}", "no such member", "no such member"},
};

START_TEST(an_edit_may_touch_what_anybody_may_change)
{
	size_t base_len, len;
	char *base = changed(task_text, NULL, NULL, &base_len);

	for (size_t i = 0; i < ARRAY_LEN(edits); i++) {
		for (int peer = 0; peer < 2; peer++) {
			char *text = changed(task_text, edits[i].key,
					     edits[i].value, &len);
			const char *want = peer ? edits[i].peer :
						  edits[i].person;
			struct ssot_change c = place("task", base, base_len);
			char *why;

			c.base = base;
			c.base_len = base_len;
			memset(c.base_sha, 'b', 40);
			c.text = text;
			c.len = len;
			why = add(peer, &c);
			ck_assert_msg(want ? why && strstr(why, want) : !why,
				      "%s %s: %s", edits[i].key,
				      edits[i].value, why);
			ck_assert(!why || !strncmp(why, "tasks/", 6));
			free(why);
			free(text);
		}
	}
	free(base);
}
END_TEST

START_TEST(a_new_task_of_a_person_begins_at_the_beginning)
{
	static const struct { const char *key, *value; bool good; } cases[] = {
		{NULL, NULL, true}, {"title", "\"two\"", true},
		{"created_by", "\"bob\"", true}, {"source", "\"git\"", true},
		{"state", "\"running\"", false}, {"attempt", "2", false},
		{"allow_external_publish", "true", false},
		{"admin_approved", "true", false},
		{"admin_approved_by", "\"eve\"", false},
		{"admin_approved_at", "\"2026-01-03T03:04:05Z\"", false},
		{"lease", "{\"holder\":\"x\",\"expires_at\":"
		 "\"2026-01-03T03:04:05Z\"}", false},
	};
	size_t len;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *text = changed(task_text, cases[i].key, cases[i].value,
				     &len), *why;
		struct ssot_change c = place("task", text, len);

		why = add(false, &c);
		ck_assert_msg(!why == cases[i].good, "%s %s: %s",
			      cases[i].key, cases[i].value, why);
		free(why);
		why = add(true, &c);
		ck_assert_msg(!why, "%s: %s", cases[i].key, why);
		free(why);
		free(text);
	}
}
END_TEST

START_TEST(a_file_is_what_its_path_says)
{
	size_t len, i = 0;
	char *task = changed(task_text, NULL, NULL, &len), *why;
	struct ssot_change good = place("task", task, len), c;
	static const unsigned modes[] = {0100755, 0120000, 0160000, 0100664};

	for (; i < ARRAY_LEN(modes); i++) {
		c = good;
		c.mode = modes[i];
		why = add(true, &c);
		ck_assert(why && strstr(why, "regular file"));
		free(why);
	}
	c = good;
	*c.sha = 0;
	why = add(true, &c);
	ck_assert(why && strstr(why, "not removed"));
	free(why);
	c = good;
	c.kind = NULL;
	why = add(true, &c);
	ck_assert(why && strstr(why, "no document belongs"));
	free(why);
	c.reserved = false;
	why = add(false, &c);
	ck_assert_msg(!why, "%s", why);
	c = good;
	c.text = NULL;
	c.len = 60000;
	why = add(false, &c);
	ck_assert(why && strstr(why, "48 KiB"));
	free(why);
	c = good;
	strcpy(c.path, "tasks/a/b/c/t-1\x1b.json");
	why = add(false, &c);
	ck_assert(why && strstr(why, "<U+001B>") && !strchr(why, '\x1b'));
	free(why);
	free(task);
}
END_TEST

struct spoiled { const char *key, *value, *why; };

/* With any one key of the document so, c is refused with that reason. */
static void refuses_each(struct ssot_change *c, const char *document,
			 const struct spoiled *bad, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char *other = changed(document, bad[i].key, bad[i].value,
				      &c->len), *why;

		c->text = other;
		why = add(true, c);
		ck_assert_msg(why && strstr(why, bad[i].why), "%s: %s",
			      bad[i].key, why);
		free(why);
		free(other);
	}
}

START_TEST(only_agents_write_what_is_not_a_task_and_only_once)
{
	size_t len, no_pretty;
	char *text = changed(attempt_text, NULL, NULL, &len), *why;
	struct ssot_change c = place("ack", text, len);
	static const struct spoiled bad[] = {
		{"id", "\"t-2.1.ack\"", "path"},
		{"id", "\"t-1.1.result\"", "path"},
		{"task_id", "\"t-9\"", "path"}, {"attempt", "2", "path"},
		{"by", "[]", "string"}, {"at", NULL, "missing"},
		{"echoed_acceptance_criteria", "{}", "array"},
	};

	ck_assert(!add(true, &c));
	why = add(false, &c);
	ck_assert(why && strstr(why, "only agents"));
	free(why);
	memset(c.base_sha, 'b', 40);
	ck_assert(!add(true, &c));	/* taken again after it was resumed */
	c.kind = "package";
	why = add(true, &c);
	ck_assert(why && strstr(why, "never changed"));
	free(why);
	c.kind = "ack";
	*c.base_sha = 0;
	refuses_each(&c, attempt_text, bad, ARRAY_LEN(bad));
	no_pretty = strlen(attempt_text);
	c.text = attempt_text;
	c.len = no_pretty;
	why = add(true, &c);
	ck_assert(why && strstr(why, "canonical"));
	free(why);
	free(text);
}
END_TEST

START_TEST(a_verdict_has_the_hash_of_its_issues_and_may_be_given_again)
{
	static const struct spoiled bad[] = {
		{"issues", "[]", "issues_sha256"},
		{"issues", "[{\"criterion_ref\":\"AC-1\",\"text\":\"e\"}]",
		 "issues_sha256"},
		{"issues", "[{\"text\":\"\"}]", "issues[0]"},
		{"issues", "[1]", "issues[0]"}, {"issues", "{}", "array"},
		{"issues_sha256", NULL, "missing"},
		{"issues_sha256", "\"x\"", "hex"},
		{"decision", "\"maybe\"", "one of"},
		{"result_sha", "1", "hex"}, {"result_sha", NULL, "missing"},
		{"id", "\"t-1.1.result\"", "path"}, {"attempt", "2", "path"},
	};
	char *text, *why;
	struct ssot_change c;
	size_t len;

	text = changed(verdict_text, NULL, NULL, &len);
	c = place("verdict", text, len);
	why = add(true, &c);
	ck_assert_msg(!why, "%s", why);
	why = add(false, &c);
	ck_assert(why && strstr(why, "only agents"));
	free(why);
	memset(c.base_sha, 'b', 40);
	ck_assert(!add(true, &c));
	refuses_each(&c, verdict_text, bad, ARRAY_LEN(bad));
	free(text);
}
END_TEST

START_TEST(the_issues_of_a_task_are_an_agents_to_write)
{
	char *text, *why;
	struct ssot_change c;
	size_t len;

	text = changed(task_text, "issues", ISSUES, &len);
	c = place("task", text, len);
	why = add(true, &c);
	ck_assert_msg(!why, "%s", why);
	why = add(false, &c);
	ck_assert(why && strstr(why, "a new task has none"));
	free(why);
	free(text);
	text = changed(task_text, "issues", "[{\"text\":\"\"}]", &len);
	c = place("task", text, len);
	why = add(true, &c);
	ck_assert(why && strstr(why, "issues[0]"));
	free(why);
	free(text);
}
END_TEST

START_TEST(bytes_that_are_no_json_of_ours_are_refused)
{
	static const char *const bad[] = {
		"", "{}", "[]", "null", "{\"id\":\"t-1\",\"id\":\"t-1\"}",
		"{\"id\":\"\xff\"}", "{\"id\":\"t-1\\u0000\"}", "\x89PNG",
		"<<<<<<< HEAD\n{}\n=======\n{}\n>>>>>>> theirs\n",
	};
	char deep[200], *why, *text, *large;
	size_t len;
	struct ssot_change c;

	text = changed(task_text, NULL, NULL, &len);
	c = place("task", text, len);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		c.text = bad[i];
		c.len = strlen(bad[i]);
		why = add(false, &c);
		ck_assert_msg(why, "%s", bad[i]);
		free(why);
	}
	memset(deep, '[', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = 0;
	free(text);
	text = xasprintf("{\"meta\":%s", deep);
	c.text = text;
	c.len = strlen(text);
	why = add(false, &c);
	ck_assert(why && strstr(why, "nesting"));
	free(why);
	free(text);
	/* small as it was pushed, too large as it would be kept */
	large = xcalloc(1, 40001);
	for (size_t i = 0; i < 20000; i++)
		memcpy(large + 2 * i, "0,", 2);
	large[39999] = 0;
	text = xasprintf("%.*s,\"meta\":{\"a\":[%s]}}",
			 (int)(strlen(task_text) - 11), task_text, large);
	c.text = text;
	c.len = strlen(text);
	ck_assert_uint_lt(c.len, 49152);
	why = add(false, &c);
	ck_assert_msg(why && strstr(why, "at most"), "%s", why);
	free(why);
	free(text);
	free(large);
}
END_TEST

TESTS("intake", an_edit_may_touch_what_anybody_may_change,
      a_new_task_of_a_person_begins_at_the_beginning,
      a_file_is_what_its_path_says,
      only_agents_write_what_is_not_a_task_and_only_once,
      a_verdict_has_the_hash_of_its_issues_and_may_be_given_again,
      the_issues_of_a_task_are_an_agents_to_write,
      bytes_that_are_no_json_of_ours_are_refused)
