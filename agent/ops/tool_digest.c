/* See tool_digest.h. */
#include "agent/ops/tool_digest.h"

#include <stdlib.h>

#include "agent/store/settings.h"
#include "common/jcs.h"
#include "common/json.h"

static json_t *words_json(char *const *words)
{
	json_t *out = json_array();

	for (; words && *words; words++)
		json_array_append_new(out, json_lossy(*words));
	return out;
}

void tool_digest(struct agent *a, const struct tool *t, char hex[SHA256_HEX])
{
	json_t *v = json_object();
	size_t len;
	char *text;

	json_object_set_new(v, "tool", tool_json(t));
	json_object_set_new(v, "argv", words_json(t->argv));
	json_object_set_new(v, "pass_env", words_json(t->pass_env));
	if (t->config)
		json_object_set(v, "config", json_object_get(
					a->settings->sections, t->config));
	text = jcs_text(v, &len, NULL);
	if (!text)		/* a default that no number is; still one tool */
		text = json_hashed(v, &len);
	sha256_hex(text, len, hex);
	free(text);
	json_decref(v);
}
