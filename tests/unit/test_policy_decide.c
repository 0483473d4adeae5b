/* What the gate says of a call under a policy, and which line said so. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/gate/policy.h"
#include "agent/ops/quota.h"
#include "common/fs.h"

#define R LEVEL_READ_ONLY
#define W LEVEL_LOCAL_WRITE
#define P LEVEL_EXTERNAL_PUBLISH

static char dir[64], path[80];

static struct policy_table *table(const char *text)
{
	struct policy_table *t;

	strcpy(dir, "/tmp/kircerta-decide-XXXXXX");
	ck_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/agent.conf", dir);
	ck_assert_int_eq(fs_replace(path, text, strlen(text), 0600, NULL), 0);
	ck_assert_int_eq(policy_read(&t, path, NULL), 0);
	fs_remove_tree(dir);
	return t;
}

/* 2026-03-01 in the zone of the test. */
static int64_t at(int hour, int minute)
{
	struct tm tm = {.tm_year = 126, .tm_mon = 2, .tm_mday = 1,
			.tm_hour = hour, .tm_min = minute, .tm_isdst = -1};

	return (int64_t)mktime(&tm) * 1000000;
}

/* rule is what follows the file's name, or all of it. */
static void decides(const struct policy_table *t, enum mode mode,
		    const struct weight *w, const char *reason,
		    const char *rule, const char *what)
{
	struct verdict v = policy_of_tool(t, mode, w);
	char *line = verdict_rule(t, &v), *want;
	bool parks = reason && (!strcmp(reason, "approval_required") ||
				!strcmp(reason, "mode_guarded"));

	want = xasprintf("%s%s", *rule == ':' ? path : "", rule);
	ck_assert_msg(!reason ? !v.reason : v.reason &&
		      !strcmp(v.reason, reason), "%s: %s, not %s", what,
		      v.reason ? v.reason : "allowed",
		      reason ? reason : "allowed");
	ck_assert_msg(v.rule == (!reason ? RULE_ALLOW : parks ? RULE_APPROVE :
				 RULE_DENY), "%s: %d", what, v.rule);
	ck_assert_msg(!strcmp(line, want), "%s: %s, not %s", what, line, want);
	free(want);
	free(line);
}

START_TEST(mode_and_level_decide_unless_a_line_is_stricter)
{
	static const char text[] = "[policy]\n"	/* 1 */
		"\tlocal-write = approve\n"		/* 2 */
		"[policy \"deny\"]\n"			/* 3 */
		"\tread-only = deny\n"			/* 4 */
		"\tlocal-write = deny\n"		/* 5 */
		"\texternal-publish = deny\n"		/* 6 */
		"[policy \"ask\"]\n"			/* 7 */
		"\tread-only = approve\n"		/* 8 */
		"[policy \"free\"]\n"			/* 9 */
		"\tlocal-write = allow\n";		/* 10 */
	static const struct {
		const char *tool;
		int level, claimed;
		enum mode mode;
		const char *reason, *rule;
	} cases[] = {
		{"x", R, R, MODE_NORMAL, NULL,
		 "default policy.read-only = allow"},
		{"x", W, W, MODE_NORMAL, "approval_required",
		 ":2 policy.local-write = approve"},
		{"x", P, P, MODE_NORMAL, "approval_required",
		 "default policy.external-publish = approve"},
		{"x", R, R, MODE_GUARDED, NULL,
		 "default policy.read-only = allow"},
		{"x", W, W, MODE_GUARDED, "approval_required",
		 ":2 policy.local-write = approve"},
		{"x", P, P, MODE_GUARDED, "approval_required",
		 "default policy.external-publish = approve"},
		{"x", R, R, MODE_STOPPED, "mode_stopped", "mode stopped"},
		{"x", W, W, MODE_STOPPED, "mode_stopped", "mode stopped"},
		{"x", P, P, MODE_STOPPED, "mode_stopped", "mode stopped"},
		{"free", W, W, MODE_NORMAL, NULL,
		 ":10 policy.free.local-write = allow"},
		{"free", W, W, MODE_GUARDED, "mode_guarded", "mode guarded"},
		{"free", P, P, MODE_GUARDED, "approval_required",
		 "default policy.external-publish = approve"},
		{"ask", R, R, MODE_NORMAL, "approval_required",
		 ":8 policy.ask.read-only = approve"},
		{"deny", R, R, MODE_NORMAL, "tool_disabled",
		 ":4 policy.deny.read-only = deny"},
		{"deny", W, W, MODE_NORMAL, "tool_disabled",
		 ":5 policy.deny.local-write = deny"},
		{"deny", P, P, MODE_GUARDED, "tool_disabled",
		 ":6 policy.deny.external-publish = deny"},
		{"deny", P, P, MODE_STOPPED, "mode_stopped", "mode stopped"},
		{"x", P, R, MODE_NORMAL, "side_effect_mismatch",
		 "registry: the tool's level is external_publish"},
		{"x", P, W, MODE_NORMAL, "side_effect_mismatch",
		 "registry: the tool's level is external_publish"},
		{"x", P, -1, MODE_NORMAL, "side_effect_mismatch",
		 "registry: the tool's level is external_publish"},
		{"x", R, P, MODE_NORMAL, "side_effect_mismatch",
		 "registry: the tool's level is read_only"},
		{"x", W, R, MODE_STOPPED, "side_effect_mismatch",
		 "registry: the tool's level is local_write"},
		{"x", -1, -1, MODE_NORMAL, "side_effect_mismatch",
		 "registry: the tool has no level"},
		{"x", -1, P, MODE_NORMAL, "side_effect_mismatch",
		 "registry: the tool has no level"},
		{"x", 3, 3, MODE_NORMAL, "side_effect_mismatch",
		 "registry: the tool has no level"},
		{"", 3, 3, MODE_GUARDED, "side_effect_mismatch",
		 "registry: the tool has no level"},
	};
	struct policy_table *t = table(text);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct weight w = {
			.tool = cases[i].tool, .level = cases[i].level,
			.claimed = cases[i].claimed, .now_us = at(12, 0),
		};
		char what[32];

		snprintf(what, sizeof(what), "case %zu", i);
		decides(t, cases[i].mode, &w, cases[i].reason, cases[i].rule,
			what);
	}
	policy_unref(t);
}
END_TEST

START_TEST(a_mode_that_is_not_known_is_stopped)
{
	ck_assert_int_eq(mode_named("normal"), MODE_NORMAL);
	ck_assert_int_eq(mode_named("guarded"), MODE_GUARDED);
	ck_assert_int_eq(mode_named("stopped"), MODE_STOPPED);
	ck_assert_int_eq(mode_named("Normal"), MODE_STOPPED);
	ck_assert_int_eq(mode_named(""), MODE_STOPPED);
	ck_assert_int_eq(policy_of(MODE_STOPPED, EFFECT_CHANGE).rule,
			 RULE_DENY);
	ck_assert_int_eq(policy_of(MODE_STOPPED, EFFECT_DECIDE).rule,
			 RULE_ALLOW);
	ck_assert_int_eq(policy_of(MODE_STOPPED, EFFECT_READ).rule,
			 RULE_ALLOW);
	ck_assert_int_eq(policy_of(MODE_GUARDED, EFFECT_CHANGE).rule,
			 RULE_ALLOW);
}
END_TEST

static struct tool_arg args[] = {
	{.name = "privacy", .type = TOOL_ENUM},
	{.name = "made_for_kids", .type = TOOL_BOOLEAN},
	{.name = "n", .type = TOOL_INTEGER},
	{.name = "part", .type = TOOL_NUMBER},
	{.name = "title", .type = TOOL_STRING},
	{.name = "file", .type = TOOL_FILE},
	{.name = "thumb", .type = TOOL_FILE},
	{.name = "hash", .type = TOOL_SHA256},
	{.name = "key", .type = TOOL_STRING, .secret = true},
};
static const struct tool tool = {.name = "up", .level = P, .args = args,
				 .n_args = ARRAY_LEN(args)};

START_TEST(an_argument_is_what_its_words_allow_or_refused)
{
	static const struct { const char *words, *value; bool fits; } cases[] = {
		{"privacy = private unlisted", "{\"privacy\":\"private\"}", 1},
		{"privacy = private unlisted", "{\"privacy\":\"unlisted\"}", 1},
		{"privacy = private\t \tunlisted",
		 "{\"privacy\":\"unlisted\"}", 1},
		{"privacy = private unlisted", "{\"privacy\":\"public\"}", 0},
		{"privacy = private unlisted", "{\"privacy\":\"Private\"}", 0},
		{"privacy = private unlisted", "{\"privacy\":\"privat\"}", 0},
		{"privacy = private unlisted", "{\"privacy\":\"privatee\"}", 0},
		{"privacy = private unlisted",
		 "{\"privacy\":\"private unlisted\"}", 0},
		{"privacy = private unlisted", "{\"privacy\":\" private\"}", 0},
		{"privacy = private unlisted", "{\"privacy\":\"\"}", 0},
		{"privacy = private unlisted", "{}", 0},
		{"privacy = private unlisted", "{\"privacy\":null}", 0},
		{"privacy = private unlisted", "{\"privacy\":[\"private\"]}", 0},
		{"privacy = private unlisted",
		 "{\"privacy\":\"pr\\u0456vate\"}", 0},
		{"privacy = private\n\tprivacy = public",
		 "{\"privacy\":\"private\"}", 0},
		{"title = a", "{\"title\":\"a\"}", 1},
		{"title = a", "{\"title\":\"a \"}", 0},
		{"made-for-kids = false", "{\"made_for_kids\":false}", 1},
		{"made-for-kids = false", "{\"made_for_kids\":true}", 0},
		{"made-for-kids = false", "{\"made_for_kids\":\"false\"}", 0},
		{"made-for-kids = false", "{\"made-for-kids\":false}", 0},
		{"n = 1 20", "{\"n\":20}", 1}, {"n = 1 20", "{\"n\":2}", 0},
		{"n = 1 20", "{\"n\":\"20\"}", 0},
		{"n = 1 20", "{\"n\":20.0}", 0}, {"n = -1", "{\"n\":-1}", 1},
		{"part = 0.5 2", "{\"part\":0.5}", 1},
		{"part = 0.5 2", "{\"part\":2}", 1},
		{"part = 0.5 2", "{\"part\":0.51}", 0},
		{"part = x", "{\"part\":0}", 0},
		{"part = 0.5x", "{\"part\":0.5}", 0},
		{"hash = ab", "{\"hash\":\"ab\"}", 1},
		{"hash = ab", "{\"hash\":\"abc\"}", 0},
		{"key = k", "{\"key\":\"k\"}", 0},
		{"key = [redacted]", "{\"key\":\"[redacted]\"}", 0},
		{"nothing = x", "{\"nothing\":\"x\"}", 0},
		{"nothing = x", "{}", 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *text = xasprintf("[policy-args \"up\"]\n\t%s\n",
				       cases[i].words), *line;
		struct policy_table *t = table(text);
		struct weight w = {.tool = "up", .level = P, .claimed = P,
				   .manifest = &tool};
		json_t *v = json_loads(cases[i].value, 0, NULL);
		struct verdict got;

		w.args = v;
		got = policy_of_tool(t, MODE_NORMAL, &w);
		line = verdict_rule(t, &got);
		ck_assert_msg(!strcmp(got.reason, cases[i].fits ?
			      "approval_required" : "args_not_allowed"),
			      "%s %s: %s", cases[i].words, cases[i].value,
			      got.reason);
		ck_assert_msg(cases[i].fits || strstr(line, "policy-args.up."),
			      "%s", line);
		w.manifest = NULL;	/* it is not there any more */
		got = policy_of_tool(t, MODE_NORMAL, &w);
		ck_assert_str_eq(got.reason, "args_not_allowed");
		json_decref(v);
		policy_unref(t);
		free(line);
		free(text);
	}
}
END_TEST

START_TEST(a_file_counts_by_where_it_was_found)
{
	static const char hash[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
				   "aaaaaaaaaaaaaaaaaaaaaaaa";
	static const struct {
		const char *words, *given, *found;
		bool fits;
	} cases[] = {
		{"/srv/films", "/srv/films/a", "/srv/films/a", 1},
		{"/srv/films", "/srv/films/b/c/d", "/srv/films/b/c/d", 1},
		{"/srv/films/", "/srv/films/a", "/srv/films/a", 1},
		{"/srv/films//", "/srv/films/a", "/srv/films/a", 1},
		{"/srv/films", "/srv/films2/a", "/srv/films2/a", 0},
		{"/srv/films", "/srv/film", "/srv/film", 0},
		{"/srv/films", "/srv", "/srv", 0},
		{"/srv/films", "/srv/films/a", "/etc/shadow", 0},
		{"/srv/films", "/tmp/link", "/srv/films/a", 1},
		{"/srv/films", "/srv/films/../x", "/srv/x", 0},
		{"/srv/films/a", "/srv/films/a", "/srv/films/a", 1},
		{"/srv/films", "/srv/films/a", "", 0},
		{"/srv/films", "/srv/films/a", NULL, 0},
		{"/", "/x", "/x", 1},
		{"srv", "srv/a", "/srv/a", 0},
		{"srv", "/srv/a", "/srv/a", 0},
		{"/a /b", "/b/c", "/b/c", 1},
		{"/a /b", "/c/b", "/c/b", 0},
		{"/srv/films", hash, NULL, 0},
		{"evidence", hash, NULL, 1},
		{"/srv/films evidence", hash, NULL, 1},
		{"/srv/films evidence", "/x", "/x", 0},
		{"evidence", "/evidence", "/evidence", 0},
		{"evidences", hash, NULL, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *text = xasprintf("[policy-args \"up\"]\n\tfile = %s\n",
				       cases[i].words);
		struct policy_table *t = table(text);
		json_t *v = json_pack("{s:s,s:s}", "file", cases[i].given,
				      "thumb", "/any");
		json_t *files = json_pack("[{s:s,s:s},{s:s,s:s*}]", "arg",
			"thumb", "path", "/any", "arg", "file", "path",
			cases[i].found);
		const struct weight w = {.tool = "up", .level = P,
			.claimed = P, .manifest = &tool, .args = v,
			.files = files};
		struct verdict got = policy_of_tool(t, MODE_NORMAL, &w);

		ck_assert_msg(!strcmp(got.reason, cases[i].fits ?
			      "approval_required" : "args_not_allowed"),
			      "%s: %s", cases[i].words, cases[i].given);
		json_decref(v);
		json_decref(files);
		policy_unref(t);
		free(text);
	}
}
END_TEST

START_TEST(files_are_no_larger_than_they_may_be)
{
	struct policy_table *t = table("[policy]\n\tmax-size = 1k\n");
	static const struct { json_int_t first, second; bool fits; } cases[] = {
		{0, 0, 1}, {1024, 1024, 1}, {1025, 0, 0}, {0, 1025, 0},
		{-1, 0, 1},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		json_t *files = json_pack("[{s:I},{s:I}]", "size",
			cases[i].first, "size", cases[i].second);
		const struct weight w = {.tool = "up", .level = W,
			.claimed = W, .files = files};

		decides(t, MODE_NORMAL, &w, cases[i].fits ? NULL :
			"args_not_allowed", cases[i].fits ?
			"default policy.local-write = allow" :
			":2 policy.max-size = 1k", "size");
		json_decref(files);
	}
	policy_unref(t);
}
END_TEST

START_TEST(quiet_hours_are_local_and_over_midnight)
{
	static const struct { int hour, minute; bool quiet; } cases[] = {
		{21, 59, 0}, {22, 0, 1}, {23, 59, 1}, {0, 0, 1}, {6, 59, 1},
		{7, 0, 0}, {11, 59, 0}, {12, 0, 1}, {12, 59, 1}, {13, 0, 0},
	};
	static const char *const zones[] = {"UTC", "Asia/Tokyo",
					    "America/Caracas", "EST5EDT"};
	struct policy_table *t = table("[policy]\n"
		"\tquiet-hours = 22:00-07:00 \t 12:00-13:00\n");

	for (size_t z = 0; z < ARRAY_LEN(zones); z++) {
		setenv("TZ", zones[z], 1);
		tzset();
		for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
			struct weight w = {.tool = "up", .level = P,
				.claimed = P, .now_us = at(cases[i].hour,
							   cases[i].minute)};
			const char *rule = cases[i].quiet ?
				":2 policy.quiet-hours = "
				"22:00-07:00 \t 12:00-13:00" :
				"default policy.external-publish = approve";

			decides(t, MODE_NORMAL, &w, cases[i].quiet ?
				"quiet_hours" : "approval_required", rule,
				zones[z]);
			w.starting = true;	/* they have begun since */
			decides(t, MODE_NORMAL, &w, cases[i].quiet ?
				"quiet_hours" : "approval_required", rule,
				zones[z]);
			w.level = w.claimed = W;
			decides(t, MODE_NORMAL, &w, NULL,
				"default policy.local-write = allow",
				zones[z]);
		}
	}
	policy_unref(t);
}
END_TEST

START_TEST(who_may_ask_is_named)
{
	static const struct { const char *actor; bool may; } cases[] = {
		{"codex", 1}, {"ana", 1}, {"cod", 0}, {"codex2", 0},
		{"Codex", 0}, {"", 0}, {NULL, 0}, {"codex ana", 0},
		{"bob", 0},
	};
	struct policy_table *t = table("[policy \"up\"]\n"
				       "\tactors = codex   ana\n");

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct weight w = {.tool = "up", .level = R,
			.claimed = R, .actor = cases[i].actor};

		decides(t, MODE_NORMAL, &w, cases[i].may ? NULL :
			"actor_not_allowed", cases[i].may ?
			"default policy.read-only = allow" :
			":2 policy.up.actors = codex   ana",
			cases[i].actor ? cases[i].actor : "nobody");
	}
	policy_unref(t);
}
END_TEST

START_TEST(limits_are_reached_by_what_was_and_count_where_they_should)
{
	static const struct {
		int level;
		size_t calls, starts;
		bool starting;
		const char *key;
	} cases[] = {
		{R, 1, 9, 0, NULL}, {R, 2, 0, 0, "minute"},
		{W, 2, 0, 0, "minute"}, {P, 2, 0, 0, "minute"},
		{P, 2, 0, 1, NULL}, {P, 1, 2, 0, NULL}, {P, 0, 3, 0, "day"},
		{P, 0, 3, 1, "day"}, {W, 0, 3, 1, NULL}, {W, 9, 3, 1, NULL},
		{P, 9, 9, 0, "minute"}, {P, 9, 9, 1, "day"},
	};
	struct policy_table *t = table("[policy]\n\tmax-per-minute = 2\n"
				       "\tmax-per-day = 3\n");

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct weight w = {.tool = "up",
			.level = cases[i].level, .claimed = cases[i].level,
			.calls = cases[i].calls, .starts = cases[i].starts,
			.starting = cases[i].starting};
		struct verdict v = policy_of_tool(t, MODE_NORMAL, &w);

		ck_assert_msg(cases[i].key ? v.reason &&
			      !strcmp(v.reason, "rate_limited") &&
			      v.key == (*cases[i].key == 'm' ?
					POLICY_KEY_max_per_minute :
					POLICY_KEY_max_per_day) :
			      v.rule != RULE_DENY, "case %zu", i);
	}
	policy_unref(t);
}
END_TEST

START_TEST(what_is_counted_is_forgotten_when_its_time_is_over)
{
	struct quota *q = quota_new();
	int64_t now = 1000000000000;

	ck_assert_uint_eq(quota_calls(q, "a", now), 0);
	for (int i = 0; i < 100; i++) {
		quota_call(q, "a", now + i);
		quota_start(q, "b", now + i);
	}
	ck_assert_uint_eq(quota_calls(q, "a", now + 99), 100);
	ck_assert_uint_eq(quota_calls(q, "b", now + 99), 0);
	ck_assert_uint_eq(quota_starts(q, "a", now + 99), 0);
	ck_assert_uint_eq(quota_starts(q, "b", now - QUOTA_DAY), 100);
	ck_assert_uint_eq(quota_calls(q, "a", now + 49 + QUOTA_MINUTE), 50);
	ck_assert_uint_eq(quota_calls(q, "a", now + 99 + QUOTA_MINUTE), 0);
	ck_assert_uint_eq(quota_starts(q, "b", now + 49 + QUOTA_DAY), 50);
	quota_start(q, QUOTA_ANY, now + QUOTA_DAY);
	ck_assert_uint_eq(quota_starts(q, "b", now + 49 + QUOTA_DAY), 51);
	ck_assert_uint_eq(quota_starts(q, "z", now + 49 + QUOTA_DAY), 1);
	quota_free(q);
}
END_TEST

TESTS("policy_decide",
      mode_and_level_decide_unless_a_line_is_stricter,
      a_mode_that_is_not_known_is_stopped,
      an_argument_is_what_its_words_allow_or_refused,
      a_file_counts_by_where_it_was_found,
      files_are_no_larger_than_they_may_be,
      quiet_hours_are_local_and_over_midnight,
      who_may_ask_is_named,
      limits_are_reached_by_what_was_and_count_where_they_should,
      what_is_counted_is_forgotten_when_its_time_is_over)
