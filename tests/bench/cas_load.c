/*
 * The load of cas.py: HTTP/1.1 on kept connections of one epoll loop, one
 * request in flight on each. A connection keeps to documents of its own and
 * swaps the version that the last answer named, so that every swap is to
 * succeed; one that does not ends the program.
 *
 *   cas_load kircerta|etcd|static PORT TOKEN|PATH
 *
 * Reads lines "make N CONNECTIONS", "swap|get CONNECTIONS SECONDS" and
 * answers each with "OPERATIONS SECONDS P50_US P99_US".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"

enum { CONNS_MAX = 1024, TEXT = 600, VERSION = 48, ANSWER = 65536 };

struct load;

/* How a server is asked, and where its answer names the new version. */
struct kind {
	const char *name;
	size_t (*make)(struct load *l, unsigned n, char *out);
	size_t (*swap)(struct load *l, unsigned n, char *out);
	size_t (*get)(struct load *l, unsigned n, char *out);
	const char *before;	/* these bytes stand before the version */
	const char *wrong;	/* a good answer's body does not have it */
};

struct conn {
	int fd;
	unsigned doc;
	int64_t sent_us;
	size_t len;
	char answer[ANSWER];
};

struct load {
	const struct kind *kind;
	int port;
	const char *extra;		/* the token, or the static path */
	unsigned docs;
	char (*version)[VERSION];	/* of each document */
	uint64_t seed;
	struct conn *conn[CONNS_MAX];
	unsigned conns;
	int epoll;
	/* of the run under way */
	size_t (*ask)(struct load *l, unsigned n, char *out);
	unsigned next, end;		/* of a make */
	uint64_t sent, answered;
	uint32_t *us;
	size_t us_cap;
};

static _Noreturn void die(const char *what, const char *more)
{
	fprintf(stderr, "cas_load: %s: %s\n", what, more);
	exit(1);
}

static uint64_t draw(struct load *l)
{
	l->seed ^= l->seed << 13;
	l->seed ^= l->seed >> 7;
	l->seed ^= l->seed << 17;
	return l->seed;
}

static void text(struct load *l, char out[TEXT + 1])
{
	for (size_t i = 0; i < TEXT; i++)
		out[i] = (char)('a' + draw(l) % 26);
	out[TEXT] = 0;
}

static size_t ask(struct load *l, char *out, const char *method,
		  const char *path, const char *body)
{
	return (size_t)sprintf(out, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
		"%s%s%sContent-Type: application/json\r\n"
		"Content-Length: %zu\r\n\r\n%s", method, path, l->port,
		*l->extra ? "Authorization: Bearer " : "", l->extra,
		*l->extra ? "\r\n" : "", strlen(body), body);
}

static size_t task_make(struct load *l, unsigned n, char *out)
{
	char body[TEXT + 400], words[TEXT + 1];

	text(l, words);
	sprintf(body, "{\"id\":\"t-bench-%06u\",\"title\":\"Record the demo of "
		"the export dialog\",\"request_text\":\"%s\","
		"\"acceptance_criteria\":[{\"id\":\"AC-1\",\"text\":\"the new "
		"export dialog is seen\"}]}", n, words);
	return ask(l, out, "POST", "/api/tasks", body);
}

static size_t task_swap(struct load *l, unsigned n, char *out)
{
	char body[TEXT + 200], words[TEXT + 1], path[64];

	text(l, words);
	sprintf(path, "/api/tasks/t-bench-%06u", n);
	sprintf(body, "{\"base_sha\":\"%s\",\"request_text\":\"%s\"}",
		l->version[n], words);
	return ask(l, out, "PATCH", path, body);
}

static size_t task_get(struct load *l, unsigned n, char *out)
{
	return (size_t)sprintf(out, "GET /api/tasks/t-bench-%06u HTTP/1.1\r\n"
		"Host: 127.0.0.1:%d\r\nAuthorization: Bearer %s\r\n\r\n", n,
		l->port, l->extra);
}

static void base64(const char *in, size_t len, char *out)
{
	static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < len; i += 3) {	/* len is a multiple of 3 */
		const unsigned char *b = (const unsigned char *)in + i;

		*out++ = digit[b[0] >> 2];
		*out++ = digit[(b[0] & 3) << 4 | b[1] >> 4];
		*out++ = digit[(b[1] & 15) << 2 | b[2] >> 6];
		*out++ = digit[b[2] & 63];
	}
	*out = 0;
}

/* A value as long as a task's document; never made is revision 0. */
static size_t etcd_swap(struct load *l, unsigned n, char *out)
{
	char plain[1200], value[1601], id[16], key[32], body[2200];

	for (size_t i = 0; i < sizeof(plain); i++)
		plain[i] = (char)('a' + draw(l) % 26);
	base64(plain, sizeof(plain), value);
	sprintf(id, "t-bench-%06u_", n);	/* 15 bytes */
	base64(id, 15, key);
	sprintf(body, "{\"compare\":[{\"target\":\"MOD\",\"key\":\"%s\","
		"\"modRevision\":\"%s\"}],\"success\":[{\"requestPut\":{"
		"\"key\":\"%s\",\"value\":\"%s\"}}]}", key,
		*l->version[n] ? l->version[n] : "0", key, value);
	return ask(l, out, "POST", "/v3/kv/txn", body);
}

static size_t static_get(struct load *l, unsigned n, char *out)
{
	(void)n;
	return (size_t)sprintf(out, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d"
			       "\r\n\r\n", l->extra, l->port);
}

static const struct kind kinds[] = {
	{"kircerta", task_make, task_swap, task_get, "\nETag: \"", NULL},
	{"etcd", etcd_swap, etcd_swap, NULL, "\"revision\":\"",
	 "\"succeeded\":false"},
	{"static", NULL, NULL, static_get, NULL, NULL},
};

/* A document of its own for a connection: no two swap the same one. */
static unsigned pick(struct load *l, unsigned at)
{
	if (l->next < l->end)
		return l->next++;
	if (!l->docs)
		return 0;
	return at + l->conns * (unsigned)(draw(l) %
					  ((l->docs - at - 1) / l->conns + 1));
}

static void send_next(struct load *l, unsigned at)
{
	struct conn *c = l->conn[at];
	char out[4096];
	size_t len;

	c->doc = pick(l, at);
	c->len = 0;
	len = l->ask(l, c->doc, out);
	c->sent_us = clock_mono_us();
	if (write(c->fd, out, len) != (ssize_t)len)
		die("write", strerror(errno));
	l->sent++;
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

static void check(struct load *l, const struct conn *c)
{
	const char *at;
	char *out;

	if (strncmp(c->answer, "HTTP/1.1 20", 11) ||
	    (l->kind->wrong && strstr(c->answer, l->kind->wrong)))
		die("a wrong answer", c->answer);
	if (!l->kind->before)
		return;
	at = strstr(c->answer, l->kind->before);
	if (!at)
		die("no version", c->answer);
	at += strlen(l->kind->before);
	out = l->version[c->doc];
	for (size_t i = 0; i < VERSION - 1 && *at != '"'; i++)
		*out++ = *at++;
	*out = 0;
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
	ssize_t n = read(c->fd, c->answer + c->len, ANSWER - 1 - c->len);
	size_t want;

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

/* Until end_us, and what was made is all made; then until all is answered. */
static void run(struct load *l, unsigned conns, int64_t for_us)
{
	const int64_t begun = clock_mono_us();
	struct epoll_event got[64];
	int64_t took;

	l->conns = conns;
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
		for (int i = 0; i < n; i++)
			if (receive(l, l->conn[got[i].data.u32]) &&
			    (l->next < l->end ||
			     clock_mono_us() - begun < for_us))
				send_next(l, got[i].data.u32);
	}
	took = clock_mono_us() - begun;
	qsort(l->us, l->answered, sizeof(*l->us), by_value);
	printf("%llu %.6f %u %u\n", (unsigned long long)l->answered,
	       (double)took / 1e6, l->us[l->answered / 2],
	       l->us[l->answered * 99 / 100]);
	fflush(stdout);
	for (unsigned i = 0; i < conns; i++) {
		close(l->conn[i]->fd);
		free(l->conn[i]);
	}
	close(l->epoll);
}

static void command(struct load *l, const char *what, unsigned a, double b)
{
	unsigned conns = *what == 'm' ? (unsigned)b : a;

	if (!conns || conns > CONNS_MAX || (*what != 'm' && l->docs &&
					    l->docs < conns))
		die(what, "so many connections");
	l->ask = *what == 'm' ? l->kind->make : *what == 's' ?
		 l->kind->swap : l->kind->get;
	if (*what == 'm') {
		l->docs = l->end = a;
		l->version = xcalloc(a, sizeof(*l->version));
	}
	if (!l->ask)
		die(what, "not of this one");
	run(l, conns, *what == 'm' ? 0 : (int64_t)(b * 1e6));
}

int main(int argc, char **argv)
{
	struct load l = {.seed = 0x9e3779b97f4a7c15};
	char what[8];
	unsigned a;
	double b;

	if (argc != 4)
		die("usage", "cas_load kircerta|etcd|static PORT TOKEN|PATH");
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (!strcmp(kinds[i].name, argv[1]))
			l.kind = &kinds[i];
	if (!l.kind)
		die("what is", argv[1]);
	l.port = atoi(argv[2]);
	l.extra = argv[3];
	while (scanf("%7s %u %lf", what, &a, &b) == 3)
		command(&l, what, a, b);
	free(l.version);
	free(l.us);
	return 0;
}
