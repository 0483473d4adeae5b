/* See ws.h. */
#include "agent/net/ws.h"

#include <stdlib.h>
#include <string.h>

#include "agent/net/feed.h"
#include "agent/net/server.h"
#include "agent/net/peer.h"
#include "agent/store/record.h"
#include "common/buf.h"
#include "common/mem.h"

#define MESSAGE_MAX ((size_t)1 << 20)
#define CALLS_EACH 32u			/* unanswered, on one connection */
#define TURN 8				/* messages a turn */

struct message {
	struct message *next;
	char *text;
	size_t len, sent;
};

struct ws {
	char *bearer;
	struct buf rx;
	struct message *head, **tail;
	unsigned calls, waiting;	/* in the core; answered, unsent */
	bool paused;
};

static void add(struct ws *w, char *text, size_t len)
{
	struct message *m = xcalloc(1, sizeof(*m));

	m->text = text;
	m->len = len;
	*w->tail = m;
	w->tail = &m->next;
	w->waiting++;
}

static void drop_first(struct ws *w)
{
	struct message *m = w->head;

	w->head = m->next;
	if (!w->head)
		w->tail = &w->head;
	w->waiting--;
	free(m->text);
	free(m);
}

struct ws *ws_new(char *bearer, char *hello, size_t len)
{
	struct ws *w = xcalloc(1, sizeof(*w));

	w->bearer = bearer;
	w->tail = &w->head;
	add(w, hello, len);
	return w;
}

void ws_free(struct peer *p)
{
	struct ws *w = p->ws;

	if (!w)
		return;
	p->ws = NULL;
	while (w->head)
		drop_first(w);
	if (w->bearer)
		mem_wipe(w->bearer, strlen(w->bearer));
	free(w->bearer);
	buf_fini(&w->rx);
	free(w);
}

int ws_established(struct peer *p)
{
	if (!p->ws)
		return -1;
	peer_wants(p);
	return 0;
}

static bool full(const struct peer *p)
{
	return p->ws->calls + p->ws->waiting >= CALLS_EACH ||
	       net_full(p->net, true);
}

/* Read on or not, as there is room for one more call. */
static void steer(struct peer *p)
{
	bool pause = full(p);

	if (pause == p->ws->paused || p->state != PEER_SOCKET)
		return;
	p->ws->paused = pause;
	lws_rx_flow_control(p->wsi, !pause);
	p->net->poke = true;
}

static struct call *new_call(struct peer *p)
{
	struct call *c = peer_call(p, VIA_WEBSOCKET);

	c->method = xstrdup("WS");
	c->path = xstrdup("/ws");
	c->bearer = p->ws->bearer ? xstrdup(p->ws->bearer) : NULL;
	return c;
}

static void submit(struct peer *p)
{
	struct call *c = new_call(p);
	struct ws *w = p->ws;

	c->body = buf_take(&w->rx, &c->body_len);
	if (!c->body)
		c->body = xstrdup("");
	w->calls++;
	net_submit(p->net, p, c);
	steer(p);
}

static void say_why(struct peer *p, enum lws_close_status status,
		    const char *why)
{
	lws_close_reason(p->wsi, status, (unsigned char *)why, strlen(why));
}

/* A message that is no call leaves a record like one. */
static void leave(struct peer *p, enum err_code code, const char *why)
{
	struct call *c = new_call(p);

	buf_fini(&p->ws->rx);
	err_set(&c->err, code, "%s", why);
	net_submit(p->net, NULL, c);
}

static int refuse(struct peer *p, enum lws_close_status status,
		  enum err_code code, const char *why)
{
	leave(p, code, why);
	say_why(p, status, why);
	p->state = PEER_DEAD;
	return -1;
}

void ws_cut(struct peer *p)
{
	if (p->ws && p->ws->rx.len)
		leave(p, ERR_bad_framing,
		      "the connection ended before the message did");
}

int ws_receive(struct peer *p, const void *data, size_t len)
{
	struct ws *w = p->ws;

	if (!w || p->state != PEER_SOCKET)
		return -1;
	lws_validity_confirmed(p->wsi);	/* its pong may wait behind this */
	if (lws_frame_is_binary(p->wsi))
		return refuse(p, LWS_CLOSE_STATUS_UNACCEPTABLE_OPCODE,
			      ERR_bad_framing, "text only");
	if (w->rx.len + len + lws_remaining_packet_payload(p->wsi) >
	    MESSAGE_MAX)
		return refuse(p, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE,
			      ERR_body_too_large, "over 1 MiB");
	buf_add(&w->rx, data, len);
	if (lws_is_final_fragment(p->wsi) &&
	    !lws_remaining_packet_payload(p->wsi))
		submit(p);
	return 0;
}

static int write_message(struct peer *p)
{
	struct message *m = p->ws->head;
	unsigned char *out = p->net->scratch + LWS_PRE;
	size_t n = m->len - m->sent < SLICE ? m->len - m->sent : SLICE;
	int flags = lws_write_ws_flags(LWS_WRITE_TEXT, !m->sent,
				       m->sent + n == m->len);

	memcpy(out, m->text + m->sent, n);
	if (lws_write(p->wsi, out, n, (enum lws_write_protocol)flags) < 0)
		return -1;
	m->sent += n;
	if (m->sent == m->len) {
		drop_first(p->ws);
		steer(p);
	}
	return 0;
}

static int write_event(struct peer *p, const struct event *e)
{
	static const char head[] = "{\"jsonrpc\":\"2.0\","
				   "\"method\":\"event\",\"params\":";
	unsigned char *out = p->net->scratch + LWS_PRE;
	size_t n = sizeof(head) - 1;

	memcpy(out, head, n);
	memcpy(out + n, e->record->line, e->record->len);
	n += e->record->len;
	out[n++] = '}';
	sub_next(p->sub);
	return lws_write(p->wsi, out, n, LWS_WRITE_TEXT) < 0 ? -1 : 0;
}

/* One message, an answer before an event. 1: there was none. */
static int write_one(struct peer *p)
{
	const struct event *e;

	if (p->ws->head)
		return write_message(p);
	e = p->sub ? sub_event(p->sub) : NULL;
	if (p->sub && sub_failed(p->sub))
		return -1;
	return e ? write_event(p, e) : 1;
}

int ws_writeable(struct peer *p)
{
	int rc = 0;

	if (!p->ws || p->state != PEER_SOCKET)
		return -1;
	peer_moved(p);
	for (int i = 0; i < TURN && !rc; i++) {
		if (i && lws_send_pipe_choked(p->wsi))
			break;
		rc = write_one(p);
	}
	if (!rc)
		peer_wants(p);
	return rc < 0 ? -1 : 0;
}

static void ready(void *arg)
{
	struct peer *p = arg;

	if (sub_failed(p->sub))
		peer_kill(p);
	else if (sub_event(p->sub))
		peer_wants(p);
}

void ws_answer(struct peer *p, struct call *c)
{
	struct ws *w = p->ws;

	w->calls--;
	if (c->text) {
		add(w, c->text, c->text_len);
		c->text = NULL;
	}
	if (c->stream && !c->err.code) {
		sub_close(p->sub);
		p->sub = sub_open(p->net->feed, c, ready, p);
	}
	net_call_free(p->net, c);
	steer(p);
	peer_wants(p);
}

/* Not in a callback: there lws 4.1.6 closes without the close frame. */
void ws_goodbye(struct peer *p)
{
	if (p->ws->head || (p->sub && sub_event(p->sub)) ||
	    lws_partial_buffered(p->wsi)) {
		peer_wants(p);
		return;
	}
	say_why(p, LWS_CLOSE_STATUS_GOINGAWAY, "the agent stops");
	peer_end(p, true);
}

void ws_expel(struct peer *p)
{
	if (lws_partial_buffered(p->wsi)) {
		peer_kill(p);	/* the rest of a message would go first */
		return;
	}
	say_why(p, LWS_CLOSE_STATUS_POLICY_VIOLATION,
		"the token is no longer good for this");
	peer_end(p, true);
}

void ws_tick(struct peer *p)
{
	steer(p);
}
