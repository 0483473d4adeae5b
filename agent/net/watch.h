/*
 * Who is told things over time (a stream of events, a websocket) is looked at
 * again and again: whose token was revoked, has expired or lost a scope is
 * told nothing more, whatever was under way.
 */
#pragma once
#include <stdint.h>

struct actor;
struct net;
struct peer;

/* From now on p speaks for who. */
void watch_begin(struct peer *p, const struct actor *who);
void watch_end(struct peer *p);			/* may come twice */
/* End what has to end. Outside lws's callbacks. */
void watch_look(struct net *n);
/* The same, twice a second, with what else is due for tokens. */
void watch_tick(struct net *n, int64_t now);
