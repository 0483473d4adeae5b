/*
 * See youtube_look.h. An upload is asked for where it went: its session knows
 * best, and when that is over, the channel's list of uploads, by the marker.
 * That a video is not listed proves nothing: lists lag behind.
 */
#include "agent/tools/youtube_look.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/tools/tool.h"
#include "agent/tools/web.h"
#include "agent/tools/youtube_api.h"
#include "agent/tools/youtube_auth.h"
#include "agent/tools/youtube_find.h"
#include "agent/tools/youtube_reply.h"
#include "agent/tools/youtube_video.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"

#define SETTLED_S 60	/* nothing that was under way arrives after this */
#define QUESTION_MS 20000

enum session { SESSION_NONE, SESSION_MORE, SESSION_DONE };

/* Takes detail and result over. */
static int verdict(const char *outcome, char *detail, json_t *result)
{
	json_t *v = json_pack("{s:s,s:o}", "outcome", outcome, "detail",
			      json_lossy(detail));

	if (result)
		json_object_set_new(v, "result", result);
	free(detail);
	return tool_result(v);
}

/* The result that the run would have had. */
static json_t *result_of(const struct api *api, const json_t *video)
{
	const char *id = json_str(video, "id");
	const char *wanted = tool_text(api->t, "privacy");
	char *url = api_watch_url(api->base, id);
	json_t *v = json_pack("{s:s,s:s,s:s?,s:s?,s:b,s:o}", "video_id", id,
			      "url", url, "privacy", video_privacy(video),
			      "privacy_wanted", wanted, "read_back", 1, "seen",
			      video_seen(video, tool_id(api->t, "marker")));

	free(url);
	return v;
}

/* The channel has it: does it also keep it? */
static int found(const struct api *api, const json_t *video, const char *how)
{
	static const char *const lost[] = {"failed", "rejected", "deleted"};
	const char *state = json_str(json_object_get(video, "status"),
				     "uploadStatus");
	const char *id = json_str(video, "id");
	json_t *seen = video_seen(video, NULL);
	int64_t bytes = json_int(seen, "bytes", -1), size;
	struct tool_file file;

	json_decref(seen);
	tool_file_told(api->t, "file", &file);
	size = file.size;
	for (size_t i = 0; state && i < ARRAY_LEN(lost); i++)
		if (!strcmp(state, lost[i]))
			return verdict("failed", xasprintf("The channel has "
				"%s (%s) and says of it: %s.", id, how, state),
				NULL);
	if (bytes >= 0 && size >= 0 && bytes != size)
		return verdict("unknown", xasprintf("The channel has %s (%s), "
			"but of %lld bytes, not %lld.", id, how,
			(long long)bytes, (long long)size), NULL);
	return verdict("succeeded", xasprintf("The channel has %s (%s), %s.",
		       id, how, video_privacy(video) ? video_privacy(video) :
		       "its privacy not told"), result_of(api, video));
}

static void ask(const struct api *api, const char *session, int64_t size,
		struct web_reply *reply)
{
	char range[64];
	const char *headers[] = {auth_header(api->auth), range, NULL};

	snprintf(range, sizeof(range), "Content-Range: bytes */%lld",
		 (long long)size);
	web_send(api->web, api->t, &(struct web_request){
		.method = "PUT", .url = session, .headers = headers,
		.body = "", .limit_ms = QUESTION_MS}, reply);
}

/* What the session of the upload says; *video is new, *stored a number. */
static enum session ask_session(const struct api *api, const char *session,
				int64_t size, json_t **video, int64_t *stored)
{
	struct web_reply reply = {0};
	enum session what = SESSION_NONE;
	struct failure f;

	api_failure(api, &f);
	f.session = session;
	if (!web_same_server(session, api->base) ||
	    auth_refresh(api->auth, api->web, api->t, &f))
		return SESSION_NONE;
	ask(api, session, size, &reply);
	if (reply_kind(&reply) == REPLY_DONE) {
		*video = json_parse(reply.body.data ? reply.body.data : "",
				    reply.body.len, NULL);
		if (api_id_ok(json_str(*video, "id")))
			what = SESSION_DONE;
	} else if (reply_kind(&reply) == REPLY_MORE &&
		   range_stored(reply.range, size, stored) && *stored < size) {
		what = SESSION_MORE;
	}
	web_reply_fini(&reply);
	return what;
}

static int look_for_marker(const struct api *api)
{
	const char *marker = tool_id(api->t, "marker");
	struct failure f;
	json_t *video;
	int rc;

	api_failure(api, &f);
	if (!marker)
		return verdict("unknown", xstrdup("It has no marker to look "
						  "for."), NULL);
	video = api_find(api, marker, &f);
	if (f.why)
		tool_fail(f.why, "%s", f.detail);
	if (!video)
		return verdict("unknown", xasprintf("None of the newest "
			"uploads that the channel lists has the tag %s; its "
			"list may lag behind.", marker), NULL);
	rc = found(api, video, "found by its tag");
	json_decref(video);
	return rc;
}

static int by_session(const struct api *api, const char *session,
		      int64_t since_s)
{
	struct tool_file file;
	json_t *video = NULL, *now;
	int64_t stored = 0;
	struct failure f;
	int rc;

	tool_file_told(api->t, "file", &file);
	api_failure(api, &f);
	switch (ask_session(api, session, file.size, &video, &stored)) {
	case SESSION_DONE:
		now = api_video(api, json_str(video, "id"), &f);
		rc = found(api, now ? now : video, "its upload was finished");
		json_decref(now);
		break;
	case SESSION_MORE:
		rc = verdict(since_s >= SETTLED_S ? "failed" : "unknown",
			     xasprintf("The channel has %lld of %lld bytes; "
				       "who sent them is gone.",
				       (long long)stored,
				       (long long)file.size), NULL);
		break;
	default:
		rc = look_for_marker(api);
	}
	json_decref(video);
	return rc;
}

int look_upload(const struct tool *t, int64_t since_s)
{
	const char *session;
	struct api api;
	int rc;

	if (tool_kept(t, &session) && !session)
		return verdict("failed", xstrdup("Not a byte was sent: no "
				"upload had been opened."), NULL);
	api_open(&api, t);
	rc = session ? by_session(&api, session, since_s) :
		       look_for_marker(&api);
	api_close(&api);
	return rc;
}
