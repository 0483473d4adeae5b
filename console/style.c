/* See style.h. */
#include "console/style.h"

#include <string.h>

static const char *const names[STYLE_count] = {
#define STYLE(role, help) [STYLE_##role] = #role,
#include "console/style.def"
#undef STYLE
};

const char *style_name(enum style style)
{
	return names[style < STYLE_count ? style : STYLE_normal];
}

enum style style_find(const char *name)
{
	int i = 0;

	while (i < STYLE_count && strcmp(names[i], name))
		i++;
	return (enum style)i;
}
