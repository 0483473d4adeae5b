/* What each kind of document consists of. Any thread. */
#pragma once
#include <jansson.h>

struct err;

/* Is it a whole document of this kind, and this its path? */
int document_shape(const char *path, const char *kind, const json_t *doc,
		   struct err *err);
