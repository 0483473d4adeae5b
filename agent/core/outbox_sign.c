/* See outbox_sign.h. */
#include "agent/core/outbox_sign.h"

#include <stdio.h>

#include "agent/core/backlog.h"
#include "agent/store/settings_notify.h"
#include "agent/store/webhook_secret.h"
#include "common/clock.h"
#include "common/sha256.h"

#define ID_SIZE 64
#define OF_LINE 12		/* digits of its hash */

static int read_key(struct outbox_keys *k, const char *file, struct err *err)
{
	return webhook_secret_read(WEBHOOK_STANDARD, file, &k->keys[k->n],
				   err);
}

int outbox_keys_read(struct outbox_keys *k, const struct notify_conf *conf,
		     struct err *err)
{
	const char *next = conf->next_secret_file;

	k->n = 0;
	if (read_key(k, conf->secret_file, err))
		return -1;
	k->n = 1;
	if (!webhook_secret_there(next))
		return 0;
	if (read_key(k, next, err)) {
		outbox_keys_wipe(k);
		return -1;
	}
	k->n = 2;
	return 0;
}

void outbox_keys_wipe(struct outbox_keys *k)
{
	for (size_t i = 0; i < k->n; i++)
		webhook_key_wipe(&k->keys[i]);
	k->n = 0;
}

static void add_header(json_t *list, const char *name, const char *value)
{
	json_array_append_new(list, json_pack("[s,s]", name, value));
}

json_t *outbox_delivery(const struct outbox_keys *k, const char *log_id,
			const struct unsent *u)
{
	struct webhook_headers h = {0};
	json_t *list = json_array();
	char id[ID_SIZE], hex[SHA256_HEX];

	/*
	 * It stays the same, and no other record has it: not that of another
	 * journal, nor one that took its number in a restored copy of this.
	 */
	sha256_hex(u->line, u->len, hex);
	snprintf(id, sizeof(id), "%s-%llu-%.*s", log_id,
		 (unsigned long long)u->seq, OF_LINE, hex);
	webhook_sign(WEBHOOK_STANDARD, k->keys, k->n, &(struct
		webhook_delivery){.id = id, .body = u->line, .len = u->len,
		.seconds = clock_wall_us() / 1000000}, &h);
	add_header(list, "Content-Type", "application/json");
	for (size_t i = 0; i < h.n; i++)
		add_header(list, h.list[i].name, h.list[i].value);
	webhook_headers_fini(&h);
	return json_pack("{s:o,s:o}", "headers", list, "body",
			 json_stringn(u->line, u->len));
}
