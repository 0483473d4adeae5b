/*
 * The small language in which a webhook's configuration says what of an event
 * goes where: JSON pointers (RFC 6901), and templates, which are text with
 * {/json/pointer} in it; {{ and }} are braces. No code, no loops. Pure.
 */
#pragma once
#include <jansson.h>
#include <stddef.h>

/* What is wrong: "is ..." or "has ...", said of it; NULL: nothing. */
const char *pointer_wrong(const char *pointer);
const char *template_wrong(const char *text);

/* What the pointer names in there: borrowed, NULL: nothing. */
json_t *pointer_get(const json_t *in, const char *pointer);

enum template_kind {
	TEMPLATE_LINE,		/* of one line: what breaks it is a space */
	TEMPLATE_TEXT,
};

/*
 * The text with what body has at each pointer: strings as they are, null as
 * nothing, anything else as JSON. A pointer to nothing is nothing, and is
 * added to missing (an array, or NULL) once. A line ends with LF, a control
 * character becomes U+FFFD, and what is over max bytes is cut between two
 * characters, with an ellipsis. New.
 */
char *template_fill(const char *text, const json_t *body,
		    enum template_kind kind, size_t max, json_t *missing);
/* One value as it would be in a template; NULL: nothing, as null is. New. */
char *template_value(const json_t *v, enum template_kind kind, size_t max);
