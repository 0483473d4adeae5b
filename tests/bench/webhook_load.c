/*
 * The load of webhook.py: GitHub's deliveries on kept connections of one
 * epoll loop, one in flight on each. Every body is another, signed as it
 * leaves; only its end differs, so what comes before is hashed once.
 *
 *   webhook_load PORT SOURCE SECRET
 *
 * Reads lines "new|same|bad CONNECTIONS SECONDS BYTES" and answers each with
 * "DELIVERIES SECONDS P50_US P99_US". same: one that was accepted before;
 * bad: the signature is another's. An answer that does not fit ends it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/mem.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"	/* HMAC_CTX */

enum { CONNS_MAX = 1024, ANSWER = 16384, TAIL = 64 };

enum what { NEW, SAME, BAD };

struct conn {
	int fd;
	int64_t sent_us;
	struct buf out;
	size_t gone, len;		/* of out; of answer */
	char answer[ANSWER];
};

struct load {
	int port, epoll;
	const char *source, *secret;
	enum what what;
	struct buf body;		/* its last TAIL bytes are written anew */
	HMAC_CTX *before;		/* of the rest */
	uint64_t serial, sent, answered;
	struct conn *conn[CONNS_MAX];
	uint32_t *us;
	size_t us_cap;
};

static _Noreturn void die(const char *what, const char *more)
{
	fprintf(stderr, "webhook_load: %s: %s\n", what, more);
	exit(1);
}

/* An issue's event, filled up with words to so many bytes. */
static void make_body(struct load *l, size_t bytes)
{
	static const char words[] = "the export dialog forgets its folder ";

	buf_reset(&l->body);
	buf_adds(&l->body, "{\"action\":\"opened\",\"issue\":{\"id\":7,"
		 "\"title\":\"Export\",\"updated_at\":"
		 "\"2026-01-01T00:00:00Z\"},\"text\":\"");
	while (l->body.len < bytes - TAIL)
		buf_add(&l->body, &words[l->body.len % (sizeof(words) - 1)],
			1);
	buf_room(&l->body, TAIL + 1);
	l->body.len += TAIL;
	HMAC_Init_ex(l->before, l->secret, (int)strlen(l->secret),
		     EVP_sha256(), NULL);
	HMAC_Update(l->before, (unsigned char *)l->body.data,
		    l->body.len - TAIL);
}

static void sign(struct load *l, char hex[65])
{
	char *tail = l->body.data + l->body.len - TAIL;
	HMAC_CTX *mac = HMAC_CTX_new();
	unsigned char out[32];
	unsigned len;

	snprintf(tail, TAIL + 1, "\",\"serial\":%*llu}", TAIL - 12,
		 (unsigned long long)l->serial);
	HMAC_CTX_copy(mac, l->before);
	HMAC_Update(mac, (unsigned char *)tail, TAIL);
	HMAC_Final(mac, out, &len);
	HMAC_CTX_free(mac);
	if (l->what == BAD)
		out[31] ^= 1;
	for (unsigned i = 0; i < len; i++)
		sprintf(hex + 2 * i, "%02x", out[i]);
}

/* What the socket takes now; the rest when it takes more. */
static void push(struct load *l, unsigned at)
{
	struct conn *c = l->conn[at];
	struct epoll_event e = {.events = EPOLLIN, .data.u32 = at};
	ssize_t n = send(c->fd, c->out.data + c->gone, c->out.len - c->gone,
			 MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN)
		die("send", strerror(errno));
	c->gone += n > 0 ? (size_t)n : 0;
	if (c->gone < c->out.len)
		e.events |= EPOLLOUT;
	epoll_ctl(l->epoll, EPOLL_CTL_MOD, c->fd, &e);
}

static void send_next(struct load *l, unsigned at)
{
	struct conn *c = l->conn[at];
	char hex[65];

	if (l->what != SAME)
		l->serial++;
	sign(l, hex);
	buf_reset(&c->out);
	buf_addf(&c->out, "POST /webhooks/%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
		 "Content-Type: application/json\r\nX-GitHub-Event: issues\r\n"
		 "X-GitHub-Delivery: d-%llu\r\nX-Hub-Signature-256: sha256=%s\r\n"
		 "Content-Length: %zu\r\n\r\n", l->source, l->port,
		 (unsigned long long)l->serial, hex, l->body.len);
	buf_add(&c->out, l->body.data, l->body.len);
	c->gone = c->len = 0;
	c->sent_us = clock_mono_us();
	l->sent++;
	push(l, at);
}

/* 0: not all there yet. */
static size_t answer_len(const struct conn *c)
{
	const char *end = strstr(c->answer, "\r\n\r\n"), *length;

	length = end ? strcasestr(c->answer, "\ncontent-length:") : NULL;
	if (!length || length > end)
		return 0;
	return (size_t)(end + 4 - c->answer) + strtoul(length + 16, NULL, 10);
}

static void check(const struct load *l, const struct conn *c)
{
	const char *status = c->answer + strlen("HTTP/1.1 ");
	bool fits = l->what == NEW ? !strncmp(status, "202", 3) :
		    l->what == SAME ? !strncmp(status, "200", 3) :
		    !strncmp(status, "401", 3) || !strncmp(status, "429", 3);

	if (!fits)
		die("a wrong answer", c->answer);
}

static void note(struct load *l, int64_t us)
{
	if (l->answered == l->us_cap) {
		l->us_cap = l->us_cap ? l->us_cap * 2 : 4096;
		l->us = xrealloc(l->us, l->us_cap * sizeof(*l->us));
	}
	l->us[l->answered++] = (uint32_t)us;
}

/* True: the answer is there. */
static bool receive(struct load *l, struct conn *c)
{
	ssize_t n = recv(c->fd, c->answer + c->len, ANSWER - 1 - c->len,
			 MSG_DONTWAIT);
	size_t want;

	if (n < 0 && errno == EAGAIN)
		return false;
	if (n <= 0)
		die("a connection ended", n ? strerror(errno) : c->answer);
	c->len += (size_t)n;
	c->answer[c->len] = 0;
	want = answer_len(c);
	if (!want || c->len < want)
		return false;
	note(l, clock_mono_us() - c->sent_us);
	check(l, c);
	return true;
}

static void connect_one(struct load *l, unsigned at)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)l->port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct epoll_event e = {.events = EPOLLIN, .data.u32 = at};
	struct conn *c = l->conn[at] = xcalloc(1, sizeof(*c));
	int one = 1;

	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(c->fd, (struct sockaddr *)&to, sizeof(to)))
		die("connect", strerror(errno));
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &e);
}

static int by_value(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void report(struct load *l, int64_t took)
{
	qsort(l->us, l->answered, sizeof(*l->us), by_value);
	printf("%llu %.6f %u %u\n", (unsigned long long)l->answered,
	       (double)took / 1e6, l->us[l->answered / 2],
	       l->us[l->answered * 99 / 100]);
	fflush(stdout);
}

/* For so long; then until all is answered. */
static void run(struct load *l, unsigned conns, int64_t for_us)
{
	const int64_t begun = clock_mono_us();
	struct epoll_event got[64];

	l->sent = l->answered = 0;
	l->epoll = epoll_create1(0);
	for (unsigned i = 0; i < conns; i++)
		connect_one(l, i);
	for (unsigned i = 0; i < conns; i++)
		send_next(l, i);
	while (l->answered < l->sent) {
		int n = epoll_wait(l->epoll, got, 64, 20000);

		if (!n)
			die("no answer", "in 20 seconds");
		for (int i = 0; i < n; i++) {
			const unsigned at = got[i].data.u32;

			if (got[i].events & EPOLLOUT)
				push(l, at);
			if (receive(l, l->conn[at]) &&
			    clock_mono_us() - begun < for_us)
				send_next(l, at);
		}
	}
	report(l, clock_mono_us() - begun);
	for (unsigned i = 0; i < conns; i++) {
		close(l->conn[i]->fd);
		buf_fini(&l->conn[i]->out);
		free(l->conn[i]);
	}
	close(l->epoll);
}

int main(int argc, char **argv)
{
	struct load l = {.before = HMAC_CTX_new()};
	char what[8];
	unsigned conns, bytes;
	double seconds;

	if (argc != 4)
		die("usage", "webhook_load PORT SOURCE SECRET");
	l.port = atoi(argv[1]);
	l.source = argv[2];
	l.secret = argv[3];	/* one that the bench made up */
	while (scanf("%7s %u %lf %u", what, &conns, &seconds, &bytes) == 4) {
		if (!conns || conns > CONNS_MAX || bytes < 512)
			die(what, "so many connections, or so few bytes");
		l.what = *what == 'n' ? NEW : *what == 's' ? SAME : BAD;
		make_body(&l, bytes);
		run(&l, conns, (int64_t)(seconds * 1e6));
	}
	HMAC_CTX_free(l.before);
	buf_fini(&l.body);
	free(l.us);
	return 0;
}
