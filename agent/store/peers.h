/*
 * [peer "NAME"]: who comes in without a token, because the transport says who
 * it is: the kernel names the user at the other end of a UNIX socket, TLS has
 * verified a client's certificate.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/sha256.h"

struct actor;
struct conf_entry;
struct err;
struct settings;

#define PEERS_MAX 64

struct peer_conf {
	char *name;		/* of the section: the actor */
	char *user, *certificate, *scope;	/* as written; or NULL */
	bool has_uid;		/* uid is the user's */
	uint32_t uid;
	unsigned scopes;	/* of enum scope */
	int line;		/* where its section was first seen */
};

/* What a connection came over, and what that tells of who it is. */
enum over { OVER_TCP, OVER_TLS, OVER_UNIX };

struct from {
	enum over over;
	uint32_t uid;		/* OVER_UNIX: as the socket was connected */
	char cert[SHA256_HEX];	/* OVER_TLS: of the verified certificate's
				   DER; empty: none was shown */
};

const char *over_name(enum over over);		/* "tcp", "tls", "unix" */
/* The actor that is mapped to it; false: nobody is. Any thread. */
bool peers_find(const struct settings *s, const struct from *from,
		struct actor *who);
/* Did an actor come in so, and is it still mapped, with all of its scopes? */
bool peers_is_one(const struct actor *who);
bool peers_still(const struct settings *s, const struct actor *who);

/* For settings.c. One entry of such a section. ERR_bad_config. */
int settings_peer(struct settings *s, const struct conf_entry *e,
		  struct err *err);
/* Is each of them whole, and none of them another, too? ERR_bad_config. */
int settings_peer_check(struct settings *s, struct err *err);
void settings_peer_fini(struct settings *s);
void settings_peer_list(FILE *out);
