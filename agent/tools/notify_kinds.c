/*
 * See notify_kinds.h. Slack: incoming webhooks, "Formatting text"; Discord:
 * Execute Webhook; Mattermost: incoming webhooks; ntfy: "Publishing", by
 * header. webhook is our own: {title, text, priority} and ids.
 */
#include "agent/tools/notify_kinds.h"

#include <stdlib.h>
#include <string.h>

#include "common/base64.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/utf8.h"

#define DISCORD_MAX 2000	/* characters of a message */
#define JSON_TYPE "Content-Type: application/json; charset=utf-8"
#define NOBODY "\xe2\x80\x8b"	/* a space of no width, behind an @ */

static void header(struct notify_post *p, char *line)
{
	size_t i = 0;

	while (p->headers[i])
		i++;
	p->headers[i] = line;
}

static void body_of(struct notify_post *p, json_t *v)
{
	json_add_line(&p->body, v);
	json_decref(v);
	header(p, xstrdup(JSON_TYPE));
}

static void webhook(const struct notify_message *m, struct notify_post *p)
{
	static const char *const priorities[] = {"normal", "low", "high",
						 "urgent"};
	json_t *v = json_pack("{s:s, s:s, s:s}", "title", m->title, "text",
			      m->text, "priority", priorities[m->priority]);

	json_object_update(v, (json_t *)m->ids);
	body_of(p, v);
}

/* A header is one line of ASCII; RFC 2047 says how more gets into it. */
static char *title_line(const char *title)
{
	struct buf b = {0};
	const char *at = title;

	while (*at >= 0x20 && *at < 0x7f)
		at++;
	buf_adds(&b, "Title: ");
	if (!*at && strncmp(title, "=?", 2)) {
		buf_adds(&b, title);
	} else {
		buf_adds(&b, "=?UTF-8?B?");
		base64_add(&b, title, strlen(title));
		buf_adds(&b, "?=");
	}
	return buf_take(&b, NULL);
}

static void ntfy(const struct notify_message *m, struct notify_post *p)
{
	static const char *const priorities[] = {"3", "2", "4", "5"};

	buf_adds(&p->body, m->text);
	header(p, xstrdup("Content-Type: text/plain; charset=utf-8"));
	header(p, title_line(m->title));
	header(p, xasprintf("Priority: %s", priorities[m->priority]));
}

static const char *slack_safe(char c)
{
	return c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" :
	       NULL;
}

/* Markdown: a backslash takes the meaning, and @ is no name any more. */
static const char *markdown_safe(char c)
{
	static const char special[] = "\\`*_~|[]()<>#";
	static const char *const plain[] = {
		"\\\\", "\\`", "\\*", "\\_", "\\~", "\\|", "\\[", "\\]",
		"\\(", "\\)", "\\<", "\\>", "\\#",
	};
	const char *at = c ? strchr(special, c) : NULL;

	return c == '@' ? "@" NOBODY : at ? plain[at - special] : NULL;
}

/* At most max characters of text, no more than fit with what they become. */
static void add_safe(struct buf *b, const char *text, size_t *left,
		     const char *(*safe)(char c))
{
	size_t len = strlen(text), n;
	uint32_t point;

	for (; len; text += n, len -= n) {
		const char *as = safe(*text);

		n = utf8_decode(text, len, &point);
		if (*left < (as ? strlen(as) : 1))
			return;
		*left -= as ? strlen(as) : 1;
		if (as)
			buf_adds(b, as);
		else
			buf_add(b, text, n);
	}
}

static char *two_lines(const struct notify_message *m, const char *mark,
		       size_t max, const char *(*safe)(char c))
{
	struct buf b = {0};
	size_t left = max - 2 * strlen(mark) - 1;

	buf_adds(&b, mark);
	add_safe(&b, m->title, &left, safe);
	buf_addf(&b, "%s\n", mark);
	add_safe(&b, m->text, &left, safe);
	return buf_take(&b, NULL);
}

static void slack(const struct notify_message *m, struct notify_post *p)
{
	char *text = two_lines(m, "*", 40000, slack_safe);

	body_of(p, json_pack("{s:s}", "text", text));
	free(text);
}

static void discord(const struct notify_message *m, struct notify_post *p)
{
	char *text = two_lines(m, "**", DISCORD_MAX, markdown_safe);

	body_of(p, json_pack("{s:s, s:{s:[]}}", "content", text,
			     "allowed_mentions", "parse"));
	free(text);
}

static void mattermost(const struct notify_message *m, struct notify_post *p)
{
	char *text = two_lines(m, "**", 16000, markdown_safe);

	body_of(p, json_pack("{s:s}", "text", text));
	free(text);
}

static const struct notify_kind kinds[] = {
	{"webhook", webhook}, {"ntfy", ntfy}, {"slack", slack},
	{"discord", discord}, {"mattermost", mattermost},
};

const struct notify_kind *notify_kind(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	return NULL;
}

void notify_post_fini(struct notify_post *p)
{
	for (char **h = p->headers; *h; h++)
		free(*h);
	buf_fini(&p->body);
}
