/*
 * The websocket (RFC 6455) with JSON-RPC 2.0: every text message is a call,
 * its answer a message, and a subscription adds events.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct call;
struct lws_process_html_args;
struct net;
struct peer;

/*
 * May this HTTP request become a websocket? Asked of the gate while lws
 * waits, so that its record is durable before any byte. 0, or -1 to hang up.
 * What may not goes on as HTTP: token, what lws has of the Upgrade header and
 * reads again, is changed.
 */
int ws_upgrade(struct peer *p, char *token);
/* Ours among those of the 101, which lws writes. */
int ws_add_headers(struct peer *p, struct lws_process_html_args *args);
int ws_established(struct peer *p);
int ws_receive(struct peer *p, const void *data, size_t len);
int ws_writeable(struct peer *p);
void ws_answer(struct peer *p, struct call *c);	/* takes c over */
/* The connection ended; a message that was under way leaves its record. */
void ws_cut(struct peer *p);
void ws_tick(struct peer *p);
/* Close it once everything has been said; asked again until then. */
void ws_goodbye(struct peer *p);
/* Close it now: who it speaks for may not be spoken to any more. */
void ws_expel(struct peer *p);
void ws_free(struct peer *p);

/* Takes both texts over. */
struct ws *ws_new(char *bearer, char *hello, size_t len);
