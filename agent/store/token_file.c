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

static bool is_token(const json_t *one)
{
	return one && id_valid(json_str(one, "id")) &&
	       strlen(json_str(one, "id")) < sizeof((struct actor){0}.token_id) &&
	       id_valid(json_str(one, "name")) &&
	       is_hex(json_str(one, "sha256"), TOKEN_DIGEST) &&
	       json_is_array(json_object_get(one, "scopes"));
}

/* Was this member's value in the file already? It is from now on. */
static bool seen(json_t *values, const json_t *one, const char *member)
{
	const char *value = json_str(one, member);

	if (json_object_get(values, value))
		return true;
	json_object_set_new(values, value, json_true());
	return false;
}

/* The file as a JSON array; each line must have what a token needs. */
static json_t *parse(const char *path, const char *text, struct err *err)
{
	json_t *all = json_array(), *ids = json_object();
	int line = 1;

	for (const char *at = text; *at; line++) {
		size_t len = strcspn(at, "\n");
		json_t *one = len ? json_parse(at, len, err) : NULL;

		if (one)
			json_array_append_new(all, one);
		if (len && (!is_token(one) || seen(ids, one, "id") ||
			    seen(ids, one, "sha256"))) {
			err_set(err, ERR_bad_config, "%s:%d: no token, or one "
				"that is there twice", path, line);
			json_decref(all);
			json_decref(ids);
			return NULL;
		}
		at += len + (at[len] == '\n');
	}
	json_decref(ids);
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

int token_file_lock(const char *path, struct err *err)
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

int token_file_write(const char *path, const json_t *all, struct err *err)
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
