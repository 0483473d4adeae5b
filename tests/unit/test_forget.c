/* Documents that a record does away with: in the index and for the writer. */
#include "tests/unit/indexes.h"

#include "agent/store/state.h"

static void log_drop(struct log *l, const char *type, const char *kind,
		     const char *id)
{
	log_add(l, (struct entry){.type = type, .data =
		json_pack("{s:{s:[s]}}", "drop", kind, id)}, (int64_t)l->n);
}

static struct log *some(void)
{
	struct log *l = xcalloc(1, sizeof(*l));

	log_put(l, "hook", "{\"id\":\"a\",\"n\":1}");
	log_put(l, "hook", "{\"id\":\"b\",\"n\":2}");
	log_put(l, "task", "{\"id\":\"a\",\"n\":3}");
	log_drop(l, "documents_forgotten", "hook", "a");
	log_drop(l, "documents_forgotten", "hook", "c");	/* is not there */
	log_drop(l, "task_updated", "hook", "b");	/* says it, not more */
	log_put(l, "hook", "{\"id\":\"c\",\"n\":4}");
	log_drop(l, "documents_forgotten", "hook", "c");
	log_put(l, "hook", "{\"id\":\"c\",\"n\":5}");
	return l;
}

static void check(const struct place *p, bool a, int c)
{
	struct reader *r = reader_ok(p);
	char *hook = text_of(reader_doc(r, "hook", "a", NULL));
	json_t *all = reader_docs(r, &(struct doc_filter){.kind = "hook"},
				  NULL);
	json_t *doc = reader_doc(r, "hook", "c", NULL);

	ck_assert_str_eq(hook, a ? "{\"id\":\"a\",\"n\":1}" : "none");
	ck_assert_uint_eq(json_array_size(all), 1u + a + !!c);
	ck_assert_int_eq(json_integer_value(json_object_get(doc, "n")), c);
	json_decref(doc);
	doc = reader_doc(r, "task", "a", NULL);
	ck_assert_ptr_nonnull(doc);
	json_decref(doc);
	json_decref(all);
	free(hook);
	reader_close(r);
}

START_TEST(what_is_forgotten_is_gone_however_it_is_taken_in)
{
	struct log *l = some();

	for (size_t step = 1; step <= l->n; step++) {
		struct place p = place_new();
		struct index *x = open_ok(&p, false);

		for (size_t at = 0; at < l->n; at += step)
			apply(x, l, at, at + step < l->n ? at + step : l->n);
		check(&p, false, 5);
		index_close(x);
	}
	for (size_t n = 3; n < l->n; n++) {
		struct place p = place_new();
		struct index *x = open_ok(&p, false);

		apply(x, l, 0, n);
		check(&p, n < 4, n == 7 ? 4 : 0);
		index_close(x);
	}
	log_free(l);
}
END_TEST

START_TEST(the_writer_knows_at_once_and_after_a_mark_as_before)
{
	struct log *l = some();
	struct place p = place_new();
	struct index *x = open_ok(&p, false);
	struct reader *r = reader_ok(&p);
	struct state *s = state_new(r);
	json_t *again = json_pack("{s:s}", "id", "a");

	apply(x, l, 0, 3);
	ck_assert_ptr_nonnull(state_doc(s, "hook", "a"));
	state_mark(s);
	state_drop(s, "hook", "a", 4);
	ck_assert_ptr_null(state_doc(s, "hook", "a"));
	state_undo(s);
	ck_assert_ptr_nonnull(state_doc(s, "hook", "a"));
	state_drop(s, "hook", "a", 4);	/* the index still has it */
	ck_assert_ptr_null(state_doc(s, "hook", "a"));
	state_mark(s);
	state_put(s, "hook", again, 5);
	ck_assert_ptr_eq(state_doc(s, "hook", "a"), again);
	state_undo(s);
	ck_assert_ptr_null(state_doc(s, "hook", "a"));
	state_put(s, "hook", again, 5);
	ck_assert_ptr_eq(state_doc(s, "hook", "a"), again);
	json_decref(again);
	state_free(s);
	reader_close(r);
	index_close(x);
	log_free(l);
}
END_TEST

TESTS("forget", what_is_forgotten_is_gone_however_it_is_taken_in,
      the_writer_knows_at_once_and_after_a_mark_as_before)
