/* See model_type.h. */
#include "console/model_type.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "console/safe.h"

#define NAME_MAX_LEN 40

static const char *const types[] = {
#define TYPE(name) #name,
#include "console/record_type.def"
#undef TYPE
};

static bool is_known(const char *word, bool part)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (part ? strcasestr(types[i], word) != NULL :
			   !strcmp(types[i], word))
			return true;
	return false;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Levenshtein's: letters put in, left out or changed. */
static size_t distance(const char *a, const char *b)
{
	size_t row[NAME_MAX_LEN + 1], n = strlen(b);

	for (size_t k = 0; k <= n; k++)
		row[k] = k;
	for (size_t i = 0; a[i]; i++) {
		size_t before = row[0];

		row[0] = i + 1;
		for (size_t k = 0; k < n; k++) {
			const size_t above = row[k + 1];

			row[k + 1] = least(least(row[k], above) + 1,
					   before + (a[i] != b[k]));
			before = above;
		}
	}
	return row[n];
}

/* One that has the word in it is nearer than any other. */
static const char *nearest(const char *word)
{
	size_t best = SIZE_MAX, d;
	const char *out = types[0];

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		d = strcasestr(types[i], word) ? 0 : distance(word, types[i]);
		if (d < best) {
			best = d;
			out = types[i];
		}
	}
	return out;
}

/* Of the words between "|" or ",", the first that says something unknown. */
static char *first_unknown(char *list, bool part)
{
	char *save = NULL, *word, *shown, *out;

	for (word = strtok_r(list, "|,", &save); word;
	     word = strtok_r(NULL, "|,", &save)) {
		if (strlen(word) > NAME_MAX_LEN)
			word[NAME_MAX_LEN] = 0;
		if (strpbrk(word, "*?") || is_known(word, part))
			continue;
		shown = safe_line(word);
		out = xasprintf("no type %s is known: %s?", shown,
				nearest(word));
		free(shown);
		return out;
	}
	return NULL;
}

char *type_unknown(const char *filter, bool part)
{
	char *copy = xstrdup(filter ? filter : ""), *save = NULL, *out = NULL;

	for (char *term = strtok_r(copy, " ", &save); term && !out;
	     term = strtok_r(NULL, " ", &save))
		if (!strncmp(term, "type:", 5))
			out = first_unknown(term + 5, part);
	free(copy);
	return out;
}
