/* See stop_note.h. */
#include "agent/store/stop_note.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/err.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/mem.h"

static void sync_folder_of(const char *path)
{
	char *copy = xstrdup(path);

	fs_sync_dir(dirname(copy), NULL);
	free(copy);
}

static int put(int fd, const char bytes[STOP_NOTE])
{
	size_t done = 0;
	ssize_t n;

	while (done < STOP_NOTE) {
		n = pwrite(fd, bytes + done, STOP_NOTE - done, (off_t)done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		done += (size_t)n;
	}
	return fdatasync(fd);
}

static bool is_file(const char *path, struct stat *st)
{
	return !lstat(path, st) && S_ISREG(st->st_mode);
}

/*
 * In its place if it has one; a new file is as good where there is room, and
 * where something else is, which could keep us waiting or lead elsewhere.
 */
static int write_note(const char *path, const char bytes[STOP_NOTE],
		      struct err *err)
{
	struct stat st;
	int fd, rc;

	if (!is_file(path, &st))
		unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW |
		  O_NONBLOCK, 0600);
	rc = fd < 0 ? -1 : put(fd, bytes);
	if (rc)
		err_sys(err, ERR_io, "%s", path);
	if (fd >= 0)
		close(fd);
	sync_folder_of(path);
	return rc;
}

int stop_note_prepare(const char *path, struct err *err)
{
	char blank[STOP_NOTE];
	struct stat st;

	if (is_file(path, &st) && st.st_size)
		return 0;		/* it has room, or says something */
	memset(blank, ' ', sizeof(blank));
	blank[sizeof(blank) - 1] = '\n';
	return write_note(path, blank, err);
}

static bool is_blank(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!strchr(" \n", text[i]) || !text[i])
			return false;
	return true;
}

json_t *stop_note_read(const char *path)
{
	struct err err = {0};
	struct stat st;
	size_t len = 0;
	bool missing = lstat(path, &st) && errno == ENOENT;
	char *text = is_file(path, &st) ? fs_read(path, STOP_NOTE, &len, &err) :
					  NULL;
	json_t *note = NULL;

	if (text && !is_blank(text, len))
		note = json_parse(text, len, NULL);
	if (!missing && (!text || !is_blank(text, len)) &&
	    !json_is_object(note)) {
		json_decref(note);
		note = json_object();
		json_set_str(note, "reason", "a stop was kept that cannot be "
					     "read any more");
	}
	err_fini(&err);
	free(text);
	return note;
}

int stop_note_write(const char *path, const json_t *note, struct err *err)
{
	char bytes[STOP_NOTE];
	size_t len = 0;
	char *text = note ? json_line(note, &len) : NULL;

	memset(bytes, ' ', sizeof(bytes));
	bytes[sizeof(bytes) - 1] = '\n';
	if (len >= sizeof(bytes)) {
		free(text);
		return err_set(err, ERR_internal, "this note has %zu bytes",
			       len);
	}
	if (text)
		memcpy(bytes, text, len);
	free(text);
	return write_note(path, bytes, err);
}
