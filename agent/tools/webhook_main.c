/*
 * webhook post: one delivery to one receiver, the headers and the body as
 * they were given: who starts it has signed them. What is answered is handed
 * back, cut; who starts it judges that. webhook deliver: several in order, on
 * one connection, up to the first that is not taken. No tool of anybody: a
 * server can hang and a library with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/tools/tool.h"
#include "agent/tools/web.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"

#define HEADERS_MAX 16
#define LINE_MAX_BYTES 8192
#define ANSWER_MAX 4096		/* bytes that are handed back */

static const struct err_row not_configured = {
	.code = "webhook_not_configured",
	.hint = "Give the receiver's URL, https (http only to this machine) "
		"and without a user or a password; a file with it has mode "
		"0600.",
};
static const struct err_row unreachable = {
	.code = "webhook_unreachable", .retryable = true,
	.hint = "Check the network and the proxy of this machine, and that "
		"the receiver is up.",
};

struct delivery {
	char *url;
	char *headers[HEADERS_MAX + 1];	/* NULL at the end */
	const char *body;		/* NULL: it is in fd */
	int64_t len;
	int fd;
};

/* Whoever has the URL may post in some places, so it can be in a file. */
static char *url_of(const struct tool *t)
{
	const char *path = tool_text(t, "url_file");
	char *url = path ? tool_secret(path, &not_configured) :
			   xstrdup(tool_need(t, "url"));

	if (!web_url_ok(url))
		tool_fail(&not_configured, "%s%s", path ? path : "url",
			  path ? " holds no https URL" : " is no https URL");
	return url;
}

static bool is_token(const char *name)
{
	return *name && !name[strspn(name, "abcdefghijklmnopqrstuvwxyz"
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~")];
}

static bool is_visible(const char *value)
{
	while (*value >= 0x20 && *value < 0x7f)
		value++;
	return !*value;
}

/* [["Name", "value"], ...]; one line each, whatever is in them. */
static void headers_of(const json_t *list, struct delivery *d)
{
	const char *name, *value;
	size_t i;
	json_t *pair;

	if (json_array_size(list) > HEADERS_MAX)
		tool_fail(err_row(ERR_invalid_args), "over %d headers",
			  HEADERS_MAX);
	json_array_foreach(list, i, pair) {
		name = json_string_value(json_array_get(pair, 0));
		value = json_string_value(json_array_get(pair, 1));
		if (!name || !value || json_array_size(pair) != 2 ||
		    !is_token(name) || !is_visible(value) ||
		    strlen(name) + strlen(value) > LINE_MAX_BYTES)
			tool_fail(err_row(ERR_invalid_args),
				  "header %zu is no [name, value] of one line",
				  i + 1);
		/* curl takes "Name:" for "leave it out". */
		d->headers[i] = xasprintf(*value ? "%s: %s" : "%s;%s", name,
					  value);
	}
}

static void body_of(const struct tool *t, struct delivery *d)
{
	const char *path = tool_text(t, "body_file");
	struct stat st;

	d->fd = -1;
	if (!path) {
		d->body = tool_text(t, "body") ? tool_text(t, "body") : "";
		d->len = (int64_t)strlen(d->body);
		return;
	}
	d->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (d->fd < 0 || fstat(d->fd, &st))
		tool_fail(err_row(ERR_invalid_args), "body_file: %s",
			  strerror(errno));
	if (!S_ISREG(st.st_mode))
		tool_fail(err_row(ERR_invalid_args),
			  "body_file is not a regular file");
	d->len = st.st_size;
}

static void headers_free(struct delivery *d)
{
	for (char **h = d->headers; *h; h++)
		xfree(*h);
}

static void delivery_fini(struct delivery *d)
{
	headers_free(d);
	mem_wipe(d->url, strlen(d->url));
	free(d->url);
	if (d->fd >= 0)
		close(d->fd);
}

static json_t *result_of(const struct web_reply *r)
{
	json_t *result = json_pack("{s:i, s:o, s:b}", "status",
				   (int)r->status, "body",
				   json_lossy(r->body.data ? r->body.data :
					      ""), "cut", r->cut);

	if (r->retry_after_s >= 0)
		json_set_int(result, "retry_after_s", r->retry_after_s);
	return result;
}

static int post(const struct tool *t)
{
	struct delivery d = {0};
	struct web_reply r = {0};
	struct web *w;
	json_t *result;

	headers_of(tool_list(t, "headers"), &d);
	body_of(t, &d);
	d.url = url_of(t);
	w = web_open();
	web_send(w, t, &(struct web_request){
		.method = "POST", .url = d.url,
		.headers = (const char *const *)d.headers,
		.body = d.body, .len = d.len, .fd = d.fd,
		.keep = ANSWER_MAX}, &r);
	if (tool_cancelled(t))
		tool_fail(err_row(ERR_cancelled), "Cancelled.");
	if (!r.status)
		tool_fail(&unreachable, "no answer: %s", r.why);
	result = result_of(&r);
	web_reply_fini(&r);
	web_close(w);
	delivery_fini(&d);
	return tool_result(result);
}

/* One of many: {"headers", "body"}. Was it taken? */
static bool take(const struct tool *t, struct web *w, const json_t *one,
		 const char *url, int64_t each_ms, struct web_reply *r)
{
	const char *body = json_str(one, "body");
	struct delivery d = {0};

	if (!body)
		tool_fail(err_row(ERR_invalid_args), "a delivery has no body");
	headers_of(json_object_get(one, "headers"), &d);
	web_send(w, t, &(struct web_request){
		.method = "POST", .url = url,
		.headers = (const char *const *)d.headers,
		.body = body, .len = (int64_t)strlen(body),
		.keep = ANSWER_MAX, .limit_ms = each_ms,
		.repeatable = true}, r);
	headers_free(&d);
	return r->status / 100 == 2;
}

/*
 * {"done"}, how many were taken, the first ones; and of the one that was not,
 * {"status"}, 0 with "why" where no answer came. None is begun any more after
 * begin_ms, each may take each_ms. Everybody has an id, so one that is
 * repeated on a connection that broke does no harm.
 */
static int deliver(const struct tool *t)
{
	const json_t *list = tool_list(t, "deliveries");
	int64_t begin_ms = tool_int(t, "begin_ms", 1, 3600000, 0);
	int64_t each_ms = tool_int(t, "each_ms", 1, 3600000, 0);
	int64_t until = clock_mono_us() + begin_ms * 1000;
	size_t n = json_array_size(list), done = 0;
	struct web_reply r = {.status = 200};
	char *url = url_of(t);
	struct web *w = web_open();
	json_t *result;

	while (done < n && (!done || clock_mono_us() < until) &&
	       take(t, w, json_array_get(list, done), url, each_ms, &r))
		done++;
	result = json_pack("{s:I}", "done", (json_int_t)done);
	if (r.status / 100 != 2) {
		json_set_int(result, "status", r.status);
		if (r.retry_after_s >= 0)
			json_set_int(result, "retry_after_s",
				     r.retry_after_s);
		json_set_str(result, "why", r.status ? NULL : r.why);
	}
	web_reply_fini(&r);
	web_close(w);
	mem_wipe(url, strlen(url));
	free(url);
	return tool_result(result);
}

static const struct {
	const char *name;
	int (*run)(const struct tool *t);
} verbs[] = {{"post", post}, {"deliver", deliver}};

int main(int argc, char **argv)
{
	size_t i = 0;
	struct tool *t;
	int rc;

	while (argc == 2 && i < ARRAY_LEN(verbs) &&
	       strcmp(argv[1], verbs[i].name))
		i++;
	if (argc != 2 || i == ARRAY_LEN(verbs)) {
		fprintf(stderr, "usage: webhook post|deliver < request.json\n");
		return 2;
	}
	t = tool_open();
	rc = verbs[i].run(t);
	tool_free(t);
	return rc;
}
