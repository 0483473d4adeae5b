/*
 * See token.h. A running agent notices a change by stat() at the next check.
 * A file that cannot be read, or that others may read, lets nobody in. When
 * each token was last used is another file's business: see token_used.h.
 */
#include "agent/store/token_file.h"
#include "agent/store/token_used.h"

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
	int64_t used_s;		/* of the last use that was marked */
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
	struct used *used;
};

#define SECOND 1000000

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
	else if (!expires || !clock_parse(expires, 0, &t->expires_us) ||
		 !t->expires_us)
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
	t->used = used_new(path);
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
	used_free(t->used);
	free(t->list);
	free(t->path);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

/* All are compared, so that time tells nothing about where it was found. */
static struct token *find(const struct tokens *t, const char *digest)
{
	struct token *found = NULL;

	for (size_t i = 0; i < t->n; i++)
		if (!CRYPTO_memcmp(t->list[i].digest, digest, TOKEN_DIGEST))
			found = &t->list[i];
	return found;
}

static enum token_state state_of(const struct token *one, int64_t now)
{
	if (!one)
		return TOKEN_UNKNOWN;
	if (one->revoked)
		return TOKEN_REVOKED;
	return one->expires_us && one->expires_us <= now ? TOKEN_EXPIRED :
							   TOKEN_GOOD;
}

static void mark_used(struct tokens *t, struct token *one, int64_t now)
{
	if (one->used_s == now / SECOND)
		return;
	one->used_s = now / SECOND;
	used_mark(t->used, one->who.token_id, now);
}

enum token_state tokens_look(struct tokens *t, const char *text,
			     struct actor *who)
{
	enum token_state state = TOKEN_UNREADABLE;
	struct token *found = NULL;
	char digest[SHA256_HEX];
	int64_t now = clock_wall_us();

	memset(who, 0, sizeof(*who));
	if (!text)
		return TOKEN_MISSING;
	if (!token_text_ok(text))
		return TOKEN_MALFORMED;
	sha256_hex(text, TOKEN_TEXT - 1, digest);
	pthread_mutex_lock(&t->lock);
	if (!refresh(t, NULL)) {
		found = find(t, digest);
		state = state_of(found, now);
	}
	if (found)
		*who = found->who;
	if (state == TOKEN_GOOD)
		mark_used(t, found, now);
	pthread_mutex_unlock(&t->lock);
	mem_wipe(digest, sizeof(digest));
	return state;
}

enum token_state tokens_still(struct tokens *t, const struct actor *who)
{
	enum token_state state = TOKEN_UNREADABLE;
	const struct token *found = NULL;

	pthread_mutex_lock(&t->lock);
	if (!refresh(t, NULL)) {
		for (size_t i = 0; i < t->n && !found; i++)
			if (!strcmp(t->list[i].who.token_id, who->token_id))
				found = &t->list[i];
		state = state_of(found, clock_wall_us());
	}
	if (state == TOKEN_GOOD && who->scopes & ~found->who.scopes)
		state = TOKEN_NARROWED;
	pthread_mutex_unlock(&t->lock);
	return state;
}

const char *token_state_name(enum token_state state)
{
	static const char *const names[] = {
		[TOKEN_GOOD] = "good", [TOKEN_MISSING] = "missing",
		[TOKEN_MALFORMED] = "malformed", [TOKEN_UNKNOWN] = "unknown",
		[TOKEN_EXPIRED] = "expired", [TOKEN_REVOKED] = "revoked",
		[TOKEN_NARROWED] = "narrowed",
		[TOKEN_UNREADABLE] = "unreadable",
	};

	return names[state];
}

json_t *tokens_used(struct tokens *t)
{
	json_t *out;

	pthread_mutex_lock(&t->lock);
	out = used_all(t->used);
	pthread_mutex_unlock(&t->lock);
	return out;
}

int tokens_save_used(struct tokens *t, struct err *err)
{
	char *text;
	int rc;

	pthread_mutex_lock(&t->lock);
	text = used_take(t->used);
	pthread_mutex_unlock(&t->lock);
	rc = text ? used_write(t->used, text, err) : 0;
	free(text);
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

int tokens_ready(struct tokens *t, struct err *err)
{
	int rc;

	pthread_mutex_lock(&t->lock);
	rc = refresh(t, err);
	pthread_mutex_unlock(&t->lock);
	return rc;
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
