/*
 * One JSON object a line, replaced as a whole under a lock on its folder
 * (the file itself is another one after each change).
 */
#include "agent/store/token_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/id.h"
#include "common/json.h"
#include "common/mem.h"

#define FILE_MAX (8 << 20)

/* The file as a JSON array; each line must have what a token needs. */
static json_t *parse(const char *path, const char *text, struct err *err)
{
	json_t *all = json_array();
	int line = 1;

	for (const char *at = text; *at; line++) {
		size_t len = strcspn(at, "\n");
		json_t *one = len ? json_parse(at, len, err) : NULL;

		if (one)
			json_array_append_new(all, one);
		if (len && (!one || !id_valid(json_str(one, "id")) ||
			    strlen(json_str(one, "id")) > 23 ||
			    !id_valid(json_str(one, "name")) ||
			    !is_hex(json_str(one, "sha256"), TOKEN_DIGEST) ||
			    !json_is_array(json_object_get(one, "scopes")))) {
			err_set(err, ERR_bad_config, "%s:%d: no token", path,
				line);
			json_decref(all);
			return NULL;
		}
		at += len + (at[len] == '\n');
	}
	return all;
}

static int file_ok(const char *path, struct stat *st, struct err *err)
{
	if (stat(path, st)) {
		err_sys(err, ERR_io, "%s", path);
		return err_hint(err, "`kircerta-agent init` makes the home; "
				"`kircerta-agent token create` a token.");
	}
	if (S_ISREG(st->st_mode) && !(st->st_mode & 077))
		return 0;
	err_set(err, ERR_io, "%s may be read by others (mode %03o)", path,
		st->st_mode & 0777);
	return err_hint(err, "chmod 600 %s", path);
}

json_t *token_file_read(const char *path, struct err *err)
{
	struct stat st;
	char *text;
	json_t *all;

	if (file_ok(path, &st, err))
		return NULL;
	text = fs_read(path, FILE_MAX, NULL, err);
	all = text ? parse(path, text, err) : NULL;
	free(text);
	return all;
}

static int lock_beside(const char *path, struct err *err)
{
	char *copy = xstrdup(path);
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	free(copy);
	if (fd >= 0 && !flock(fd, LOCK_EX))
		return fd;
	err_sys(err, ERR_io, "locking the folder of %s", path);
	if (fd >= 0)
		close(fd);
	return -1;
}

static int write_all(const char *path, const json_t *all, struct err *err)
{
	struct buf text = {0};
	json_t *one;
	size_t i;
	int rc;

	json_array_foreach (all, i, one) {
		char *line = json_line(one, NULL);

		buf_addf(&text, "%s\n", line);
		free(line);
	}
	rc = fs_replace(path, text.data ? text.data : "", text.len, 0600, err);
	buf_fini(&text);
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

static json_t *token_new(const char *name, unsigned set, int64_t ttl_us,
			 const char *text)
{
	char id[ID_MADE], hex[SHA256_HEX], now[CLOCK_TEXT], end[CLOCK_TEXT];
	int64_t now_us = clock_wall_us();
	json_t *one = json_object();

	id_make('k', id);
	sha256_hex(text, TOKEN_TEXT - 1, hex);
	clock_text(now_us, now);
	if (ttl_us)
		clock_text(now_us + ttl_us, end);
	json_set_str(one, "id", id);
	json_set_str(one, "name", name);
	json_object_set_new(one, "scopes", scope_names(set));
	json_set_str(one, "sha256", hex);
	json_set_str(one, "created_at", now);
	json_set_str(one, "expires_at", ttl_us ? end : NULL);
	json_set_str(one, "revoked_at", NULL);
	return one;
}

int token_create(const char *path, const char *name, unsigned set,
		 int64_t ttl_us, char text[TOKEN_TEXT], struct err *err)
{
	json_t *all = NULL;
	int lock, rc = -1;

	if (!id_valid(name))
		return err_set(err, ERR_invalid_request,
			       "a token's name is 1 to 128 of A-Za-z0-9._-");
	if (!set || set & ~(SCOPE_ADMIN | SCOPE_OBSERVER | SCOPE_RUNNER))
		return err_set(err, ERR_invalid_request, "a token needs a "
			       "scope: admin, observer or tool_runner");
	if (ttl_us < 0)
		return err_set(err, ERR_invalid_request,
			       "a token cannot end before it begins");
	lock = lock_beside(path, err);
	if (lock < 0)
		return -1;
	if (access(path, F_OK) && errno == ENOENT)
		all = json_array();
	else
		all = token_file_read(path, err);
	if (all) {
		token_text_make(set, text);
		json_array_append_new(all, token_new(name, set, ttl_us, text));
		rc = write_all(path, all, err);
	}
	if (rc)
		mem_wipe(text, TOKEN_TEXT);
	json_decref(all);
	close(lock);
	return rc;
}

static int revoke_in(json_t *all, const char *id, struct err *err)
{
	char now[CLOCK_TEXT];
	json_t *one;
	size_t i;

	json_array_foreach (all, i, one)
		if (id && !strcmp(json_str(one, "id"), id)) {
			clock_text(clock_wall_us(), now);
			if (!json_str(one, "revoked_at"))
				json_set_str(one, "revoked_at", now);
			return 0;
		}
	err_set(err, ERR_not_found, "no token %s", id ? id : "");
	return err_hint(err, "`kircerta-agent token list` shows the ids.");
}

int token_revoke(const char *path, const char *id, struct err *err)
{
	int lock = lock_beside(path, err), rc = -1;
	json_t *all = NULL;

	if (lock < 0)
		return -1;
	all = token_file_read(path, err);
	if (all && !revoke_in(all, id, err))
		rc = write_all(path, all, err);
	json_decref(all);
	close(lock);
	return rc;
}
