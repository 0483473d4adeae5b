/* JSON-RPC 2.0 on the link: which reply belongs to which call. No socket. */
#pragma once
#include "console/link.h"

struct rpc;

struct rpc_out {
	void (*send)(void *data, const char *text, size_t len);
	void (*hello)(void *data, const json_t *params);
	void *data;
};

/* events and data as in link_open, but for hello and lost. */
struct rpc *rpc_new(const struct rpc_out *out,
		    const struct link_events *events, void *data);
void rpc_free(struct rpc *r);
void rpc_call(struct rpc *r, bool up, const char *method, json_t *params,
	      link_reply *reply, void *call);
/* One whole message. -1: it is not JSON-RPC of ours. */
int rpc_receive(struct rpc *r, const char *text, size_t len,
		struct err *err);
void rpc_lost(struct rpc *r);	/* every call that is out gets a problem */
