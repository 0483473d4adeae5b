/* See youtube_video.h. Limits are those of the API's videos resource. */
#include "agent/tools/youtube_video.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agent/tools/tool.h"
#include "agent/tools/web.h"
#include "agent/tools/youtube_auth.h"
#include "agent/tools/youtube_reply.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"

#define TITLE_MAX 100		/* characters */
#define DESCRIPTION_MAX 5000	/* bytes */
#define TAGS_MAX 500		/* characters, commas and quotes included */
#define READ_BACK_TRIES 3
#define READ_BACK_MS 3000	/* inside the grace that a cancel has */

static size_t characters(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

static void no_angles(const char *name, const char *text)
{
	if (strpbrk(text, "<>"))
		tool_fail(err_row(ERR_invalid_args),
			  "%s contains < or >, which YouTube refuses", name);
}

/* A tag with a space counts with the quotes that YouTube puts around it. */
static void push_tag(json_t *tags, const char *text, size_t len,
		     size_t *used)
{
	*used += len + 1 + (memchr(text, ' ', len) ? 2 : 0);
	json_array_append_new(tags, json_stringn(text, len));
}

/* kc- and 16 hex digits, in upper or lower case: nobody's but the agent's. */
static bool is_marker(const char *tag, size_t len)
{
	return len == 19 && !strncasecmp(tag, "kc-", 3) &&
	       strspn(tag + 3, "0123456789abcdefABCDEF") >= 16;
}

static void add_tag(json_t *tags, const char *text, size_t len, size_t *used)
{
	while (len && *text == ' ')
		text++, len--;
	while (len && text[len - 1] == ' ')
		len--;
	if (is_marker(text, len))
		tool_fail(err_row(ERR_invalid_args), "tags: %.*s is what the "
			  "agent marks its videos with", (int)len, text);
	if (len)
		push_tag(tags, text, len, used);
}

static json_t *tags_of(const struct tool *t)
{
	const char *text = tool_text(t, "tags");
	const char *marker = tool_id(t, "marker");
	json_t *tags = json_array();
	size_t used = 0, n;

	for (const char *at = text ? text : ""; *at; at += n + (at[n] == ',')) {
		n = strcspn(at, ",");
		add_tag(tags, at, n, &used);
	}
	if (marker)
		push_tag(tags, marker, strlen(marker), &used);
	if (used > TAGS_MAX + 1)
		tool_fail(err_row(ERR_invalid_args), "tags are over %d "
			  "characters together%s", TAGS_MAX, marker ?
			  ", with the one that marks the video" : "");
	no_angles("tags", text ? text : "");
	return tags;
}

static const char *category_of(const struct tool *t)
{
	const char *text = tool_text(t, "category");

	if (!text)
		return "28";
	if (!*text || strlen(text) > 4 || text[strspn(text, "0123456789")])
		tool_fail(err_row(ERR_invalid_args),
			  "category is not a number such as 28");
	return text;
}

const char *video_privacy_wanted(const struct tool *t)
{
	static const char *const words[] = {"private", "unlisted", "public"};

	return words[tool_choice(t, "privacy", "private unlisted public")];
}

char *video_metadata(const struct tool *t)
{
	const char *title = tool_need(t, "title");
	const char *description = tool_text(t, "description");
	json_t *v;
	char *line;

	if (characters(title) > TITLE_MAX)
		tool_fail(err_row(ERR_invalid_args),
			  "title is over %d characters", TITLE_MAX);
	no_angles("title", title);
	if (description && strlen(description) > DESCRIPTION_MAX)
		tool_fail(err_row(ERR_invalid_args),
			  "description is over %d bytes", DESCRIPTION_MAX);
	no_angles("description", description ? description : "");
	v = json_pack("{s:{s:s, s:s, s:o, s:s}, s:{s:s, s:b}}", "snippet",
		      "title", title, "description",
		      description ? description : "", "tags", tags_of(t),
		      "categoryId", category_of(t), "status", "privacyStatus",
		      video_privacy_wanted(t), "selfDeclaredMadeForKids",
		      tool_bool(t, "made_for_kids", false));
	line = json_line(v, NULL);
	json_decref(v);
	return line;
}

const char *video_privacy(const json_t *resource)
{
	return json_str(json_object_get(resource, "status"), "privacyStatus");
}

static json_t *first_item(const struct web_reply *r, const char *id)
{
	json_t *body = json_parse(r->body.data ? r->body.data : "",
				  r->body.len, NULL);
	json_t *item = json_array_get(json_object_get(body, "items"), 0);
	const char *is = json_str(item, "id");

	item = is && !strcmp(is, id) ? json_incref(item) : NULL;
	json_decref(body);
	return item;
}

json_t *video_read_back(struct web *w, const struct tool *t,
			const struct auth *a, const char *base,
			const char *id)
{
	char *url = xasprintf("%s/youtube/v3/videos?part=snippet,status,"
			      "fileDetails&id=%s",
			      base, id);
	const char *headers[] = {auth_header(a), NULL};
	struct web_reply r = {0};
	json_t *item = NULL;
	enum reply_kind kind;
	int tries = 0;

	do {
		web_send(w, t, &(struct web_request){
			.method = "GET", .url = url, .headers = headers,
			.limit_ms = READ_BACK_MS, .past_cancel = true}, &r);
		kind = reply_kind(&r);
		if (kind == REPLY_DONE)
			item = first_item(&r, id);
	} while (!item && (kind == REPLY_DONE || kind == REPLY_AGAIN) &&
		 ++tries < READ_BACK_TRIES && web_pause(t, tries - 1, &r));
	web_reply_fini(&r);
	free(url);
	return item;
}
