/*
 * The words of what people read in a record: its details, reasons, titles,
 * names, summaries. Words are runs of ASCII letters and digits and of
 * whatever is not ASCII, in lower case.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct buf;

#define WORD_MAX 16		/* bytes of a word that the index keeps */
#define WORD_START 3

/* The texts of data, one after the other in lower case, appended to b. */
void words_read(struct buf *b, const json_t *data);
/* The next word from *at on, which is moved behind it; len 0: no more. */
const char *words_next(const char **at, size_t *len);
/*
 * Is each word of asked, which is in lower case, the start of one in text?
 * One of less than WORD_START bytes has to be all of it.
 */
bool words_hold(const char *text, const char *asked);
