/* See outbox_sign.h. */
#include "agent/core/outbox_sign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/core/backlog.h"
#include "agent/store/settings_notify.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/mem.h"

#define FILE_MAX 4096
#define ID_SIZE 48

static int check_mode(const char *file, struct err *err)
{
	struct stat st;

	if (stat(file, &st)) {
		err_sys(err, ERR_bad_config, "%s", file);
		return err_hint(err, "Put the key there: whsec_ and the "
				"base64 of 24 to 64 random bytes.");
	}
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_bad_config, "%s is no file", file);
	if (!(st.st_mode & 077))
		return 0;
	err_set(err, ERR_bad_config, "%s may be read by others", file);
	return err_hint(err, "chmod 600 %s", file);
}

static int parse(struct webhook_key *key, const char *file, const char *text,
		 struct err *err)
{
	struct err why = {0};
	int rc = webhook_key(WEBHOOK_STANDARD, text, strcspn(text, "\r\n"),
			     key, &why);

	if (rc) {
		err_set(err, ERR_bad_config, "%s: %s", file, why.detail);
		err_hint(err, "%s", err_hint_of(&why));
	}
	err_fini(&why);
	return rc;
}

static int read_key(struct webhook_key *key, const char *file,
		    struct err *err)
{
	size_t len;
	char *text;
	int rc;

	if (check_mode(file, err))
		return -1;
	text = fs_read(file, FILE_MAX, &len, err);
	if (!text)
		return -1;
	rc = parse(key, file, text, err);
	mem_wipe(text, len);
	free(text);
	return rc;
}

int outbox_keys_read(struct outbox_keys *k, const struct notify_conf *conf,
		     struct err *err)
{
	const char *next = conf->next_secret_file;

	k->n = 1;
	if (read_key(&k->keys[0], conf->secret_file, err))
		return -1;
	if (!next || !*next)
		return 0;
	if (read_key(&k->keys[1], next, err)) {
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
	char id[ID_SIZE];

	/* It stays the same, and no other journal has it. */
	snprintf(id, sizeof(id), "%s-%llu", log_id,
		 (unsigned long long)u->seq);
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
