/* Bytes for a terminal that are no cells: modes and the clipboard. */
#pragma once

/* To standard output, whole, past stdio. */
void terminal_write(const char *bytes);
/*
 * The OSC 52 sequence that puts text on the clipboard; empty where the text
 * is longer than terminals take. Caller frees.
 */
char *clipboard_text(const char *text);
