/*
 * What the channel's answers mean: the resumable upload protocol and the
 * errors of the YouTube Data API v3 and of OAuth 2.0 (RFC 6749, 5.2).
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct err_row;
struct web_reply;

enum reply_kind {
	REPLY_DONE,		/* 200 201: the resource is in the body */
	REPLY_MORE,		/* 308: see the Range header */
	REPLY_AUTH,		/* 401: the access token is not accepted */
	REPLY_GONE,		/* 404 410: the upload session is no more */
	REPLY_AGAIN,		/* nothing, 408, 429, 5xx: pause, ask, go on */
	REPLY_REFUSED,		/* for good, see the reason */
};

/* Why it ended without a video. */
struct failure {
	const struct err_row *why;
	char detail[400];
	/* Stars over what the channel may say back to us; or NULL. */
	void (*hide)(const void *who, char *text);
	const void *who;
	const char *session;	/* likewise: its URI is not to be read */
};

/* Stars over word in the text; NULL is none. */
void hide_word(char *text, const char *word);

enum reply_kind reply_kind(const struct web_reply *reply);
/* Fill *f from the reply's error body, with what was tried. Returns -1. */
int reply_failure(const struct web_reply *reply, const char *what,
		  struct failure *f);
int failure_set(struct failure *f, const struct err_row *why,
		const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/*
 * How many bytes of size are stored, by the Range header of a 308: absent
 * means none, "bytes=0-LAST" LAST + 1. False for anything else.
 */
bool range_stored(const char *range, int64_t size, int64_t *stored);
