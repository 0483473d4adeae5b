/* See link_http.h. */
#include "console/link_http.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"
#include "console/link_sse.h"

#define CONNECT_MS 5000L
#define TOTAL_S 60L
#define STALL_S 30L
#define BODY_MAX (32 << 20)

struct request {
	CURL *curl;
	struct curl_slist *headers;
	char *auth, *url;
};

/* Where the body goes: a refusal's is always kept as text. */
struct sink {
	CURL *curl;
	struct buf text;
	FILE *file;
	struct sse *sse;
};

static size_t take_body(char *data, size_t size, size_t n, void *to)
{
	struct sink *s = to;
	long status = 0;

	curl_easy_getinfo(s->curl, CURLINFO_RESPONSE_CODE, &status);
	n *= size;
	if (status / 100 == 2 && s->file)
		return fwrite(data, 1, n, s->file);
	if (status / 100 == 2 && s->sse)
		return sse_feed(s->sse, data, n) ? 0 : n;
	if (s->text.len + n > BODY_MAX)
		return 0;
	buf_add(&s->text, data, n);
	return n;
}

static void add_header(struct request *r, const char *text)
{
	r->headers = curl_slist_append(r->headers, text);
}

static int request_init(struct request *r, const struct link_to *to,
			const char *method, const char *path, struct sink *s,
			struct err *err)
{
	*r = (struct request){.curl = curl_easy_init()};
	if (!r->curl)
		return err_set(err, ERR_internal, "libcurl cannot start");
	s->curl = r->curl;
	r->url = xasprintf(strchr(to->host, ':') ? "%s://[%s]:%d%s" :
			   "%s://%s:%d%s", to->tls ? "https" : "http",
			   to->host, to->port ? to->port : 80, path);
	r->auth = xasprintf("Authorization: Bearer %s",
			    to->token ? to->token : "");
	if (to->token)
		add_header(r, r->auth);
	add_header(r, "Expect:");
	curl_easy_setopt(r->curl, CURLOPT_URL, r->url);
	curl_easy_setopt(r->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(r->curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(r->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(r->curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(r->curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	curl_easy_setopt(r->curl, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(r->curl, CURLOPT_WRITEDATA, s);
	if (to->ca_file)
		curl_easy_setopt(r->curl, CURLOPT_CAINFO, to->ca_file);
	if (to->client_certificate)
		curl_easy_setopt(r->curl, CURLOPT_SSLCERT,
				 to->client_certificate);
	if (to->client_key)
		curl_easy_setopt(r->curl, CURLOPT_SSLKEY, to->client_key);
	if (to->unix_path)
		curl_easy_setopt(r->curl, CURLOPT_UNIX_SOCKET_PATH,
				 to->unix_path);
	return 0;
}

static void request_fini(struct request *r)
{
	curl_slist_free_all(r->headers);	/* curl's copy of the token */
	curl_easy_cleanup(r->curl);
	if (r->auth)
		mem_wipe(r->auth, strlen(r->auth));
	free(r->auth);
	free(r->url);
}

static const char *what_to_do(CURLcode rc)
{
	if (rc == CURLE_PEER_FAILED_VERIFICATION ||
	    rc == CURLE_SSL_CACERT_BADFILE)
		return "Set agent.ca-file in console.conf to the PEM file of "
		       "who signed the agent's certificate, and use a name "
		       "that is in it.";
	return "Start it with `kircerta-agent run`, or name another with "
	       "--agent URL or $KIRCERTA_AGENT.";
}

static int perform(struct request *r, const struct link_to *to, struct sink *s,
		   struct http_answer *answer, struct err *err)
{
	CURLcode rc;

	curl_easy_setopt(r->curl, CURLOPT_HTTPHEADER, r->headers);
	rc = curl_easy_perform(r->curl);
	curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &answer->status);
	if (s->text.len)
		answer->json = json_parse(s->text.data, s->text.len, NULL);
	buf_fini(&s->text);
	if (rc == CURLE_OK || (rc == CURLE_WRITE_ERROR && answer->status))
		return 0;
	if (rc == CURLE_OPERATION_TIMEDOUT && s->sse) {
		answer->status = 0;
		return 0;
	}
	err_set(err, ERR_internal, "no answer from %s: %s",
		to->unix_path ? to->unix_path : r->url,
		curl_easy_strerror(rc));
	return err_hint(err, "%s", what_to_do(rc));
}

int http_json(const struct link_to *to, const char *method, const char *path,
	      const json_t *body, struct http_answer *answer, struct err *err)
{
	char *text = body ? json_line(body, NULL) : NULL;
	struct sink s = {0};
	struct request r;
	int rc;

	*answer = (struct http_answer){0};
	rc = request_init(&r, to, method, path, &s, err);
	if (!rc) {
		if (strcmp(method, "GET")) {
			add_header(&r, "Content-Type: application/json");
			curl_easy_setopt(r.curl, CURLOPT_POSTFIELDS,
					 text ? text : "{}");
		}
		curl_easy_setopt(r.curl, CURLOPT_TIMEOUT, TOTAL_S);
		rc = perform(&r, to, &s, answer, err);
	}
	request_fini(&r);
	free(text);
	return rc;
}

void http_answer_fini(struct http_answer *answer)
{
	json_decref(answer->json);
	*answer = (struct http_answer){0};
}

int http_download(const struct link_to *to, const char *path, FILE *file,
		  struct http_answer *answer, struct err *err)
{
	struct sink s = {.file = file};
	struct request r;
	int rc;

	*answer = (struct http_answer){0};
	rc = request_init(&r, to, "GET", path, &s, err);
	if (!rc) {
		curl_easy_setopt(r.curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
		curl_easy_setopt(r.curl, CURLOPT_LOW_SPEED_TIME, STALL_S);
		rc = perform(&r, to, &s, answer, err);
	}
	request_fini(&r);
	return rc;
}

int http_events(const struct link_to *to, const char *path, long wait_s,
		http_event *fn, void *data, char **last,
		struct http_answer *answer, struct err *err)
{
	struct sink s = {.sse = sse_new(fn, data, last)};
	struct request r;
	int rc;

	*answer = (struct http_answer){0};
	rc = request_init(&r, to, "GET", path, &s, err);
	if (!rc) {
		add_header(&r, "Accept: text/event-stream");
		curl_easy_setopt(r.curl, CURLOPT_TIMEOUT, wait_s);
		curl_easy_setopt(r.curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
		curl_easy_setopt(r.curl, CURLOPT_LOW_SPEED_TIME, STALL_S);
		rc = perform(&r, to, &s, answer, err);
	}
	request_fini(&r);
	if (!rc && sse_result(s.sse))
		rc = sse_result(s.sse);
	sse_free(s.sse);
	return rc;
}

char *http_escape(const char *text)
{
	char *curls = curl_easy_escape(NULL, text, 0);
	char *out = xstrdup(curls ? curls : "");

	curl_free(curls);
	return out;
}
