/*
 * Webhooks that came so long ago that they are not known again: what kept
 * them is done away with, or it would only ever grow. A document of the kinds
 * "hook" and "hookbody" goes when its source's window is over.
 *
 * A mark, "hookmark", stays: what is older than it is refused however late it
 * comes, where the window is over most of all, for then nothing else knows an
 * event again whose signature has no time in it and is good for ever. There
 * is one for each subject, not for each event.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>

struct settings;

/*
 * Is the window of this document over, for certain? What the last boot has
 * left is judged by a clock that may still be set: that waits for an hour.
 * Any thread.
 */
bool webhook_is_over(const struct settings *s, const json_t *kept);
