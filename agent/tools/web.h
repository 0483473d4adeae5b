/*
 * HTTP for the tools that talk to somebody: one request at a time, TLS always
 * verified, redirects never followed, cancel and deadline kept. Nothing here
 * prints a URL: some of them are secrets.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

struct tool;
struct web;

struct web_request {
	const char *method, *url;
	const char *const *headers;	/* "Name: value", NULL at the end */
	const char *body;		/* these bytes, */
	int64_t len;
	int fd;				/* or, without body, len of the file */
	int64_t from;
	void (*sent)(void *data, int64_t bytes);	/* may be NULL */
	void *data;
	int64_t limit_ms;		/* 0: the tool's deadline alone */
	bool past_cancel;		/* goes on although it is cancelled */
	size_t keep;			/* bytes of the answer that matter; 0: all */
	bool repeatable;		/* may share a connection; see web.c */
};

struct web_reply {
	long status;			/* 0: none came, see why */
	const char *why;		/* borrowed from libcurl */
	char *location, *range;		/* owned, or NULL */
	int64_t retry_after_s;		/* -1: not said */
	int64_t sent;			/* bytes of the body that left */
	struct buf body;		/* at most 1 MiB, or what was to be kept */
	bool cut;			/* there was more than that */
};

struct web *web_open(void);
void web_close(struct web *w);
/* Any earlier content of *reply is given back. Returns its status. */
long web_send(struct web *w, const struct tool *t,
	      const struct web_request *request, struct web_reply *reply);
void web_reply_fini(struct web_reply *reply);

/*
 * Before try number n (from 0) again: a longer and longer pause, or what the
 * server asked for. False if that would pass the deadline or it is cancelled.
 */
bool web_pause(const struct tool *t, int n, const struct web_reply *reply);

/* https to anywhere, http to this machine only, no user or password in it. */
bool web_url_ok(const char *url);
/* Does url lead to the server of base, or from one Google host to another? */
bool web_same_server(const char *url, const char *base);
