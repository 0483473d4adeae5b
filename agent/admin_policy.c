/* `kircerta-agent policy`: options, the files, and the whole table. */
#include "agent/admin_policy.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "agent/admin.h"
#include "agent/run/tool.h"
#include "agent/store/policy.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"

static json_t *value_json(const char *text, int line)
{
	return json_pack("{s:o,s:o}", "value", json_lossy(text), "line",
			 line ? json_integer(line) : json_null());
}

/* What this section says itself; of [policy] also the defaults. */
static json_t *section_json(const struct policy *p)
{
	json_t *out = json_object(), *args = json_object();

	for (int key = 0; key < POLICY_KEYS; key++)
		if (!p->tool || p->from[key].own)
			json_object_set_new(out, policy_key_name(key),
				value_json(p->from[key].text,
					   p->from[key].line));
	for (size_t i = 0; i < p->n_args; i++)
		json_object_set_new(args, p->args[i].name,
				    value_json(p->args[i].words,
					       p->args[i].line));
	if (p->tool)
		json_object_set(out, "args", args);
	json_decref(args);
	return out;
}

static void show_json(const struct policy_table *t)
{
	json_t *tools = json_object(), *all;
	char *text;

	for (size_t i = 0; i < t->n_tools; i++)
		json_object_set_new(tools, t->tools[i].tool,
				    section_json(&t->tools[i]));
	all = json_pack("{s:o,s:s,s:s,s:I,s:o,s:o}", "file",
			json_lossy(t->file), "file_sha256", t->file_sha256,
			"policy_sha256", t->sha256, "rules",
			(json_int_t)t->rules, "policy",
			section_json(&t->all), "tools", tools);
	text = json_line(all, NULL);
	puts(text);
	free(text);
	json_decref(all);
}

static void show_line(const char *key, const char *value, int line)
{
	char said[400], where[32] = "default";

	snprintf(said, sizeof(said), "%s = %s", key, value);
	if (line)
		snprintf(where, sizeof(where), "line %d", line);
	printf("\t%-40s # %s\n", said, where);
}

static void show_section(const struct policy *p)
{
	if (p->tool)
		printf("[policy \"%s\"]\n", p->tool);
	else
		puts("[policy]");
	for (int key = 0; key < POLICY_KEYS; key++)
		if (!p->tool || p->from[key].own)
			show_line(policy_key_name(key), p->from[key].text,
				  p->from[key].line);
	if (p->n_args)
		printf("[policy-args \"%s\"]\n", p->tool);
	for (size_t i = 0; i < p->n_args; i++)
		show_line(p->args[i].name, p->args[i].words, p->args[i].line);
}

int policy_show(const struct policy_table *t, bool as_json)
{
	if (as_json) {
		show_json(t);
		return EXIT_SUCCESS;
	}
	printf("# %s%s\n# policy_sha256 %s\n", t->file,
	       *t->file_sha256 ? "" : " (not there: all is default)",
	       t->sha256);
	show_section(&t->all);
	for (size_t i = 0; i < t->n_tools; i++)
		show_section(&t->tools[i]);
	return EXIT_SUCCESS;
}

/* Why no call can keep this constraint; NULL: it can be kept. */
static const char *broken(const struct policy *p, const struct policy_arg *a,
			  const struct tool *tool)
{
	const struct tool_arg *arg = NULL;

	for (size_t i = 0; i < tool->n_args; i++)
		if (policy_arg_for(p, tool->args[i].name) == a)
			arg = &tool->args[i];
	if (!arg)
		return "the tool has no such argument: every call is refused";
	if (arg->secret)
		return "a secret argument cannot be compared: every call is "
		       "refused";
	for (const char *at = a->words; arg->type == TOOL_FILE && at;
	     at = strchr(at, ' ') ? strchr(at, ' ') + 1 : NULL)
		if (*at != '/' && strcspn(at, " ") != strlen("evidence"))
			return "a file comes from an absolute path or from "
			       "evidence";
	return NULL;
}

int policy_check(const struct policy_table *t, const struct tools *tools,
		 void (*say)(const char *what, const char *hint))
{
	int rc = 0;

	for (size_t i = 0; i < t->n_tools; i++) {
		const struct policy *p = &t->tools[i];
		const struct tool *tool = tools_find(tools, p->tool);

		if (!tool) {
			say(p->tool, "no tool has this name: correct it or "
			    "take the section out");
			rc = -1;
		}
		for (size_t n = 0; tool && n < p->n_args; n++) {
			const char *why = broken(p, &p->args[n], tool);
			char *line = why ? policy_arg_line(t, p, &p->args[n]) :
					   NULL;

			if (why)
				say(line, why);
			if (why)
				rc = -1;
			free(line);
		}
	}
	return rc;
}

static int open_files(struct policy_files *f, const struct globals *g)
{
	struct err err = {0};
	char *built_in;
	int rc = 0;

	if (home_of(g, &f->home))
		return -1;
	built_in = built_in_tools();
	if (settings_of(g, &f->home, &f->settings, &err) ||
	    policy_read(&f->table, f->settings.file, &err)) {
		rc = -1;
	} else {
		const char *dirs[] = {built_in, f->home.tools_d,
				      f->settings.tools_dir, NULL};

		rc = tools_load(&f->tools, dirs, f->settings.timeouts.run,
				&err);
	}
	if (rc)
		say_error(&err);
	free(built_in);
	err_fini(&err);
	return rc;
}

static void close_files(struct policy_files *f)
{
	tools_unref(f->tools);
	policy_unref(f->table);
	if (f->settings.file)
		settings_fini(&f->settings);
	if (f->home.dir)
		home_fini(&f->home);
}

/* 0, or a wrong option. */
static int options(int argc, char **argv, struct explain *x)
{
	static const struct option known[] = {
		{"tool", required_argument, NULL, 't'},
		{"args", required_argument, NULL, 'a'},
		{"as", required_argument, NULL, 'w'},
		{"level", required_argument, NULL, 'l'},
		{"mode", required_argument, NULL, 'm'},
		{"at", required_argument, NULL, 'T'},
		{"json", no_argument, NULL, 'j'}, {0},
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "", known, NULL)) != -1) {
		const char **to = opt == 't' ? &x->tool : opt == 'a' ?
			&x->args : opt == 'w' ? &x->actor : opt == 'l' ?
			&x->level : opt == 'm' ? &x->mode : opt == 'T' ?
			&x->at : NULL;

		if (to)
			*to = optarg;
		else if (opt == 'j')
			x->as_json = true;
		else
			return -1;
	}
	return optind < argc ? -1 : 0;
}

int cmd_policy(const struct globals *g, int argc, char **argv)
{
	static const char usage[] = "policy explain --tool T [--args FILE|-] "
		"[--as ACTOR] [--level L] [--mode M] [--at TIME] [--json]\n"
		"       kircerta-agent policy show [--json]";
	struct policy_files f = {0};
	struct explain x = {0};
	bool explains = argc > 1 && !strcmp(argv[1], "explain");
	bool shows = argc > 1 && !strcmp(argv[1], "show");
	int rc = EXIT_FAILURE;

	if (!explains && !shows)
		return say_usage(usage);
	if (options(argc - 1, argv + 1, &x) || explains != !!x.tool ||
	    (shows && (x.args || x.actor || x.level || x.mode || x.at)))
		return say_usage(usage);
	if (!open_files(&f, g))
		rc = shows ? policy_show(f.table, x.as_json) :
			     policy_explain(&f, &x);
	close_files(&f);
	return rc;
}
