/* What the console's model asks the agent, answered by a test. */
#pragma once
#include "console/model.h"
#include "tests/unit/unit.h"

/* Take the next call, which has to be this; answered later. */
static inline struct ask *next(struct model *m, enum ask_kind kind)
{
	struct ask *a = model_next_ask(m);

	ck_assert_ptr_nonnull(a);
	ck_assert_int_eq(a->kind, kind);
	return a;
}

/* result is taken over. */
static inline void answer(struct model *m, struct ask *a, json_t *result)
{
	model_answer(m, a, result, NULL);
	json_decref(result);
}

static inline void refuse_all(struct model *m)
{
	json_t *p = json_pack("{s:s}", "error_code", "not_found");
	struct ask *a;

	while ((a = model_next_ask(m)))
		model_answer(m, a, NULL, p);
	json_decref(p);
}
