/* The UNIX socket: where it is, who may connect, and that there is one. */
#pragma once

struct err;
struct net;

/*
 * Listen on agent.listen-unix, if it is not empty; n->unix_path. Another's
 * socket is never taken: then it is -1 if this one was asked for, and for the
 * default one a warning, agent->no_socket and 0.
 */
int listen_unix_open(struct net *n, struct err *err);
void listen_unix_close(struct net *n);	/* removes it; may come twice */
