/* See token_used.h. */
#include "agent/store/token_used.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/mem.h"

#define SECOND 1000000
#define FILE_MAX (8 << 20)

struct used {
	char *path;
	json_t *times;
	bool fresh;		/* something the file does not have */
};

static bool is_time(const json_t *v)
{
	const char *text = json_string_value(v);

	return text && text[strspn(text, "0123456789-:.TZ")] == '\0';
}

/* They are shown to people: what is no time is dropped. */
static json_t *read_times(const char *path)
{
	struct stat st;
	size_t len = 0;
	char *text = !lstat(path, &st) && S_ISREG(st.st_mode) ?
		     fs_read(path, FILE_MAX, &len, NULL) : NULL;
	json_t *all = text ? json_parse(text, len, NULL) : NULL;
	json_t *times = json_object(), *each;
	const char *id;

	json_object_foreach (all, id, each)
		if (is_time(each))
			json_object_set(times, id, each);
	json_decref(all);
	free(text);
	return times;
}

struct used *used_new(const char *tokens_path)
{
	struct used *u = xcalloc(1, sizeof(*u));
	struct buf path = {0};

	buf_addf(&path, "%s.used", tokens_path);
	u->path = buf_take(&path, NULL);
	u->times = read_times(u->path);
	return u;
}

void used_free(struct used *u)
{
	if (!u)
		return;
	json_decref(u->times);
	free(u->path);
	free(u);
}

void used_mark(struct used *u, const char *id, int64_t wall_us)
{
	char text[CLOCK_TEXT];

	clock_text(wall_us - wall_us % SECOND, text);
	json_set_str(u->times, id, text);
	u->fresh = true;
}

json_t *used_all(const struct used *u)
{
	return json_copy(u->times);
}

char *used_take(struct used *u)
{
	if (!u->fresh)
		return NULL;
	u->fresh = false;
	return json_line(u->times, NULL);
}

int used_write(const struct used *u, const char *text, struct err *err)
{
	return fs_replace(u->path, text, strlen(text), 0600, err);
}
