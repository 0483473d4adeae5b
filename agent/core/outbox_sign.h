/*
 * A delivery of an event: the record as subscribers get it, and the headers
 * of Standard Webhooks 1.0.0 with a signature of each key. The keys are read
 * for each batch, so that a rotation needs no restart, and wiped after it.
 */
#pragma once
#include <jansson.h>
#include <stddef.h>

#include "common/webhook.h"

struct err;
struct notify_conf;
struct unsent;

struct outbox_keys {
	size_t n;
	struct webhook_key keys[2];
};

/* ERR_webhook_not_configured: one is not there, loose or no key. */
int outbox_keys_read(struct outbox_keys *k, const struct notify_conf *conf,
		     struct err *err);
void outbox_keys_wipe(struct outbox_keys *k);
/* {"headers": [[name, value], ..], "body"}, of this moment. New. */
json_t *outbox_delivery(const struct outbox_keys *k, const char *log_id,
			const struct unsent *u);
