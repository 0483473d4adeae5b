/* A draft: seen while it is open, gone when it is closed, recorded once. */
#include "tests/unit/indexes.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/ops/approval_bound.h"
#include "agent/ops/call.h"
#include "agent/ops/draft.h"
#include "agent/ops/op.h"
#include "agent/store/journal.h"
#include "agent/store/settings.h"
#include "agent/store/state.h"
#include "common/json.h"

struct world {
	struct place place;
	char dir[128];
	struct index *index;
	struct reader *reader;
	struct settings settings;
	struct journal_repair repair;
	struct agent agent;
	struct call *call;
};

static void begin(struct world *w)
{
	struct agent *a = &w->agent;

	memset(w, 0, sizeof(*w));
	w->place = place_new();
	snprintf(w->dir, sizeof(w->dir), "%s/audit", w->place.dir);
	ck_assert_int_eq(mkdir(w->dir, 0700), 0);
	w->index = open_ok(&w->place, false);
	w->reader = reader_ok(&w->place);
	w->settings.name = (char *)"here";
	a->settings = &w->settings;
	a->state = state_new(w->reader);
	a->after_tail = &a->after;
	a->bounds = bounds_new();
	ck_assert_int_eq(journal_open(&a->journal, w->dir, NULL, &w->repair, NULL), 0);
	w->call = call_new(VIA_INTERNAL, NULL);
	strcpy(w->call->correlation_id, "c-1");
}

static void end(struct world *w)
{
	call_free(w->call);
	state_free(w->agent.state);
	bounds_free(w->agent.bounds);
	journal_close(w->agent.journal);
	reader_close(w->reader);
	index_close(w->index);
	fs_remove_tree(w->place.dir);
}

static json_t *task(const char *title)
{
	return json_pack("{s:s,s:s}", "id", "t-1", "title", title);
}

static int put(struct world *w, const char *title)
{
	struct fact fact = {.type = "task_updated", .task_id = "t-1",
			    .put = json_pack("{s:o}", "task", task(title))};

	return agent_record(&w->agent, w->call, &fact, NULL);
}

static const char *title(struct world *w)
{
	return json_str(state_doc(w->agent.state, "task", "t-1"), "title");
}

static void count(struct agent *a, void *arg)
{
	(void)a;
	++*(int *)arg;
}

static void uncount(void *arg)
{
	--*(int *)arg;
}

static size_t committed(struct world *w, struct record ***batch)
{
	size_t n = 0;

	ck_assert_int_eq(journal_commit(w->agent.journal, batch, &n, NULL), 0);
	return n;
}

static void release(struct record **batch, size_t n)
{
	for (size_t i = 0; i < n; i++)
		record_unref(batch[i]);
	free(batch);
}

START_TEST(a_draft_is_seen_while_it_is_open_and_leaves_no_trace)
{
	struct record **batch = NULL;
	struct draft *d;
	struct world w;
	int done = 0;
	size_t n;

	begin(&w);
	ck_assert_int_eq(put(&w, "before"), 0);
	draft_open(&w.agent);
	ck_assert_int_eq(put(&w, "first"), 0);
	ck_assert_int_eq(put(&w, "second"), 0);
	agent_after(&w.agent, count, uncount, &done);
	ck_assert_str_eq(title(&w), "second");
	d = draft_close(&w.agent);
	ck_assert_str_eq(title(&w), "before");
	ck_assert_ptr_null(w.agent.after);
	ck_assert_uint_eq(draft_facts(d), 2);
	ck_assert(!draft_is_empty(d));
	draft_free(d);
	ck_assert_int_eq(done, -1);
	n = committed(&w, &batch);
	ck_assert_uint_eq(n, 1);
	release(batch, n);
	end(&w);
}
END_TEST

START_TEST(what_was_new_in_a_draft_is_unknown_again)
{
	struct world w;

	begin(&w);
	draft_open(&w.agent);
	ck_assert_int_eq(put(&w, "new"), 0);
	draft_free(draft_close(&w.agent));
	ck_assert_ptr_null(title(&w));
	end(&w);
}
END_TEST

START_TEST(recorded_it_says_where_its_documents_are)
{
	struct record **batch = NULL;
	const struct draft_doc *docs;
	struct world w;
	struct draft *d;
	int done = 0;
	size_t n;
	char sha[41];

	begin(&w);
	put(&w, "before");
	state_sha(w.agent.state, "task", state_doc(w.agent.state, "task",
						   "t-1"), sha);
	draft_open(&w.agent);
	put(&w, "first");
	put(&w, "second");
	agent_after(&w.agent, count, uncount, &done);
	d = draft_close(&w.agent);
	docs = draft_docs(d, &n);
	ck_assert_uint_eq(n, 1);
	ck_assert_str_eq(docs[0].base_sha, sha);
	ck_assert(strstr(docs[0].text, "second"));
	draft_put(d, "other", json_pack("{s:s}", "id", "x"));
	ck_assert_int_eq(draft_record(&w.agent, w.call, d, "c0ffee", NULL), 0);
	draft_free(d);
	ck_assert_int_eq(done, 0);
	ck_assert_ptr_nonnull(w.agent.after);
	ck_assert_str_eq(title(&w), "second");
	ck_assert_ptr_nonnull(state_doc(w.agent.state, "other", "x"));
	n = committed(&w, &batch);
	ck_assert_uint_eq(n, 3);
	for (size_t i = 1; i < n; i++) {
		const json_t *git = json_object_get(batch[i]->data, "git");

		ck_assert_str_eq(json_str(git, "commit"), "c0ffee");
		ck_assert_str_eq(json_str(git, "by"), "here");
		ck_assert_str_eq(batch[i]->correlation_id, "c-1");
	}
	ck_assert(!json_object_get(batch[0]->data, "git"));
	release(batch, n);
	free(w.agent.after);
	end(&w);
}
END_TEST

START_TEST(what_would_be_too_long_with_its_mark_is_refused_now)
{
	struct err err = {0};
	struct world w;
	struct fact fact = {.type = "task_updated", .task_id = "t-1"};
	char *text = xcalloc(1, 65001);

	begin(&w);
	memset(text, 'x', 65000);
	fact.data = json_pack("{s:s}", "text", text);
	draft_open(&w.agent);
	ck_assert_int_eq(agent_record(&w.agent, w.call, &fact, &err), -1);
	ck_assert_int_eq(err.code, ERR_task_too_large);
	err_fini(&err);
	draft_free(draft_close(&w.agent));
	free(text);
	end(&w);
}
END_TEST

TESTS("draft", a_draft_is_seen_while_it_is_open_and_leaves_no_trace,
      what_was_new_in_a_draft_is_unknown_again,
      recorded_it_says_where_its_documents_are,
      what_would_be_too_long_with_its_mark_is_refused_now)
