/* The headers of a request that mean something, put where the call has them. */
#pragma once
#include <stdbool.h>

struct call;
struct lws;
struct net;

/* Host must be one of ours and Origin absent, else c->err forbidden_host. */
void header_check_host(struct net *n, struct lws *wsi, struct call *c);
/* All others. The first that is wrong sets c->err, if it is not yet set. */
void header_take_all(struct lws *wsi, struct call *c, bool has_body);
