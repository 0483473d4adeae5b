/* Of `kircerta-agent check`: can the tokens be read, and which end soon? */
#include "agent/admin_check.h"

#include <stdio.h>
#include <stdlib.h>

#include "agent/store/home.h"
#include "agent/store/token.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"

#define DAY 86400000000LL
#define SOON (7 * DAY)

/* When it ends; 0: never. -1: it has, or was revoked. */
static int64_t end_of(const json_t *t, int64_t now)
{
	const char *expires = json_str(t, "expires_at");
	int64_t end = 0;

	if (!json_is_null(json_object_get(t, "revoked_at")) ||
	    (!json_is_null(json_object_get(t, "expires_at")) &&
	     (!expires || !clock_parse(expires, 0, &end) || end <= now)))
		return -1;
	return end;
}

/* Nothing to do about one that has a successor. */
static void say_soon(const json_t *t)
{
	const char *id = json_str(t, "id"), *name = json_str(t, "name");
	char *text;

	if (json_str(t, "rotated_by"))
		return;
	text = xasprintf("%s ends at %s", name, json_str(t, "expires_at"));
	say_row("token", "soon", text);
	free(text);
	text = xasprintf("`kircerta-agent token rotate %s` makes the next", id);
	say_more(text);
	free(text);
}

static void say_all(const json_t *list)
{
	int64_t now = clock_wall_us(), end;
	unsigned good = 0;
	char text[40];
	json_t *each;
	size_t i;

	json_array_foreach (list, i, each)
		good += end_of(each, now) >= 0;
	snprintf(text, sizeof(text), "%u good", good);
	say_row("tokens", good ? "ok" : "lacks", text);
	if (!good)
		say_more("nobody can call: `kircerta-agent token create`");
	json_array_foreach (list, i, each) {
		end = end_of(each, now);
		if (end > 0 && end < now + SOON)
			say_soon(each);
	}
}

int check_tokens(const struct home *home)
{
	struct tokens *tokens;
	struct err err = {0};
	json_t *list;

	if (tokens_open(&tokens, home->tokens, &err)) {
		say_row("tokens", "FAIL", err.detail);
		say_more(err_hint_of(&err));
		err_fini(&err);
		return -1;
	}
	list = tokens_list(tokens, NULL);
	say_all(list);
	json_decref(list);
	tokens_close(tokens);
	return 0;
}
