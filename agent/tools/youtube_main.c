/*
 * youtube upload: one video to one channel, as it was approved. The bytes are
 * hashed before the first of them leaves; the receipt is what the channel
 * itself says of the video afterwards. (The verb visibility, and looking what
 * came of either, have files of their own.)
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/tools/tool.h"
#include "agent/tools/web.h"
#include "agent/tools/youtube_api.h"
#include "agent/tools/youtube_find.h"
#include "agent/tools/youtube_look.h"
#include "agent/tools/youtube_reply.h"
#include "agent/tools/youtube_send.h"
#include "agent/tools/youtube_video.h"
#include "common/conf.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/sha256.h"

#define RECEIPT "receipt.json"

/* Opens the file and makes sure that it is the one that was approved. */
static int open_file(const struct tool_file *file, int64_t *size)
{
	int fd = open(file->path, O_RDONLY | O_CLOEXEC);
	char hex[SHA256_HEX];
	struct err err = {0};
	uint64_t bytes;

	if (fd < 0)
		tool_fail(err_row(ERR_io), "%s: %s", file->path,
			  strerror(errno));
	if (sha256_fd(fd, hex, &bytes, &err))
		tool_fail(err_row(ERR_io), "%s", err.detail);
	if (file->sha256 && strcmp(file->sha256, hex))
		tool_fail(err_row(ERR_evidence_corrupt), "The file is %s, "
			  "asked for was %.64s; nothing was sent.", hex,
			  file->sha256);
	if (!bytes)
		tool_fail(err_row(ERR_invalid_args), "file is empty");
	*size = (int64_t)bytes;
	return fd;
}

/* Goes into a header, so only what a media type is made of. */
static const char *media_type_of(const struct tool_file *file)
{
	const char *m = file->media_type;

	if (m && !strncmp(m, "video/", 6) && strlen(m) < 100 &&
	    strspn(m + 6, "abcdefghijklmnopqrstuvwxyz0123456789.+-") ==
		    strlen(m + 6))
		return m;
	return "application/octet-stream";
}

static int64_t chunk_of(const struct tool *t)
{
	int64_t chunk;

	if (!size_parse(tool_config(t, "chunk-size", "32m"), &chunk) ||
	    chunk < UPLOAD_STEP || chunk % UPLOAD_STEP)
		tool_fail(err_row(ERR_bad_config),
			  "youtube.chunk-size is not a multiple of 256k");
	return chunk;
}

static void write_receipt(const struct tool_file *file, int64_t size,
			  json_t *resource, json_t *read_back)
{
	json_t *v = json_pack("{s:{s:o, s:o, s:I}, s:O, s:O?}", "file",
			      "name", json_lossy(file->name), "sha256",
			      json_lossy(file->sha256), "size",
			      (json_int_t)size, "answer", resource,
			      "read_back", read_back);
	struct err err = {0};
	size_t len;
	char *text = json_pretty(v, &len);

	json_decref(v);
	/* The video is up; a full disk here must not make it "failed". */
	if (fs_replace(RECEIPT, text, len, 0600, &err))
		fprintf(stderr, "no receipt: %s\n", err.detail);
	else
		tool_artifact(RECEIPT, "application/json");
	free(text);
}

static json_t *describe(const struct tool *t, const struct upload *u,
			const json_t *resource, const json_t *read_back)
{
	const char *id = json_str(resource, "id");
	const char *wanted = video_privacy_wanted(t);
	const char *is = video_privacy(read_back ? read_back : resource);
	char *url = api_watch_url(u->base, id);
	json_t *v = json_pack("{s:s, s:s, s:s?, s:s, s:I, s:i, s:i, s:b}",
			      "video_id", id, "url", url, "privacy", is,
			      "privacy_wanted", wanted, "bytes",
			      (json_int_t)u->size, "sessions", u->sessions,
			      "resumed", u->resumed, "read_back",
			      read_back != NULL);

	free(url);
	if (read_back)
		json_object_set_new(v, "seen", video_seen(read_back,
						tool_id(u->t, "marker")));
	if (is && strcmp(is, wanted))
		json_object_set_new(v, "note", json_sprintf(
			"The channel made the video %s although %s was asked "
			"for. Google does so for API projects that it has "
			"not audited; change it in YouTube Studio.",
			is, wanted));
	return v;
}

static int finish(const struct upload *u, const struct tool_file *file,
		  json_t *resource)
{
	const char *id = json_str(resource, "id");
	json_t *read_back, *result;

	tool_progress(1, "uploaded as %s, reading back", id);
	read_back = video_read_back(u->web, u->t, u->auth, u->base, id);
	write_receipt(file, u->size, resource, read_back);
	result = describe(u->t, u, resource, read_back);
	json_decref(read_back);
	json_decref(resource);
	return tool_result(result);
}

static int upload(const struct tool *t)
{
	struct tool_file file;
	struct upload u = {.t = t, .chunk = chunk_of(t),
			   .notify = tool_bool(t, "notify_subscribers",
					       false)};
	char *metadata = video_metadata(t);
	struct failure f;
	struct api api;
	json_t *resource;
	int rc;

	tool_file(t, "file", &file);
	api_open(&api, t);
	api_failure(&api, &f);
	u.fd = open_file(&file, &u.size);
	u.metadata = metadata;
	u.base = api.base;
	u.media_type = media_type_of(&file);
	u.auth = api.auth;
	u.web = api.web;
	api_channel_check(&api);
	if (upload_run(&u, &resource, &f))
		tool_fail(f.why, "%s", f.detail);
	rc = finish(&u, &file, resource);
	api_close(&api);
	close(u.fd);
	free(metadata);
	return rc;
}

static const struct {
	const char *verb;
	int (*act)(const struct tool *t);
	int (*look)(const struct tool *t, int64_t since_s);
} verbs[] = {
	{"upload", upload, look_upload},
	{"visibility", visibility, look_visibility},
};

int main(int argc, char **argv)
{
	int64_t since_s;
	struct tool *t;
	size_t i = 0;
	int rc;

	while (i < ARRAY_LEN(verbs) &&
	       (argc != 2 || strcmp(argv[1], verbs[i].verb)))
		i++;
	if (i == ARRAY_LEN(verbs)) {
		fprintf(stderr, "usage: youtube upload|visibility "
			"< request.json\n");
		return 2;
	}
	t = tool_open();
	rc = tool_reconciles(t, &since_s) ? verbs[i].look(t, since_s) :
					    verbs[i].act(t);
	tool_free(t);
	return rc;
}
