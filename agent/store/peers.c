/* See peers.h. */
#include "agent/store/peers.h"

#include <ctype.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/settings.h"
#include "agent/store/token.h"
#include "common/conf.h"
#include "common/err.h"
#include "common/id.h"
#include "common/mem.h"

#define OVERFLOW_UID 65534	/* whoever has no number in our namespace */

#define ROW(key_, field, help_)						      \
	{.section = "peer", .key = key_, .type = CONF_TEXT,		      \
	 .offset = offsetof(struct peer_conf, field), .help = help_}

static const struct conf_key keys[] = {
	ROW("user", user, "A user of this machine, by name or number, who "
	    "needs no token on the UNIX socket"),
	ROW("certificate", certificate, "SHA-256 of the DER of a client "
	    "certificate that needs no token over TLS"),
	ROW("scope", scope, "What it may do: admin, observer, tool_runner, "
	    "separated by spaces"),
};

const char *over_name(enum over over)
{
	static const char *const names[] = {"tcp", "tls", "unix"};

	return names[over];
}

static bool matches(const struct peer_conf *p, const struct from *from)
{
	if (from->over == OVER_UNIX)
		return p->has_uid && p->uid == from->uid;
	return from->over == OVER_TLS && *from->cert && p->certificate &&
	       !strcmp(p->certificate, from->cert);
}

bool peers_is_one(const struct actor *who)
{
	return strchr(who->token_id, ':') != NULL;
}

/* The id that its actors get over this. */
static void id_of(const struct peer_conf *p, enum over over, char *id,
		  size_t size)
{
	*id = '\0';
	if (over == OVER_UNIX && p->has_uid)
		snprintf(id, size, "uid:%u", p->uid);
	else if (over == OVER_TLS && p->certificate)
		snprintf(id, size, "cert:%.16s", p->certificate);
}

bool peers_find(const struct settings *s, const struct from *from,
		struct actor *who)
{
	const struct peer_conf *p = s->peers;
	size_t i = 0;

	while (i < s->n_peers && !matches(&p[i], from))
		i++;
	if (i == s->n_peers)
		return false;
	*who = (struct actor){.scopes = p[i].scopes};
	snprintf(who->name, sizeof(who->name), "%s", p[i].name);
	id_of(&p[i], from->over, who->token_id, sizeof(who->token_id));
	return true;
}

bool peers_still(const struct settings *s, const struct actor *who)
{
	char id[sizeof(who->token_id)];

	for (size_t i = 0; i < s->n_peers; i++)
		for (int over = OVER_TLS; over <= OVER_UNIX; over++) {
			id_of(&s->peers[i], over, id, sizeof(id));
			if (!strcmp(id, who->token_id))
				return !(who->scopes & ~s->peers[i].scopes);
		}
	return false;
}

static struct peer_conf *named(struct settings *s, const struct conf_entry *e)
{
	struct peer_conf *p;

	for (size_t i = 0; i < s->n_peers; i++)
		if (!strcmp(s->peers[i].name, e->sub))
			return &s->peers[i];
	if (s->n_peers == PEERS_MAX)
		return NULL;
	s->peers = xrealloc(s->peers, (s->n_peers + 1) * sizeof(*p));
	p = &s->peers[s->n_peers++];
	*p = (struct peer_conf){.name = xstrdup(e->sub), .line = e->line};
	return p;
}

static int take_user(struct peer_conf *p, const struct conf_entry *e,
		     struct err *err)
{
	const struct passwd *user = getpwnam(e->value);
	char *end;
	long long uid = user ? (long long)user->pw_uid :
			       strtoll(e->value, &end, 10);

	if (!user && (!isdigit((unsigned char)*e->value) || *end ||
		      uid >= UINT32_MAX))
		return conf_error(e, err, "there is no user %.64s", e->value);
	if (uid == OVERFLOW_UID)
		return conf_error(e, err, "%.64s is who has no number here, "
				  "of any container", e->value);
	p->uid = (uint32_t)uid;
	p->has_uid = true;
	return 0;
}

/* Colons between the bytes and capitals, as openssl prints it, are fine. */
static int take_certificate(struct peer_conf *p, const struct conf_entry *e,
			    struct err *err)
{
	size_t n = 0;

	for (const char *at = p->certificate; *at; at++)
		if (*at != ':')
			p->certificate[n++] = (char)tolower((unsigned char)*at);
	p->certificate[n] = '\0';
	return n == SHA256_HEX - 1 &&
	       strspn(p->certificate, "0123456789abcdef") == n ? 0 :
	       conf_error(e, err, "this is no SHA-256 of a certificate, 64 "
			  "hex digits; `openssl x509 -in FILE -noout "
			  "-fingerprint -sha256` prints it");
}

static int take_scope(struct peer_conf *p, const struct conf_entry *e,
		      struct err *err)
{
	char *words = xstrdup(e->value), *save, *one;
	int rc = 0;

	p->scopes = 0;
	for (one = strtok_r(words, " ,\t", &save); one && !rc;
	     one = strtok_r(NULL, " ,\t", &save)) {
		p->scopes |= scope_of(one);
		if (!scope_of(one))
			rc = conf_error(e, err, "there is no scope %.40s; "
					"there are admin, observer and "
					"tool_runner", one);
	}
	free(words);
	return rc;
}

int settings_peer(struct settings *s, const struct conf_entry *e,
		  struct err *err)
{
	struct peer_conf *p;

	if (!id_valid(e->sub))
		return conf_error(e, err, "this is not the name of an actor, "
				  "A-Za-z0-9._-");
	p = named(s, e);
	if (!p)
		return conf_error(e, err, "more than %d peers", PEERS_MAX);
	if (conf_set(keys, ARRAY_LEN(keys), e, p, err))
		return -1;
	if (!strcmp(e->key, "user"))
		return take_user(p, e, err);
	return !strcmp(e->key, "scope") ? take_scope(p, e, err) :
	       take_certificate(p, e, err);
}

static int refuse(const struct settings *s, const struct peer_conf *p,
		  struct err *err, const char *what, const char *hint)
{
	err_set(err, ERR_bad_config, "%s:%d: [peer \"%s\"] %s", s->file,
		p->line, p->name, what);
	return err_hint(err, "%s", hint);
}

/* Of two actors for one user or certificate nobody could say which it was. */
static int check_one(const struct settings *s, size_t n, struct err *err)
{
	const struct peer_conf *p = &s->peers[n];

	if (!p->has_uid && !p->certificate)
		return refuse(s, p, err, "has neither user nor certificate",
			      "A peer is a user of this machine, a client "
			      "certificate, or both.");
	if (!p->scopes)
		return refuse(s, p, err, "has no scope", "Set scope to what "
			      "it may do: admin, observer, tool_runner.");
	for (size_t i = 0; i < n; i++)
		if ((p->has_uid && s->peers[i].has_uid &&
		     p->uid == s->peers[i].uid) ||
		    (p->certificate && s->peers[i].certificate &&
		     !strcmp(p->certificate, s->peers[i].certificate)))
			return refuse(s, p, err, "is another peer, too",
				      "One user or certificate is one actor.");
	return 0;
}

int settings_peer_check(struct settings *s, struct err *err)
{
	for (size_t i = 0; i < s->n_peers; i++)
		if (check_one(s, i, err))
			return -1;
	return 0;
}

void settings_peer_fini(struct settings *s)
{
	for (size_t i = 0; i < s->n_peers; i++) {
		conf_free(keys, ARRAY_LEN(keys), &s->peers[i]);
		free(s->peers[i].name);
	}
	free(s->peers);
	s->peers = NULL;
	s->n_peers = 0;
}

/* There are no defaults: a peer without a user or certificate is an error. */
void settings_peer_list(FILE *out)
{
	static const char *const examples[ARRAY_LEN(keys)] = {
		"ana", "9F:86:D0:...", "admin observer",
	};

	fputs("\n[peer \"NAME\"]\n", out);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		fprintf(out, "\t# %s\n\t# %s = %s\n", keys[i].help,
			keys[i].key, examples[i]);
}
