/*
 * `kircerta-agent webhook test`: an event as the sender of a source would
 * sign it, sent to the agent (or to what is in front of it), and what came
 * of it. The secret stays in here: what leaves is the signature.
 */
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/admin.h"
#include "agent/run/helper.h"
#include "agent/store/home.h"
#include "agent/store/settings.h"
#include "agent/store/settings_webhook.h"
#include "agent/store/webhook_secret.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/id.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/utf8.h"
#include "common/webhook.h"

#define FILE_MAX ((size_t)16 << 20)	/* as webhook.max-body may be */
#define ANSWER_US 30000000
#define NO_ANSWER "webhook_unreachable"	/* of the program that posts */

struct asked {			/* borrowed from argv */
	const char *source, *file, *url, *event, *event_id, *at;
	bool next, sign_only, as_json;
};

struct event {			/* what is sent; owned but for id */
	const char *id;
	char made[ID_MADE];
	int64_t at;		/* us since 1970 */
	char *body;
	size_t len;
	char *url;
	json_t *headers;	/* [["name", "value"], ...] */
};

static void event_fini(struct event *e)
{
	free(e->body);
	free(e->url);
	json_decref(e->headers);
}

/* The secret that it is signed with, of the source's two. */
static int key_of(const struct webhook_conf *w, bool next,
		  struct webhook_key *key, struct err *err)
{
	const char *file = next ? w->next_secret_file : w->secret_file;

	if (file && *file)
		return webhook_secret_read(w->scheme, file, key, err);
	err_set(err, ERR_webhook_not_configured, "webhook.%s has no "
		"%ssecret-file", w->name, next ? "next-" : "");
	return err_hint(err, "Name the file in [webhook \"%s\"].", w->name);
}

static json_t *headers_of(const struct webhook_headers *h)
{
	json_t *list = json_array();

	for (size_t i = 0; i < h->n; i++)
		json_array_append_new(list, json_pack("[s,s]",
			h->list[i].name, h->list[i].value));
	json_array_append_new(list, json_pack("[s,s]", "Content-Type",
					      "application/json"));
	return list;
}

static int sign(const struct webhook_conf *w, const struct asked *q,
		struct event *e, struct err *err)
{
	const struct webhook_delivery d = {
		.id = e->id, .seconds = e->at / 1000000, .event = q->event,
		.body = e->body, .len = e->len};
	struct webhook_headers headers;
	struct webhook_key key;

	if (key_of(w, q->next, &key, err))
		return -1;
	webhook_sign(w->scheme, &key, 1, &d, &headers);
	webhook_key_wipe(&key);
	e->headers = headers_of(&headers);
	webhook_headers_fini(&headers);
	return 0;
}

/* The agent's own address for it. Where a port is chosen nobody knows it. */
static char *own_url(const struct settings *s, const char *source,
		     struct err *err)
{
	const char *colon = strrchr(s->listen, ':');
	int len = colon ? (int)(colon - s->listen) : 0;
	bool any = !strncmp(s->listen, "0.0.0.0:", 8) ||
		   !strncmp(s->listen, "[::]:", 5);

	if (!colon || !strcmp(colon, ":0")) {
		err_set(err, ERR_invalid_args, "agent.listen = %s is no "
			"address to send to", s->listen);
		err_hint(err, "Say where with --url.");
		return NULL;
	}
	return xasprintf("%s://%.*s%s/webhooks/%s",
			 s->tls_certificate ? "https" : "http",
			 any ? 9 : len, any ? "127.0.0.1" : s->listen, colon,
			 source);
}

/*
 * The bytes that were signed, for another process to send: a file that has
 * no name, and that nobody changes.
 */
static int body_file(const struct event *e, char path[64], struct err *err)
{
	int fd = memfd_create("webhook", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || fs_write_all(fd, e->body, e->len) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW |
		  F_SEAL_WRITE | F_SEAL_SEAL)) {
		err_sys(err, ERR_io, "keeping the body");
		if (fd >= 0)
			close(fd);
		return -1;
	}
	snprintf(path, 64, "/proc/%d/fd/%d", (int)getpid(), fd);
	return fd;
}

/* own: it goes to the agent of this home, whose network is not in question. */
static const char *hint_of(const struct helper_said *said, bool own)
{
	return own && !strcmp(said->code, NO_ANSWER) ?
		"The agent of this home has to run: `kircerta-agent run`. "
		"--url names another." : said->hint;
}

static json_t *post(const struct event *e, bool own, struct err *err)
{
	char *tools = built_in_tools(), path[64];
	char *program = xasprintf("%s/webhook", tools);
	struct helper_options o = {program, "post", ANSWER_US, 0};
	struct helper_said said;
	json_t *result = NULL, *args;
	int fd = body_file(e, path, err);

	if (fd >= 0) {
		args = json_pack("{s:s,s:O,s:s}", "url", e->url, "headers",
				 e->headers, "body_file", path);
		result = helper_run(args, &o, &said);
		json_decref(args);
		close(fd);
	}
	if (fd >= 0 && !result) {
		err_set(err, ERR_io, "%s: %s", e->url, said.detail);
		err_hint(err, "%s", hint_of(&said, own));
	}
	free(program);
	free(tools);
	return result;
}

/* The first line of what somebody answered, which moves no cursor. */
static void show_text(FILE *out, const char *text)
{
	size_t len = strcspn(text, "\n");
	char *first = xstrndup(text, len), *safe;

	safe = xmalloc(len * 10 + 1);	/* <U+XXXXXX> at the most */
	utf8_visible(first, safe, len * 10 + 1);
	fprintf(out, "%s%s\n", safe, text[len] && text[len + 1] ? " ..." : "");
	free(first);
	free(safe);
}

static void show_headers(const struct event *e, FILE *out)
{
	const json_t *pair;
	size_t i;

	json_array_foreach(e->headers, i, pair)
		fprintf(out, "%s: %s\n",
			json_string_value(json_array_get(pair, 0)),
			json_string_value(json_array_get(pair, 1)));
}

static void show_json(const struct event *e, json_t *result)
{
	json_t *all = json_pack("{s:O}", "headers", e->headers);
	char *text;

	if (result) {
		json_set_str(all, "url", e->url);
		json_object_update(all, result);
	}
	text = json_line(all, NULL);
	puts(text);
	free(text);
	json_decref(all);
}

/* result: NULL where it was only signed. */
static int show(const struct event *e, const struct asked *q, json_t *result)
{
	json_int_t status = json_int(result, "status", 0);

	if (q->as_json)
		show_json(e, result);
	if (!q->as_json && result)
		printf("POST %s\n", e->url);
	if (!q->as_json)
		show_headers(e, stdout);
	if (!q->as_json && result) {
		printf("\n%d ", (int)status);
		show_text(stdout, json_str(result, "body"));
	}
	return !result || status / 100 == 2 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int make(const struct settings *s, const struct webhook_conf *w,
		const struct asked *q, struct event *e, struct err *err)
{
	const char *file = strcmp(q->file, "-") ? q->file : "/dev/stdin";

	id_make('e', e->made);
	e->id = q->event_id ? q->event_id : e->made;
	e->at = clock_wall_us();
	if (!webhook_id_valid(e->id)) {
		err_set(err, ERR_invalid_args, "--event-id %s", e->id);
		return err_hint(err, "Say 1 to %d characters of ASCII, none "
				"of them a space or a dot.", WEBHOOK_ID_MAX);
	}
	if (q->at && w->scheme == WEBHOOK_GITHUB) {
		err_set(err, ERR_invalid_args, "--timestamp: the scheme "
			"github signs no time, so an event has none");
		return err_hint(err, "Leave it out: no event of this source "
				"is too old.");
	}
	if (q->at && !clock_parse(q->at, e->at, &e->at)) {
		err_set(err, ERR_invalid_args, "--timestamp %s", q->at);
		return err_hint(err, "Say a time as 2026-01-02T03:04:05Z, or "
				"how long ago as 10m.");
	}
	if (!q->sign_only) {
		e->url = q->url ? xstrdup(q->url) : own_url(s, w->name, err);
		if (!e->url)
			return -1;
	}
	e->body = fs_read(file, FILE_MAX, &e->len, err);
	return e->body ? sign(w, q, e, err) : -1;
}

static int test(const struct settings *s, const struct asked *q)
{
	const struct webhook_conf *w = settings_webhook_find(s, q->source);
	struct err err = {0};
	struct event e = {0};
	json_t *result = NULL;
	int rc;

	if (!w) {
		err_set(&err, ERR_not_found, "%s has no [webhook \"%s\"]",
			s->file, q->source);
		err_hint(&err, "Name one that it has, or write it: "
			 "`kircerta-agent check --list` shows the keys.");
	}
	if (!w || make(s, w, q, &e, &err) ||
	    (!q->sign_only && !(result = post(&e, !q->url, &err))))
		rc = say_error(&err);
	else
		rc = show(&e, q, result);
	json_decref(result);
	event_fini(&e);
	err_fini(&err);
	return rc;
}

/* 0, or a wrong option. */
static int options(int argc, char **argv, struct asked *q)
{
	static const struct option known[] = {
		{"url", required_argument, NULL, 'u'},
		{"secret", required_argument, NULL, 's'},
		{"event", required_argument, NULL, 'e'},
		{"event-id", required_argument, NULL, 'i'},
		{"timestamp", required_argument, NULL, 't'},
		{"sign-only", no_argument, NULL, 'o'},
		{"json", no_argument, NULL, 'j'}, {0},
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "", known, NULL)) != -1) {
		const char **to = opt == 'u' ? &q->url : opt == 'e' ?
			&q->event : opt == 'i' ? &q->event_id : opt == 't' ?
			&q->at : NULL;

		if (to)
			*to = optarg;
		else if (opt == 'o')
			q->sign_only = true;
		else if (opt == 'j')
			q->as_json = true;
		else if (opt == 's' && !strcmp(optarg, "next"))
			q->next = true;
		else if (opt != 's' || strcmp(optarg, "current"))
			return -1;
	}
	if (argc - optind != 2)
		return -1;
	q->source = argv[optind];
	q->file = argv[optind + 1];
	return 0;
}

int cmd_webhook(const struct globals *g, int argc, char **argv)
{
	struct asked q = {.event = "push"};
	struct err err = {0};
	struct settings s;
	struct home home;
	int rc;

	if (argc < 2 || strcmp(argv[1], "test") ||
	    options(argc - 1, argv + 1, &q))
		return say_usage("webhook test SOURCE FILE|- [--url URL] "
			"[--secret current|next]\n"
			"       [--event TYPE] [--event-id ID] "
			"[--timestamp TIME] [--sign-only] [--json]");
	if (home_of(g, &home))
		return EXIT_FAILURE;
	signal(SIGPIPE, SIG_IGN);	/* the program may end before it reads */
	if (settings_of(g, &home, &s, &err)) {
		rc = say_error(&err);
	} else {
		rc = test(&s, &q);
		settings_fini(&s);
	}
	home_fini(&home);
	return rc;
}
