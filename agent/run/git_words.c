/* See git_words.h. Bounded: a line, and the lines together. */
#include "agent/run/git_words.h"

#include <string.h>

#include "common/mem.h"
#include "common/utf8.h"

#define KEPT_MAX 4096
#define LINE_KEPT 1024

void git_words_fini(struct git_words *w)
{
	buf_fini(&w->kept);
	buf_fini(&w->line);
}

/* Where a count ends, and what is said beside it when all went well. */
static bool is_noise(const char *line, size_t len)
{
	static const char *const begins[] = {
		"Total ", "Delta compression using ", "remote: Total ",
		"To ", "From ",
	};
	static const char done[] = ", done.";
	size_t n = sizeof(done) - 1;

	if (len >= n && !memcmp(line + len - n, done, n))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(begins); i++)
		if (!strncmp(line, begins[i], strlen(begins[i])))
			return true;
	return false;
}

static void end_line(struct git_words *w)
{
	struct buf *line = &w->line;

	while (line->len && line->data[line->len - 1] == ' ')
		line->data[--line->len] = 0;
	if (line->len && !is_noise(line->data, line->len)) {
		if (w->kept.len && w->kept.len < KEPT_MAX)
			buf_adds(&w->kept, "; ");
		if (w->kept.len < KEPT_MAX)
			buf_add(&w->kept, line->data, line->len);
	}
	buf_reset(line);
}

static void hear(struct git_words *w, char c)
{
	struct buf *line = &w->line;

	if (w->returned && c != '\n' && c != '\r')
		buf_reset(line);	/* written over by what comes */
	if (c == '\n')
		end_line(w);
	w->returned = c == '\r';
	if (c == '\n' || c == '\r')
		return;
	if (c == '\t' || !c)
		c = ' ';
	if (c == ' ' && (!line->len || line->data[line->len - 1] == ' '))
		return;
	if (line->len < LINE_KEPT)
		buf_add(line, &c, 1);
}

void git_words_hear(struct git_words *w, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		hear(w, data[i]);
}

void git_words_end(struct git_words *w, char *out, size_t size)
{
	if (!w->returned)
		end_line(w);
	utf8_visible(w->kept.data ? w->kept.data : "", out, size);
}
