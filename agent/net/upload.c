/* See upload.h. */
#include "agent/net/upload.h"

#include <stdlib.h>

#include "agent/gate/gate.h"
#include "agent/net/http.h"
#include "agent/net/peer.h"
#include "agent/store/evidence.h"
#include "common/clock.h"
#include "common/mem.h"

#define PIECE ((size_t)256 << 10)	/* for one write by a worker */
#define LEAST 16384u			/* bytes that timeouts.upload must bring */

struct upload {
	struct net *net;
	struct peer *peer;		/* NULL: it went away */
	struct evidence_file *file;	/* begun by the first piece */
	struct buf in, out;		/* being filled, being written */
	struct err err;
	uint64_t seen;			/* peer->got at the last look */
	bool busy, ended, paused;
	struct work work;
};

static int64_t patience(const struct peer *p)
{
	return clock_mono_us() + p->net->agent->settings->timeouts.upload;
}

int upload_begin(struct peer *p)
{
	struct upload *u;

	if (!gate_may(p->net->agent, p->call))
		return -1;
	u = xcalloc(1, sizeof(*u));
	u->net = p->net;
	u->peer = p;
	p->upload = u;
	return 0;
}

static void write_piece(struct work *w, struct agent *a, struct reader *r)
{
	struct upload *u = w->arg;

	(void)r;
	if (!u->file)
		u->file = evidence_begin(a->evidence, &u->err);
	if (u->file && u->out.len)
		evidence_write(u->file, u->out.data, u->out.len, &u->err);
}

static void drop(struct upload *u)
{
	upload_discard(u->net, u->file);
	buf_fini(&u->in);
	buf_fini(&u->out);
	err_fini(&u->err);
	free(u);
}

static void hand_over(struct upload *u)
{
	struct peer *p = u->peer;
	struct call *c = p->call;

	if (u->err.code) {
		c->err = u->err;
		u->err = (struct err){0};
		p->close_after = true;
	} else {
		c->upload = u->file;
		u->file = NULL;
	}
	p->upload = NULL;
	drop(u);
	http_submit(p);
}

static void piece_written(struct work *w);

static void next_piece(struct upload *u)
{
	struct buf empty = u->out;

	buf_reset(&empty);
	u->out = u->in;
	u->in = empty;
	u->busy = true;
	u->work = (struct work){.run = write_piece, .done = piece_written,
				.arg = u};
	net_work(u->net, &u->work);
}

static void piece_written(struct work *w)
{
	struct upload *u = w->arg;

	u->busy = false;
	if (!u->peer) {
		drop(u);
		return;
	}
	if (u->err.code || (u->ended && u->file && !u->in.len)) {
		hand_over(u);
		return;
	}
	if (u->in.len >= PIECE || u->ended)
		next_piece(u);
	if (u->paused) {
		u->paused = false;
		u->peer->deadline = patience(u->peer);
		lws_rx_flow_control(u->peer->wsi, 1);
	}
}

void upload_data(struct peer *p, const void *data, size_t len)
{
	struct upload *u = p->upload;

	buf_add(&u->in, data, len);
	if (u->in.len < PIECE)
		return;
	if (!u->busy) {
		next_piece(u);
		return;
	}
	u->paused = true;		/* the disk is slower than the net */
	p->deadline = 0;
	lws_rx_flow_control(p->wsi, 0);
}

void upload_end(struct peer *p)
{
	struct upload *u = p->upload;

	u->ended = true;
	u->paused = false;
	p->deadline = 0;
	lws_rx_flow_control(p->wsi, 0);
	if (!u->busy)
		next_piece(u);
}

bool upload_goes_on(struct peer *p)
{
	struct upload *u = p->upload;
	bool enough = p->got - u->seen >= LEAST;

	u->seen = p->got;
	if (enough)
		p->deadline = patience(p);
	return enough;
}

void upload_abort(struct peer *p)
{
	struct upload *u = p->upload;

	if (!u)
		return;
	p->upload = NULL;
	u->peer = NULL;
	if (!u->busy)
		drop(u);
}

static void discard(struct work *w, struct agent *a, struct reader *r)
{
	(void)a;
	(void)r;
	evidence_abort(w->arg);
}

static void discarded(struct work *w)
{
	free(w);
}

void upload_discard(struct net *n, struct evidence_file *file)
{
	struct work *w;

	if (!file)
		return;
	w = xcalloc(1, sizeof(*w));
	*w = (struct work){.run = discard, .done = discarded, .arg = file};
	net_work(n, w);
}
