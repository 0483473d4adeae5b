/* What the console knows: from answers and records, and what it asks for. */
#include <string.h>

#include "common/clock.h"
#include "console/model.h"
#include "console/model_review.h"
#include "console/view_ui.h"
#include "tests/unit/asks.h"
#include "tests/unit/unit.h"

static struct model *live(int seq)
{
	struct model *m = model_new();
	json_t *h = json_pack("{s:s, s:s, s:[s], s:i}", "agent", "studio-1",
			      "actor", "ana", "scopes", "admin", "seq", seq);

	m->now_us = m->wall_us = 1000000;
	model_hello(m, h);
	json_decref(h);
	return m;
}

static void event(struct model *m, int seq, const char *type,
		  const char *task_id)
{
	json_t *r = json_pack("{s:i, s:s, s:s, s:{s:s}}", "seq", seq, "type",
			      type, "task_id", task_id, "data", "approval_id",
			      "a-1");

	model_event(m, r);
	json_decref(r);
}

static json_t *page(const char *id, const char *cursor)
{
	json_t *items = json_pack("[{s:s, s:s, s:s}]", "id", id, "title", "x",
				  "state", "running");
	json_t *p = json_pack("{s:o}", "items", items);

	json_set_str(p, "next_cursor", cursor);
	return p;
}

START_TEST(at_first_it_subscribes_and_then_reads_everything)
{
	static const enum ask_kind order[] = {
		ASK_subscribe, ASK_approvals, ASK_tasks, ASK_health, ASK_runs,
		ASK_artifacts, ASK_records,
	};
	struct model *m = live(5000);

	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		struct ask *a = next(m, order[i]);

		if (a->kind == ASK_subscribe)
			ck_assert_int_eq(json_int(a->params, "after_seq", 0),
					 5000);
		if (a->kind == ASK_records)
			ck_assert_int_eq(json_int(a->params, "after_seq", 0),
					 4000);
	}
	ck_assert_ptr_null(model_next_ask(m));
	model_free(m);
}
END_TEST

START_TEST(lists_are_read_page_by_page)
{
	struct model *m = live(0);
	struct ask *a;

	next(m, ASK_subscribe);
	next(m, ASK_approvals);
	a = next(m, ASK_tasks);
	answer(m, a, page("t-1", "more"));
	refuse_all(m);
	ck_assert_int_eq((int)m->tasks.n, 1);
	m->stamp = 0;
	model_ask(m, ASK_tasks, "more");
	a = next(m, ASK_tasks);
	ck_assert_str_eq(json_str(a->params, "cursor"), "more");
	answer(m, a, page("t-0", NULL));
	ck_assert_int_eq((int)m->tasks.n, 2);
	ck_assert_str_eq(m->tasks.at[0]->id, "t-0");
	ck_assert_ptr_null(model_next_ask(m));
	ck_assert_int_ne((int)m->stamp, 0);
	model_free(m);
}
END_TEST

START_TEST(many_records_of_one_task_ask_for_it_once_at_a_time)
{
	struct model *m = live(7);
	struct ask *a;

	refuse_all(m);
	for (int i = 0; i < 50; i++)
		event(m, 8 + i, "task_updated", "t-1");
	a = next(m, ASK_task);
	ck_assert_ptr_null(model_next_ask(m));
	event(m, 60, "task_updated", "t-1");	/* while it is out */
	ck_assert_ptr_null(model_next_ask(m));
	answer(m, a, json_pack("{s:s, s:s}", "id", "t-1", "title", "new"));
	next(m, ASK_task);
	ck_assert_str_eq(model_task(m, "t-1")->title, "new");
	ck_assert_int_eq((int)m->records.n, 51);
	model_free(m);
}
END_TEST

START_TEST(a_record_refreshes_what_it_is_about)
{
	static const struct { const char *type; enum ask_kind asks[3]; }
	cases[] = {
		{"approval_requested", {ASK_task, ASK_approval}},
		{"ack_accepted", {ASK_task}},
		{"degraded", {ASK_health}}, {"mode_changed", {ASK_health}},
		{"evidence_added", {ASK_task_artifacts}},
		{"policy_denied", {0}},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct model *m = live(7);

		refuse_all(m);
		event(m, 8, cases[i].type, "t-1");
		for (int k = 0; cases[i].asks[k]; k++)
			next(m, cases[i].asks[k]);
		ck_assert_ptr_null(model_next_ask(m));
		model_free(m);
	}
}
END_TEST

START_TEST(a_reminder_of_what_waits_rings_and_is_said)
{
	static const struct { const char *state; int bells; } cases[] = {
		{"pending", 1}, {"approved", 0}, {"expired", 0}, {NULL, 1},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct model *m = live(7);
		json_t *a = json_pack("{s:s, s:s?}", "id", "a-1", "state",
				      cases[i].state);
		json_t *r = json_pack("{s:i, s:s, s:{s:s, s:i}}", "seq", 8,
			"type", "approval_reminder", "data", "approval_id",
			"a-1", "left_s", 110);

		if (cases[i].state)
			items_put(&m->approvals, item_decode(ITEM_APPROVAL,
							     a));
		model_event(m, r);
		ck_assert_int_eq(m->bells, cases[i].bells);
		if (cases[i].bells)
			ck_assert_str_eq(m->note, "a-1 still waits for a "
					 "decision: 110s left");
		else
			ck_assert_ptr_null(m->note);
		json_decref(a);
		json_decref(r);
		model_free(m);
	}
}
END_TEST

/* Of a journal that takes no records no record tells. */
START_TEST(health_is_looked_at_from_time_to_time)
{
	static const struct { const char *audit; int seconds; } cases[] = {
		{"ok", 60}, {"down", 2}, {"degraded", 2},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct model *m = live(7);
		int64_t wait = cases[i].seconds * INT64_C(1000000);

		refuse_all(m);
		model_look(m);
		m->now_us = m->look_us;
		model_look(m);
		answer(m, next(m, ASK_health),
		       json_pack("{s:[{s:s, s:s}]}", "components", "name",
				 "audit", "status", cases[i].audit));
		ck_assert_int_eq(m->look_us, m->now_us + wait);
		m->now_us += wait - 1;
		model_look(m);
		ck_assert_ptr_null(model_next_ask(m));
		m->now_us++;
		model_look(m);
		next(m, ASK_health);
		model_lost(m, LINK_RETRY, "gone", 1);
		model_look(m);
		ck_assert_int_eq(m->look_us, 0);
		model_free(m);
	}
}
END_TEST

START_TEST(a_record_of_many_says_of_how_many)
{
	json_t *v = json_pack("{s:i, s:s, s:{s:s, s:{s:i}}}", "seq", 9,
			      "type", "auth_failed", "data", "error_code",
			      "unauthenticated", "folded", "count", 20);
	struct item *it = item_decode(ITEM_RECORD, v);

	ck_assert_str_eq(((struct record *)it)->summary,
			 "times=20  error_code=unauthenticated");
	item_free(it);
	json_decref(v);
}
END_TEST

START_TEST(a_call_that_a_full_disk_refused_asks_for_the_health)
{
	struct model *m = live(7);
	json_t *p = json_pack("{s:s}", "error_code", "audit_unavailable");
	struct ask *a;

	refuse_all(m);
	model_ask(m, ASK_task, "t-1");
	model_answer(m, next(m, ASK_task), NULL, p);
	a = next(m, ASK_health);
	model_answer(m, a, NULL, p);
	ck_assert_ptr_null(model_next_ask(m));
	json_decref(p);
	model_free(m);
}
END_TEST

START_TEST(after_a_loss_it_goes_on_where_it_was)
{
	struct model *m = live(7);
	json_t *h = json_pack("{s:i}", "seq", 20), *old;
	struct ask *a;

	refuse_all(m);
	event(m, 9, "x", "t-1");
	a = model_next_ask(m);
	ck_assert_ptr_null(a);
	model_lost(m, LINK_RETRY, "gone\x1b[2J", 500000);
	ck_assert_str_eq(m->link_why, "gone<U+001B>[2J");
	model_ask(m, ASK_tasks, NULL);
	ck_assert_ptr_null(model_next_ask(m));	/* never queued offline */
	ck_assert_int_eq(model_decide(m, ASK_approve, "a-1", json_object()),
			 -1);
	ck_assert_int_eq((int)m->records.n, 1);
	model_hello(m, h);
	a = next(m, ASK_subscribe);
	ck_assert_int_eq(json_int(a->params, "after_seq", 0), 9);
	old = json_pack("{s:i}", "seq", 3);	/* another journal */
	model_hello(m, old);
	ck_assert_int_eq((int)m->records.n, 0);
	ck_assert_int_eq(m->seq, 3);
	json_decref(h);
	json_decref(old);
	model_free(m);
}
END_TEST

START_TEST(a_gap_is_kept_in_its_place_and_everything_read_anew)
{
	struct model *m = live(7);
	json_t *gap = json_pack("{s:i, s:i}", "from", 8, "to", 139);

	refuse_all(m);
	model_gap(m, gap);
	event(m, 140, "x", "");
	ck_assert_int_eq(m->records.at[0]->kind, ITEM_GAP);
	ck_assert_int_eq(((struct record *)m->records.at[0])->to, 139);
	next(m, ASK_approvals);
	json_decref(gap);
	model_free(m);
}
END_TEST

/* Values that no agent of ours sends where others are due. */
static json_t *odd(unsigned *seed, int depth)
{
	static const char *const keys[] = {
		"id", "items", "state", "approval", "canonical", "nonce",
		"request_sha256", "lease", "error", "data", "seq", "events",
		"next_cursor", "expires_in_s", "decisions", "artifacts",
		"components", "request", "args", "progress", "sha256",
	};
	unsigned dice = (unsigned)rand_r(seed) % 9;
	json_t *v;

	if (dice < 2 || depth > 4)
		return json_string(dice ? "a-1" : "\x1b[2J\xe2\x80\xae");
	if (dice == 2)
		return json_integer(rand_r(seed) - RAND_MAX / 2);
	if (dice == 3)
		return json_real(1e300);
	if (dice == 4)
		return json_null();
	v = dice < 6 ? json_array() : json_object();
	for (int i = 0; i < 12; i++) {
		json_t *each = odd(seed, depth + 1);

		if (json_is_array(v))
			json_array_append_new(v, each);
		else
			json_object_set_new(v, keys[(unsigned)rand_r(seed) %
						    ARRAY_LEN(keys)], each);
	}
	return v;
}

START_TEST(answers_of_any_shape_are_survived_and_drawn)
{
	unsigned seed = 99;

	for (int round = 0; round < 60; round++) {
		struct model *m = live(7);
		struct ui *ui = ui_new(m, "approvals");
		struct frame f;
		struct ask *a;

		frame_init(&f, 24, round % 2 ? 200 : 80, true);
		review_open(m, "a-1");
		model_open_chain(m, "c-1");
		for (int i = 0; i < 40 && (a = model_next_ask(m)); i++) {
			json_t *v = odd(&seed, 0);

			if (round % 3)
				model_answer(m, a, v, NULL);
			else
				model_answer(m, a, NULL, v);
			model_event(m, v);
			model_gap(m, v);
			json_decref(v);
		}
		for (char key = '1'; key <= '7'; key++) {
			ui_key(ui, (uint32_t)key, false);
			ui_draw(ui, &f);
			ui_key(ui, UI_ENTER, false);
			ui_draw(ui, &f);
			ui_key(ui, 'c', false);
			ui_draw(ui, &f);
		}
		ui_free(ui);
		model_free(m);
		frame_fini(&f);
	}
}
END_TEST

/* What a row of a frame says. */
static void row_text(const struct frame *f, int row, char out[81])
{
	for (int i = 0; i < f->cols && i < 80; i++)
		out[i] = (char)f->cells[row * f->cols + i].ch[0];
	out[f->cols < 80 ? f->cols : 80] = 0;
}

static json_t *a_run(const char *id, const char *state, const char *ended)
{
	return json_pack("{s:s, s:s, s:s, s:s}", "id", id, "state", state,
			 "tool", "obs", "finished_at", ended);
}

START_TEST(home_counts_what_failed_and_nothing_before_it_knows)
{
	struct model *m = live(7);
	struct ui *ui = ui_new(m, "home");
	struct frame f;
	struct ask *a;
	char text[81];

	ck_assert(clock_parse("2026-01-02T12:00:00Z", 0, &m->wall_us));
	frame_init(&f, 24, 80, true);
	ui_draw(ui, &f);
	row_text(&f, 1, text);
	ck_assert_ptr_nonnull(strstr(text, "NEEDS YOU ?  (loading)"));
	while ((a = model_next_ask(m))) {
		json_t *r = json_pack("{s:[]}", "items");

		if (a->kind == ASK_runs) {
			json_decref(r);
			r = json_pack("{s:[o, o, o, o]}", "items",
				      a_run("r-0001", "failed",
					    "2026-01-02T11:00:00Z"),
				      a_run("r-0002", "outcome_unknown",
					    "2026-01-01T13:00:00Z"),
				      a_run("r-0003", "timed_out",
					    "2026-01-01T11:00:00Z"),
				      a_run("r-0004", "succeeded",
					    "2026-01-02T11:00:00Z"));
		}
		answer(m, a, r);
	}
	ui_draw(ui, &f);
	row_text(&f, 1, text);
	ck_assert_ptr_nonnull(strstr(text, "NEEDS YOU  nothing"));
	ck_assert_ptr_nonnull(strstr(text, "FAILED 2 (2 runs: 4)"));
	frame_fini(&f);
	ui_free(ui);
	model_free(m);
}
END_TEST

TESTS("console_model",
      home_counts_what_failed_and_nothing_before_it_knows,
      at_first_it_subscribes_and_then_reads_everything,
      lists_are_read_page_by_page,
      many_records_of_one_task_ask_for_it_once_at_a_time,
      a_record_refreshes_what_it_is_about,
      a_reminder_of_what_waits_rings_and_is_said,
      health_is_looked_at_from_time_to_time,
      a_record_of_many_says_of_how_many,
      a_call_that_a_full_disk_refused_asks_for_the_health,
      after_a_loss_it_goes_on_where_it_was,
      a_gap_is_kept_in_its_place_and_everything_read_anew,
      answers_of_any_shape_are_survived_and_drawn)
