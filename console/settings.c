/* See settings.h. */
#include "console/settings.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/conf.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/mem.h"
#include "console/place.h"

#define AGENT_DEFAULT "http://127.0.0.1:8787"
#define TOKEN_MAX 4096

struct from_file {
	char *ca_file, *client_certificate, *client_key;
	char *url, *token_file, *environment, *theme, *signing_key;
	int color;
};

static const struct conf_key keys[] = {
	{"agent", "url", CONF_TEXT, offsetof(struct from_file, url), NULL,
	 NULL, 0, 0, "where the agent listens"},
	{"agent", "token-file", CONF_PATH,
	 offsetof(struct from_file, token_file), NULL, NULL, 0, 0,
	 "a file with the token, readable by you alone"},
	{"agent", "ca-file", CONF_PATH, offsetof(struct from_file, ca_file),
	 NULL, NULL, 0, 0, "who signed the agent's certificate, PEM"},
	{"agent", "client-certificate-file", CONF_PATH,
	 offsetof(struct from_file, client_certificate), NULL, NULL, 0, 0,
	 "a certificate that tells the agent who this is, PEM"},
	{"agent", "client-key-file", CONF_PATH,
	 offsetof(struct from_file, client_key), NULL, NULL, 0, 0,
	 "its private key, PEM, readable by you alone"},
	{"agent", "environment", CONF_TEXT,
	 offsetof(struct from_file, environment), NULL, NULL, 0, 0,
	 "a word such as prod, shown in the first line"},
	{"agent", "signing-key", CONF_PATH,
	 offsetof(struct from_file, signing_key), NULL, NULL, 0, 0,
	 "the SSH key that signs your decisions, or its .pub if an agent has it"},
	{"ui", "theme", CONF_TEXT, offsetof(struct from_file, theme), NULL,
	 NULL, 0, 0, "dark, mono or the path of a .theme file"},
	{"ui", "color", CONF_CHOICE, offsetof(struct from_file, color), "auto",
	 "auto|always|never", 0, 0, "when colours are used"},
};

static int take(const struct conf_entry *e, void *data, struct err *err)
{
	return conf_set(keys, ARRAY_LEN(keys), e, data, err);
}

static void prefer(char **to, const char *from)
{
	if (!*to && from && *from)
		*to = xstrdup(from);
}

/* http://host:port, https://host:port, http://[::1]:port, unix:/path */
static int parse_agent(struct settings *s, struct err *err)
{
	const char *at = s->agent, *end;
	char *stop;

	if (!strncmp(at, "unix:/", 6)) {
		s->unix_path = xstrdup(at + 5);
		s->host = xstrdup("localhost");
		return 0;
	}
	s->tls = !strncmp(at, "https://", 8);
	if (!s->tls && strncmp(at, "http://", 7))
		return err_set(err, ERR_bad_config, "\"%s\" is no agent; use "
			       "http://HOST:PORT, https://HOST:PORT or "
			       "unix:/PATH", s->agent);
	at += s->tls ? 8 : 7;
	end = *at == '[' ? strchr(at, ']') : at + strcspn(at, ":/");
	if (!end || end == at)
		return err_set(err, ERR_bad_config, "\"%s\" names no host",
			       s->agent);
	s->host = *at == '[' ? xstrndup(at + 1, (size_t)(end - at - 1)) :
			       xstrndup(at, (size_t)(end - at));
	end += *end == ']';
	s->port = s->tls ? 443 : 80;
	if (*end == ':') {
		long port = strtol(end + 1, &stop, 10);

		s->port = port > 0 && port < 65536 ? (int)port : 0;
		end = stop;
	}
	if (!s->port || (*end && strcmp(end, "/")))
		return err_set(err, ERR_bad_config, "\"%s\": the port or what "
			       "follows it is wrong", s->agent);
	return 0;
}

/* Whoever is on the machine comes in by the socket that is there. */
static void find_local(struct settings *s)
{
	char *path = place_socket(&s->service);

	if (path)
		s->agent = xasprintf("unix:%s", path);
	free(path);
}

int settings_load(struct settings *s, struct err *err)
{
	struct from_file file = {0};
	char *path = place_config("console.conf");
	int rc = 0;

	conf_defaults(keys, ARRAY_LEN(keys), &file);
	if (!access(path, F_OK))
		rc = conf_read(path, take, &file, err);
	prefer(&s->agent, getenv("KIRCERTA_AGENT"));
	prefer(&s->agent, file.url);
	if (!s->agent)
		find_local(s);
	prefer(&s->agent, AGENT_DEFAULT);
	prefer(&s->ca_file, file.ca_file);
	prefer(&s->client_certificate, file.client_certificate);
	prefer(&s->client_key, file.client_key);
	prefer(&s->token_file, getenv("KIRCERTA_TOKEN_FILE"));
	prefer(&s->token_file, file.token_file);
	prefer(&s->theme, file.theme);
	prefer(&s->theme, "dark");
	prefer(&s->environment, file.environment);
	prefer(&s->signing_key, file.signing_key);
	if (s->color == COLOR_AUTO)
		s->color = file.color;
	conf_free(keys, ARRAY_LEN(keys), &file);
	free(path);
	return rc ? rc : parse_agent(s, err);
}

static int check_private(const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st)) {
		err_sys(err, ERR_unauthenticated, "no token: %s", path);
		return err_hint(err, "Give one with --token-file FILE or "
				"$KIRCERTA_TOKEN_FILE; `kircerta-agent token "
				"create --name %s --scope admin > FILE` makes "
				"one.", getenv("USER") ? getenv("USER") :
							 "NAME");
	}
	if (!(st.st_mode & 077))
		return 0;
	err_set(err, ERR_unauthenticated, "others can read the token in %s",
		path);
	return err_hint(err, "chmod 600 %s", path);
}

int settings_token(struct settings *s, struct err *err)
{
	char *path = s->token_file ? xstrdup(s->token_file) :
				     place_home("admin.token");
	size_t len;
	int rc;

	if (!s->token_file && (s->unix_path || s->client_certificate) &&
	    (s->service || access(path, R_OK))) {
		free(path);
		return 0;
	}
	rc = check_private(path, err);
	if (!rc) {
		s->token = fs_read(path, TOKEN_MAX, &len, err);
		rc = s->token ? 0 : -1;
	}
	while (!rc && len && isspace((unsigned char)s->token[len - 1]))
		s->token[--len] = 0;
	for (size_t i = 0; !rc && i < len; i++)
		if (!isgraph((unsigned char)s->token[i]))
			rc = err_set(err, ERR_unauthenticated,
				     "%s holds no token", path);
	if (!rc && !len)
		rc = err_set(err, ERR_unauthenticated, "%s is empty", path);
	free(path);
	return rc;
}

void settings_fini(struct settings *s)
{
	char *texts[] = {s->agent, s->token_file, s->theme, s->environment,
			 s->signing_key,
			 s->host, s->unix_path, s->ca_file,
			 s->client_certificate, s->client_key};

	if (s->token)
		mem_wipe(s->token, strlen(s->token));
	free(s->token);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		free(texts[i]);
	*s = (struct settings){0};
}

bool settings_mono(const struct settings *s)
{
	const char *no = getenv("NO_COLOR");

	if (s->color != COLOR_AUTO)
		return s->color == COLOR_NEVER;
	return no && *no;
}
