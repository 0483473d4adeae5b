/* The libuv loop under lws: its handles, and how it begins and ends. */
#pragma once

struct err;
struct net;

int loop_open(struct net *n, struct err *err);
void loop_start(struct net *n);		/* the tick, the signals */
void loop_stop(struct net *n);		/* everybody is told goodbye */
/* The last lap, in which lws and libuv close what is left. */
void loop_close(struct net *n);
