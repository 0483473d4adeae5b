/* See youtube_find.h. */
#include "agent/tools/youtube_find.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/tools/tool.h"
#include "agent/tools/youtube_api.h"
#include "agent/tools/youtube_reply.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"

#define PAGES 4			/* of 50 uploads, looked through */
#define PARTS "part=snippet,status,fileDetails"

static const struct err_row not_allowed = {
	.code = "channel_not_allowed",
	.hint = "Nothing was sent. The client file is of another channel than "
		"the policy allows: correct youtube.client-file, or channels "
		"in the policy of agent.conf.",
};
static const struct err_row no_channel = {
	.code = "youtube_no_channel",
	.hint = "The account has no YouTube channel. Create one at "
		"youtube.com with this account, then ask again.",
};

bool api_id_ok(const char *id)
{
	size_t len = id ? strlen(id) : 0;

	return len && len < 64 &&
	       strspn(id, "abcdefghijklmnopqrstuvwxyz"
			  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == len;
}

int api_channel(const struct api *api, struct channel *out,
		struct failure *f)
{
	json_t *list = api_call(api, "GET", "/youtube/v3/channels?"
				"part=id,contentDetails&mine=true", NULL, NULL,
				f);
	const json_t *one = json_array_get(json_object_get(list, "items"), 0);
	const char *id = json_str(one, "id");
	const char *uploads = json_str(json_object_get(json_object_get(one,
			"contentDetails"), "relatedPlaylists"), "uploads");
	int rc = 0;

	if (!list)
		rc = -1;
	else if (!api_id_ok(id) || !api_id_ok(uploads))
		rc = failure_set(f, &no_channel, "The account's list of "
				 "channels names none.");
	if (!rc) {
		snprintf(out->id, sizeof(out->id), "%s", id);
		snprintf(out->uploads, sizeof(out->uploads), "%s", uploads);
	}
	json_decref(list);
	return rc;
}

/* Is it one of the words? */
static bool among(const char *words, const char *id)
{
	size_t n;

	for (; *words; words += n) {
		words += strspn(words, " \t\r\n,");
		n = strcspn(words, " \t\r\n,");
		if (n && n == strlen(id) && !strncmp(words, id, n))
			return true;
	}
	return false;
}

void api_channel_check(const struct api *api)
{
	const char *allowed = tool_config(api->t, "channels", NULL);
	struct channel own;
	struct failure f;

	if (!allowed)
		return;
	api_failure(api, &f);
	if (api_channel(api, &own, &f))
		tool_fail(f.why, "Asking which channel this is: %s", f.detail);
	if (!among(allowed, own.id))
		tool_fail(&not_allowed, "The account's channel is %s; the "
			  "policy allows %.200s.", own.id, allowed);
}

/* Those with these ids (joined by commas), in items of a new object. */
static json_t *videos(const struct api *api, const char *ids,
		      struct failure *f)
{
	char *path = xasprintf("/youtube/v3/videos?" PARTS "&id=%s", ids);
	json_t *list = api_call(api, "GET", path, NULL, NULL, f);

	free(path);
	return list;
}

json_t *api_video(const struct api *api, const char *id, struct failure *f)
{
	json_t *list = videos(api, id, f), *found = NULL, *each;
	size_t i;

	json_array_foreach (json_object_get(list, "items"), i, each)
		if (json_str(each, "id") && !strcmp(json_str(each, "id"), id))
			found = each;
	json_incref(found);
	json_decref(list);
	return found;
}

bool video_marked(const json_t *video, const char *marker)
{
	json_t *tags = json_object_get(json_object_get(video, "snippet"),
				       "tags"), *each;
	size_t i;

	json_array_foreach (tags, i, each)
		if (marker && json_is_string(each) &&
		    !strcmp(json_string_value(each), marker))
			return true;
	return false;
}

json_t *video_seen(const json_t *video, const char *marker)
{
	const char *size = json_str(json_object_get(video, "fileDetails"),
				    "fileSize");
	json_t *v = json_pack("{s:s?,s:s?}", "video_id",
			      json_str(video, "id"), "privacy",
			      json_str(json_object_get(video, "status"),
				       "privacyStatus"));

	if (marker)
		json_object_set_new(v, "marker", video_marked(video, marker) ?
				    json_string(marker) : json_null());
	if (size && *size && strlen(size) < 18 &&
	    !size[strspn(size, "0123456789")])
		json_set_int(v, "bytes", atoll(size));
	return v;
}

/* The ids on this page, joined by commas; next gets the token of the next. */
static char *ids_of(const json_t *page, char next[128])
{
	const char *token = json_str(page, "nextPageToken");
	struct buf ids = {0};
	json_t *each;
	size_t i;

	snprintf(next, 128, "%s", token && strlen(token) < 128 &&
		 !token[strspn(token, "abcdefghijklmnopqrstuvwxyz"
			"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")] ?
		 token : "");
	json_array_foreach (json_object_get(page, "items"), i, each) {
		const char *id = json_str(json_object_get(each,
						"contentDetails"), "videoId");

		if (api_id_ok(id) && i < 50)
			buf_addf(&ids, "%s%s", ids.len ? "," : "", id);
	}
	buf_add(&ids, "", 0);
	return buf_take(&ids, NULL);
}

/* Of one page of uploads the video with the marker; or where to go on. */
static json_t *find_on(const struct api *api, const char *uploads,
		       const char *marker, char next[128], struct failure *f)
{
	char *path = xasprintf("/youtube/v3/playlistItems?part=contentDetails"
			       "&maxResults=50&playlistId=%s%s%s", uploads,
			       *next ? "&pageToken=" : "", next);
	struct api_reply reply;
	json_t *page = api_call(api, "GET", path, NULL, &reply, f), *list;
	json_t *found = NULL, *each;
	size_t i;
	char *ids;

	free(path);
	if (!page && reply.status == 404)	/* it has no uploads yet */
		f->why = NULL;
	ids = ids_of(page, next);
	list = *ids ? videos(api, ids, f) : NULL;
	json_array_foreach (json_object_get(list, "items"), i, each)
		if (!found && video_marked(each, marker))
			found = json_incref(each);
	free(ids);
	json_decref(list);
	json_decref(page);
	return found;
}

json_t *api_find(const struct api *api, const char *marker,
		 struct failure *f)
{
	struct channel own;
	char next[128] = "";
	json_t *found;

	if (api_channel(api, &own, f))
		return NULL;
	for (int i = 0; i < PAGES; i++) {
		found = find_on(api, own.uploads, marker, next, f);
		if (found || f->why || !*next)
			return found;
	}
	return NULL;
}
