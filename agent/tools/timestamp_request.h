/* A time stamp (RFC 3161) asked for, and what came judged by it. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

#define STAMP_TEXT 64

struct stamp_request;

struct stamp {			/* what a good reply says */
	char time[STAMP_TEXT];	/* as 2026-01-02T03:04:05Z */
	char serial[STAMP_TEXT], policy[STAMP_TEXT];
};

/*
 * For 64 hex digits of a SHA-256; policy is an object id or NULL. der gets
 * the request's bytes. What does not work ends the program.
 */
struct stamp_request *stamp_request_new(const char *sha256,
					const char *policy, struct buf *der);
/*
 * Is the reply granted, for these bytes, for this request and no other, and
 * signed by a time stamping authority below a certificate in ca_file, now?
 * Ends the program with why if it is not.
 */
void stamp_judge(const struct stamp_request *r, const void *reply, size_t len,
		 const char *ca_file, struct stamp *out);
void stamp_request_free(struct stamp_request *r);
