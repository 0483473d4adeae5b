/*
 * New connections. lws would take them for as long as there are any, each
 * dearer than the one before, and do nothing else in a flood of them; here
 * a turn of the loop takes a few.
 */
#pragma once

struct err;
struct net;

/* Bind and listen at n->host and n->port; n->port is the one it got. */
int listen_open(struct net *n, struct err *err);
void listen_start(struct net *n);
/* A connection is gone: there may be room for another. */
void listen_resume(struct net *n);
void listen_stop(struct net *n);	/* may come twice */
