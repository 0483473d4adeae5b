/*
 * New connections, on all that is listened on. lws would take them for as
 * long as there are any, each dearer than the one before, and do nothing else
 * in a flood of them; here a turn of the loop takes a few. What comes over
 * plain TCP goes to lws as it is, all else through a relay.
 */
#pragma once
#include <stdbool.h>
#include <uv.h>

#include "agent/store/peers.h"

struct err;
struct net;

#define LISTENERS_MAX 2

struct listener {
	struct net *net;
	enum over over;
	int fd;
	uv_poll_t poll;
};

/* Bind and listen at n->host and n->port; n->port is the one it got. */
int listen_open(struct net *n, struct err *err);
/* Take over a socket that listens. */
void listen_add(struct net *n, enum over over, int fd);
void listen_start(struct net *n);
/* A connection is gone: there may be room for another. */
void listen_resume(struct net *n);
void listen_stop(struct net *n);	/* may come twice */
void listen_close(struct net *n);	/* before the loop's last lap */
