/*
 * The types of records, to tell a word that was mistyped from one that
 * nothing fits. Any type can be looked for: tools and other versions of the
 * agent write their own, so this is only asked where nothing was found.
 */
#pragma once
#include <stdbool.h>

/*
 * The first type that the filter asks for and that no known one is, and the
 * one that is nearest: "no type statd is known: task_state?", safe. NULL:
 * there is none. Part: a part of the name is enough. Caller frees.
 */
char *type_unknown(const char *filter, bool part);
