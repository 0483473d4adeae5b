/*
 * Between a connection and lws: TLS ends here, and what came over a UNIX
 * socket is counted. lws has one end of a pair of sockets and all else is as
 * it is over TCP: how much came and was part of no request is known to the
 * byte, which neither lws's own TLS nor the kernel could say. lws hears of a
 * connection only once its handshake is over.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "agent/store/peers.h"

struct net;
struct relay;
struct traffic;

/* Takes fd over, which is new and does not block. */
void relay_open(struct net *n, enum over over, int fd, uint32_t address);
/* lws is through with it: what it wrote goes out, and that is the end. */
void relay_left(struct relay *r);
/* And if it is cut, nothing goes out any more. */
void relay_cut(struct relay *r);
/* As socket_traffic() says it of TCP; fd is lws's end. */
bool relay_traffic(const struct relay *r, int fd, struct traffic *t);
void relay_tick(struct net *n);
/* The agent stops: nobody gets to know who is still shaking hands. */
void relay_stop(struct net *n);
void relay_close(struct net *n);	/* all, before the loop's last lap */
