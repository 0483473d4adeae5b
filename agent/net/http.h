/*
 * HTTP/1.1 requests on a peer: from the headers through the body to the
 * core. These are called out of lws's callbacks and return what lws is to
 * get: 0, or -1 to hang up.
 */
#pragma once
#include <stddef.h>

struct net;
struct peer;

int http_request(struct peer *p);
int http_body(struct peer *p, const void *data, size_t len);
int http_body_end(struct peer *p);
int http_writeable(struct peer *p);
/* A request that came where none may: the connection is cut. */
void http_intruder(struct peer *p);
/* An upgrade to something else: recorded, and hung up on. */
int http_upgrade(struct peer *p);
/* Not HTTP after all: CONNECT, or a method that lws does not know. */
int http_raw(struct peer *p, const char *data, size_t len);
/* Its time is over. */
void http_late(struct peer *p);
/* The agent stops: no more waiting for this body. */
void http_stop(struct peer *p);
/* Hand p->call to the core; nothing is read until it is answered. */
void http_submit(struct peer *p);
