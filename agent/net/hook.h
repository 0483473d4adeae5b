/*
 * A webhook at its head: whose it is, and what it shows for its signature,
 * which is verified while the body comes in.
 */
#pragma once

struct call;
struct lws;
struct net;

/*
 * c goes to an operation with OP_HOOK, or nothing is done: c->hook and
 * c->signature, or c->err not_found or webhook_not_configured.
 */
void hook_begin(struct net *n, struct lws *wsi, struct call *c);
