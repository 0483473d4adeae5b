/* See youtube_send.h: one reply at a time, one handler for each kind. */
#include "agent/tools/youtube_send.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/tools/tool.h"
#include "agent/tools/web.h"
#include "agent/tools/youtube_auth.h"
#include "agent/tools/youtube_reply.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"

#define TRIES 16		/* in a row without a byte of progress */
#define SESSIONS 3
#define LAST_LOOK_MS 2000	/* inside the grace that a cancel has */
#define TELL_EVERY_US 500000

static const struct err_row unreachable = {
	.code = "youtube_unreachable", .retryable = true,
	.hint = "Check the agent's network and proxy, then ask for the "
		"publish again; the channel has no complete video.",
};
static const struct err_row confused = {
	.code = "youtube_protocol",
	.hint = "Check base-url in the [youtube] section of agent.conf; the "
		"server does not keep to the resumable upload protocol.",
};

struct state {
	struct upload *u;
	struct web_reply reply;
	struct failure *f;
	json_t *resource;
	char *session;		/* its URI: secret, whoever has it may send */
	int64_t stored;		/* as the server last said */
	int64_t most;		/* ever, in this session */
	int64_t asked_to_send;	/* by the last request; 0: it only asked */
	bool unsure;		/* ask before sending */
	bool in_doubt;		/* all bytes left, no answer came */
	bool token_is_fresh;	/* and nothing was stored with it yet */
	int tries, malformed;
	int64_t told_us;	/* when progress was last printed */
};

static void drop_session(struct state *s)
{
	if (s->session)
		mem_wipe(s->session, strlen(s->session));
	xfree(s->session);
	s->stored = s->most = 0;
	s->unsure = false;
}

/* Pause and go on, or give up. */
static int once_more(struct state *s, const char *what)
{
	const struct tool *t = s->u->t;
	const struct web_reply *r = &s->reply;

	if (++s->tries < TRIES && web_pause(t, s->tries - 1, r))
		return 0;
	if (tool_cancelled(t))
		return failure_set(s->f, err_row(ERR_cancelled), "Cancelled "
				   "with %lld of %lld bytes stored; the "
				   "channel has no complete video.",
				   (long long)s->stored,
				   (long long)s->u->size);
	return failure_set(s->f, &unreachable, "%s: %s (%ld), tried %d times, "
			   "%lld of %lld bytes stored.", what, r->why,
			   r->status, s->tries, (long long)s->stored,
			   (long long)s->u->size);
}

static void on_sent(void *data, int64_t bytes)
{
	struct state *s = data;
	int64_t now = clock_mono_us(), at = s->stored + bytes;

	if (now - s->told_us < TELL_EVERY_US || !bytes)
		return;
	s->told_us = now;
	tool_progress((double)at / (double)s->u->size,
		      "%lld of %lld KiB sent", (long long)at / 1024,
		      (long long)s->u->size / 1024);
}

static void send_open(struct state *s)
{
	struct upload *u = s->u;
	char length[64], type[160];
	char *url = xasprintf("%s/upload/youtube/v3/videos?uploadType="
			      "resumable&part=snippet,status&"
			      "notifySubscribers=%s", u->base,
			      u->notify ? "true" : "false");
	const char *headers[] = {
		auth_header(u->auth), length, type,
		"Content-Type: application/json; charset=UTF-8", NULL,
	};

	snprintf(length, sizeof(length), "X-Upload-Content-Length: %lld",
		 (long long)u->size);
	snprintf(type, sizeof(type), "X-Upload-Content-Type: %s",
		 u->media_type);
	s->asked_to_send = 0;
	web_send(u->web, u->t, &(struct web_request){
		.method = "POST", .url = url, .headers = headers,
		.body = u->metadata, .len = (int64_t)strlen(u->metadata),
		.limit_ms = 60000}, &s->reply);
	free(url);
}

/* Content-Length 0 and no place in the range: "what do you have?" */
static void send_question(struct state *s, int64_t limit_ms)
{
	char range[64];
	const char *headers[] = {auth_header(s->u->auth), range, NULL};

	snprintf(range, sizeof(range), "Content-Range: bytes */%lld",
		 (long long)s->u->size);
	s->asked_to_send = 0;
	web_send(s->u->web, s->u->t, &(struct web_request){
		.method = "PUT", .url = s->session, .headers = headers,
		.limit_ms = limit_ms, .past_cancel = limit_ms == LAST_LOOK_MS,
		.body = ""}, &s->reply);
}

static void send_chunk(struct state *s)
{
	struct upload *u = s->u;
	int64_t left = u->size - s->stored;
	int64_t len = left < u->chunk ? left : u->chunk;
	char range[96], type[160];
	const char *headers[] = {auth_header(u->auth), range, type, NULL};

	snprintf(range, sizeof(range), "Content-Range: bytes %lld-%lld/%lld",
		 (long long)s->stored, (long long)(s->stored + len - 1),
		 (long long)u->size);
	snprintf(type, sizeof(type), "Content-Type: %s", u->media_type);
	s->asked_to_send = len;
	web_send(u->web, u->t, &(struct web_request){
		.method = "PUT", .url = s->session, .headers = headers,
		.fd = u->fd, .from = s->stored, .len = len, .sent = on_sent,
		.data = s}, &s->reply);
}

static int on_opened(struct state *s)
{
	if (!s->reply.location ||
	    !web_same_server(s->reply.location, s->u->base))
		return failure_set(s->f, &confused, "Opening the upload: the "
				   "answer names no session at the channel's "
				   "own server.");
	s->session = xstrdup(s->reply.location);
	tool_keep(s->session);	/* before a byte of the video leaves */
	s->u->sessions++;
	s->tries = 0;
	return 0;
}

static bool id_ok(const char *id)
{
	size_t len = id ? strlen(id) : 0;

	return len && len <= 64 &&
	       strspn(id, "abcdefghijklmnopqrstuvwxyz"
			  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == len;
}

static int on_done(struct state *s)
{
	const struct buf *body = &s->reply.body;

	json_decref(s->resource);
	s->resource = json_parse(body->data ? body->data : "", body->len,
				 NULL);
	if (id_ok(json_str(s->resource, "id")))
		return 1;
	s->in_doubt = true;
	return failure_set(s->f, &confused, "The channel took the video but "
			   "its answer names no id.");
}

static int on_more(struct state *s)
{
	int64_t stored;
	bool gained;

	if (!s->session)
		return failure_set(s->f, &confused, "Opening the upload: the "
				   "channel answered 308.");
	s->in_doubt = false;
	if (!range_stored(s->reply.range, s->u->size, &stored)) {
		if (++s->malformed > 1)
			drop_session(s);	/* 308: it is not complete */
		s->unsure = s->session != NULL;
		return once_more(s, "The channel's Range cannot be read");
	}
	s->malformed = 0;
	s->u->resumed += s->unsure && stored < s->u->size;
	gained = stored > s->most;
	s->stored = stored;
	s->in_doubt = s->unsure = stored == s->u->size;
	if (gained) {
		s->most = stored;
		s->tries = 0;
		s->token_is_fresh = false;
	}
	if (s->unsure)
		return once_more(s, "The channel does not finish");
	return gained || !s->asked_to_send ? 0 :
	       once_more(s, "The channel stores nothing");
}

static int on_refused(struct state *s)
{
	int rc;

	s->f->session = s->session;
	rc = reply_failure(&s->reply, s->session ? "Uploading" :
			   "Opening the upload", s->f);
	s->f->session = NULL;
	return rc;
}

static int on_auth(struct state *s)
{
	if (s->token_is_fresh)
		return on_refused(s);
	s->token_is_fresh = true;
	s->unsure = s->session != NULL;
	return auth_refresh(s->u->auth, s->u->web, s->u->t, s->f);
}

static int on_gone(struct state *s)
{
	if (!s->session)
		return failure_set(s->f, &confused, "Opening the upload: the "
				   "channel answered %ld.", s->reply.status);
	if (s->in_doubt || s->u->sessions >= SESSIONS)
		return failure_set(s->f, &unreachable, "The upload session "
				   "ended %d times (%ld).", s->u->sessions,
				   s->reply.status);
	drop_session(s);
	return once_more(s, "The upload session ended");
}

static int on_again(struct state *s)
{
	bool whole = s->asked_to_send && s->reply.sent >= s->asked_to_send;

	s->unsure = s->session != NULL;
	if (whole && s->stored + s->asked_to_send == s->u->size)
		s->in_doubt = true;
	return once_more(s, s->session ? "Uploading" : "Opening the upload");
}

/* 1: there is a video. 0: go on. -1: see the failure. */
static int step(struct state *s)
{
	static int (*const on[])(struct state *) = {
		[REPLY_DONE] = on_done, [REPLY_MORE] = on_more,
		[REPLY_AUTH] = on_auth, [REPLY_GONE] = on_gone,
		[REPLY_AGAIN] = on_again, [REPLY_REFUSED] = on_refused,
	};
	bool opening = !s->session;
	enum reply_kind kind;

	if (opening)
		send_open(s);
	else if (s->unsure)
		send_question(s, 30000);
	else
		send_chunk(s);
	kind = reply_kind(&s->reply);
	return opening && kind == REPLY_DONE ? on_opened(s) : on[kind](s);
}

/* Before saying "nobody knows", ask once more, cancelled or not. */
static int last_look(struct state *s)
{
	char before[sizeof(s->f->detail)];
	int64_t stored;

	if (!s->session)
		return -1;
	memcpy(before, s->f->detail, sizeof(before));
	send_question(s, LAST_LOOK_MS);
	if (reply_kind(&s->reply) == REPLY_DONE && on_done(s) == 1)
		return 1;
	if (reply_kind(&s->reply) == REPLY_MORE &&
	    range_stored(s->reply.range, s->u->size, &stored) &&
	    stored < s->u->size)
		return -1;
	return failure_set(s->f, err_row(ERR_outcome_unknown), "Every byte "
			   "was sent and no answer came; look at the channel "
			   "before asking again. %.200s", before);
}

int upload_run(struct upload *u, json_t **resource, struct failure *f)
{
	struct state s = {.u = u, .f = f};
	int rc = auth_header(u->auth) ? 0 :
		 auth_refresh(u->auth, u->web, u->t, f);

	while (!rc)
		rc = step(&s);
	if (rc < 0 && s.in_doubt)
		rc = last_look(&s);
	if (rc < 0)
		json_decref(s.resource);
	else
		*resource = s.resource;
	drop_session(&s);
	web_reply_fini(&s.reply);
	return rc < 0 ? -1 : 0;
}
