/*
 * The load of webhook.py: GitHub's deliveries. Every body is another, signed
 * as it leaves; only its end differs, so what comes before is hashed once.
 *
 *   webhook_load PORT SOURCE SECRET
 *
 * Reads lines "new|same|bad CONNECTIONS SECONDS BYTES" and answers each with
 * "DELIVERIES SECONDS P50_US P99_US". same: one that was accepted before;
 * bad: the signature is another's. An answer that does not fit ends it.
 */
#include "tests/bench/load.h"

#include <openssl/hmac.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"	/* HMAC_CTX */

enum { TAIL = 64 };

enum what { NEW, SAME, BAD };

struct hooks {
	struct load load;		/* first: both have one address */
	const char *source, *secret;
	enum what what;
	struct buf body;		/* its last TAIL bytes are written anew */
	HMAC_CTX *before;		/* of the rest */
	uint64_t serial;
};

/* An issue's event, filled up with words to so many bytes. */
static void make_body(struct hooks *k, size_t bytes)
{
	static const char words[] = "the export dialog forgets its folder ";

	buf_reset(&k->body);
	buf_adds(&k->body, "{\"action\":\"opened\",\"issue\":{\"id\":7,"
		 "\"title\":\"Export\",\"updated_at\":"
		 "\"2026-01-01T00:00:00Z\"},\"text\":\"");
	while (k->body.len < bytes - TAIL)
		buf_add(&k->body, &words[k->body.len % (sizeof(words) - 1)],
			1);
	buf_room(&k->body, TAIL + 1);
	k->body.len += TAIL;
	HMAC_Init_ex(k->before, k->secret, (int)strlen(k->secret),
		     EVP_sha256(), NULL);
	HMAC_Update(k->before, (unsigned char *)k->body.data,
		    k->body.len - TAIL);
}

static void sign(struct hooks *k, char hex[65])
{
	char *tail = k->body.data + k->body.len - TAIL;
	HMAC_CTX *mac = HMAC_CTX_new();
	unsigned char out[32];
	unsigned len;

	snprintf(tail, TAIL + 1, "\",\"serial\":%*llu}", TAIL - 12,
		 (unsigned long long)k->serial);
	HMAC_CTX_copy(mac, k->before);
	HMAC_Update(mac, (unsigned char *)tail, TAIL);
	HMAC_Final(mac, out, &len);
	HMAC_CTX_free(mac);
	if (k->what == BAD)
		out[31] ^= 1;
	for (unsigned i = 0; i < len; i++)
		sprintf(hex + 2 * i, "%02x", out[i]);
}

static void ask(struct load *l, struct load_conn *c, unsigned at)
{
	struct hooks *k = (struct hooks *)l;
	char hex[65];

	(void)at;
	if (k->what != SAME)
		k->serial++;
	sign(k, hex);
	buf_addf(&c->out, "POST /webhooks/%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
		 "Content-Type: application/json\r\nX-GitHub-Event: issues\r\n"
		 "X-GitHub-Delivery: d-%llu\r\nX-Hub-Signature-256: sha256=%s\r\n"
		 "Content-Length: %zu\r\n\r\n", k->source, l->port,
		 (unsigned long long)k->serial, hex, k->body.len);
	buf_add(&c->out, k->body.data, k->body.len);
}

static void check(struct load *l, const struct load_conn *c)
{
	const enum what what = ((const struct hooks *)l)->what;
	const char *status = c->answer + strlen("HTTP/1.1 ");
	bool fits = what == NEW ? !strncmp(status, "202", 3) :
		    what == SAME ? !strncmp(status, "200", 3) :
		    !strncmp(status, "401", 3) || !strncmp(status, "429", 3);

	if (!fits)
		load_die(l, "a wrong answer", c->answer);
}

int main(int argc, char **argv)
{
	struct hooks k = {.load = {.name = "webhook_load", .ask = ask,
				  .check = check},
			  .before = HMAC_CTX_new()};
	char what[8];
	unsigned conns, bytes;
	double seconds;

	if (argc != 4)
		load_die(&k.load, "usage", "webhook_load PORT SOURCE SECRET");
	k.load.port = atoi(argv[1]);
	k.source = argv[2];
	k.secret = argv[3];	/* one that the bench made up */
	while (scanf("%7s %u %lf %u", what, &conns, &seconds, &bytes) == 4) {
		if (!conns || conns > LOAD_CONNS_MAX || bytes < 512)
			load_die(&k.load, what,
				 "so many connections, or so few bytes");
		k.what = *what == 'n' ? NEW : *what == 's' ? SAME : BAD;
		make_body(&k, bytes);
		load_run(&k.load, conns, (int64_t)(seconds * 1e6));
	}
	HMAC_CTX_free(k.before);
	buf_fini(&k.body);
	free(k.load.us);
	return 0;
}
