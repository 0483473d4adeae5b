/* A list of words in one text, such as "allow|approve|deny". */
#pragma once

/* The index of word among those that sep parts, from 0; -1: it is none. */
int words_index(const char *list, char sep, const char *word);
