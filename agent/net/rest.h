/*
 * What came on a connection and is part of no request that was handed over:
 * half a head, one that libwebsockets did not like, one that nobody may
 * send there. It was asked all the same, so it leaves its record: one,
 * however much it is.
 */
#pragma once

struct peer;

/* All that was read so far belongs to requests that leave their own. */
void rest_mark(struct peer *p);
/* The connection ends; its socket is still there. */
void rest_record(struct peer *p);
/* It is gone, and nobody was told before: an upgrade that lws refused. */
void rest_refused(struct peer *p);
/* The agent stops: what has begun to come is not waited for. */
void rest_stop(struct peer *p);
