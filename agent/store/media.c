/* Media types: the first bytes decide, the name only between equals. */
#include "agent/store/evidence.h"

#include <string.h>
#include <strings.h>

static const struct row {
	const char *type, *ext;
	size_t at, len;
	const char *magic;	/* NULL: text, told by its name */
} rows[] = {
	{"image/png", "png", 0, 8, "\x89PNG\r\n\x1a\n"},
	{"image/jpeg", "jpg", 0, 3, "\xff\xd8\xff"},
	{"image/jpeg", "jpeg", 0, 3, "\xff\xd8\xff"},
	{"video/mp4", "mp4", 4, 4, "ftyp"},
	{"video/webm", "webm", 0, 4, "\x1a\x45\xdf\xa3"},
	{"video/x-matroska", "mkv", 0, 4, "\x1a\x45\xdf\xa3"},
	{"application/pdf", "pdf", 0, 5, "%PDF-"},
	{"application/zip", "zip", 0, 4, "PK\x03\x04"},
	{"application/timestamp-reply", "tsr", 0, 0, NULL},
	{"application/json", "json", 0, 0, NULL},
	{"text/html", "html", 0, 0, NULL},
	{"text/plain", "txt", 0, 0, NULL},
	{"text/plain", "log", 0, 0, NULL},
	{"text/markdown", "md", 0, 0, NULL},
};

static const char *extension(const char *name)
{
	const char *dot = name ? strrchr(name, '.') : NULL;

	return dot ? dot + 1 : "";
}

static bool fits(const struct row *r, const char *head, size_t len)
{
	if (!r->magic)
		return !len || !memchr(head, 0, len);
	return len >= r->at + r->len &&
	       !memcmp(head + r->at, r->magic, r->len);
}

const char *media_type_of(const char *name, const void *head, size_t len)
{
	const char *ext = extension(name), *by_magic = NULL;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct row *r = &rows[i];

		if (!fits(r, head, len))
			continue;
		if (!strcasecmp(ext, r->ext))
			return r->type;
		if (r->magic && !by_magic)
			by_magic = r->type;
	}
	return by_magic ? by_magic : "application/octet-stream";
}
