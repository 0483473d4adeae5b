/*
 * The resumable upload: open a session, send chunks, and after whatever goes
 * wrong ask what is stored and go on from there. It ends with a video, with a
 * refusal, or with "nobody knows": then the last byte was sent and no answer
 * ever came. It never sends a video twice on a guess.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct auth;
struct failure;
struct tool;
struct web;

struct upload {			/* filled by the caller */
	const struct tool *t;
	struct web *web;
	struct auth *auth;
	const char *base;	/* https://www.googleapis.com */
	const char *metadata;	/* JSON: snippet and status */
	const char *media_type;
	bool notify;		/* tell the channel's subscribers */
	int fd;
	int64_t size, chunk;	/* chunk: a multiple of 256 KiB */
	int sessions, resumed;	/* set by upload_run */
};

#define UPLOAD_STEP (256 * 1024)

/* 0 and the video resource (owned), or -1 and why. */
int upload_run(struct upload *u, json_t **resource, struct failure *f);
