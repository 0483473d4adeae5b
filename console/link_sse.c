/* See link_sse.h. */
#include "console/link_sse.h"

#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/mem.h"

#define LINE_MAX_BYTES (1 << 20)

struct sse {
	http_event *fn;
	void *data;
	char **last;
	struct buf line, event, text;
	int result;
};

struct sse *sse_new(http_event *fn, void *data, char **last)
{
	struct sse *s = xcalloc(1, sizeof(*s));

	*s = (struct sse){.fn = fn, .data = data, .last = last};
	return s;
}

void sse_free(struct sse *s)
{
	if (!s)
		return;
	buf_fini(&s->line);
	buf_fini(&s->event);
	buf_fini(&s->text);
	free(s);
}

int sse_result(const struct sse *s)
{
	return s->result;
}

static void dispatch(struct sse *s)
{
	if (s->text.len)
		s->result = s->fn(s->data, s->event.len ? s->event.data :
				  "message", s->text.data);
	buf_reset(&s->event);
	buf_reset(&s->text);
}

static void take_line(struct sse *s, char *line)
{
	char *value = strchr(line, ':');

	if (!*line) {
		dispatch(s);
		return;
	}
	if (value) {
		*value++ = 0;
		value += *value == ' ';
	}
	if (!value)
		return;
	if (!strcmp(line, "event")) {
		buf_reset(&s->event);
		buf_adds(&s->event, value);
	} else if (!strcmp(line, "data")) {
		if (s->text.len)
			buf_adds(&s->text, "\n");
		buf_adds(&s->text, value);
	} else if (!strcmp(line, "id")) {
		free(*s->last);
		*s->last = xstrdup(value);
	}
}

int sse_feed(struct sse *s, const char *data, size_t len)
{
	for (size_t i = 0; i < len && !s->result; i++) {
		if (data[i] == '\r')
			continue;
		if (data[i] != '\n') {
			buf_add(&s->line, &data[i], 1);
			if (s->line.len > LINE_MAX_BYTES)
				return -1;
			continue;
		}
		buf_adds(&s->line, "");
		take_line(s, s->line.data);
		buf_reset(&s->line);
	}
	return s->result;
}
