/* See kept.h. An empty file stands for "nothing was kept". */
#include "agent/run/kept.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/err.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"

#define ENDING ".kept"

static char *path_of(const char *dir)
{
	return xasprintf("%s" ENDING, dir);
}

void kept_move(const char *dir)
{
	char *out = xasprintf("%s/out", dir), *to = path_of(dir);
	char *from = xasprintf("%s/kept", out);
	struct err err = {0};
	struct stat st;
	int rc = 0;

	/* The tool had its folder to itself: only a plain file is taken. */
	if (!lstat(from, &st))
		rc = S_ISREG(st.st_mode) && st.st_size <= KEPT_MAX ?
		     rename(from, to) : -1;
	else if (errno == ENOENT && !lstat(out, &st) && S_ISDIR(st.st_mode))
		rc = fs_replace(to, "", 0, 0600, &err);
	if (rc)
		log_warn("%s: what the tool kept is lost", from);
	err_fini(&err);
	free(from);
	free(out);
	free(to);
}

json_t *kept_read(const char *dir)
{
	char *path = path_of(dir), *text;
	struct err err = {0};
	json_t *v = NULL;
	size_t len;

	text = fs_read(path, KEPT_MAX, &len, &err);
	if (text)
		v = len ? json_stringn(text, len) : json_null();
	if (text)
		mem_wipe(text, len);
	free(text);
	err_fini(&err);
	free(path);
	return v;
}

void kept_remove(const char *dir)
{
	char *path = path_of(dir);

	if (unlink(path) && errno != ENOENT)
		log_warn("%s: could not be removed", path);
	free(path);
}

char **kept_list(const char *work_dir)
{
	const size_t end = strlen(ENDING);
	char **names = xcalloc(1, sizeof(*names));
	DIR *d = opendir(work_dir);
	struct dirent *e;
	size_t n = 0, len;

	while (d && (e = readdir(d))) {
		len = strlen(e->d_name);
		if (len <= end || strcmp(e->d_name + len - end, ENDING))
			continue;
		names = xrealloc(names, (n + 2) * sizeof(*names));
		names[n++] = xstrndup(e->d_name, len - end);
		names[n] = NULL;
	}
	if (d)
		closedir(d);
	return names;
}
