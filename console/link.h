/*
 * The websocket to the agent and everything else that is waited for: one
 * thread, one loop (libwebsockets'). Reconnects for ever, never queues a call.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct err;
struct link;

struct link_to {		/* borrowed while the link is open */
	const char *host;
	int port;
	const char *unix_path;	/* NULL: TCP */
	bool tls;
	const char *token;	/* NULL: none; it may know us by itself */
	const char *ca_file;	/* NULL: whom the system trusts */
	const char *client_certificate, *client_key;	/* or NULL */
};

/* Called from link_wait only. */
struct link_events {
	void (*hello)(void *data, const json_t *params);
	void (*event)(void *data, const json_t *record);
	void (*gap)(void *data, const json_t *gap);
	/* nothing was heard for so long, though asked for; 0: it is back */
	void (*silent)(void *data, int64_t us);
	/* login: the token is missing or refused; why: not safe to show */
	void (*lost)(void *data, bool login, const char *why,
		     int64_t retry_in_us);
};

/* One of result and problem is NULL. Both are borrowed. */
typedef void link_reply(void *data, void *call, const json_t *result,
			const json_t *problem);

struct link *link_open(const struct link_to *to,
		       const struct link_events *events, void *data,
		       struct err *err);
void link_close(struct link *l);	/* calls still out get no reply */

void link_dial(struct link *l);		/* connect now; again if lost */
/* Takes params. Without a connection the reply comes at once, a problem. */
void link_call(struct link *l, const char *method, json_t *params,
	       link_reply *reply, void *call);

/*
 * Adopt fd, which becomes non-blocking and is closed by the link. fn is
 * called when it can be read: non-zero ends it; and at last with gone true.
 */
typedef int link_ready(void *data, int fd, bool gone);
int link_watch(struct link *l, int fd, link_ready *fn, void *data);

void link_wake_at(struct link *l, int64_t mono_us);	/* 0: never */
/* Sleep until something happened, and handle it. -1: the loop is broken. */
int link_wait(struct link *l);
