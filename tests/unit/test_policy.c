/* The policy of agent.conf: what it compiles to, and which line said so. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/store/policy.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/mem.h"

static char dir[64], path[80];

static void setup(void)
{
	if (*dir)
		return;
	strcpy(dir, "/tmp/kircerta-policy-XXXXXX");
	ck_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/agent.conf", dir);
}

static void teardown(void)
{
	fs_remove_tree(dir);
	*dir = 0;
}

static int read_text(struct policy_table **t, const char *text,
		     struct err *err)
{
	setup();
	ck_assert_int_eq(fs_replace(path, text, strlen(text), 0600, NULL), 0);
	return policy_read(t, path, err);
}

static struct policy_table *table(const char *text)
{
	struct policy_table *t;

	ck_assert_int_eq(read_text(&t, text, NULL), 0);
	return t;
}

START_TEST(without_a_file_the_policy_is_the_default)
{
	struct policy_table *t;

	setup();
	ck_assert_int_eq(policy_read(&t, path, NULL), 0);
	ck_assert_int_eq(t->all.local_write, RULE_ALLOW);
	ck_assert_int_eq(t->all.external_publish, RULE_APPROVE);
	ck_assert_int_eq(t->all.approvals_required, 1);
	ck_assert_int_eq(t->all.approval_ttl, 900000000);
	ck_assert_int_eq(t->all.grace, 10000000);
	ck_assert_uint_eq(strlen(t->sha256), 64);
	ck_assert_str_eq(t->file_sha256, "");
	ck_assert_str_eq(t->file, path);
	ck_assert_uint_eq(t->rules, 0);
	policy_unref(t);
	teardown();
}
END_TEST

START_TEST(a_tool_has_its_own_policy_over_the_general_one)
{
	struct policy_table *t = table(
		"[policy \"youtube.upload\"]\n\tapprovals-required = 2\n"
		"[policy]\n\tgrace = 1s\n\tlocal-write = approve\n"
		"[policy \"youtube.upload\"]\n\tapproval-ttl = 5m\n"
		"[policy \"obs.x\"]\n\tlocal-write = deny\n");
	const struct policy *p = policy_for(t, "youtube.upload");

	ck_assert_int_eq(p->approvals_required, 2);
	ck_assert_int_eq(p->grace, 1000000);
	ck_assert_int_eq(p->approval_ttl, 300000000);
	ck_assert_int_eq(p->local_write, RULE_APPROVE);
	ck_assert_int_eq(policy_for(t, "obs.x")->local_write, RULE_DENY);
	ck_assert_ptr_eq(policy_for(t, "other"), &t->all);
	ck_assert_ptr_eq(policy_for(t, NULL), &t->all);
	ck_assert_uint_eq(t->rules, 5);
	policy_unref(t);
	teardown();
}
END_TEST

START_TEST(a_wait_counts_where_the_policy_says_none)
{
	struct policy_table *t = table(
		"[policy \"x\"]\n\tgrace = 2s\n[timeouts]\n\tgrace = 3s\n"
		"\tlease = 1s\n\tapproval = 4s\n"
		"[policy]\n\tapproval-ttl = 5s\n");
	char *line = policy_line(t, &t->all, POLICY_KEY_grace), *want;

	ck_assert_int_eq(t->all.grace, 3000000);
	ck_assert_int_eq(policy_for(t, "x")->grace, 2000000);
	ck_assert_int_eq(t->all.approval_ttl, 5000000);
	ck_assert_int_eq(policy_for(t, "x")->approval_ttl, 5000000);
	want = xasprintf("%s:4 timeouts.grace = 3s", path);
	ck_assert_str_eq(line, want);
	free(want);
	free(line);
	policy_unref(t);
	teardown();
}
END_TEST

START_TEST(every_value_knows_the_line_that_set_it)
{
	static const struct {
		const char *tool;
		enum policy_key key;
		const char *line;
	} cases[] = {
		{"x", POLICY_KEY_grace, ":7 policy.x.grace = 2s"},
		{"x", POLICY_KEY_local_write, ":2 policy.local-write = deny"},
		{"x", POLICY_KEY_approval_ttl,
		 "default policy.approval-ttl = 15m"},
		{"y", POLICY_KEY_grace, ":3 policy.grace = 1000ms"},
		{NULL, POLICY_KEY_external_publish,
		 "default policy.external-publish = approve"},
	};
	struct policy_table *t = table("[policy]\n\tlocal-write = deny\n"
		"\tgrace = 1000ms\n[policy \"x\"]\n\tgrace = 5s\n"
		"# the last one counts\n\tgrace = 2s\n");

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *line = policy_line(t, policy_for(t, cases[i].tool),
					 cases[i].key), *want;

		want = xasprintf("%s%s", *cases[i].line == ':' ? path : "",
				 cases[i].line);
		ck_assert_str_eq(line, want);
		free(want);
		free(line);
	}
	policy_unref(t);
	teardown();
}
END_TEST

START_TEST(what_cannot_be_meant_names_file_line_and_key)
{
	static const struct { const char *text, *says; } cases[] = {
		{"[policy]\n\texternal-publish = allow\n", "approve|deny"},
		{"[policy]\n\texternal-publish =\n", "approve|deny"},
		{"[policy]\n\texternal-publish\n", "approve|deny"},
		{"[policy]\n\tapprovals-required = 0\n", "out of range"},
		{"[policy]\n\tapprovals-required = 3\n", "out of range"},
		{"[policy \"a b\"]\n\tgrace = 1s\n", "name of a tool"},
		{"[policy \"x\"]\n\tapprovals-required = 0\n",
		 ":2: policy \"x\".approvals-required: "},
		{"[policy \"x\"]\n\tgrce = 1s\n",
		 ":2: policy \"x\".grce: unknown"},
		{"\n[policy]\n\tgrce = 1s\n", ":3: policy.grce: unknown"},
		{"[policy]\n\tallowed-signers = /a/\xe9\n",
		 ":2: policy.allowed-signers: this is not UTF-8"},
		{"[policy-args \"x\"]\n\ttext = \xc3\n", "not UTF-8"},
		{"[policy]\n\tquiet-hours = 22:00\n", "HH:MM-HH:MM"},
		{"[policy]\n\tquiet-hours = 24:00-07:00\n", "HH:MM-HH:MM"},
		{"[policy]\n\tquiet-hours = 22:60-07:00\n", "HH:MM-HH:MM"},
		{"[policy]\n\tquiet-hours = 22:00-24:01\n", "HH:MM-HH:MM"},
		{"[policy]\n\tquiet-hours = 07:00-07:00\n", "HH:MM-HH:MM"},
		{"[policy]\n\tquiet-hours = 7:00-8:00\n", "HH:MM-HH:MM"},
		{"[policy]\n\tquiet-hours = 07:00 08:00\n", "HH:MM-HH:MM"},
		{"[policy]\n\tquiet-hours = 01:00-02:00,03:00-04:00\n",
		 ":2: policy.quiet-hours: "},
		{"[policy]\n\tquiet-hours = 00:00-01:00 00:00-01:00 00:00-01:00"
		 " 00:00-01:00 00:00-01:00 00:00-01:00 00:00-01:00"
		 " 00:00-01:00 00:00-01:00\n", "more than 8"},
		{"[policy]\n\tmax-per-day = -1\n", "out of range"},
		{"[policy]\n\tmax-per-minute = many\n", "whole number"},
		{"[policy]\n\tmax-size = 1t\n", "is not a size"},
		{"[policy]\n\tread-only = no\n", "allow|approve|deny"},
		{"[policy-args]\n\ttext = a\n", ":2: policy-args.text: of which"},
		{"[policy-args \"a b\"]\n\ttext = a\n", "name of a tool"},
		{"[policy-args \"x\"]\n\ttext =\n",
		 ":2: policy-args \"x\".text: allows nothing"},
		{"[policy-args \"x\"]\n\ttext = \" \"\n", "allows nothing"},
		{"[policy \"x\"]\n\tprivacy = a\n", "unknown key"},
		{"[policy\n", "agent.conf"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct policy_table *t = NULL;
		struct err err = {0};

		ck_assert_msg(read_text(&t, cases[i].text, &err) == -1, "%s",
			      cases[i].text);
		ck_assert_int_eq(err.code, ERR_bad_config);
		ck_assert_msg(strstr(err.detail, cases[i].says) &&
			      strstr(err.detail, path), "%s", err.detail);
		ck_assert_ptr_null(t);
		err_fini(&err);
	}
	teardown();
}
END_TEST

START_TEST(zero_approvals_are_refused_with_the_reason)
{
	struct policy_table *t;
	struct err err = {0};

	ck_assert_int_eq(read_text(&t, "[policy]\napprovals-required = 0\n",
				   &err), -1);
	ck_assert_ptr_nonnull(strstr(err_hint_of(&err), "with 0 nobody"));
	err_fini(&err);
	teardown();
}
END_TEST

START_TEST(the_hash_follows_what_counts_and_nothing_else)
{
	static const struct { const char *text; bool same; } cases[] = {
		{"[agent]\n\tname = other\n", true},
		{"[policy]\n\tgrace = 10s\n", true},
		{"[policy]\n\tgrace = 10000ms\n", true},
		{"[policy]\n\tgrace = 11s\n", false},
		{"[policy]\n\texternal-publish = deny\n", false},
		{"[policy \"x\"]\n\tgrace = 11s\n", false},
		{"[policy]\n\tactors = a b\n", false},
		{"[policy]\n\tquiet-hours =\n", true},
		{"[policy]\n\tmax-per-day = 0\n", true},
		{"[policy]\n\tmax-per-day = 1\n", false},
		{"[policy-args \"x\"]\n\ttext = a\n", false},
	};
	struct policy_table *base = table("");

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct policy_table *t = table(cases[i].text);

		ck_assert_msg(!strcmp(t->sha256, base->sha256) ==
			      cases[i].same, "%s", cases[i].text);
		ck_assert(strcmp(t->file_sha256, base->file_sha256));
		policy_unref(t);
	}
	policy_unref(base);
	teardown();
}
END_TEST

START_TEST(only_the_words_count_not_what_parts_them)
{
	struct policy_table *a = table("[policy]\n\tactors = a b\n"
		"[policy-args \"x\"]\n\ttext = c d\n");
	struct policy_table *b = table("[policy]\n\tactors = \" a \\t b \"\n"
		"[policy-args \"x\"]\n\ttext = c\\n  d\n"), *c;

	ck_assert_str_eq(a->sha256, b->sha256);
	ck_assert_str_eq(b->all.actors, "a b");
	ck_assert_str_eq(policy_for(b, "x")->actors, "a b");
	ck_assert_str_eq(policy_arg_for(policy_for(b, "x"), "text")->words,
			 "c d");
	ck_assert_ptr_null(policy_arg_for(policy_for(b, "x"), "tex"));
	c = table("[policy]\n\tactors = a b\n"
		  "[policy-args \"x\"]\n\ttext = d c\n");
	ck_assert_str_ne(a->sha256, c->sha256);
	policy_unref(c);
	ck_assert_ptr_null(policy_arg_for(policy_for(b, "y"), "text"));
	policy_unref(a);
	policy_unref(b);
	teardown();
}
END_TEST

START_TEST(a_file_that_everybody_may_write_is_not_taken)
{
	struct policy_table *t;
	struct err err = {0};

	policy_unref(table(""));
	ck_assert_int_eq(chmod(path, 0666), 0);
	ck_assert_int_eq(policy_read(&t, path, &err), -1);
	ck_assert_int_eq(err.code, ERR_bad_config);
	err_fini(&err);
	teardown();
}
END_TEST

TESTS("policy", a_wait_counts_where_the_policy_says_none,
      without_a_file_the_policy_is_the_default,
      a_tool_has_its_own_policy_over_the_general_one,
      every_value_knows_the_line_that_set_it,
      what_cannot_be_meant_names_file_line_and_key,
      zero_approvals_are_refused_with_the_reason,
      the_hash_follows_what_counts_and_nothing_else,
      only_the_words_count_not_what_parts_them,
      a_file_that_everybody_may_write_is_not_taken)
