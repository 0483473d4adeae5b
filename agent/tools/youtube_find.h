/* What the channel has: itself, its uploads, one of its videos. */
#pragma once
#include <jansson.h>
#include <stdbool.h>

struct api;
struct failure;

/* The account's channel: its id and the playlist of its uploads. */
struct channel {
	char id[64], uploads[64];
};
int api_channel(const struct api *api, struct channel *out,
		struct failure *f);
/*
 * Where config "channels" names some: is the account's channel one of them?
 * Any other ends the program with channel_not_allowed, before anything is
 * sent.
 */
void api_channel_check(const struct api *api);

bool api_id_ok(const char *id);		/* fit for a URL */
/* The video as its owner sees it; NULL: there is none, or *f. New. */
json_t *api_video(const struct api *api, const char *id, struct failure *f);
/*
 * The newest upload that carries the marker among its tags, or NULL: none of
 * the newest that are listed yet, or *f (f->why is set). New.
 */
json_t *api_find(const struct api *api, const char *marker,
		 struct failure *f);
/* Does the video carry it among its tags? */
bool video_marked(const json_t *video, const char *marker);
/* {"video_id","privacy","marker","bytes"} as far as it is said. New. */
json_t *video_seen(const json_t *video, const char *marker);
