/*
 * What an operator does to the tokens: make, rotate, narrow, revoke. Each is
 * one step under the lock: read all, change one, write all; two at once lose
 * nothing. No edit but `create` ever gives more than there was.
 */
#include "agent/store/token_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/id.h"
#include "common/json.h"
#include "common/mem.h"

struct edit {
	const char *id, *name;
	unsigned scopes;
	int64_t ttl_us, overlap_us, now_us;
	char *text;		/* of the token that is made */
};

typedef int edit_fn(json_t *all, const struct edit *e, struct err *err);

static json_t *read_or_none(const char *path, struct err *err)
{
	if (access(path, F_OK) && errno == ENOENT)
		return json_array();
	return token_file_read(path, err);
}

static int edit(const char *path, edit_fn *fn, struct edit *e,
		struct err *err)
{
	int lock = token_file_lock(path, err), rc = -1;
	json_t *all;

	if (lock < 0)
		return -1;
	e->now_us = clock_wall_us();
	all = e->id ? token_file_read(path, err) : read_or_none(path, err);
	if (all && !fn(all, e, err))
		rc = token_file_write(path, all, err);
	if (rc && e->text)
		mem_wipe(e->text, TOKEN_TEXT);
	json_decref(all);
	close(lock);
	return rc;
}

static json_t *scope_names(unsigned set)
{
	json_t *out = json_array();

	for (size_t i = 0; scope_name(1u << i); i++)
		if (set & 1u << i)
			json_array_append_new(
				out, json_string(scope_name(1u << i)));
	return out;
}

static unsigned scopes_of(const json_t *one)
{
	unsigned set = 0;
	json_t *each;
	size_t i;

	json_array_foreach (json_object_get(one, "scopes"), i, each)
		set |= scope_of(json_string_value(each));
	return set;
}

/* Set a time; 0: null. */
static void set_time(json_t *one, const char *key, int64_t wall_us)
{
	char text[CLOCK_TEXT];

	clock_text(wall_us, text);
	json_set_str(one, key, wall_us ? text : NULL);
}

static json_t *find(json_t *all, const char *id, struct err *err)
{
	json_t *one;
	size_t i;

	json_array_foreach (all, i, one)
		if (!strcmp(json_str(one, "id"), id))
			return one;
	err_set(err, ERR_not_found, "no token %.60s", id);
	err_hint(err, "`kircerta-agent token list` shows the ids.");
	return NULL;
}

/* When it ends, 0: never; -1 with *err if it is no good any more. */
static int64_t end_of(const json_t *one, int64_t now, struct err *err)
{
	const char *id = json_str(one, "id");
	const char *text = json_str(one, "expires_at");
	int64_t end = 0;

	if (json_is_null(json_object_get(one, "revoked_at")) &&
	    (json_is_null(json_object_get(one, "expires_at")) ||
	     (text && clock_parse(text, now, &end) && end > now)))
		return end;
	err_set(err, ERR_invalid_request, "%s is revoked or has expired", id);
	return err_hint(err, "Make another: `kircerta-agent token create`.");
}

/* The new token's line; its digest is all that is kept of its text. */
static json_t *token_new(const struct edit *e, const char *name,
			 unsigned scopes, int64_t ttl_us)
{
	char id[ID_MADE], hex[SHA256_HEX];
	json_t *one = json_object();

	token_text_make(scopes, e->text);
	id_make('k', id);
	sha256_hex(e->text, TOKEN_TEXT - 1, hex);
	json_set_str(one, "id", id);
	json_set_str(one, "name", name);
	json_object_set_new(one, "scopes", scope_names(scopes));
	json_set_str(one, "sha256", hex);
	set_time(one, "created_at", e->now_us);
	set_time(one, "expires_at", ttl_us ? e->now_us + ttl_us : 0);
	json_set_str(one, "revoked_at", NULL);
	return one;
}

static int create_in(json_t *all, const struct edit *e, struct err *err)
{
	(void)err;
	json_array_append_new(all, token_new(e, e->name, e->scopes,
					     e->ttl_us));
	return 0;
}

int token_create(const char *path, const char *name, unsigned set,
		 int64_t ttl_us, char text[TOKEN_TEXT], struct err *err)
{
	struct edit e = {.name = name, .scopes = set, .ttl_us = ttl_us,
			 .text = text};

	if (!id_valid(name))
		return err_set(err, ERR_invalid_request,
			       "a token's name is 1 to 128 of A-Za-z0-9._-");
	if (!set || set & ~(SCOPE_ADMIN | SCOPE_OBSERVER | SCOPE_RUNNER))
		return err_set(err, ERR_invalid_request, "a token needs a "
			       "scope: admin, observer or tool_runner");
	if (ttl_us < 0)
		return err_set(err, ERR_invalid_request,
			       "a token cannot end before it begins");
	return edit(path, create_in, &e, err);
}

/* How long the old one was made for: so long the new one lives. 0: always */
static int64_t lifetime(const json_t *old, int64_t end)
{
	const char *created = json_str(old, "created_at");
	int64_t began;

	if (!end)
		return 0;
	return created && clock_parse(created, 0, &began) && began < end ?
	       end - began : 1;		/* of a date nobody can read: over */
}

static int rotate_in(json_t *all, const struct edit *e, struct err *err)
{
	json_t *old = find(all, e->id, err), *made;
	int64_t end = old ? end_of(old, e->now_us, err) : -1, ttl, over;

	if (end < 0)
		return -1;
	if (json_str(old, "rotated_by")) {
		err_set(err, ERR_already_exists, "%s was rotated already",
			e->id);
		return err_hint(err, "Rotate %s, which took its place.",
				json_str(old, "rotated_by"));
	}
	over = e->now_us + e->overlap_us;
	ttl = e->ttl_us ? e->ttl_us : lifetime(old, end);
	made = token_new(e, json_str(old, "name"), scopes_of(old), ttl);
	json_set_str(made, "rotates", e->id);
	json_set_str(old, "rotated_by", json_str(made, "id"));
	set_time(old, "expires_at", end && end < over ? end : over);
	json_array_append_new(all, made);
	return 0;
}

int token_rotate(const char *path, const char *id, int64_t overlap_us,
		 int64_t ttl_us, char text[TOKEN_TEXT], struct err *err)
{
	struct edit e = {.id = id, .overlap_us = overlap_us, .ttl_us = ttl_us,
			 .text = text};

	if (overlap_us < 0 || ttl_us < 0)
		return err_set(err, ERR_invalid_request,
			       "a token cannot end before it begins");
	return edit(path, rotate_in, &e, err);
}

static int narrow_in(json_t *all, const struct edit *e, struct err *err)
{
	json_t *one = find(all, e->id, err);
	int64_t end = one ? end_of(one, e->now_us, err) : -1;
	int64_t wanted = e->ttl_us ? e->now_us + e->ttl_us : end;

	if (end < 0)
		return -1;
	if (e->scopes & ~scopes_of(one) || (end && wanted > end)) {
		err_set(err, ERR_invalid_request, "that would give %s more "
			"than it has", e->id);
		return err_hint(err, "A token is only ever narrowed; for more "
				"make another.");
	}
	if (e->scopes)
		json_object_set_new(one, "scopes", scope_names(e->scopes));
	set_time(one, "expires_at", wanted);
	return 0;
}

int token_narrow(const char *path, const char *id, unsigned scopes,
		 int64_t ttl_us, struct err *err)
{
	struct edit e = {.id = id, .scopes = scopes, .ttl_us = ttl_us};

	if (ttl_us < 0)
		return err_set(err, ERR_invalid_request,
			       "a token cannot end before it begins");
	return edit(path, narrow_in, &e, err);
}

static int revoke_in(json_t *all, const struct edit *e, struct err *err)
{
	json_t *one = find(all, e->id, err);

	if (!one)
		return -1;
	if (!json_str(one, "revoked_at"))
		set_time(one, "revoked_at", e->now_us);
	return 0;
}

int token_revoke(const char *path, const char *id, struct err *err)
{
	struct edit e = {.id = id};

	return edit(path, revoke_in, &e, err);
}
