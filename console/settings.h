/* How the console reaches its agent and how it looks: options, environment,
 * console.conf, in that order of weight. */
#pragma once
#include <stdbool.h>

struct err;

struct settings {
	/* may be set before settings_load; owned; NULL: not given */
	char *agent;		/* http://host:port, https://..., unix:/path */
	char *token_file;
	char *theme;
	char *signing_key;	/* a file for ssh-keygen -f; NULL: none */
	int color;		/* enum color */

	char *environment;	/* "prod": shown in the first line */
	/* from agent */
	bool tls;
	char *host;
	int port;
	char *unix_path;	/* NULL: TCP */
	bool service;		/* it is not the agent of this user */
	char *ca_file;		/* NULL: whom the system trusts */
	char *client_certificate, *client_key;	/* or NULL */
	char *token;		/* wiped by settings_fini */
};

enum color { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

/* Everything but the token. ERR_bad_config with file and line. */
int settings_load(struct settings *s, struct err *err);
/*
 * The token, from --token-file, $KIRCERTA_TOKEN_FILE, console.conf, or the
 * agent's admin.token on this machine. ERR_unauthenticated with what to do.
 * None is needed where the agent may know who it is by itself: over its
 * socket, or by a client certificate.
 */
int settings_token(struct settings *s, struct err *err);
void settings_fini(struct settings *s);
/* Are colours off by --color, NO_COLOR or the configuration? */
bool settings_mono(const struct settings *s);
