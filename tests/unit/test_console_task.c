/* One task more closely: its commits, an old one, and its proof. */
#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "console/model.h"
#include "tests/unit/asks.h"
#include "tests/unit/unit.h"

static struct model *live(void)
{
	struct model *m = model_new();
	json_t *h = json_pack("{s:s, s:s, s:i}", "agent", "studio-1",
			      "actor", "ana", "seq", 0);

	model_hello(m, h);
	refuse_all(m);
	json_decref(h);
	return m;
}

/* Commits first .. last, the newest last as the agent has them. */
static json_t *page(int first, int last, const char *cursor)
{
	json_t *items = json_array(), *p = json_pack("{s:o}", "items", items);

	for (int n = first; n <= last; n++)
		json_array_append_new(items, json_pack(
			"{s:o, s:[{s:s, s:s, s:s}]}", "commit",
			json_sprintf("c%03d", n), "changes", "path", "/title",
			"from", "a\nb", "to", "c"));
	json_object_set_new(p, "next_cursor",
			    cursor ? json_string(cursor) : json_null());
	return p;
}

static const char *cursor_of(const struct ask *a)
{
	return json_string_value(json_object_get(a->params, "cursor"));
}

START_TEST(pages_of_a_history_join_with_the_newest_first)
{
	struct model *m = live();
	struct ask *a;

	model_open_history(m, "t-1");
	a = next(m, ASK_history);
	ck_assert_ptr_null(cursor_of(a));
	answer(m, a, page(3, 4, "c002"));
	a = next(m, ASK_history);
	ck_assert_str_eq(cursor_of(a), "c002");
	answer(m, a, page(1, 2, NULL));
	ck_assert_ptr_null(model_next_ask(m));
	ck_assert_uint_eq(m->history.revisions.n, 4);
	for (int i = 0; i < 4; i++) {
		char id[8];

		snprintf(id, sizeof(id), "c%03d", 4 - i);
		ck_assert_str_eq(m->history.revisions.at[i]->id, id);
	}
	ck_assert_str_eq(model_revision(m, "c002")->changes,
			 "/title: \"a<U+000A>b\" -> \"c\"");
	model_free(m);
}
END_TEST

START_TEST(a_page_that_its_history_has_left_behind_is_dropped)
{
	struct model *m = live();
	struct ask *first, *second, *again;

	model_open_history(m, "t-1");
	first = next(m, ASK_history);
	answer(m, first, page(3, 4, "c002"));
	second = next(m, ASK_history);
	model_task_changed(m, "t-1");
	again = next(m, ASK_history);
	ck_assert_ptr_null(cursor_of(again));
	answer(m, again, page(4, 5, "c003"));
	answer(m, second, page(1, 2, NULL));
	ck_assert_uint_eq(m->history.revisions.n, 2);
	answer(m, next(m, ASK_history), page(1, 3, NULL));
	ck_assert_uint_eq(m->history.revisions.n, 5);
	model_free(m);
}
END_TEST

START_TEST(an_answer_for_what_is_closed_changes_nothing)
{
	struct model *m = live();
	struct ask *a, *b, *c;

	model_open_history(m, "t-1");
	a = next(m, ASK_history);
	model_open_revision(m, "c001");
	b = next(m, ASK_revision);
	ck_assert_str_eq(json_string_value(json_object_get(b->params, "rev")),
			 "c001");
	model_open_fidelity(m, "t-1");
	c = next(m, ASK_fidelity);
	model_close_revision(m);
	answer(m, b, json_pack("{s:s}", "id", "t-1"));
	ck_assert_ptr_null(m->history.then);
	model_close_history(m);
	model_close_fidelity(m);
	answer(m, a, page(1, 2, NULL));
	answer(m, c, json_pack("{s:b}", "complete", 1));
	ck_assert_uint_eq(m->history.revisions.n, 0);
	ck_assert(!m->fidelity.loaded);
	model_task_changed(m, "t-1");
	ck_assert_ptr_null(model_next_ask(m));
	model_free(m);
}
END_TEST

START_TEST(proof_is_told_of_the_newest_attempt_and_again_when_it_changes)
{
	struct model *m = live();
	json_t *r = json_pack(
		"{s:b, s:[{s:s, s:s, s:s}], s:[{s:[{s:s}]}, {s:[{s:s, s:b, "
		"s:b, s:[s]}]}]}", "complete", 0, "gaps", "kind",
		"no_effect", "criterion_ref", "AC-1", "detail", "x\ny",
		"attempts", "criteria", "criterion_ref", "AC-9", "criteria",
		"criterion_ref", "AC-1", "echoed", 1, "met", 0, "evidence",
		"00");

	model_open_fidelity(m, "t-1");
	answer(m, next(m, ASK_fidelity), r);
	ck_assert(m->fidelity.loaded && !m->fidelity.complete);
	ck_assert_str_eq(m->fidelity.gaps, "AC-1: x<U+000A>y");
	ck_assert_str_eq(m->fidelity.proof,
			 "AC-1: echoed, not met, 1 file, 0 runs");
	model_task_changed(m, "t-2");
	ck_assert_ptr_null(model_next_ask(m));
	model_task_changed(m, "t-1");
	answer(m, next(m, ASK_fidelity), json_pack("{s:b}", "complete", 1));
	ck_assert(m->fidelity.complete);
	ck_assert_str_eq(m->fidelity.gaps, "");
	model_free(m);
}
END_TEST

START_TEST(a_verdict_is_told_with_its_words_and_by_whom)
{
	static const struct { const char *attempts, *verdict, *faults; } cases[] = {
		{"[{'attempt': 1, 'decision': null}]", NULL, NULL},
		{"[{'attempt': 1, 'decision': 'pass', 'verdict_by': 'ana'}]",
		 "passed by ana, attempt 1", ""},
		{"[{'attempt': 1, 'decision': 'fail', 'verdict_by': 'a\\nb', "
		 "'criteria': [{'issues': [{'criterion_ref': 'AC-1', 'text': "
		 "'too short'}]}, {}, {'issues': [{'criterion_ref': 'AC-3', "
		 "'text': 'x'}]}]}, {'attempt': 2}]",
		 "failed by a<U+000A>b, attempt 1",
		 "AC-1: too short\nAC-3: x"},
		{"[{'attempt': 7, 'decision': 'later', 'criteria': 4}]",
		 "judged by ?, attempt 7", ""},
	};
	struct model *m = live();

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *text = xasprintf("{'attempts': %s}", cases[i].attempts);
		const struct fidelity *f = &m->fidelity;

		for (char *at = text; *at; at++)
			*at = *at == '\'' ? '"' : *at;
		model_open_fidelity(m, "t-1");
		answer(m, next(m, ASK_fidelity), json_loads(text, 0, NULL));
		free(text);
		ck_assert_pstr_eq(f->verdict, cases[i].verdict);
		ck_assert_pstr_eq(f->faults, cases[i].faults);
	}
	model_free(m);
}
END_TEST

TESTS("console_task", pages_of_a_history_join_with_the_newest_first,
      a_page_that_its_history_has_left_behind_is_dropped,
      an_answer_for_what_is_closed_changes_nothing,
      proof_is_told_of_the_newest_attempt_and_again_when_it_changes,
      a_verdict_is_told_with_its_words_and_by_whom)
