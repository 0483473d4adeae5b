/*
 * The network: HTTP/1.1, server-sent events and the websocket on one libuv
 * loop. It turns bytes into calls and answers into bytes; it knows sockets,
 * and nothing about tasks.
 */
#pragma once
#include <stdint.h>

struct agent;
struct err;
struct net;

/*
 * listen: "HOST:PORT" with an IPv4 address or localhost, port 0 for any free
 * one. ERR_bad_config or ERR_io with what to do (port in use).
 */
int net_open(struct net **out, struct agent *a, const char *listen_at,
	     struct err *err);
const char *net_url(const struct net *n);	/* "http://127.0.0.1:8787" */
/* Serve until SIGTERM or SIGINT, then stop in order. Opens the core. */
int net_run(struct net *n, struct err *err);
void net_close(struct net *n);
