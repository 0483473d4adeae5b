/*
 * A request as lws has parsed it, made into a call. Whatever is wrong with
 * it, a call comes out: with err set it still leaves its record.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct call;
struct lws;
struct net;

struct request {
	struct call *call;	/* owned by whoever asked */
	uint64_t length;	/* of the body; UINT64_MAX: chunked */
	bool close;		/* nothing may follow on this connection */
	bool last;		/* because of how it is framed or says so */
	bool now;		/* answer without reading the body */
	bool expects;		/* 100-continue */
};

void request_read(struct net *n, struct lws *wsi, struct request *rq);
