/* See ssot_mark.h. */
#include "agent/store/ssot_mark.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/record.h"
#include "agent/store/ssot_commit.h"
#include "common/json.h"

#define DASH "\xe2\x80\x94 "	/* before each signature of a note */

/* Exactly these characters, up to what stands behind them. */
static bool base64(const char **at, size_t len, char *out, char behind)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		"0123456789+/";
	size_t n = strspn(*at, alphabet);

	n += strspn(*at + n, "=");
	if (n != len || (*at)[n] != behind)
		return false;
	memcpy(out, *at, len);
	out[len] = 0;
	*at += len + (behind != 0);
	return true;
}

static bool number(const char **at, uint64_t *out, char behind)
{
	char *end;

	if (**at < '1' || **at > '9' || strspn(*at, "0123456789") > 18)
		return false;
	*out = strtoull(*at, &end, 10);
	*at = end + 1;
	return *end == behind;
}

static bool word(const char **at, const char *word, size_t len)
{
	if (strncmp(*at, word, len))
		return false;
	*at += len;
	return true;
}

bool ssot_mark_read(struct ssot_mark *m, const struct record *r)
{
	const char *note = strcmp(r->type, "checkpoint") ? NULL :
			   json_str(r->data, "note");
	size_t origin = note ? strcspn(note, "\n") : 0;
	struct ssot_mark new = {.seq = r->seq};
	const char *at = origin && note[origin] ? note + origin + 1 : "";

	if (!number(&at, &new.size, '\n') ||
	    !base64(&at, SSOT_MARK_ROOT - 1, new.root, '\n') ||
	    !word(&at, "\n" DASH, 1 + strlen(DASH)) ||
	    !word(&at, note, origin) || !word(&at, " ", 1) ||
	    !base64(&at, SSOT_MARK_SIG - 1, new.sig, '\n'))
		return false;
	*m = new;
	return true;
}

void ssot_mark_text(const struct ssot_mark *m, char out[SSOT_MARK])
{
	snprintf(out, SSOT_MARK, "%llu %s %s", (unsigned long long)m->size,
		 m->root, m->sig);
}

bool ssot_mark_parse(struct ssot_mark *m, const char *text)
{
	*m = (struct ssot_mark){0};
	return number(&text, &m->size, ' ') &&
	       base64(&text, SSOT_MARK_ROOT - 1, m->root, ' ') &&
	       base64(&text, SSOT_MARK_SIG - 1, m->sig, 0);
}

bool ssot_mark_of(struct ssot_mark *m, const char *message)
{
	char text[SSOT_MARK + 8];

	return ssot_trailer(message, "Audit-Checkpoint", text,
			    sizeof(text)) && ssot_mark_parse(m, text);
}
