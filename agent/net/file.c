/* See file.h. */
#include "agent/net/file.h"

#include <stdlib.h>
#include <unistd.h>

#include "agent/net/peer.h"
#include "agent/net/reply.h"
#include "agent/net/server.h"
#include "common/clock.h"
#include "common/mem.h"

#define CHUNK ((size_t)256 << 10)

struct file {
	struct peer *peer;		/* NULL: it went away */
	int fd;
	uint64_t off, left;		/* not read yet */
	size_t have, sent;		/* in data */
	bool busy;			/* a worker reads */
	struct work work;
	unsigned char data[LWS_PRE + CHUNK];
};

static void drop(struct file *f)
{
	close(f->fd);
	free(f);
}

static void wants(struct peer *p)
{
	p->deadline = clock_mono_us() + p->net->agent->settings->timeouts.upload;
	lws_callback_on_writable(p->wsi);
}

static void read_chunk(struct work *w, struct agent *a, struct reader *r)
{
	struct file *f = w->arg;
	size_t want = f->left < CHUNK ? (size_t)f->left : CHUNK;
	ssize_t n = pread(f->fd, f->data + LWS_PRE, want, (off_t)f->off);

	(void)a;
	(void)r;
	f->have = n > 0 ? (size_t)n : 0;
	f->sent = 0;
}

static void chunk_read(struct work *w)
{
	struct file *f = w->arg;

	f->busy = false;
	if (!f->peer) {
		drop(f);
	} else if (!f->have) {
		peer_kill(f->peer);	/* the file ended before its length */
	} else {
		f->off += f->have;
		f->left -= f->have;
		wants(f->peer);
	}
}

static void read_next(struct file *f)
{
	f->busy = true;
	f->peer->deadline = 0;
	f->work = (struct work){.run = read_chunk, .done = chunk_read,
				.arg = f};
	net_work(f->peer->net, &f->work);
}

void file_begin(struct peer *p, struct call *c)
{
	struct file *f = xmalloc(sizeof(*f));

	f->peer = p;
	f->fd = c->fd;
	f->off = c->fd_off;
	f->left = c->fd_len;
	f->have = f->sent = 0;
	c->fd = -1;
	p->file = f;
	p->state = PEER_FILE;
	read_next(f);
}

/* The last byte is with lws. */
static int finish(struct peer *p)
{
	file_close(p);
	p->state = PEER_FLUSH;
	p->deadline = clock_mono_us() + p->net->agent->settings->timeouts.upload;
	if (p->close_after)
		return reply_flushed(p);
	return lws_http_transaction_completed(p->wsi) ? -1 : 0;
}

int file_writeable(struct peer *p)
{
	struct file *f = p->file;
	size_t len = f->have - f->sent;

	if (f->busy)
		return 0;
	if (len > SLICE)
		len = SLICE;
	if (lws_write(p->wsi, f->data + LWS_PRE + f->sent, len,
		      LWS_WRITE_HTTP) < 0)
		return -1;
	f->sent += len;
	if (f->sent < f->have)
		wants(p);
	else if (f->left)
		read_next(f);
	else
		return finish(p);
	return 0;
}

void file_close(struct peer *p)
{
	struct file *f = p->file;

	if (!f)
		return;
	p->file = NULL;
	f->peer = NULL;
	if (!f->busy)
		drop(f);
}
