/*
 * Text that somebody else wrote, made safe to show: what could move a cursor,
 * turn the reading direction or hide becomes visible, as <U+202E>.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool utf8_valid(const char *text, size_t len);
/*
 * Decode one code point of text[0..len); returns the bytes taken (at least 1)
 * and U+FFFD for a byte that is not UTF-8.
 */
size_t utf8_decode(const char *text, size_t len, uint32_t *point);
/* May this code point reach a terminal as it is? */
bool utf8_shows(uint32_t point);
/*
 * Copy text to out (size bytes, NUL-terminated) with everything that does not
 * show as <U+XXXX>, line feeds and tabs too. Never splits a character.
 * Returns the length that the whole would have.
 */
size_t utf8_visible(const char *text, char *out, size_t size);
/* Cells on a terminal, of text that is visible: 0, 1 or 2 each. */
int utf8_width(uint32_t point);
