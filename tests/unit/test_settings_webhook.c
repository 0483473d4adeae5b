/* [webhook "NAME"]: what it takes, and what is told to be wrong of it. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "agent/store/settings.h"
#include "common/err.h"
#include "common/fs.h"

static char dir[64], path[80];

static int read_text(struct settings *s, const char *text, struct err *err)
{
	strcpy(dir, "/tmp/kircerta-settings-XXXXXX");
	ck_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/agent.conf", dir);
	ck_assert_int_eq(fs_replace(path, text, strlen(text), 0600, NULL), 0);
	return settings_read(s, path, err);
}

START_TEST(a_source_has_its_defaults)
{
	const struct webhook_conf *w;
	struct settings s;

	ck_assert_int_eq(read_text(&s, "[webhook \"g\"]\n\tscheme = github\n"
				   "[webhook \"s\"]\n\tscheme = stripe\n",
				   NULL), 0);
	ck_assert_int_eq(s.n_webhooks, 2);
	w = settings_webhook_find(&s, "g");
	ck_assert_int_eq(w->scheme, WEBHOOK_GITHUB);
	ck_assert_ptr_null(w->secret_file);
	ck_assert(!w->task);
	ck_assert_int_eq(w->window, 30LL * 86400 * 1000000);
	ck_assert_int_eq(w->tolerance, 300LL * 1000000);
	ck_assert_int_eq(w->max_body, 1 << 20);
	ck_assert_int_eq(w->max_per_minute, 600);
	ck_assert_str_eq(w->title, "g event");
	ck_assert_str_eq(w->text, "");
	ck_assert_ptr_null(w->event_id);
	ck_assert_str_eq(webhook_level_name(w->side_effect_level),
			 "read_only");
	ck_assert_str_eq(settings_webhook_find(&s, "s")->event_id, "/id");
	ck_assert_ptr_null(settings_webhook_find(&s, "x"));
	settings_fini(&s);
}
END_TEST

START_TEST(a_key_that_repeats_adds)
{
	const struct webhook_conf *w;
	struct settings s, other;
	json_t *differ;

	ck_assert_int_eq(read_text(&s, "[webhook \"g\"]\n"
				   "\tcriterion = a {/b}\n\tcriterion = c\n"
				   "\tlabel = x=1\n\tonly = /a=b,c\n"
				   "\tonly = /issue\n", NULL), 0);
	w = settings_webhook_find(&s, "g");
	ck_assert_int_eq(w->n_criteria, 2);
	ck_assert_str_eq(w->criteria[0], "a {/b}");
	ck_assert_str_eq(w->criteria[1], "c");
	ck_assert_int_eq(w->n_labels, 1);
	ck_assert_int_eq(w->n_only, 2);
	ck_assert_int_eq(read_text(&other, "[webhook \"g\"]\n"
				   "\tcriterion = A\n\tcriterion = c\n"
				   "\tlabel = x=1\n\tonly = /a=b,c\n"
				   "\tonly = /issue\n", NULL), 0);
	differ = settings_differ(&s, &other);
	ck_assert_int_eq(json_array_size(differ), 1);
	json_decref(differ);
	settings_fini(&other);
	settings_fini(&s);
}
END_TEST

static void count_file(void *data, const char *file)
{
	++*(int *)data;
	ck_assert(!strncmp(file, dir, strlen(dir)));
}

START_TEST(its_secrets_are_among_the_files)
{
	struct settings s;
	int n = 0;

	ck_assert_int_eq(read_text(&s, "[webhook \"g\"]\n\tsecret-file = a\n"
				   "\tsecret-file = b\n"
				   "\tnext-secret-file = c\n", NULL), 0);
	settings_files(&s, count_file, &n);
	ck_assert_int_eq(n, 2);
	ck_assert_str_eq(strrchr(s.webhooks[0].secret_file, '/'), "/b");
	settings_fini(&s);
}
END_TEST

START_TEST(what_cannot_be_meant_is_told)
{
	static const struct { const char *text, *says; } cases[] = {
		{"scheme = md5\n", "github|standard|stripe|hmac-sha256"},
		{"window = 0ms\n", "out of range"},
		{"window = 366d\n", "out of range"},
		{"scheme = stripe\n\twindow = 599s\n", "twice its tolerance"},
		{"tolerance = 500ms\n", "out of range"},
		{"max-body = 17m\n", "out of range"},
		{"max-body = 1\n", "out of range"},
		{"max-per-minute = -1\n", "out of range"},
		{"subject = issue\n\tsequence = /a\n", "agent.conf:2"},
		{"subject = /a\n", "only one of subject and sequence"},
		{"sequence = /a\n", "only one of subject and sequence"},
		{"event-id = id\n", "the value"},
		{"title = {/a\n", "the value"},
		{"text = }\n", "the value"},
		{"criterion = {x}\n", "the value"},
		{"criterion =\n", "agent.conf:2"},
		{"criterion = \"  \"\n", "is blank"},
		{"label =\n", "is empty"},
		{"only =\n", "is empty"},
		{"label = \"a\\tb=x\"\n", "name=text"},
		{"label = \xff=x\n", "name=text"},
		{"assignee = \"  \"\n", "a name on one line"},
		{"assignee = \"a\\nb\"\n", "a name on one line"},
		{"label = x\n", "name=text"},
		{"label = =x\n", "name=text"},
		{"label = x={/a\n", "the value"},
		{"only = action=a\n", "the value"},
		{"only = /action=\n", "value,value"},
		{"side-effect-level = all\n", "read_only|"},
		{"speed = 1\n", "unknown key"},
	};
	static const char *const names[] = {
		"a b", "", "a:b",
		"a23456789012345678901234567890123456789012345678901234567"};
	struct settings s;
	char text[300];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = {0};

		snprintf(text, sizeof(text), "[webhook \"x\"]\n\t%s",
			 cases[i].text);
		ck_assert_int_eq(read_text(&s, text, &err), -1);
		ck_assert_int_eq(err.code, ERR_bad_config);
		ck_assert_msg(strstr(err.detail, cases[i].says), "%s: %s",
			      cases[i].text, err.detail);
		err_fini(&err);
	}
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(text, sizeof(text), "[webhook \"%s\"]\n\ttask = true\n",
			 names[i]);
		ck_assert_msg(read_text(&s, text, NULL) == -1, "%s",
			      names[i]);
	}
}
END_TEST

START_TEST(more_than_enough_of_them_are_refused)
{
	char text[4096] = "";
	struct settings s;
	struct err err = {0};

	for (int i = 0; i <= WEBHOOKS_MAX; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 "[webhook \"x%d\"]\n\ttask = true\n", i);
	ck_assert_int_eq(read_text(&s, text, &err), -1);
	ck_assert(strstr(err.detail, "more than 32"));
}
END_TEST

TESTS("settings_webhook", a_source_has_its_defaults, a_key_that_repeats_adds,
      its_secrets_are_among_the_files, what_cannot_be_meant_is_told,
      more_than_enough_of_them_are_refused)
