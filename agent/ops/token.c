/*
 * The tokens' file is the operator's; what changes in it is recorded here,
 * with what it was before. A token that is no longer in it counts as revoked.
 */
#include <string.h>

#include "agent/ops/handlers.h"
#include "agent/ops/op.h"
#include "agent/store/state.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"

/* What a change is a change of. */
static const char *const members[] = {
	"name", "scopes", "expires_at", "revoked_at",
};

/* The members of before that are others now; NULL: none is. */
static json_t *differing(const json_t *before, const json_t *now)
{
	json_t *was = NULL;

	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		json_t *old = json_object_get(before, members[i]);

		if (old ? json_equal(old, json_object_get(now, members[i])) :
			  !json_object_get(now, members[i]))
			continue;
		was = was ? was : json_object();
		json_object_set(was, members[i], old ? old : json_null());
	}
	return was;
}

static const char *type_of(const json_t *before, const json_t *now)
{
	if (!json_is_null(json_object_get(now, "revoked_at")))
		return "token_revoked";
	return before ? "token_changed" : "token_created";
}

/* was, which may be NULL, is taken over. */
static int record(struct agent *a, const struct call *c, const json_t *before,
		  json_t *now, json_t *was, struct err *err)
{
	struct fact fact = {.type = type_of(before, now)};
	json_t *doc = json_copy(now);

	fact.data = json_pack("{s:O,s:O,s:O,s:O}", "token_id",
			      json_object_get(now, "id"), "name",
			      json_object_get(now, "name"), "scopes",
			      json_object_get(now, "scopes"), "expires_at",
			      json_object_get(now, "expires_at"));
	if (!fact.data) {		/* a line that has no end at all */
		fact.data = json_object();
		json_set_str(fact.data, "token_id", json_str(now, "id"));
	}
	if (json_str(now, "rotates"))
		json_set_str(fact.data, "rotates", json_str(now, "rotates"));
	if (json_str(now, "rotated_by"))
		json_set_str(fact.data, "rotated_by",
			     json_str(now, "rotated_by"));
	if (was)
		json_object_set_new(fact.data, "was", was);
	json_set_str(doc, "state", strcmp(fact.type, "token_revoked") ?
		     "active" : "revoked");
	fact.put = json_pack("{s:o}", "token", doc);
	return agent_record(a, c, &fact, err);
}

static int look_at(struct agent *a, const struct call *c, json_t *now,
		   struct err *err)
{
	json_t *before = state_doc(a->state, "token", json_str(now, "id"));
	json_t *was = before ? differing(before, now) : NULL;

	if (before && !was)
		return 0;
	return record(a, c, before, now, was, err);
}

/* Those that are gone from the file without a word. */
static int look_for_missing(struct agent *a, const struct call *c,
			    const json_t *ids, struct err *err)
{
	json_t *known = state_list(a->state, "token", "active"), *each;
	char now[CLOCK_TEXT];
	size_t i;
	int rc = 0;

	clock_text(clock_wall_us(), now);
	json_array_foreach (known, i, each) {
		json_t *gone;

		if (rc || json_object_get(ids, json_str(each, "id")))
			continue;
		gone = json_copy(each);
		json_set_str(gone, "revoked_at", now);
		rc = record(a, c, each, gone, json_pack("{s:b}", "in_file", 1),
			    err);
		json_decref(gone);
	}
	json_decref(known);
	return rc;
}

int op_tokens_changed(struct agent *a, struct call *c, struct err *err)
{
	json_t *list = tokens_list(a->tokens, err), *ids, *each;
	size_t i;
	int rc = 0;

	if (!list)
		return -1;
	ids = json_object();
	json_array_foreach (list, i, each) {
		json_object_set(ids, json_str(each, "id"), each);
		if (!rc)
			rc = look_at(a, c, each, err);
	}
	if (!rc)
		rc = look_for_missing(a, c, ids, err);
	json_decref(ids);
	json_decref(list);
	return rc;
}
