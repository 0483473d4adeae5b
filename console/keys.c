/* See keys.h. */
#include "console/keys.h"

#include <stdbool.h>
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

/* The only action whose name (or label) has these first len bytes. */
static enum action only_fit(const char *text, size_t len, bool label)
{
	enum action found = ACT_none;

	for (int i = 1; i < ACT_COUNT; i++) {
		if (strncmp(label ? rows[i].label : rows[i].name, text, len))
			continue;
		if (found)
			return ACT_none;
		found = (enum action)i;
	}
	return found;
}

enum action action_of_name(const char *text)
{
	size_t len = strlen(text);

	if (!len)
		return ACT_none;
	for (int part = 0; part < 2; part++)
		for (int label = 0; label < 2; label++) {
			enum action found = only_fit(text, len + !part, label);

			if (found)
				return found;
		}
	return ACT_none;
}
