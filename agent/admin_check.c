/*
 * `kircerta-agent check`: a row for each thing that the agent needs, with what
 * to do where it is missing. It changes nothing and needs no running agent.
 */
#include "agent/admin.h"
#include "agent/admin_check.h"
#include "agent/admin_policy.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/net/address.h"
#include "agent/net/tls.h"
#include "agent/run/tool.h"
#include "agent/sandbox.h"
#include "agent/store/home.h"
#include "agent/store/policy.h"
#include "agent/store/settings.h"
#include "agent/store/settings_remote.h"
#include "agent/store/token.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"

void say_row(const char *what, const char *state, const char *text)
{
	printf("%-10s %-5s %s\n", what, state, text);
}

void say_more(const char *text)
{
	printf("%17s%s\n", "", text);
}

/* Whatever is there already has to be ours to write. */
static int check_home(const struct home *home)
{
	const char *paths[] = {home->dir, home->audit, home->evidence,
			       home->spool, home->ssot, home->tokens};
	int rc = 0;

	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		if (access(paths[i], R_OK | W_OK)) {
			say_row("home", "FAIL", paths[i]);
			say_more(strerror(errno));
			rc = -1;
		}
	if (!rc)
		say_row("home", "ok", home->dir);
	return rc;
}

static int check_settings(struct settings *s, const struct globals *g,
			  const struct home *home)
{
	struct err err = {0};
	int rc = settings_of(g, home, s, &err);

	say_row("config", rc ? "FAIL" : "ok", rc ? err.detail :
		g->config ? g->config : home->conf);
	if (rc)
		say_more(*err.hint ? err.hint : "correct it; `kircerta-agent "
			 "check --list` prints every key");
	err_fini(&err);
	return rc;
}

static void say_policy(const char *what, const char *hint)
{
	say_row("policy", "FAIL", what);
	say_more(hint);
}

/* A policy for what is not there protects nothing, or refuses everything. */
static int check_policies(const struct settings *s, const struct tools *tools,
			  const struct home *home)
{
	struct policy_table *p = NULL;
	struct err err = {0};
	int rc = s->file ? policy_read(&p, s->file, &err) : 0;

	if (rc)
		say_policy(err.detail, err_hint_of(&err));
	else if (p)
		rc = policy_check(p, tools, say_policy) |
		     check_signers(p, home);
	policy_unref(p);
	err_fini(&err);
	return rc;
}

static bool runnable(const char *program)
{
	char *command;
	bool found;

	if (strchr(program, '/'))
		return !access(program, X_OK);
	command = xasprintf("command -v -- '%s' >/dev/null 2>&1", program);
	found = !strchr(program, '\'') && !system(command);
	free(command);
	return found;
}

/* One row each; a program that cannot be run fails when it is asked for. */
static int check_programs(const struct tools *tools)
{
	json_t *list = tools_json(tools), *each;
	const struct tool *t;
	int rc = 0;
	size_t i;

	json_array_foreach (list, i, each) {
		t = tools_find(tools, json_str(each, "name"));
		if (runnable(t->argv[0])) {
			say_row("tool", "ok", t->name);
			continue;
		}
		say_row("tool", "FAIL", t->name);
		printf("%17s%s cannot be run: put it there and chmod +x it\n",
		       "", t->argv[0]);
		rc = -1;
	}
	json_decref(list);
	return rc;
}

static int check_tools(const struct settings *s, const struct home *home)
{
	char *built_in = built_in_tools();
	const char *dirs[] = {built_in, home->tools_d, s->tools_dir, NULL};
	struct tools *tools = NULL;
	struct err err = {0};
	int rc = tools_load(&tools, dirs, s->timeouts.run, &err);

	if (rc)
		say_row("tools", "FAIL", err.detail);
	else
		rc = check_programs(tools) | check_policies(s, tools, home);
	tools_unref(tools);
	err_fini(&err);
	free(built_in);
	return rc;
}

/* Where it would listen, and that nobody can read along. */
static int check_listen(const struct settings *s)
{
	struct tls_server *tls = NULL;
	struct err err = {0};
	struct address at;
	char *url;
	int rc;

	if (!s->listen)			/* the file could not be read */
		return 0;
	rc = tls_open(&tls, s, &err) ||
	     address_parse(&at, s->listen, tls, &err);
	url = rc ? NULL : xasprintf("%s://%s:%d", tls ? "https" : "http",
				    at.host, at.port);
	say_row("listen", rc ? "FAIL" : "ok", rc ? err.detail : url);
	if (rc && *err_hint_of(&err))
		say_more(err_hint_of(&err));
	for (size_t i = 0; i < s->n_peers; i++)
		if (s->peers[i].has_uid && s->peers[i].uid == geteuid() &&
		    s->peers[i].scopes & SCOPE_ADMIN) {
			say_row("peer", "risk", s->peers[i].name);
			say_more("an admin by being this user, as whom the "
				 "tools run, too: a tool could decide");
		}
	tls_close(tls);
	err_fini(&err);
	free(url);
	return rc ? -1 : 0;
}

/* What the agent runs without, though some tool does not. */
static void check_surroundings(const struct settings *s)
{
	const char *display = json_str(json_object_get(s->sections, "screen"),
				       "display");

	if (!display || !*display)
		display = getenv("DISPLAY");
	display = display && *display ? display : NULL;
	say_row("ffmpeg", runnable("ffmpeg") ? "ok" : "lacks",
		runnable("ffmpeg") ? "installed" :
		"screen.record fails: install ffmpeg");
	say_row("display", display ? "ok" : "lacks", display ? display :
		"screen.* fails: set DISPLAY or screen.display");
}

/* git keeps the repository small and, with a remote, shares it. */
static int check_remote(const struct settings *s)
{
	bool wanted = s->ssot_remote && *s->ssot_remote, git = runnable("git");
	struct err err = {0};
	int rc = remote_files_check(s, &err);

	say_row("git", git ? "ok" : wanted ? "FAIL" : "lacks", git ?
		"installed" : "the tasks cannot be shared: install git");
	if (!wanted && !rc)
		return err_fini(&err), 0;
	say_row("remote", rc ? "FAIL" : "ok", rc ? err.detail :
		s->ssot_remote);
	if (rc)
		say_more(err_hint_of(&err));
	err_fini(&err);
	return rc || !git ? -1 : 0;
}

static int check_sandbox(const struct settings *s)
{
	struct err err = {0};
	char *said = NULL;
	int rc = sandbox_would(s, &said, &err);

	say_row("sandbox", rc ? "FAIL" : "ok", rc ? err.detail : said);
	if (rc)
		say_more(err_hint_of(&err));
	else if (!geteuid() && !*s->sandbox_user)
		say_more("root: tools can do anything; set sandbox.user");
	err_fini(&err);
	free(said);
	return rc;
}

int cmd_check(const struct globals *g, int argc, char **argv)
{
	struct settings s = {0};
	struct home home;
	int rc;

	if (argc > 1 && !strcmp(argv[1], "--list"))
		return settings_list(stdout), EXIT_SUCCESS;
	if (argc > 1)
		return say_usage("check [--list]");
	if (home_of(g, &home))
		return EXIT_FAILURE;
	rc = check_home(&home);
	rc |= check_settings(&s, g, &home);
	rc |= check_tokens(&home);
	rc |= check_listen(&s);
	rc |= s.name ? check_sandbox(&s) : 0;
	rc |= check_tools(&s, &home);
	rc |= check_remote(&s);
	rc |= check_notifies(&s);
	rc |= check_webhooks(&s);
	check_surroundings(&s);
	settings_fini(&s);
	home_fini(&home);
	return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}
