/* See words.h. */
#include "common/words.h"

#include <string.h>

int words_index(const char *list, char sep, const char *word)
{
	const char end[] = {sep, 0};
	size_t len = strlen(word), n;
	int index = 0;

	for (const char *at = list; *at; at += n + (at[n] == sep)) {
		n = strcspn(at, end);
		if (n == len && !strncmp(at, word, n))
			return index;
		index++;
	}
	return -1;
}
