/* See head.h. RFC 9110 and 9112; a value with a line break is left out. */
#include "agent/net/head.h"

#include <string.h>
#include <time.h>

#include "agent/ops/call.h"
#include "common/buf.h"
#include "common/mem.h"

static const struct {
	int status;
	const char *reason;
} reasons[] = {
	{200, "OK"}, {201, "Created"}, {202, "Accepted"},
	{204, "No Content"}, {206, "Partial Content"},
	{304, "Not Modified"}, {400, "Bad Request"}, {401, "Unauthorized"},
	{403, "Forbidden"}, {404, "Not Found"},
	{405, "Method Not Allowed"}, {408, "Request Timeout"},
	{409, "Conflict"}, {411, "Length Required"},
	{412, "Precondition Failed"}, {413, "Content Too Large"},
	{416, "Range Not Satisfiable"}, {422, "Unprocessable Content"},
	{428, "Precondition Required"}, {429, "Too Many Requests"},
	{431, "Request Header Fields Too Large"},
	{500, "Internal Server Error"}, {503, "Service Unavailable"},
};

static const char *reason_of(int status)
{
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "";
}

static void line(struct buf *out, const char *name, const char *value)
{
	if (value && *value && !strpbrk(value, "\r\n"))
		buf_addf(out, "%s: %s\r\n", name, value);
}

static void date(struct buf *out)
{
	char text[40];
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	line(out, "Date", text);
}

static void range(struct buf *out, const struct call *c)
{
	if (c->fd >= 0 || c->status == 416)
		line(out, "Accept-Ranges", "bytes");
	if (c->status == 206)
		buf_addf(out, "Content-Range: bytes %llu-%llu/%llu\r\n",
			 (unsigned long long)c->fd_off,
			 (unsigned long long)(c->fd_off + c->fd_len - 1),
			 (unsigned long long)c->fd_size);
	else if (c->status == 416)
		buf_addf(out, "Content-Range: bytes */%llu\r\n",
			 (unsigned long long)c->fd_size);
}

static void content(struct buf *out, const struct call *c)
{
	const char *type = c->content_type;

	if (c->stream) {
		line(out, "Content-Type", "text/event-stream");
		return;
	}
	if (c->status == 204 || c->status == 304)
		return;
	line(out, "Content-Type", type ? type : "application/json");
	buf_addf(out, "Content-Length: %llu\r\n", (unsigned long long)
		 (c->fd >= 0 && !c->err.code ? c->fd_len : c->text_len));
}

static void etag(struct buf *out, const char *etag)
{
	if (etag && *etag != '"' && strncmp(etag, "W/", 2) &&
	    !strpbrk(etag, "\r\n"))
		buf_addf(out, "ETag: \"%s\"\r\n", etag);
	else
		line(out, "ETag", etag);
}

void head_write(struct buf *out, const struct call *c, bool closes)
{
	buf_addf(out, "HTTP/1.1 %d %s\r\n", c->status, reason_of(c->status));
	date(out);
	line(out, "X-Correlation-Id", c->correlation_id);
	content(out, c);
	range(out, c);
	line(out, "Location", c->location);
	etag(out, c->etag);
	line(out, "Allow", c->allow);
	if (c->status == 401)
		line(out, "WWW-Authenticate", c->hook ? "Signature" : "Bearer");
	if (c->status == 429 || c->status == 503)
		buf_addf(out, "Retry-After: %u\r\n",
			 c->retry_after_s ? c->retry_after_s : 1);
	if (c->replayed)
		line(out, "Idempotent-Replayed", "true");
	if (c->unrecorded)
		line(out, "Kircerta-Audit", "unavailable");
	line(out, "Cache-Control", "no-store");
	line(out, "X-Content-Type-Options", "nosniff");
	if (c->fd >= 0)		/* evidence may be a page: it runs nothing */
		line(out, "Content-Security-Policy", "sandbox");
	if (closes)
		line(out, "Connection", "close");
	buf_adds(out, "\r\n");
}
