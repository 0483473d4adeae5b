/* The video as the request describes it and as the channel shows it. */
#pragma once
#include <jansson.h>
#include <stdbool.h>

struct auth;
struct tool;
struct web;

/* The metadata to upload with; a wrong argument ends the program. Owned. */
char *video_metadata(const struct tool *t);
/* "private", "unlisted" or "public": what was asked for. */
const char *video_privacy_wanted(const struct tool *t);
/* status.privacyStatus of a resource, or NULL. Borrowed. */
const char *video_privacy(const json_t *resource);

/*
 * The video as the channel has it now, or NULL: it may take a while to show,
 * and a token for uploads alone may not read. Owned.
 */
json_t *video_read_back(struct web *w, const struct tool *t,
			const struct auth *a, const char *base,
			const char *id);
