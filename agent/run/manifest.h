/* A tool's manifest, read into a struct tool; checked as it is read. */
#pragma once
#include "agent/run/tool.h"

struct err;

/* NULL and ERR_bad_config with file and, where there is one, line. */
struct tool *manifest_read(const char *path, struct err *err);
void tool_free(struct tool *t);

/*
 * Split as a shell splits words: blanks, both quotes and backslash; nothing
 * is expanded. NULL-terminated, owned; NULL where a quote is not closed.
 */
char **words_split(const char *text);
void words_free(char **words);
