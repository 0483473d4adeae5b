/*
 * A webhook's signature, verified while the body comes in: a running MAC for
 * each secret, nothing of the body is looked at. What was wrong is for the
 * record alone; whoever asked is told bad_signature and no more, and of a
 * signed time that is too far away only if the signature is good.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "common/webhook.h"

struct err;
struct signature;

/* The headers of a delivery; NULL: it came without. */
struct signature_shown { const char *part[WEBHOOK_PARTS]; };

/*
 * Begin with 1 or 2 keys, which are not kept; one without bytes is none.
 * Never NULL: what cannot become good is told at the end, as all else is.
 */
struct signature *signature_begin(enum webhook_scheme scheme,
				  const struct webhook_key *keys, size_t n,
				  const struct signature_shown *shown);
void signature_free(struct signature *s);	/* NULL is fine */
/* A header of it came twice or cannot be read: it cannot be good. */
void signature_spoil(struct signature *s);
/* The next bytes of the body. */
void signature_add(struct signature *s, const void *data, size_t len);
/*
 * All of the body is there, once more in one piece for its digest. now_us and
 * tolerance_us: of the wall clock. 0, or -1 with ERR_bad_signature or
 * ERR_stale_event; once.
 */
int signature_end(struct signature *s, const void *body, size_t len,
		  int64_t now_us, int64_t tolerance_us, struct err *err);

/*
 * Why it is not good: missing, malformed, too_many_signatures, mismatch,
 * stale (the same pointer each time); NULL: it is, or that is not known yet.
 */
const char *signature_why(const struct signature *s);
/* The event's id as its header has it (github: not signed), or NULL. */
const char *signature_id(const struct signature *s);
/* Its type as its header has it, not signed, or NULL. */
const char *signature_event(const struct signature *s);
int64_t signature_time(const struct signature *s);	/* s; 0: none */
/* Once it is good: of the body, 64 hex digits; which secret, 0 or 1. */
const char *signature_body_sha256(const struct signature *s);
int signature_key(const struct signature *s);
