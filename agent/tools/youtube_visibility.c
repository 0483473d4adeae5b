/*
 * youtube visibility: who may see a video that is on the channel already. Sent
 * with the rest of its status as it is, which the API would set back, and
 * believed when it is read back.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/tools/tool.h"
#include "agent/tools/youtube_api.h"
#include "agent/tools/youtube_find.h"
#include "agent/tools/youtube_look.h"
#include "agent/tools/youtube_reply.h"
#include "agent/tools/youtube_video.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"

#define SETTLED_S 60	/* nothing that was under way arrives after this */

static const struct err_row no_video = {
	.code = "youtube_no_video",
	.hint = "Check video_id, and that the client file is of the channel "
		"that has the video; nothing was changed.",
};
static const struct err_row unreachable = {
	.code = "youtube_unreachable", .retryable = true,
	.hint = "Check the agent's network and proxy; nothing was changed.",
};
static const struct err_row ignored = {
	.code = "youtube_refused",
	.hint = "The channel did not take the change; see it in YouTube "
		"Studio. It may be locked there, or the API project not be "
		"audited.",
};

static const char *id_of(const struct tool *t)
{
	const char *id = tool_need(t, "video_id");

	if (!api_id_ok(id))
		tool_fail(err_row(ERR_invalid_args), "video_id is none");
	return id;
}

static json_t *result_of(const struct api *api, const json_t *video)
{
	const char *id = json_str(video, "id");
	char *url = api_watch_url(api->base, id);
	json_t *v = json_pack("{s:s,s:s,s:s?,s:b,s:o}", "video_id", id, "url",
			      url, "privacy", video_privacy(video),
			      "read_back", 1, "seen", video_seen(video, NULL));

	free(url);
	return v;
}

static bool is_wanted(const struct tool *t, const json_t *video)
{
	const char *is = video_privacy(video);

	return is && !strcmp(is, video_privacy_wanted(t));
}

/* What may be sent of a status (videos.update), with another privacy. */
static json_t *next_status(const struct tool *t, const json_t *video)
{
	static const char *const kept[] = {
		"embeddable", "license", "publicStatsViewable",
		"selfDeclaredMadeForKids", "containsSyntheticMedia",
	};
	const json_t *status = json_object_get(video, "status");
	json_t *next = json_object();

	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		if (json_object_get(status, kept[i]))
			json_object_set(next, kept[i],
					json_object_get(status, kept[i]));
	json_set_str(next, "privacyStatus", video_privacy_wanted(t));
	return next;
}

/* An answer that never came is no answer: what it is now decides. */
static json_t *change(const struct api *api, const json_t *video,
		      struct failure *f)
{
	const char *id = json_str(video, "id");
	json_t *body = json_pack("{s:s,s:o}", "id", id, "status",
				 next_status(api->t, video)), *now;
	struct failure look;
	struct api_reply r;
	json_t *answer = api_call(api, "PUT", "/youtube/v3/videos?part=status",
				  body, &r, f);

	json_decref(body);
	json_decref(answer);
	if (!answer && !r.left) {
		if (!r.status)
			f->why = tool_cancelled(api->t) ?
				 err_row(ERR_cancelled) : &unreachable;
		return NULL;
	}
	api_failure(api, &look);
	now = api_video(api, id, &look);
	if (is_wanted(api->t, now))
		return now;
	if (now && answer)
		failure_set(f, &ignored, "It is still %s, although the "
			    "channel took the change.",
			    video_privacy(now) ? video_privacy(now) : "?");
	else
		failure_set(f, err_row(ERR_outcome_unknown), "The change was "
			    "sent, and no answer tells whether it was made.");
	json_decref(now);
	return NULL;
}

int visibility(const struct tool *t)
{
	const char *id = id_of(t);
	json_t *video, *now;
	struct failure f;
	struct api api;
	int rc;

	tool_need(t, "privacy");
	api_open(&api, t);
	api_failure(&api, &f);
	api_channel_check(&api);
	video = api_video(&api, id, &f);
	if (!video && f.why)
		tool_fail(f.why, "%s", f.detail);
	if (!video)
		tool_fail(&no_video, "The channel shows no video %s.", id);
	now = is_wanted(t, video) ? json_incref(video) :
				    change(&api, video, &f);
	if (!now)
		tool_fail(f.why, "%s", f.detail);
	rc = tool_result(result_of(&api, now));
	json_decref(now);
	json_decref(video);
	api_close(&api);
	return rc;
}

int look_visibility(const struct tool *t, int64_t since_s)
{
	const char *id = id_of(t);
	struct failure f;
	struct api api;
	json_t *video, *v;
	bool done;

	api_open(&api, t);
	api_failure(&api, &f);
	video = api_video(&api, id, &f);
	if (!video && f.why)
		tool_fail(f.why, "%s", f.detail);
	done = is_wanted(t, video);
	v = json_pack("{s:s,s:o}", "outcome", done ? "succeeded" :
		      video && since_s >= SETTLED_S ? "failed" : "unknown",
		      "detail", json_sprintf("The channel shows %s as %s.", id,
		      video_privacy(video) ? video_privacy(video) :
					     "nothing"));
	if (done)
		json_object_set_new(v, "result", result_of(&api, video));
	json_decref(video);
	api_close(&api);
	return tool_result(v);
}
