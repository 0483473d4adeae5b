/*
 * HTTP/1.1 on kept connections of one epoll loop, one request in flight on
 * each: how often it is answered, and how soon. What is asked, and which
 * answer is right, is for the program to say.
 */
#pragma once
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/mem.h"

enum { LOAD_CONNS_MAX = 1024, LOAD_ANSWER = 65536 };

struct load_conn {
	int fd;
	unsigned doc;			/* what it asks for; the program's */
	bool waits;			/* for room to send */
	int64_t sent_us;
	struct buf out;
	size_t gone, len;		/* of out; of answer */
	char answer[LOAD_ANSWER];
};

struct load {
	const char *name;		/* of the program */
	int port, epoll;
	/* Puts the next request of connection at into c->out, emptied. */
	void (*ask)(struct load *l, struct load_conn *c, unsigned at);
	/* Ends the program if c->answer is none that fits. */
	void (*check)(struct load *l, const struct load_conn *c);
	bool (*more)(const struct load *l);	/* after its time; NULL: no */
	unsigned conns;
	struct load_conn *conn[LOAD_CONNS_MAX];
	uint64_t sent, answered;
	uint32_t *us;
	size_t us_cap;
};

static _Noreturn void load_die(const struct load *l, const char *what,
			       const char *more)
{
	fprintf(stderr, "%s: %s: %s\n", l->name, what, more);
	exit(1);
}

/* What the socket takes now; the rest when it takes more. */
static void load_push(struct load *l, unsigned at)
{
	struct load_conn *c = l->conn[at];
	struct epoll_event e = {.events = EPOLLIN, .data.u32 = at};
	ssize_t n = send(c->fd, c->out.data + c->gone, c->out.len - c->gone,
			 MSG_DONTWAIT | MSG_NOSIGNAL);
	bool waits;

	if (n < 0 && errno != EAGAIN)
		load_die(l, "send", strerror(errno));
	c->gone += n > 0 ? (size_t)n : 0;
	waits = c->gone < c->out.len;
	if (waits == c->waits)
		return;
	c->waits = waits;
	e.events |= waits ? EPOLLOUT : 0;
	epoll_ctl(l->epoll, EPOLL_CTL_MOD, c->fd, &e);
}

static void load_send(struct load *l, unsigned at)
{
	struct load_conn *c = l->conn[at];

	buf_reset(&c->out);
	c->gone = c->len = 0;
	l->ask(l, c, at);
	c->sent_us = clock_mono_us();
	l->sent++;
	load_push(l, at);
}

/* 0: not all there yet. */
static size_t load_answer_len(const struct load_conn *c)
{
	const char *end = strstr(c->answer, "\r\n\r\n"), *length;

	length = end ? strcasestr(c->answer, "\ncontent-length:") : NULL;
	if (!length || length > end)
		return 0;
	return (size_t)(end + 4 - c->answer) + strtoul(length + 16, NULL, 10);
}

static void load_note(struct load *l, int64_t us)
{
	if (l->answered == l->us_cap) {
		l->us_cap = l->us_cap ? l->us_cap * 2 : 4096;
		l->us = xrealloc(l->us, l->us_cap * sizeof(*l->us));
	}
	l->us[l->answered++] = (uint32_t)us;
}

/* True: the answer is there. */
static bool load_receive(struct load *l, struct load_conn *c)
{
	ssize_t n = recv(c->fd, c->answer + c->len, LOAD_ANSWER - 1 - c->len,
			 MSG_DONTWAIT);
	size_t want;

	if (n < 0 && errno == EAGAIN)
		return false;
	if (n <= 0)
		load_die(l, "a connection ended",
			 n ? strerror(errno) : c->answer);
	c->len += (size_t)n;
	c->answer[c->len] = 0;
	want = load_answer_len(c);
	if (!want || c->len < want)
		return false;
	load_note(l, clock_mono_us() - c->sent_us);
	l->check(l, c);
	return true;
}

static void load_connect(struct load *l, unsigned at)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)l->port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct epoll_event e = {.events = EPOLLIN, .data.u32 = at};
	struct load_conn *c = l->conn[at] = xcalloc(1, sizeof(*c));
	int one = 1;

	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(c->fd, (struct sockaddr *)&to, sizeof(to)))
		load_die(l, "connect", strerror(errno));
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &e);
}

static void load_begin(struct load *l, unsigned conns)
{
	l->conns = conns;
	l->sent = l->answered = 0;
	l->epoll = epoll_create1(0);
	for (unsigned i = 0; i < conns; i++)
		load_connect(l, i);
}

static void load_end(struct load *l)
{
	for (unsigned i = 0; i < l->conns; i++) {
		close(l->conn[i]->fd);
		buf_fini(&l->conn[i]->out);
		free(l->conn[i]);
	}
	close(l->epoll);
}

static int load_by_value(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* "ANSWERS SECONDS P50_US P99_US" */
static void load_report(struct load *l, int64_t took)
{
	qsort(l->us, l->answered, sizeof(*l->us), load_by_value);
	printf("%llu %.6f %u %u\n", (unsigned long long)l->answered,
	       (double)took / 1e6, l->us[l->answered / 2],
	       l->us[l->answered * 99 / 100]);
	fflush(stdout);
}

/* For so long, and as long as there is more; then until all is answered. */
static void load_run(struct load *l, unsigned conns, int64_t for_us)
{
	const int64_t begun = clock_mono_us();
	struct epoll_event got[64];

	load_begin(l, conns);
	for (unsigned i = 0; i < conns; i++)
		load_send(l, i);
	while (l->answered < l->sent) {
		int n = epoll_wait(l->epoll, got, 64, 20000);

		if (!n)
			load_die(l, "no answer", "in 20 seconds");
		for (int i = 0; i < n; i++) {
			const unsigned at = got[i].data.u32;

			if (got[i].events & EPOLLOUT)
				load_push(l, at);
			if (load_receive(l, l->conn[at]) &&
			    ((l->more && l->more(l)) ||
			     clock_mono_us() - begun < for_us))
				load_send(l, at);
		}
	}
	load_report(l, clock_mono_us() - begun);
	load_end(l);
}
