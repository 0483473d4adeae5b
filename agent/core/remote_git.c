/*
 * See remote_git.h. The address and everything about it is configuration in
 * the environment: argv shows none of it. The token is in neither, a shell
 * that git asks reads it from its file and gives it to git by a pipe.
 */
#include "agent/core/remote_git.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/run/git.h"
#include "agent/store/settings.h"
#include "agent/store/settings_remote.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/mem.h"
#include "common/utf8.h"

#define TOKEN_MAX 4096
#define TOKEN_LEAST 4		/* shorter ones are words like any other */

struct remote_git {
	const struct settings *s;
	const char *repo;
	char **env;
	size_t n, pairs;		/* of env; of them configuration */
};

static void env_add(struct remote_git *g, char *text)
{
	g->env = xrealloc(g->env, (g->n + 2) * sizeof(*g->env));
	g->env[g->n++] = text;
	g->env[g->n] = NULL;
}

static void conf_add(struct remote_git *g, const char *key, const char *value)
{
	env_add(g, xasprintf("GIT_CONFIG_KEY_%zu=%s", g->pairs, key));
	env_add(g, xasprintf("GIT_CONFIG_VALUE_%zu=%s", g->pairs, value));
	g->pairs++;
}

/* The same for every remote. */
static const struct { const char *key, *value; } fixed[] = {
	/* only what settings_remote.c lets through */
	{"protocol.allow", "never"}, {"protocol.file.allow", "always"},
	{"protocol.git.allow", "always"}, {"protocol.ssh.allow", "always"},
	{"protocol.http.allow", "always"}, {"protocol.https.allow", "always"},
	{"http.followRedirects", "false"},
	/* bytes of others are looked at before they are kept, durably */
	{"transfer.fsckObjects", "true"},
	{"core.fsync", "committed,reference"},
	{"fetch.unpackLimit", "1000"},
	/* upkeep is not done in passing, and no program of ours is run */
	{"gc.auto", "0"}, {"maintenance.auto", "false"},
	{"core.hooksPath", "/dev/null"}, {"core.fsmonitor", "false"},
	{"submodule.recurse", "false"}, {"push.followTags", "false"},
	{"push.gpgSign", "false"}, {"ssh.variant", "ssh"},
	/* what the repository itself may say of helpers does not count */
	{"credential.helper", ""},
};

/* For a shell, inside ''. */
static void add_quoted(struct buf *b, const char *text)
{
	buf_adds(b, "'");
	for (; *text; text++)
		if (*text == '\'')
			buf_adds(b, "'\\''");
		else
			buf_add(b, text, 1);
	buf_adds(b, "'");
}

/* A path as ssh's options have it: % is special, quotes are refused. */
static void add_ssh_path(struct buf *b, const char *option, const char *path)
{
	struct buf value = {0};

	buf_addf(&value, "%s=\"", option);
	for (; *path; path++)
		buf_adds(&value, *path == '%' ? "%%" :
			 (char[]){*path, 0});
	buf_adds(&value, "\"");
	buf_adds(b, " -o ");
	add_quoted(b, value.data);
	buf_fini(&value);
}

static int seconds_of(int64_t us)
{
	return us < 1000000 ? 1 : (int)(us / 1000000);
}

/* Nobody is asked anything, and only the key that is named is offered. */
static char *ssh_command(const struct settings *s)
{
	int wait = seconds_of(s->ssot_timeout);
	struct buf b = {0};

	buf_addf(&b, "ssh -F /dev/null -o BatchMode=yes -o ConnectTimeout=%d "
		 "-o ServerAliveInterval=%d -o ServerAliveCountMax=2 "
		 "-o StrictHostKeyChecking=yes -o UpdateHostKeys=no "
		 "-o IdentitiesOnly=yes -o IdentityAgent=none "
		 "-o ForwardAgent=no -o ForwardX11=no "
		 "-o PasswordAuthentication=no", wait,
		 wait < 30 ? wait : 30);
	if (s->ssot_known_hosts) {
		add_ssh_path(&b, "UserKnownHostsFile", s->ssot_known_hosts);
		buf_adds(&b, " -o GlobalKnownHostsFile=/dev/null");
	}
	if (s->ssot_key_file)
		add_ssh_path(&b, "IdentityFile", s->ssot_key_file);
	return buf_take(&b, NULL);
}

/* read and printf are the shell's own: no program's arguments show it. */
static const char helper[] =
	"!f() { test \"$1\" = get || exit 0; "
	"IFS= read -r t <\"$KIRCERTA_GIT_TOKEN\" || test -n \"$t\" || exit 1; "
	"printf 'username=%s\\npassword=%s\\n' \"$KIRCERTA_GIT_USER\" \"$t\"; "
	"}; f";

/*
 * The other side of a path is a git on this machine. It follows the user's
 * own configuration as any would: there git wants to be told that a
 * repository of another user (whose hooks it runs) is a safe.directory.
 */
static void add_other_side(struct remote_git *g)
{
#define AS_USER "env -u GIT_CONFIG_GLOBAL -u GIT_CONFIG_NOSYSTEM git "
	if (*g->s->ssot_remote != '/' &&
	    strncmp(g->s->ssot_remote, "file:", 5))
		return;
	conf_add(g, "remote.origin.uploadpack", AS_USER "upload-pack");
	conf_add(g, "remote.origin.receivepack", AS_USER "receive-pack");
#undef AS_USER
}

/* How this machine reaches https at all is the environment's to say. */
static void add_proxy(struct remote_git *g)
{
	static const char *const names[] = {
		"https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY",
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (getenv(names[i]))
			env_add(g, xasprintf("%s=%s", names[i],
					     getenv(names[i])));
}

struct remote_git *remote_git_new(const struct settings *s, const char *repo)
{
	struct remote_git *g = xcalloc(1, sizeof(*g));
	char *ssh = ssh_command(s), stall[16];

	g->s = s;
	g->repo = repo;
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
		conf_add(g, fixed[i].key, fixed[i].value);
	conf_add(g, "remote.origin.url", s->ssot_remote);
	conf_add(g, "remote.origin.fetch",
		 "refs/heads/main:" REMOTE_AGREED);
	add_other_side(g);
	conf_add(g, "core.sshCommand", ssh);
	snprintf(stall, sizeof(stall), "%d", seconds_of(s->ssot_timeout));
	conf_add(g, "http.lowSpeedLimit", "1");
	conf_add(g, "http.lowSpeedTime", stall);
	if (s->ssot_token_file) {
		conf_add(g, "credential.helper", helper);
		env_add(g, xasprintf("KIRCERTA_GIT_USER=%s", s->ssot_user));
		env_add(g, xasprintf("KIRCERTA_GIT_TOKEN=%s",
				     s->ssot_token_file));
	}
	env_add(g, xasprintf("GIT_CONFIG_COUNT=%zu", g->pairs));
	add_proxy(g);
	free(ssh);
	return g;
}

void remote_git_free(struct remote_git *g)
{
	if (!g)
		return;
	for (size_t i = 0; i < g->n; i++)
		free(g->env[i]);
	free(g->env);
	free(g);
}

/* Whoever is there knows the token, and may say it back to us. */
static void cut_token(const struct settings *s, char *words)
{
	char *token, *at;
	size_t len;

	if (!s->ssot_token_file)
		return;
	token = fs_read(s->ssot_token_file, TOKEN_MAX, &len, NULL);
	if (!token)
		return;
	token[strcspn(token, "\r\n")] = 0;
	if (strlen(token) >= TOKEN_LEAST)
		for (at = words; (at = strstr(at, token));)
			memset(at, '*', strlen(token));
	mem_wipe(token, len);
	free(token);
}

/* Which of git's and ssh's words mean that we are not let in. */
static enum fault meaning(const char *words)
{
	static const char *const not_let_in[] = {
		"Authentication failed", "could not read Username",
		"could not read Password", "Permission denied",
		"Host key verification failed", "REMOTE HOST IDENTIFICATION",
		"returned error: 401", "returned error: 403",
		"access denied", "Permission to ", "Load key ",
		"certificate", "dubious ownership",
	};

	for (size_t i = 0; i < ARRAY_LEN(not_let_in); i++)
		if (strstr(words, not_let_in[i]))
			return FAULT_AUTH;
	return FAULT_UNREACHABLE;
}

static void say(struct remote_said *said, enum fault fault, const char *words)
{
	said->fault = fault;
	snprintf(said->words, sizeof(said->words), "%s", words);
}

/* Ended by us, or never begun. */
static void not_ended(const struct git_result *r, const struct err *err,
		      struct remote_said *said)
{
	said->stopped = r->stopped;
	said->late = r->timed_out;
	say(said, r->missing ? FAULT_NO_GIT : FAULT_UNREACHABLE, err->detail);
	if (*r->err) {
		size_t n = strlen(said->words);

		snprintf(said->words + n, sizeof(said->words) - n, ": %s",
			 r->err);
	}
}

int remote_git_run(struct remote_git *g, const char *const args[],
		   const struct remote_time *t, int stop_fd, char **out,
		   struct remote_said *said)
{
	struct git_options o = {.dir = g->repo,
				.env = (const char *const *)g->env,
				.timeout_us = t->silence_us,
				.most_us = t->most_us, .stop_fd = stop_fd};
	struct git_result r = {0};
	struct err err = {0};
	int rc;

	*said = (struct remote_said){0};
	if (out)
		*out = NULL;
	if (remote_files_check(g->s, &err)) {
		say(said, FAULT_AUTH, err.detail);
		err_fini(&err);
		return -1;
	}
	rc = git_run(&r, args, &o, &err);
	if (rc)
		not_ended(&r, &err, said);
	else if (r.code)
		say(said, meaning(r.err), *r.err ? r.err : "git said nothing");
	cut_token(g->s, said->words);
	if (out) {
		*out = r.out;
		r.out = NULL;
	}
	rc = rc ? -1 : r.code != 0;
	git_result_fini(&r);
	err_fini(&err);
	return rc;
}

/* Two that push at once: the remote says so in these words, not in ours. */
static bool is_race(const char *reason)
{
	static const char *const races[] = {
		"cannot lock ref", "failed to update ref",
		"incorrect old value", "reference already exists",
		"fetch first",
	};

	for (size_t i = 0; i < ARRAY_LEN(races); i++)
		if (strstr(reason, races[i]))
			return true;
	return false;
}

/* The reason of the ref's line, then what was said around it. */
static void say_refused(const char *reason, struct remote_said *said)
{
	char shown[160], around[sizeof(said->words)];

	memcpy(around, said->words, sizeof(around));
	utf8_visible(reason, shown, sizeof(shown));
	snprintf(said->words, sizeof(said->words), "refused%s; %.300s",
		 shown, around);
	said->fault = FAULT_REFUSED;
}

/* FLAG TAB FROM:TO TAB SUMMARY, and a reason in parentheses. */
static enum push judge_line(char *line, struct remote_said *said)
{
	static const char refused[] = "[remote rejected]";
	char *summary = strchr(line + 2, '\t');

	summary = summary ? summary + 1 : line;
	if (*line != '!')
		return PUSH_OK;
	if (!strncmp(summary, "[remote failure]", 16))
		return PUSH_AWAY;
	if (strncmp(summary, refused, sizeof(refused) - 1) ||
	    is_race(summary))
		return PUSH_STALE;
	say_refused(summary + sizeof(refused) - 1, said);
	return PUSH_REFUSED;
}

/* See git-push(1), OUTPUT. */
enum push remote_git_pushed(const char *out, const char *ref,
			    struct remote_said *said)
{
	char *text = xstrdup(out ? out : ""), *save = NULL;
	char *to = xasprintf(":%s\t", ref);
	enum push push = PUSH_AWAY;

	for (char *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		if (*line && line[1] == '\t' && strstr(line, to))
			push = judge_line(line, said);
	free(text);
	free(to);
	return push;
}
