/* See keys.h. */
#include "console/keys.h"

#include <string.h>

#include "common/mem.h"

static const struct action_row rows[ACT_COUNT] = {
	[ACT_none] = {"", "", "", ""},
#define KEY(action, key, shown, label, help) \
	[ACT_##action] = {#action, shown, label, help},
#define ALSO(action, key)
#include "console/keys.def"
#undef KEY
#undef ALSO
};

static const struct {
	uint32_t key;
	enum action action;
} bindings[] = {
#define KEY(action, key, shown, label, help) {key, ACT_##action},
#define ALSO(action, key) {key, ACT_##action},
#include "console/keys.def"
#undef KEY
#undef ALSO
};

const struct action_row *action_row(enum action action)
{
	return &rows[action < ACT_COUNT ? action : ACT_none];
}

enum action action_of_key(uint32_t key)
{
	for (size_t i = 0; i < ARRAY_LEN(bindings); i++)
		if (bindings[i].key == key)
			return bindings[i].action;
	return ACT_none;
}

enum action action_of_name(const char *text)
{
	size_t len = strlen(text);
	enum action found = ACT_none;

	for (int i = 1; len && i < ACT_COUNT; i++) {
		if (!strcmp(rows[i].name, text) || !strcmp(rows[i].label, text))
			return (enum action)i;
		if (strncmp(rows[i].name, text, len) &&
		    strncmp(rows[i].label, text, len))
			continue;
		if (found)
			return ACT_none;
		found = (enum action)i;
	}
	return found;
}
