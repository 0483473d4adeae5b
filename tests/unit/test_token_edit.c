/* Tokens that change: rotated, narrowed, revoked, expired, and used. */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/store/token.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/json.h"

#define HOUR 3600000000LL
#define EVERY (SCOPE_ADMIN | SCOPE_OBSERVER | SCOPE_RUNNER)

static char dir[64], path[80];

/* A file with one token; who is whose it is. */
static struct tokens *start(unsigned scopes, int64_t ttl_us,
			    char text[TOKEN_TEXT], struct actor *who)
{
	struct tokens *t;

	strcpy(dir, "/tmp/kircerta-token-XXXXXX");
	ck_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/tokens", dir);
	ck_assert_int_eq(token_create(path, "codex", scopes, ttl_us, text,
				      NULL), 0);
	ck_assert_int_eq(tokens_open(&t, path, NULL), 0);
	ck_assert_int_eq(tokens_look(t, text, who), TOKEN_GOOD);
	return t;
}

static void end(struct tokens *t)
{
	tokens_close(t);
	fs_remove_tree(dir);
}

/* What tokens_look says of it, and whether it names the token all the same. */
static int state(struct tokens *t, const char *text, const char *id)
{
	struct actor who;
	int state = (int)tokens_look(t, text, &who);

	ck_assert_str_eq(who.token_id, id);
	return state;
}

/* A member of the token with this id, as it is in the file; owned. */
static json_t *member(struct tokens *t, const char *id, const char *name)
{
	json_t *list = tokens_list(t, NULL), *one, *found = NULL;
	size_t i;

	json_array_foreach (list, i, one)
		if (!strcmp(json_str(one, "id"), id))
			found = json_incref(json_object_get(one, name));
	json_decref(list);
	return found;
}

static int64_t time_of(struct tokens *t, const char *id, const char *name)
{
	json_t *v = member(t, id, name);
	int64_t at = 0;

	ck_assert(json_is_null(v) || clock_parse(json_string_value(v), 0, &at));
	json_decref(v);
	return at;
}

static void rewrite(const char *text)
{
	ck_assert_int_eq(fs_replace(path, text, strlen(text), 0600, NULL), 0);
}

START_TEST(the_record_can_say_why_a_token_is_none)
{
	char text[TOKEN_TEXT], over[TOKEN_TEXT], other[TOKEN_TEXT];
	struct actor who;
	struct tokens *t = start(EVERY, 0, text, &who);
	char elsewhere[96];

	snprintf(elsewhere, sizeof(elsewhere), "%s/other", dir);
	token_create(elsewhere, "x", EVERY, 0, other, NULL);
	token_create(path, "y", EVERY, 1, over, NULL);
	ck_assert_int_eq(state(t, NULL, ""), TOKEN_MISSING);
	ck_assert_int_eq(state(t, "", ""), TOKEN_MALFORMED);
	ck_assert_int_eq(state(t, "kca_", ""), TOKEN_MALFORMED);
	ck_assert_int_eq(state(t, other, ""), TOKEN_UNKNOWN);
	ck_assert_int_eq(tokens_look(t, over, &who), TOKEN_EXPIRED);
	ck_assert_str_eq(who.name, "y");
	ck_assert_int_eq(tokens_look(t, text, &who), TOKEN_GOOD);
	ck_assert_int_eq(token_revoke(path, who.token_id, NULL), 0);
	ck_assert_int_eq(state(t, text, who.token_id), TOKEN_REVOKED);
	chmod(path, 0644);
	ck_assert_int_eq(state(t, text, ""), TOKEN_UNREADABLE);
	end(t);
}
END_TEST

/* A time nobody can read, or none at all, never means "for ever". */
START_TEST(a_line_that_leaves_out_its_end_lets_nobody_in)
{
	static const char *const ends[] = {
		"\"expires_at\":\"soon\",\"revoked_at\":null",
		"\"expires_at\":\"1970-01-01T00:00:00Z\",\"revoked_at\":null",
		"\"expires_at\":7,\"revoked_at\":null",
		"\"revoked_at\":null", "\"expires_at\":null",
		"\"expires_at\":null,\"revoked_at\":false",
		"\"expires_at\":null,\"revoked_at\":\"\"",
	};
	char text[TOKEN_TEXT], line[400];
	struct actor who;
	struct tokens *t = start(EVERY, 0, text, &who);
	char *file = fs_read(path, 4096, NULL, NULL);
	json_t *one = json_loads(file, 0, NULL);

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		snprintf(line, sizeof(line), "{\"id\":\"%s\",\"name\":\"x\","
			 "\"sha256\":\"%s\",\"scopes\":[\"admin\"],%s}\n",
			 who.token_id, json_str(one, "sha256"), ends[i]);
		rewrite(line);
		ck_assert_int_eq(state(t, text, who.token_id), TOKEN_REVOKED);
		ck_assert_int_eq(tokens_still(t, &who), TOKEN_REVOKED);
	}
	json_decref(one);
	free(file);
	end(t);
}
END_TEST

START_TEST(no_token_is_in_the_file_twice)
{
	char text[TOKEN_TEXT];
	struct actor who;
	struct tokens *t = start(EVERY, 0, text, &who);
	char *file = fs_read(path, 4096, NULL, NULL), twice[1024];

	snprintf(twice, sizeof(twice), "%s%s", file, file);
	rewrite(twice);
	ck_assert_int_eq(state(t, text, ""), TOKEN_UNREADABLE);
	rewrite(file);
	ck_assert_int_eq(state(t, text, who.token_id), TOKEN_GOOD);
	free(file);
	end(t);
}
END_TEST

START_TEST(both_are_good_until_the_overlap_ends)
{
	char text[TOKEN_TEXT], next[TOKEN_TEXT];
	struct actor old, new;
	struct tokens *t = start(SCOPE_RUNNER | SCOPE_OBSERVER, 0, text, &old);
	int64_t began = clock_wall_us();
	json_t *was;

	ck_assert_int_eq(token_rotate(path, old.token_id, HOUR, 0, next, NULL),
			 0);
	ck_assert_int_eq(tokens_look(t, next, &new), TOKEN_GOOD);
	ck_assert_int_eq(state(t, text, old.token_id), TOKEN_GOOD);
	ck_assert_str_eq(new.name, "codex");
	ck_assert_uint_eq(new.scopes, old.scopes);
	ck_assert_str_ne(new.token_id, old.token_id);
	ck_assert_str_ne(next, text);
	ck_assert_int_ge(time_of(t, old.token_id, "expires_at"), began + HOUR);
	ck_assert_int_le(time_of(t, old.token_id, "expires_at"),
			 clock_wall_us() + HOUR);
	ck_assert_int_eq(time_of(t, new.token_id, "expires_at"), 0);
	was = member(t, new.token_id, "rotates");
	ck_assert_str_eq(json_string_value(was), old.token_id);
	json_decref(was);
	end(t);
}
END_TEST

START_TEST(without_an_overlap_the_old_one_is_out_at_once)
{
	char text[TOKEN_TEXT], next[TOKEN_TEXT];
	struct actor old;
	struct tokens *t = start(EVERY, 0, text, &old);

	ck_assert_int_eq(token_rotate(path, old.token_id, 0, 0, next, NULL), 0);
	ck_assert_int_eq(state(t, text, old.token_id), TOKEN_EXPIRED);
	ck_assert_int_eq(tokens_still(t, &old), TOKEN_EXPIRED);
	ck_assert_int_eq(tokens_look(t, next, &old), TOKEN_GOOD);
	end(t);
}
END_TEST

/* Rotating a token for a day every day gives one for a day each time. */
START_TEST(a_rotation_gives_no_more_than_there_was)
{
	char text[TOKEN_TEXT], next[TOKEN_TEXT];
	struct actor old, new;
	struct tokens *t = start(SCOPE_OBSERVER, 2 * HOUR, text, &old);
	int64_t end_us = time_of(t, old.token_id, "expires_at");

	ck_assert_int_eq(token_rotate(path, old.token_id, 9 * HOUR, 0, next,
				      NULL), 0);
	ck_assert_int_eq(tokens_look(t, next, &new), TOKEN_GOOD);
	ck_assert_int_eq(time_of(t, old.token_id, "expires_at"), end_us);
	ck_assert_int_eq(time_of(t, new.token_id, "expires_at") -
			 time_of(t, new.token_id, "created_at"), 2 * HOUR);
	ck_assert_uint_eq(new.scopes, SCOPE_OBSERVER);
	end(t);
}
END_TEST

START_TEST(what_is_no_token_any_more_is_not_rotated)
{
	char text[TOKEN_TEXT], next[TOKEN_TEXT];
	struct actor old, new;
	struct tokens *t = start(EVERY, 0, text, &old);
	struct err err = {0};

	ck_assert_int_eq(token_rotate(path, "k-none", HOUR, 0, next, &err), -1);
	ck_assert_int_eq(err.code, ERR_not_found);
	ck_assert_int_eq(token_rotate(path, old.token_id, -1, 0, next, &err),
			 -1);
	ck_assert_int_eq(token_rotate(path, old.token_id, HOUR, 0, next, NULL),
			 0);
	ck_assert_int_eq(tokens_look(t, next, &new), TOKEN_GOOD);
	ck_assert_int_eq(token_rotate(path, old.token_id, HOUR, 0, text, &err),
			 -1);
	ck_assert_int_eq(err.code, ERR_already_exists);
	ck_assert_ptr_nonnull(strstr(err.hint, new.token_id));
	token_revoke(path, new.token_id, NULL);
	ck_assert_int_eq(token_rotate(path, new.token_id, HOUR, 0, next, &err),
			 -1);
	ck_assert_int_eq(err.code, ERR_invalid_request);
	for (size_t i = 0; i < sizeof(next); i++)
		ck_assert_int_eq(next[i], 0);
	err_fini(&err);
	end(t);
}
END_TEST

START_TEST(a_token_is_only_ever_narrowed)
{
	char text[TOKEN_TEXT];
	struct actor who, less;
	struct tokens *t = start(SCOPE_ADMIN | SCOPE_OBSERVER, HOUR, text,
				 &who);

	ck_assert_int_eq(token_narrow(path, who.token_id, EVERY, 0, NULL), -1);
	ck_assert_int_eq(token_narrow(path, who.token_id, SCOPE_RUNNER, 0,
				      NULL), -1);
	ck_assert_int_eq(token_narrow(path, who.token_id, 0, 2 * HOUR, NULL),
			 -1);
	ck_assert_int_eq(tokens_still(t, &who), TOKEN_GOOD);
	ck_assert_int_eq(token_narrow(path, who.token_id, SCOPE_OBSERVER, 0,
				      NULL), 0);
	ck_assert_int_eq(tokens_look(t, text, &less), TOKEN_GOOD);
	ck_assert_uint_eq(less.scopes, SCOPE_OBSERVER);
	ck_assert_int_eq(tokens_still(t, &who), TOKEN_NARROWED);
	ck_assert_int_eq(tokens_still(t, &less), TOKEN_GOOD);
	ck_assert_int_eq(token_narrow(path, who.token_id,
				      SCOPE_ADMIN | SCOPE_OBSERVER, 0, NULL),
			 -1);
	ck_assert_int_eq(token_narrow(path, who.token_id, 0, 1, NULL), 0);
	ck_assert_int_eq(state(t, text, who.token_id), TOKEN_EXPIRED);
	ck_assert_int_eq(token_narrow(path, who.token_id, 0, HOUR, NULL), -1);
	end(t);
}
END_TEST

START_TEST(who_came_in_is_known_by_the_token_alone)
{
	char text[TOKEN_TEXT];
	struct actor who, other;
	struct tokens *t = start(EVERY, 0, text, &who);

	other = who;
	ck_assert_int_eq(tokens_still(t, &who), TOKEN_GOOD);
	strcpy(other.token_id, "k-other");
	ck_assert_int_eq(tokens_still(t, &other), TOKEN_UNKNOWN);
	rewrite("");
	ck_assert_int_eq(tokens_still(t, &who), TOKEN_UNKNOWN);
	unlink(path);
	ck_assert_int_eq(tokens_still(t, &who), TOKEN_UNREADABLE);
	end(t);
}
END_TEST

static json_t *used_of(const char *id)
{
	struct tokens *t;
	json_t *all, *one;

	ck_assert_int_eq(tokens_open(&t, path, NULL), 0);
	all = tokens_used(t);
	one = json_incref(json_object_get(all, id));
	json_decref(all);
	tokens_close(t);
	return one;
}

START_TEST(the_last_use_is_kept_in_a_file_of_its_own)
{
	char text[TOKEN_TEXT], idle[TOKEN_TEXT], used_path[96];
	struct actor who;
	struct tokens *t = start(EVERY, 0, text, &who);
	int64_t at, now = clock_wall_us();
	struct stat st;
	json_t *used;

	snprintf(used_path, sizeof(used_path), "%s.used", path);
	ck_assert_int_eq(tokens_save_used(t, NULL), 0);
	ck_assert_int_eq(stat(used_path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	used = used_of(who.token_id);
	ck_assert(clock_parse(json_string_value(used), 0, &at));
	ck_assert_int_eq(at % 1000000, 0);
	ck_assert_int_lt(llabs(now - at), 60000000);
	json_decref(used);
	/* a change of the tokens loses nothing of it */
	token_create(path, "idle", SCOPE_ADMIN, 1, idle, NULL);
	ck_assert_int_eq(tokens_look(t, idle, &who), TOKEN_EXPIRED);
	unlink(used_path);
	ck_assert_int_eq(tokens_save_used(t, NULL), 0);
	ck_assert_int_eq(access(used_path, F_OK), -1);	/* no news */
	used = tokens_used(t);
	ck_assert_uint_eq(json_object_size(used), 1);
	ck_assert_ptr_null(json_object_get(used, who.token_id));
	json_decref(used);
	end(t);
}
END_TEST

START_TEST(nonsense_about_the_last_use_keeps_nobody_out)
{
	static const char *const texts[] = {"", "[]", "{", "\"x\"", "{\"k-1\":1}"};
	char text[TOKEN_TEXT], used_path[96];
	struct actor who;
	struct tokens *t = start(EVERY, 0, text, &who);

	snprintf(used_path, sizeof(used_path), "%s.used", path);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		fs_replace(used_path, texts[i], strlen(texts[i]), 0600, NULL);
		json_decref(used_of(who.token_id));
	}
	end(t);
}
END_TEST

static void *rotate_some(void *data)
{
	char *id = data, text[TOKEN_TEXT];
	struct tokens *t;
	struct actor who;

	if (tokens_open(&t, path, NULL))
		return data;
	for (int i = 0; i < 5; i++)
		if (token_rotate(path, id, HOUR, 0, text, NULL) ||
		    tokens_look(t, text, &who) != TOKEN_GOOD ||
		    !strcpy(id, who.token_id))
			return data;
	tokens_close(t);
	return NULL;
}

START_TEST(edits_at_the_same_time_lose_nothing)
{
	char text[TOKEN_TEXT], ids[4][24];
	struct actor who;
	struct tokens *t = start(EVERY, 0, text, &who);
	pthread_t threads[4];
	json_t *list;
	void *bad;

	for (size_t i = 0; i < 4; i++) {
		token_create(path, "x", EVERY, 0, text, NULL);
		tokens_look(t, text, &who);
		strcpy(ids[i], who.token_id);
		pthread_create(&threads[i], NULL, rotate_some, ids[i]);
	}
	for (size_t i = 0; i < 4; i++) {
		pthread_join(threads[i], &bad);
		ck_assert_ptr_null(bad);
	}
	list = tokens_list(t, NULL);
	ck_assert_uint_eq(json_array_size(list), 1 + 4 + 4 * 5);
	json_decref(list);
	end(t);
}
END_TEST

TESTS("token_edit",
      the_record_can_say_why_a_token_is_none,
      a_line_that_leaves_out_its_end_lets_nobody_in,
      no_token_is_in_the_file_twice,
      both_are_good_until_the_overlap_ends,
      without_an_overlap_the_old_one_is_out_at_once,
      a_rotation_gives_no_more_than_there_was,
      what_is_no_token_any_more_is_not_rotated,
      a_token_is_only_ever_narrowed,
      who_came_in_is_known_by_the_token_alone,
      the_last_use_is_kept_in_a_file_of_its_own,
      nonsense_about_the_last_use_keeps_nobody_out,
      edits_at_the_same_time_lose_nothing)
