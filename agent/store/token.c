/*
 * See token.h. A running agent notices a change by stat() at the next check.
 * A file that cannot be read, or that others may read, lets nobody in.
 */
#include "agent/store/token_file.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"

/* What is compared on every request, without JSON. */
struct token {
	struct actor who;
	uint8_t digest[TOKEN_DIGEST];
	int64_t expires_us;	/* 0: never */
	bool revoked;
};

struct tokens {
	pthread_mutex_t lock;	/* of all that follows */
	char *path;
	json_t *all;		/* NULL: cannot be read, nobody gets in */
	struct token *list;
	size_t n;
	unsigned version;
	struct stat seen;
	struct err why;		/* all is NULL */
};

static void token_of(const json_t *one, struct token *t)
{
	const char *expires = json_str(one, "expires_at");
	json_t *scope;
	size_t i;

	memset(t, 0, sizeof(*t));
	strcpy(t->who.token_id, json_str(one, "id"));
	strcpy(t->who.name, json_str(one, "name"));
	json_array_foreach (json_object_get(one, "scopes"), i, scope)
		t->who.scopes |= scope_of(json_string_value(scope));
	memcpy(t->digest, json_str(one, "sha256"), TOKEN_DIGEST);
	t->revoked = !json_is_null(json_object_get(one, "revoked_at"));
	if (json_is_null(json_object_get(one, "expires_at")))
		t->expires_us = 0;
	else if (!clock_parse(expires, 0, &t->expires_us))
		t->revoked = true;	/* a time that nobody can read */
}

static bool changed(const struct stat *a, const struct stat *b)
{
	return a->st_ino != b->st_ino || a->st_dev != b->st_dev ||
	       a->st_size != b->st_size || a->st_mode != b->st_mode ||
	       a->st_ctim.tv_sec != b->st_ctim.tv_sec ||
	       a->st_ctim.tv_nsec != b->st_ctim.tv_nsec ||
	       a->st_mtim.tv_sec != b->st_mtim.tv_sec ||
	       a->st_mtim.tv_nsec != b->st_mtim.tv_nsec;
}

static void load(struct tokens *t)
{
	json_t *one;
	size_t i;

	err_fini(&t->why);
	memset(&t->why, 0, sizeof(t->why));
	json_decref(t->all);
	xfree(t->list);
	t->n = 0;
	t->all = token_file_read(t->path, &t->why);
	t->version++;
	if (!t->all) {
		log_error("nobody is let in: %s", t->why.detail);
		return;
	}
	t->list = xcalloc(json_array_size(t->all) + 1, sizeof(*t->list));
	json_array_foreach (t->all, i, one)
		token_of(one, &t->list[t->n++]);
}

/* Read it again if it is not what was read; 0 if it could be read. */
static int refresh(struct tokens *t, struct err *err)
{
	struct stat now = {0};

	if (stat(t->path, &now))
		memset(&now, 0, sizeof(now));
	if (!t->version || changed(&now, &t->seen)) {
		t->seen = now;	/* of before it is read */
		load(t);
	}
	if (t->all)
		return 0;
	err_set(err, t->why.code, "%s", t->why.detail);
	return err_hint(err, "%s", err_hint_of(&t->why));
}

int tokens_open(struct tokens **out, const char *path, struct err *err)
{
	struct tokens *t = xcalloc(1, sizeof(*t));

	pthread_mutex_init(&t->lock, NULL);
	t->path = xstrdup(path);
	if (refresh(t, err)) {
		tokens_close(t);
		return -1;
	}
	*out = t;
	return 0;
}

void tokens_close(struct tokens *t)
{
	if (!t)
		return;
	err_fini(&t->why);
	json_decref(t->all);
	free(t->list);
	free(t->path);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

/* All are compared, so that time tells nothing about where it was found. */
static const struct token *find(const struct tokens *t, const char *digest)
{
	const struct token *found = NULL;

	for (size_t i = 0; i < t->n; i++)
		if (!CRYPTO_memcmp(t->list[i].digest, digest, TOKEN_DIGEST))
			found = &t->list[i];
	if (found && (found->revoked || (found->expires_us &&
					 found->expires_us <= clock_wall_us())))
		return NULL;
	return found;
}

int tokens_check(struct tokens *t, const char *text, struct actor *who,
		 struct err *err)
{
	const struct token *found = NULL;
	char digest[SHA256_HEX];
	int rc = 0;

	if (!token_text_ok(text))
		return err_set(err, ERR_unauthenticated, "no valid token");
	sha256_hex(text, TOKEN_TEXT - 1, digest);
	pthread_mutex_lock(&t->lock);
	if (refresh(t, NULL))
		rc = err_set(err, ERR_io, "the tokens cannot be read");
	else if (!(found = find(t, digest)))
		rc = err_set(err, ERR_unauthenticated, "no valid token");
	else
		*who = found->who;
	pthread_mutex_unlock(&t->lock);
	mem_wipe(digest, sizeof(digest));
	return rc;
}

json_t *tokens_list(struct tokens *t, struct err *err)
{
	json_t *out = NULL, *one;
	size_t i;

	pthread_mutex_lock(&t->lock);
	if (!refresh(t, err))
		out = json_deep_copy(t->all);
	pthread_mutex_unlock(&t->lock);
	json_array_foreach (out, i, one)
		json_object_del(one, "sha256");
	return out;
}

unsigned tokens_version(struct tokens *t)
{
	unsigned version;

	pthread_mutex_lock(&t->lock);
	refresh(t, NULL);
	version = t->version;
	pthread_mutex_unlock(&t->lock);
	return version;
}
