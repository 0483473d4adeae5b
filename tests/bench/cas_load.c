/*
 * The load of cas.py. A connection keeps to documents of its own and swaps
 * the version that the last answer named, so that every swap is to succeed;
 * one that does not ends the program.
 *
 *   cas_load kircerta|etcd|static PORT TOKEN|PATH
 *
 * Reads lines "make N CONNECTIONS", "swap|get CONNECTIONS SECONDS" and
 * answers each with "OPERATIONS SECONDS P50_US P99_US".
 */
#include "tests/bench/load.h"

enum { TEXT = 600, VERSION = 48 };

struct swaps;

/* How a server is asked, and where its answer names the new version. */
struct kind {
	const char *name;
	size_t (*make)(struct swaps *w, unsigned n, char *out);
	size_t (*swap)(struct swaps *w, unsigned n, char *out);
	size_t (*get)(struct swaps *w, unsigned n, char *out);
	const char *before;	/* these bytes stand before the version */
	const char *wrong;	/* a good answer's body does not have it */
};

struct swaps {
	struct load load;		/* first: both have one address */
	const struct kind *kind;
	const char *extra;		/* the token, or the static path */
	unsigned docs;
	char (*version)[VERSION];	/* of each document */
	uint64_t seed;
	/* of the run under way */
	size_t (*ask)(struct swaps *w, unsigned n, char *out);
	unsigned next, end;		/* of a make */
};

static uint64_t draw(struct swaps *w)
{
	w->seed ^= w->seed << 13;
	w->seed ^= w->seed >> 7;
	w->seed ^= w->seed << 17;
	return w->seed;
}

static void text(struct swaps *w, char out[TEXT + 1])
{
	for (size_t i = 0; i < TEXT; i++)
		out[i] = (char)('a' + draw(w) % 26);
	out[TEXT] = 0;
}

static size_t ask(struct swaps *w, char *out, const char *method,
		  const char *path, const char *body)
{
	return (size_t)sprintf(out, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
		"%s%s%sContent-Type: application/json\r\n"
		"Content-Length: %zu\r\n\r\n%s", method, path, w->load.port,
		*w->extra ? "Authorization: Bearer " : "", w->extra,
		*w->extra ? "\r\n" : "", strlen(body), body);
}

static size_t task_make(struct swaps *w, unsigned n, char *out)
{
	char body[TEXT + 400], words[TEXT + 1];

	text(w, words);
	sprintf(body, "{\"id\":\"t-bench-%06u\",\"title\":\"Record the demo of "
		"the export dialog\",\"request_text\":\"%s\","
		"\"acceptance_criteria\":[{\"id\":\"AC-1\",\"text\":\"the new "
		"export dialog is seen\"}]}", n, words);
	return ask(w, out, "POST", "/api/tasks", body);
}

static size_t task_swap(struct swaps *w, unsigned n, char *out)
{
	char body[TEXT + 200], words[TEXT + 1], path[64];

	text(w, words);
	sprintf(path, "/api/tasks/t-bench-%06u", n);
	sprintf(body, "{\"base_sha\":\"%s\",\"request_text\":\"%s\"}",
		w->version[n], words);
	return ask(w, out, "PATCH", path, body);
}

static size_t task_get(struct swaps *w, unsigned n, char *out)
{
	return (size_t)sprintf(out, "GET /api/tasks/t-bench-%06u HTTP/1.1\r\n"
		"Host: 127.0.0.1:%d\r\nAuthorization: Bearer %s\r\n\r\n", n,
		w->load.port, w->extra);
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
static size_t etcd_swap(struct swaps *w, unsigned n, char *out)
{
	char plain[1200], value[1601], id[16], key[32], body[2200];

	for (size_t i = 0; i < sizeof(plain); i++)
		plain[i] = (char)('a' + draw(w) % 26);
	base64(plain, sizeof(plain), value);
	sprintf(id, "t-bench-%06u_", n);	/* 15 bytes */
	base64(id, 15, key);
	sprintf(body, "{\"compare\":[{\"target\":\"MOD\",\"key\":\"%s\","
		"\"modRevision\":\"%s\"}],\"success\":[{\"requestPut\":{"
		"\"key\":\"%s\",\"value\":\"%s\"}}]}", key,
		*w->version[n] ? w->version[n] : "0", key, value);
	return ask(w, out, "POST", "/v3/kv/txn", body);
}

static size_t static_get(struct swaps *w, unsigned n, char *out)
{
	(void)n;
	return (size_t)sprintf(out, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d"
			       "\r\n\r\n", w->extra, w->load.port);
}

static const struct kind kinds[] = {
	{"kircerta", task_make, task_swap, task_get, "\nETag: \"", NULL},
	{"etcd", etcd_swap, etcd_swap, NULL, "\"revision\":\"",
	 "\"succeeded\":false"},
	{"static", NULL, NULL, static_get, NULL, NULL},
};

/* A document of its own for a connection: no two swap the same one. */
static unsigned pick(struct swaps *w, unsigned at)
{
	const unsigned conns = w->load.conns;

	if (w->next < w->end)
		return w->next++;
	if (!w->docs)
		return 0;
	return at + conns * (unsigned)(draw(w) %
				       ((w->docs - at - 1) / conns + 1));
}

static void send_one(struct load *l, struct load_conn *c, unsigned at)
{
	struct swaps *w = (struct swaps *)l;

	c->doc = pick(w, at);
	c->out.len = w->ask(w, c->doc, buf_room(&c->out, 4096));
}

/* Of a make; its time alone would leave some unmade. */
static bool more(const struct load *l)
{
	const struct swaps *w = (const struct swaps *)l;

	return w->next < w->end;
}

static void check(struct load *l, const struct load_conn *c)
{
	struct swaps *w = (struct swaps *)l;
	const char *at;
	char *out;

	if (strncmp(c->answer, "HTTP/1.1 20", 11) ||
	    (w->kind->wrong && strstr(c->answer, w->kind->wrong)))
		load_die(l, "a wrong answer", c->answer);
	if (!w->kind->before)
		return;
	at = strstr(c->answer, w->kind->before);
	if (!at)
		load_die(l, "no version", c->answer);
	at += strlen(w->kind->before);
	out = w->version[c->doc];
	for (size_t i = 0; i < VERSION - 1 && *at != '"'; i++)
		*out++ = *at++;
	*out = 0;
}

static void command(struct swaps *w, const char *what, unsigned a, double b)
{
	unsigned conns = *what == 'm' ? (unsigned)b : a;

	if (!conns || conns > LOAD_CONNS_MAX ||
	    (*what != 'm' && w->docs && w->docs < conns))
		load_die(&w->load, what, "so many connections");
	w->ask = *what == 'm' ? w->kind->make : *what == 's' ?
		 w->kind->swap : w->kind->get;
	if (*what == 'm') {
		w->docs = w->end = a;
		w->version = xcalloc(a, sizeof(*w->version));
	}
	if (!w->ask)
		load_die(&w->load, what, "not of this one");
	load_run(&w->load, conns, *what == 'm' ? 0 : (int64_t)(b * 1e6));
}

int main(int argc, char **argv)
{
	struct swaps w = {.load = {.name = "cas_load", .ask = send_one,
				  .check = check, .more = more},
			  .seed = 0x9e3779b97f4a7c15};
	char what[8];
	unsigned a;
	double b;

	if (argc != 4)
		load_die(&w.load, "usage",
			 "cas_load kircerta|etcd|static PORT TOKEN|PATH");
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (!strcmp(kinds[i].name, argv[1]))
			w.kind = &kinds[i];
	if (!w.kind)
		load_die(&w.load, "what is", argv[1]);
	w.load.port = atoi(argv[2]);
	w.extra = argv[3];
	while (scanf("%7s %u %lf", what, &a, &b) == 3)
		command(&w, what, a, b);
	free(w.version);
	free(w.load.us);
	return 0;
}
