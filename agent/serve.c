/* `kircerta-agent run`: build top-down, serve, tear down bottom-up. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/admin.h"
#include "agent/net/net.h"
#include "agent/net/ready.h"
#include "agent/ops/glass.h"
#include "agent/ops/op.h"
#include "agent/run/orphan.h"
#include "agent/run/tool.h"
#include "agent/sandbox.h"
#include "agent/store/evidence.h"
#include "agent/store/home.h"
#include "agent/store/journal.h"
#include "agent/store/policy.h"
#include "agent/store/settings.h"
#include "agent/store/webhook_secrets.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/mem.h"

struct parts {			/* in the order they are built */
	struct home home;
	struct settings settings;
	struct journal_repair repair;
	struct agent agent;
	struct net *net;
	json_t *sandbox;		/* what was reached */
	char *built_in;			/* the folder of our own tools */
};

static int load_tools(struct agent *a, const char *built_in, struct err *err)
{
	struct tools *tools;

	a->tool_dirs[0] = built_in;
	a->tool_dirs[1] = a->home->tools_d;
	a->tool_dirs[2] = a->settings->tools_dir;
	if (tools_load(&tools, a->tool_dirs, a->settings->timeouts.run, err))
		return -1;
	a->tools = tools;
	return 0;
}

static int load_policy(struct agent *a, struct err *err)
{
	struct policy_table *policy;

	if (policy_read(&policy, a->settings->file, err))
		return -1;
	a->policy = policy;
	for (size_t i = 0; i < policy->n_tools; i++)
		if (!tools_find(a->tools, policy->tools[i].tool))
			log_warn("[policy \"%s\"] protects nothing: no tool "
				 "has this name", policy->tools[i].tool);
	return 0;
}

static int load_redact_key(struct agent *a, struct err *err)
{
	char *key;
	size_t len;

	key = fs_read(a->home->redact_key, sizeof(a->redact_key), &len, err);
	if (!key)
		return -1;
	if (len == sizeof(a->redact_key))
		memcpy(a->redact_key, key, len);
	mem_wipe(key, len);
	free(key);
	return len == sizeof(a->redact_key) ? 0 : err_set(err, ERR_io,
		"%s: must have %zu bytes: restore it", a->home->redact_key,
		sizeof(a->redact_key));
}

/*
 * The only thing that is read as root, where another user is to be it: who
 * that is. What cannot be read is told once it is read again.
 */
static int become_user(const struct globals *g, const char *dir,
		       struct err *err)
{
	struct settings s;
	struct home home;
	int rc = 0;

	if (geteuid() && geteuid() == getuid())
		return 0;
	home_paths(&home, dir);
	if (access(home.conf, F_OK) && !access(HOME_CONF_ELSE, F_OK)) {
		free(home.conf);
		home.conf = xstrdup(HOME_CONF_ELSE);
	}
	if (!settings_of(g, &home, &s, err)) {
		rc = sandbox_drop(&s, err);
		sandbox_keep_secrets();
		settings_fini(&s);
	} else {
		err_fini(err);
	}
	home_fini(&home);
	return rc;
}

static void guard_file(void *evidence, const char *path)
{
	evidence_guard_file(evidence, path);
}

static int build(struct parts *p, const struct globals *g,
		 const char *listen_at, struct err *err)
{
	struct agent *a = &p->agent;
	struct journal_options journal = {0};
	char *dir = home_path(g->home, err);
	int rc = !dir || become_user(g, dir, err) ||
		 home_open(&p->home, dir, err);

	free(dir);
	if (rc || home_lock(&p->home, err) ||
	    settings_of(g, &p->home, &p->settings, err) ||
	    sandbox_drop(&p->settings, err) ||
	    sandbox_enter(&p->settings, &p->home, &p->sandbox, err))
		return -1;
	if (p->settings.log_debug)
		log_setup(LOG_DEBUG);
	*a = (struct agent){.home = &p->home, .settings = &p->settings,
			    .version = KIRCERTA_VERSION,
			    .repair = &p->repair, .tell = ready_tell,
			    .accept_remote = a->accept_remote,
			    .sandbox = p->sandbox,
			    .started_us = clock_mono_us()};
	p->built_in = built_in_tools();
	journal.segment = (uint64_t)p->settings.segment_size;
	if (load_redact_key(a, err) || load_tools(a, p->built_in, err) ||
	    load_policy(a, err) ||
	    tokens_open(&a->tokens, p->home.tokens, err) ||
	    evidence_open(&a->evidence, p->home.evidence, err) ||
	    journal_open(&a->journal, p->home.audit, &journal, &p->repair, err))
		return -1;
	evidence_guard(a->evidence, p->home.dir);
	settings_files(&p->settings, guard_file, a->evidence);
	a->webhook_secrets = webhook_secrets_new(&p->settings);
	glass_open(a);
	return net_open(&p->net, a, listen_at ? listen_at :
			p->settings.listen, err);
}

static void tear_down(struct parts *p)
{
	net_close(p->net);
	glass_close(&p->agent);
	webhook_secrets_free(p->agent.webhook_secrets);
	journal_close(p->agent.journal);
	evidence_close(p->agent.evidence);
	if (p->agent.tokens)
		tokens_save_used(p->agent.tokens, NULL);
	tokens_close(p->agent.tokens);
	tools_unref(p->agent.tools);
	for (size_t i = 0; i < p->agent.n_old_tools; i++)
		tools_unref(p->agent.old_tools[i]);
	free(p->agent.old_tools);
	policy_unref(p->agent.policy);
	for (size_t i = 0; i < p->agent.n_old_policies; i++)
		policy_unref(p->agent.old_policies[i]);
	free(p->agent.old_policies);
	for (size_t i = 0; i < p->agent.n_wrongs; i++)
		free(p->agent.wrongs[i]);
	free(p->agent.wrongs);
	free(p->built_in);
	json_decref(p->sandbox);
	settings_fini(&p->settings);
	home_fini(&p->home);
}

int cmd_run(const struct globals *g, int argc, char **argv)
{
	static const struct option options[] = {
		{"listen", required_argument, NULL, 'l'},
		{"accept-remote", no_argument, NULL, 'a'}, {0},
	};
	static const char usage[] =
		"run [--listen HOST:PORT] [--accept-remote]";
	const char *listen_at = NULL;
	bool accept_remote = false;
	struct parts p = {0};
	struct journal_trouble trouble;
	struct err err = {0};
	int opt, rc;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'a')
			accept_remote = true;
		else if (opt == 'l')
			listen_at = optarg;
		else
			return say_usage(usage);
	}
	if (optind < argc)
		return say_usage(usage);
	sandbox_keep_secrets();
	orphans_adopt();
	p.agent.accept_remote = accept_remote;
	rc = build(&p, g, listen_at, &err);
	if (!rc)
		rc = net_run(p.net, &err);
	if (!rc && journal_trouble(p.agent.journal, &trouble) &&
	    trouble.sealed)
		rc = err_set(&err, ERR_audit_unavailable, "the journal could "
			     "not be written (%s); the stop is not on the "
			     "record", trouble.why);
	tear_down(&p);
	if (rc)
		say_error(&err);
	err_fini(&err);
	return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}
