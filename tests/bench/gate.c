/*
 * How long the gate takes to decide about a call, under a policy of 100
 * rules: what is asked for and denied by each kind of line, and what is let
 * through after all of them were looked at.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/gate/policy.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/mem.h"

#define TOOLS 20		/* of 5 rules each */
#define TIMES 2000000

static struct policy_table *policy_of_100(void)
{
	char name[] = "/tmp/kircerta-gate-XXXXXX", *text = NULL;
	struct policy_table *t;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	int fd = mkstemp(name);

	for (int i = 0; i < TOOLS; i++)
		fprintf(out, "[policy \"tool.%d\"]\n\tgrace = 1s\n"
			"\tmax-per-day = 10\n\tactors = ana bob codex\n"
			"\tquiet-hours = 22:00-07:00 12:00-13:00\n"
			"[policy-args \"tool.%d\"]\n"
			"\tprivacy = private unlisted\n", i, i);
	fclose(out);
	if (fd < 0 || fs_replace(name, text, len, 0600, NULL) ||
	    policy_read(&t, name, NULL))
		abort();
	close(fd);
	unlink(name);
	free(text);
	return t;
}

static void measure(const struct policy_table *t, const char *name,
		    const struct weight *w, const char *reason)
{
	int64_t began = clock_mono_us();
	struct verdict v = {0};

	for (int i = 0; i < TIMES; i++) {
		v = policy_of_tool(t, MODE_NORMAL, w);
		__asm__ volatile("" : : "r"(&v) : "memory");
	}
	if (!v.reason || strcmp(v.reason, reason))
		abort();
	printf("gate_%s_%zu_rules %.3f us\n", name, t->rules,
	       (double)(clock_mono_us() - began) / TIMES);
}

int main(void)
{
	static struct tool_arg args[] = {
		{.name = "file", .type = TOOL_FILE},
		{.name = "title", .type = TOOL_STRING},
		{.name = "privacy", .type = TOOL_ENUM},
	};
	const struct tool tool = {.name = "tool.13", .args = args,
				  .level = LEVEL_EXTERNAL_PUBLISH,
				  .n_args = ARRAY_LEN(args)};
	struct policy_table *t;
	struct weight w = {
		.tool = "tool.13", .level = LEVEL_EXTERNAL_PUBLISH,
		.claimed = LEVEL_EXTERNAL_PUBLISH, .actor = "codex",
		.manifest = &tool,
	};
	json_t *good, *bad;

	setenv("TZ", "UTC", 1);
	json_setup();
	good = json_pack("{s:s,s:s,s:s}", "file", "/a", "title", "t",
			 "privacy", "unlisted");
	bad = json_pack("{s:s,s:s,s:s}", "file", "/a", "title", "t",
			"privacy", "public");
	t = policy_of_100();
	w.args = good;
	w.now_us = 8LL * 3600 * 1000000;
	measure(t, "approval_required", &w, "approval_required");
	w.starts = 10;
	measure(t, "rate_limited", &w, "rate_limited");
	w.now_us = 23LL * 3600 * 1000000;
	measure(t, "quiet_hours", &w, "quiet_hours");
	w.args = bad;
	measure(t, "args_not_allowed", &w, "args_not_allowed");
	w.actor = "dave";
	measure(t, "actor_not_allowed", &w, "actor_not_allowed");
	w.tool = "other";
	w.args = good;
	measure(t, "of_no_section", &w, "approval_required");
	json_decref(good);
	json_decref(bad);
	policy_unref(t);
	return 0;
}
