/* See web.h. */
#include "agent/tools/web.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "agent/tools/tool.h"
#include "common/err.h"
#include "common/id.h"
#include "common/mem.h"

#define BODY_MAX (1 << 20)
#define HEADER_MAX 8192
#define PAUSE_FIRST_MS 500
#define PAUSE_MOST_MS 64000
#define QUIET_S 60		/* a transfer that stands still for so long */

struct web {
	CURL *curl;
};

struct transfer {
	const struct tool *t;
	const struct web_request *request;
	struct web_reply *reply;
	int64_t at;		/* in the body */
};

struct web *web_open(void)
{
	struct web *w = xcalloc(1, sizeof(*w));

	curl_global_init(CURL_GLOBAL_DEFAULT);
	w->curl = curl_easy_init();
	if (!w->curl)
		tool_fail(err_row(ERR_internal), "libcurl does not start");
	return w;
}

void web_close(struct web *w)
{
	if (!w)
		return;
	curl_easy_cleanup(w->curl);
	curl_global_cleanup();
	free(w);
}

void web_reply_fini(struct web_reply *r)
{
	free(r->location);
	free(r->range);
	if (r->body.data)
		mem_wipe(r->body.data, r->body.len);
	buf_fini(&r->body);
	*r = (struct web_reply){0};
}

static size_t on_read(char *into, size_t one, size_t n, void *data)
{
	struct transfer *x = data;
	const struct web_request *q = x->request;
	int64_t left = q->len - x->at;
	ssize_t got = (ssize_t)(one * n);

	if (got > left)
		got = (ssize_t)left;
	if (q->body)
		memcpy(into, q->body + x->at, (size_t)got);
	else if (got)
		got = pread(q->fd, into, (size_t)got, q->from + x->at);
	if (got < 0 || (left && !got))
		return CURL_READFUNC_ABORT;	/* the file is shorter now */
	x->at += got;
	return (size_t)got;
}

static int on_seek(void *data, curl_off_t offset, int origin)
{
	struct transfer *x = data;

	if (origin != SEEK_SET || offset < 0 || offset > x->request->len)
		return CURL_SEEKFUNC_FAIL;
	x->at = offset;
	return CURL_SEEKFUNC_OK;
}

static size_t on_body(char *from, size_t one, size_t n, void *data)
{
	struct transfer *x = data;
	struct web_reply *r = x->reply;
	size_t max = x->request->keep ? x->request->keep : BODY_MAX;

	r->cut = one * n > max - r->body.len;
	if (!r->cut || x->request->keep)
		buf_add(&r->body, from,
			r->cut ? max - r->body.len : one * n);
	return r->cut ? 0 : one * n;	/* 0: it ends here */
}

static bool header_is(const char *line, size_t len, const char *name,
		      char **value)
{
	size_t n = strlen(name), start = n + 1;

	if (len <= n || line[n] != ':' || strncasecmp(line, name, n))
		return false;
	while (start < len && strchr(" \t", line[start]))
		start++;
	while (len > start && strchr(" \t\r\n", line[len - 1]))
		len--;
	free(*value);
	*value = xstrndup(line + start, len - start);
	return true;
}

static size_t on_header(char *line, size_t one, size_t n, void *data)
{
	struct web_reply *r = ((struct transfer *)data)->reply;
	size_t len = one * n;
	char *seconds = NULL;

	if (len > HEADER_MAX)
		return 0;
	if (header_is(line, len, "Retry-After", &seconds)) {
		/* Its other form, a date, counts as not said. */
		if (*seconds && !seconds[strspn(seconds, "0123456789")] &&
		    strlen(seconds) < 7)
			r->retry_after_s = atoll(seconds);
		free(seconds);
	} else if (!header_is(line, len, "Location", &r->location))
		header_is(line, len, "Range", &r->range);
	return len;
}

static int on_progress(void *data, curl_off_t dt, curl_off_t dn,
		       curl_off_t ut, curl_off_t un)
{
	struct transfer *x = data;

	(void)dt, (void)dn, (void)ut;
	if (x->request->sent)
		x->request->sent(x->request->data, un);
	return !x->request->past_cancel && tool_cancelled(x->t);
}

static struct curl_slist *headers_of(const struct web_request *q)
{
	/* An empty Expect: no waiting for a 100 that nobody sends. */
	struct curl_slist *list = curl_slist_append(NULL, "Expect:");

	for (size_t i = 0; q->headers && q->headers[i]; i++)
		list = curl_slist_append(list, q->headers[i]);
	return list;
}

static bool is_loopback(const char *host)
{
	struct in_addr v4;

	if (!strcasecmp(host, "localhost") || !strcmp(host, "[::1]"))
		return true;
	return inet_pton(AF_INET, host, &v4) == 1 &&
	       ntohl(v4.s_addr) >> 24 == 127;
}

/* The parts of a URL that decide whom it reaches. */
struct place {
	char *scheme, *host, *port;
	bool plain;		/* without user or password */
};

static bool place_read(const char *url, struct place *p)
{
	CURLU *u = curl_url();
	char *user = NULL, *password = NULL;
	bool ok;

	*p = (struct place){0};
	ok = url && !curl_url_set(u, CURLUPART_URL, url, 0) &&
	     !curl_url_get(u, CURLUPART_SCHEME, &p->scheme, 0) &&
	     !curl_url_get(u, CURLUPART_HOST, &p->host, 0) &&
	     !curl_url_get(u, CURLUPART_PORT, &p->port,
			   CURLU_DEFAULT_PORT);
	p->plain = curl_url_get(u, CURLUPART_USER, &user, 0) &&
		   curl_url_get(u, CURLUPART_PASSWORD, &password, 0);
	curl_free(user);
	curl_free(password);
	curl_url_cleanup(u);
	return ok;
}

static void place_fini(struct place *p)
{
	curl_free(p->scheme);
	curl_free(p->host);
	curl_free(p->port);
}

bool web_url_ok(const char *url)
{
	struct place p;
	bool ok = place_read(url, &p) && p.plain &&
		  (!strcmp(p.scheme, "https") ||
		   (!strcmp(p.scheme, "http") && is_loopback(p.host)));

	place_fini(&p);
	return ok;
}

static bool is_google(const struct place *p)
{
	static const char tail[] = ".googleapis.com";
	size_t len = strlen(p->host), n = sizeof(tail) - 1;

	return !strcmp(p->scheme, "https") && len > n &&
	       !strcasecmp(p->host + len - n, tail);
}

bool web_same_server(const char *url, const char *base)
{
	struct place a, b;
	bool both = place_read(url, &a), same;

	both = place_read(base, &b) && both;
	same = both && a.plain && !strcmp(a.scheme, b.scheme) &&
	       !strcmp(a.port, b.port) &&
	       (!strcasecmp(a.host, b.host) ||
		(is_google(&a) && is_google(&b)));
	place_fini(&a);
	place_fini(&b);
	return same;
}

/* Whom this machine's owner trusts; libcurl itself does not look there. */
static void set_trust(CURL *c)
{
	const char *file = getenv("SSL_CERT_FILE");
	const char *dir = getenv("SSL_CERT_DIR");

	if (file && *file)
		curl_easy_setopt(c, CURLOPT_CAINFO, file);
	if (dir && *dir)
		curl_easy_setopt(c, CURLOPT_CAPATH, dir);
}

static void set_safety(CURL *c, const struct web_request *q)
{
	struct place p;

	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, 15L);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)QUIET_S);
	curl_easy_setopt(c, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "kircerta/" KIRCERTA_VERSION);
	/* On a kept connection curl may repeat a request by itself. */
	curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, q->repeatable ? 0L : 1L);
	curl_easy_setopt(c, CURLOPT_FORBID_REUSE, q->repeatable ? 0L : 1L);
	if (place_read(q->url, &p) && is_loopback(p.host))
		curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
	place_fini(&p);
}

static void set_body(CURL *c, const struct web_request *q,
		     struct transfer *x)
{
	bool post = !strcmp(q->method, "POST");

	if (!post && strcmp(q->method, "PUT"))
		return;
	curl_easy_setopt(c, CURLOPT_READFUNCTION, on_read);
	curl_easy_setopt(c, CURLOPT_READDATA, x);
	curl_easy_setopt(c, CURLOPT_SEEKFUNCTION, on_seek);
	curl_easy_setopt(c, CURLOPT_SEEKDATA, x);
	if (post) {
		curl_easy_setopt(c, CURLOPT_POST, 1L);
		curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE,
				 (curl_off_t)q->len);
	} else {
		curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE,
				 (curl_off_t)q->len);
	}
}

static void set_up(CURL *c, const struct web_request *q, struct transfer *x)
{
	int64_t limit = tool_left_ms(x->t);

	if (q->limit_ms && (q->limit_ms < limit || q->past_cancel))
		limit = q->limit_ms;
	curl_easy_setopt(c, CURLOPT_URL, q->url);
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)(limit ? limit : 1));
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, x);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, x);
	curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(c, CURLOPT_XFERINFODATA, x);
	set_trust(c);
	set_safety(c, q);
	set_body(c, q, x);
}

long web_send(struct web *w, const struct tool *t,
	      const struct web_request *q, struct web_reply *r)
{
	struct transfer x = {t, q, r, 0};
	struct curl_slist *headers = headers_of(q);
	curl_off_t sent = 0;
	CURLcode rc;

	web_reply_fini(r);
	r->retry_after_s = -1;
	curl_easy_reset(w->curl);
	set_up(w->curl, q, &x);
	curl_easy_setopt(w->curl, CURLOPT_HTTPHEADER, headers);
	rc = curl_easy_perform(w->curl);
	curl_easy_getinfo(w->curl, CURLINFO_SIZE_UPLOAD_T, &sent);
	r->sent = sent;
	r->why = curl_easy_strerror(rc);
	if (rc == CURLE_OK || (rc == CURLE_WRITE_ERROR && r->cut && q->keep))
		curl_easy_getinfo(w->curl, CURLINFO_RESPONSE_CODE,
				  &r->status);
	curl_slist_free_all(headers);
	return r->status;
}

/* Between half and all of it, so that many do not come back together. */
static int64_t jittered(int64_t ms)
{
	uint32_t r;

	random_bytes(&r, sizeof(r));
	return ms / 2 + r % (uint32_t)(ms / 2 + 1);
}

bool web_pause(const struct tool *t, int n, const struct web_reply *r)
{
	int64_t ms = n < 7 ? PAUSE_FIRST_MS << n : PAUSE_MOST_MS;

	ms = jittered(ms);
	if (r->retry_after_s >= 0 && r->retry_after_s * 1000 > ms)
		ms = r->retry_after_s * 1000;
	return ms < tool_left_ms(t) && tool_wait(t, ms);
}
