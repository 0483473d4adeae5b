/* What documents of a task say of whether it was done as it was asked. */
#include <stdio.h>
#include <string.h>

#include "agent/ops/fidelity.h"
#include "agent/ops/issues.h"
#include "tests/unit/unit.h"

#define SHA_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SHA_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

#define TASK(attempt, more) "{'id':'t-1','state':'needs_review'," \
	"'attempt':" attempt more ",'acceptance_criteria':[" \
	"{'id':'AC-1','text':'shows'},{'id':'AC-2','text':'sounds'}]}"
#define ECHO_1 "{'id':'AC-1','text':'shows'}"
#define ECHO_2 "{'id':'AC-2','text':'sounds'}"
#define ACK(n, echo) {"ack", "{'id':'t-1." n ".ack','attempt':" n \
	",'by':'codex','echoed_acceptance_criteria':[" echo "]}"}
#define RESULT(n, claims) {"result", "{'id':'t-1." n ".result'," \
	"'attempt':" n ",'by':'codex','criteria':[" claims "]}"}
#define MET(ref, evidence) "{'criterion_ref':'" ref "','met':true," \
	"'evidence':[" evidence "]}"
#define VERDICT_BY(n, who, issues) {"verdict", "{'attempt':" n ",'by':'" \
	who "','at':'2026-01-01T00:00:05Z','decision':'fail','issues':[" \
	issues "]}"}
#define VERDICT(n, issues) VERDICT_BY(n, "rev", issues)
#define REDISPATCH(n, issues) {"redispatch", "{'attempt':" n ",'by':'co'," \
	"'issues':[" issues "]}"}
#define RUN(kind, id, attempt, level, state, cites) {kind, "{'id':'" id "'," \
	"'attempt':" attempt ",'tool':'x.y','side_effect_level':'" level \
	"','state':'" state "','started_at':'2026'" cites "}"}
#define CITES(ref) ",'criterion_ref':'" ref "'"
#define BY(who, second) ",'actor':'" who "','finished_at':" \
	"'2026-01-01T00:00:0" second "Z'"
#define DONE ACK("1", ECHO_1 "," ECHO_2), \
	RESULT("1", MET("AC-1", "'" SHA_A "'") "," MET("AC-2", "'" SHA_A "'"))
#define DONE_2 ACK("2", ECHO_1 "," ECHO_2), \
	RESULT("2", MET("AC-1", "'" SHA_A "'") "," MET("AC-2", "'" SHA_A "'"))
#define ISSUE(text) "{'criterion_ref':'AC-1','text':'" text "'}"

#define SENT ",'issues':[" ISSUE("dark") "]"
#define JUDGED(who) DONE, VERDICT_BY("1", who, ISSUE("dark")), \
	REDISPATCH("2", ISSUE("dark")), DONE_2
#define AGAIN(state) "{'id':'t-1','state':'" state "','attempt':1," \
	"'acceptance_criteria':[" ECHO_1 "," ECHO_2 "]}"

struct given { const char *kind, *doc; };

static const struct {
	const char *task;
	struct given docs[12];
	const char *gaps;
} cases[] = {
	{TASK("1", ""), {DONE}, ""},
	{TASK("1", ""), {{NULL}}, "no_ack no_result "},
	{TASK("1", ""), {ACK("1", ECHO_1 "," ECHO_2)}, "no_result "},
	{TASK("1", ""), {RESULT("1", MET("AC-1", "'" SHA_A "'") ","
				MET("AC-2", "'" SHA_A "'"))}, "no_ack "},
	/* Not echoed: not there, or with other words. */
	{TASK("1", ""), {DONE, ACK("1", ECHO_1)}, "not_echoed:AC-2 "},
	{TASK("1", ""), {DONE, ACK("1", ECHO_1 ",{'id':'AC-2','text':"
				   "'sоunds'}")}, "not_echoed:AC-2 "},
	/* Not said, not met, said twice and not met once, said of nothing. */
	{TASK("1", ""), {DONE, RESULT("1", MET("AC-1", "'" SHA_A "'"))},
	 "not_reported:AC-2 "},
	{TASK("1", ""), {DONE, RESULT("1", MET("AC-1", "'" SHA_A "'")
	 ",{'criterion_ref':'AC-2','met':false}")}, "not_met:AC-2 "},
	{TASK("1", ""), {DONE, RESULT("1", MET("AC-1", "'" SHA_A "'") ","
	 MET("AC-2", "'" SHA_A "'") ",{'criterion_ref':'AC-2','met':false}")},
	 "not_met:AC-2 "},
	{TASK("1", ""), {DONE, RESULT("1", MET("AC-1", "'" SHA_A "'") ","
	 MET("AC-2", "'" SHA_A "'") "," MET("AC-3", ""))},
	 "unknown_criterion:AC-3 "},
	/* Without proof; a run is one if it succeeded and cites it. */
	{TASK("1", ""), {DONE, RESULT("1", MET("AC-1", "'" SHA_A "'") ","
				      MET("AC-2", ""))}, "no_proof:AC-2 "},
	{TASK("1", ""), {DONE, RESULT("1", MET("AC-1", "'" SHA_A "'") ","
		MET("AC-2", "")), RUN("run", "r-1", "1", "local_write",
		"succeeded", CITES("AC-2"))}, ""},
	{TASK("1", ""), {DONE, RESULT("1", MET("AC-1", "'" SHA_A "'") ","
		MET("AC-2", "")), RUN("run", "r-1", "1", "local_write",
		"failed", CITES("AC-2"))}, "no_proof:AC-2 "},
	{TASK("1", ""), {DONE, RESULT("1", MET("AC-1", "'" SHA_A "'") ","
		MET("AC-2", "'" SHA_B "'"))},
	 "evidence_missing:AC-2 no_proof:AC-2 "},
	{TASK("1", ""), {DONE, RESULT("1", MET("AC-1", "'" SHA_A "'") ","
		MET("AC-2", "'" SHA_A "','" SHA_B "'"))},
	 "evidence_missing:AC-2 "},
	/* Effects that nothing asked for. */
	{TASK("1", ""), {DONE, RUN("run", "r-1", "1", "local_write",
				   "succeeded", "")}, "uncited_effect=r-1 "},
	{TASK("1", ""), {DONE, RUN("run", "r-1", "1", "external_publish",
		"succeeded", CITES("AC-9"))}, "uncited_effect:AC-9=r-1 "},
	{TASK("1", ""), {DONE, RUN("run", "r-1", "1", "read_only",
				   "succeeded", "")}, ""},
	{TASK("1", ""), {DONE, RUN("run", "r-1", "1", "local_write",
				   "failed", "")}, ""},
	{TASK("1", ""), {DONE, RUN("run", "r-1", "1", "local_write",
				   "timed_out", "")}, "uncited_effect=r-1 "},
	{TASK("1", ""), {DONE, RUN("run", "r-1", "1", "local_write",
				   "running", "")}, "uncited_effect=r-1 "},
	{TASK("1", ""), {DONE, RUN("run", "r-1", "1", "external_publish",
				   "awaiting_approval", "")}, ""},
	{TASK("1", ""), {DONE, {"run", "{'id':'r-1','attempt':1,'state':"
		"'cancelled','side_effect_level':'local_write'}"}}, ""},
	{TASK("1", ""), {DONE, {"package", "{'id':'r-1','state':'succeeded',"
		"'side_effect_level':7,'tool':[]}"}}, "uncited_effect=r-1 "},
	/* The run says more than the package of it, whichever comes first. */
	{TASK("1", ""), {DONE, RUN("package", "r-1", "1", "local_write",
		"succeeded", ""), RUN("run", "r-1", "1", "local_write",
		"succeeded", CITES("AC-1"))}, ""},
	{TASK("1", ""), {DONE, RUN("run", "r-1", "1", "local_write",
		"succeeded", CITES("AC-1")), RUN("package", "r-1", "1",
		"local_write", "succeeded", "")}, ""},
	/* What it did is not known. */
	{TASK("1", ""), {DONE, RUN("run", "r-1", "1", "external_publish",
		"outcome_unknown", CITES("AC-1"))},
	 "unsettled_effect:AC-1=r-1 "},
	{TASK("1", ""), {DONE, RUN("run", "r-1", "1", "local_write",
		"running", CITES("AC-1"))}, "unsettled_effect:AC-1=r-1 "},
	/* Issues on their way from verdict to redispatch to task. */
	{TASK("2", ",'issues':[" ISSUE("dark") "]"),
	 {DONE, VERDICT("1", ISSUE("dark")), REDISPATCH("2", ISSUE("dark")),
	  DONE_2}, ""},
	{TASK("2", ",'issues':[" ISSUE("dark") "]"),
	 {DONE, VERDICT("1", ISSUE("dаrk")), REDISPATCH("2", ISSUE("dark")),
	  DONE_2}, "issues_altered "},
	{TASK("2", ",'issues':[" ISSUE("dark") "]"),
	 {DONE, REDISPATCH("2", ISSUE("dark")), DONE_2}, "issues_altered "},
	{TASK("2", ",'issues':[" ISSUE("bright") "]"),
	 {DONE, VERDICT("1", ISSUE("dark")), REDISPATCH("2", ISSUE("dark")),
	  DONE_2}, "issues_altered "},
	{TASK("2", ""),
	 {DONE, VERDICT("1", ISSUE("dark")), REDISPATCH("2", ISSUE("dark")),
	  DONE_2}, "issues_altered "},
	{TASK("2", ",'issues':[" ISSUE("dark") "]"),
	 {DONE, VERDICT("1", ISSUE("dark")), DONE_2}, "issues_altered "},
	{TASK("2", ""), {DONE, VERDICT("1", ""), DONE_2}, ""},
	/* Taken over, the issues and what was done go on with the task. */
	{TASK("3", ",'issues':[" ISSUE("dark") "]"),
	 {DONE, VERDICT("1", ISSUE("dark")), REDISPATCH("2", ISSUE("dark")),
	  DONE_2}, "no_ack no_result "},
	{TASK("2", ""), {DONE_2, RUN("run", "r-1", "1", "local_write",
				     "succeeded", "")}, "uncited_effect=r-1 "},
	{TASK("2", ""), {DONE_2, RESULT("2", MET("AC-1", "'" SHA_A "'") ","
		MET("AC-2", "")), RUN("run", "r-1", "1", "local_write",
		"succeeded", CITES("AC-2"))}, ""},
	/* What a reviewer has seen and sent back is of the round before. */
	{TASK("2", ",'issues':[" ISSUE("dark") "]"),
	 {DONE, VERDICT("1", ISSUE("dark")), REDISPATCH("2", ISSUE("dark")),
	  DONE_2, RUN("run", "r-1", "1", "local_write", "succeeded", "")}, ""},
	{TASK("2", ",'issues':[" ISSUE("dark") "]"),
	 {DONE, VERDICT("1", ISSUE("dark")), REDISPATCH("2", ISSUE("dark")),
	  DONE_2, RUN("run", "r-1", "2", "local_write", "succeeded", "")},
	 "uncited_effect=r-1 "},
	{TASK("2", SENT), {JUDGED("rev"), RUN("run", "r-1", "1",
		"local_write", "succeeded", BY("codex", "5"))}, ""},
	/* What they could not see, or did themselves, is not. */
	{TASK("2", SENT), {JUDGED("rev"), RUN("run", "r-1", "1",
		"local_write", "succeeded", BY("codex", "6"))},
	 "uncited_effect=r-1 "},
	{TASK("2", SENT), {JUDGED("rev"), RUN("run", "r-1", "1",
		"local_write", "running", CITES("AC-1"))},
	 "unsettled_effect:AC-1=r-1 "},
	{TASK("2", SENT), {JUDGED("rev"), RUN("run", "r-1", "1",
		"local_write", "succeeded", BY("Rev", "1"))},
	 "uncited_effect=r-1 "},
	{TASK("2", SENT), {JUDGED("codex"), RUN("run", "r-1", "1",
		"local_write", "succeeded", BY("other", "1"))},
	 "uncited_effect=r-1 "},
	{TASK("2", SENT), {DONE, {"verdict", "{'attempt':1,'by':'rev','at':7,"
		"'issues':[" ISSUE("dark") "]}"}, REDISPATCH("2",
		ISSUE("dark")), DONE_2, RUN("run", "r-1", "1", "local_write",
		"succeeded", BY("codex", "1"))}, "uncited_effect=r-1 "},
	{TASK("3", SENT), {JUDGED("codex"), VERDICT("2", ISSUE("dark")),
		REDISPATCH("3", ISSUE("dark")), RUN("run", "r-1", "1",
		"local_write", "succeeded", BY("codex", "1"))},
	 "no_ack no_result "},
	{TASK("3", SENT), {DONE_2, VERDICT_BY("2", "codex", ISSUE("dark")),
		REDISPATCH("3", ISSUE("dark")), ACK("3", ECHO_1 "," ECHO_2),
		RESULT("3", MET("AC-1", "'" SHA_A "'") "," MET("AC-2", "'"
		SHA_A "'")), RUN("run", "r-1", "1", "local_write",
		"succeeded", BY("other", "1"))}, "uncited_effect=r-1 "},
	/* No more is it a proof. */
	{TASK("2", SENT), {JUDGED("rev"), RESULT("2", MET("AC-1", "'" SHA_A "'")
		"," MET("AC-2", "")), RUN("run", "r-1", "1", "local_write",
		"succeeded", CITES("AC-2") BY("codex", "6"))},
	 "no_proof:AC-2 "},
	/* Taken again after a halt, it is reported on again. */
	{AGAIN("pending"), {DONE}, "no_ack no_result "},
	{AGAIN("running"), {DONE}, "no_result "},
	{AGAIN("stalled"), {DONE}, "no_result "},
	{AGAIN("halted"), {DONE}, ""},
	/* An attempt that is not there yet. */
	{TASK("1", ""), {DONE, ACK("2", ""), RUN("run", "r-1", "2",
		"local_write", "succeeded", "")}, ""},
	/* Hostile ones. */
	{TASK("1", ""), {DONE, {"ack", "{}"}}, "not_echoed:AC-1 "
	 "not_echoed:AC-2 "},
	{TASK("1", ""), {DONE, {"result", "{'attempt':1,'criteria':[7,{},"
		"null,{'criterion_ref':3}]}"}}, "unknown_criterion "
	 "unknown_criterion unknown_criterion unknown_criterion "
	 "not_reported:AC-1 not_reported:AC-2 "},
	{TASK("1", ""), {DONE, {"result", "{'attempt':1,'criteria':{'a':1}}"}},
	 "not_reported:AC-1 not_reported:AC-2 "},
	{TASK("1", ""), {DONE, {"result", "{'attempt':1,'criteria':[{"
		"'criterion_ref':'AC-1','met':'yes','evidence':{'a':1}},{"
		"'criterion_ref':'AC-2','met':true,'evidence':[7]}]}"}},
	 "not_met:AC-1 evidence_missing:AC-2 no_proof:AC-2 "},
	{TASK("1", ""), {DONE, {"run", "{'id':7}"}, {"verdict",
		"{'attempt':1,'issues':[1.5,{}]}"}}, ""},
};

static json_t *loads(const char *text)
{
	char *own = xstrdup(text);
	json_t *v;

	for (char *at = own; *at; at++)
		if (*at == '\'')
			*at = '"';
	v = json_loads(own, 0, NULL);
	ck_assert_msg(v != NULL, "%s", own);
	free(own);
	return v;
}

static bool is_stored(void *data, const char *sha256)
{
	(void)data;
	return !strcmp(sha256, SHA_A);
}

static json_t *answer_to(const char *task, const struct given *docs)
{
	json_t *t = loads(task), *out;
	struct fidelity *f = fidelity_new(t);

	for (; docs->kind; docs++) {
		json_t *doc = loads(docs->doc);

		fidelity_add(f, docs->kind, doc);
		json_decref(doc);
	}
	out = fidelity_answer(f, is_stored, NULL);
	fidelity_free(f);
	json_decref(t);
	return out;
}

static const char *or_none(const char *text)
{
	return text ? text : "";
}

START_TEST(each_gap_is_named_with_what_it_is_about)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		json_t *out = answer_to(cases[i].task, cases[i].docs), *each;
		char said[600] = "";
		size_t k;

		json_array_foreach (json_object_get(out, "gaps"), k, each) {
			const char *ref = json_str(each, "criterion_ref");
			const char *run = json_str(each, "run_id");

			snprintf(said + strlen(said), 600 - strlen(said),
				 "%s%s%s%s%s ", json_str(each, "kind"),
				 ref ? ":" : "", or_none(ref), run ? "=" : "",
				 or_none(run));
			ck_assert_ptr_nonnull(json_str(each, "detail"));
		}
		ck_assert_msg(!strcmp(said, cases[i].gaps),
			      "case %zu: %s, not %s", i, said, cases[i].gaps);
		ck_assert_int_eq(json_is_set(out, "complete"),
				 !*cases[i].gaps);
		json_decref(out);
	}
}
END_TEST

START_TEST(altered_issues_are_told_by_both_hashes)
{
	static const struct given docs[] = {
		DONE, VERDICT("1", ISSUE("dark")),
		REDISPATCH("2", ISSUE("dаrk")), DONE_2, {NULL},
	};
	json_t *out = answer_to(TASK("2", ",'issues':[" ISSUE("dаrk") "]"),
				docs), *gap, *first, *issues;
	char was[SHA256_HEX], is[SHA256_HEX];

	issues = loads("{'issues':[" ISSUE("dark") "]}");
	issues_sha256(json_object_get(issues, "issues"), was, NULL);
	json_decref(issues);
	issues = loads("{'issues':[" ISSUE("dаrk") "]}");
	issues_sha256(json_object_get(issues, "issues"), is, NULL);
	json_decref(issues);
	gap = json_array_get(json_object_get(out, "gaps"), 0);
	ck_assert_str_eq(json_str(gap, "expected_sha256"), was);
	ck_assert_str_eq(json_str(gap, "got_sha256"), is);
	ck_assert_str_eq(json_str(out, "issues_sha256"), is);
	first = json_array_get(json_object_get(out, "attempts"), 0);
	ck_assert_str_eq(json_str(first, "issues_sha256"), was);
	ck_assert_str_eq(json_str(first, "redispatched_issues_sha256"), is);
	ck_assert(json_is_false(json_object_get(first, "issues_unaltered")));
	json_decref(out);
}
END_TEST

START_TEST(an_attempt_shows_who_did_what_and_what_served_what)
{
	static const struct given docs[] = {
		DONE, VERDICT("1", ISSUE("dark")),
		RUN("run", "r-2", "1", "read_only", "succeeded", CITES("AC-1")),
		RUN("run", "r-1", "1", "local_write", "succeeded", ""), {NULL},
	};
	static const char want[] =
		"{'attempt':1,'acked_by':'codex','result_by':'codex',"
		"'verdict_by':'rev','decision':'fail',"
		"'criteria_without_effect':['AC-2'],"
		"'redispatched_issues_sha256':null,'issues_unaltered':null,"
		"'effects_without_criterion':[{'run_id':'r-1','attempt':1,"
		"'tool':'x.y','side_effect_level':'local_write',"
		"'state':'succeeded'}],'criteria':[{'criterion_ref':'AC-1',"
		"'text':'shows','echoed':true,'met':true,'evidence':['" SHA_A
		"'],'issues':[" ISSUE("dark") "],'effects':[{'run_id':'r-2',"
		"'attempt':1,'tool':'x.y','side_effect_level':'read_only',"
		"'state':'succeeded'}]},{'criterion_ref':'AC-2',"
		"'text':'sounds','echoed':true,'met':true,'evidence':['" SHA_A
		"'],'issues':[],'effects':[]}]}";
	json_t *out = answer_to(TASK("1", ""), docs), *one, *like;
	char *text;

	one = json_array_get(json_object_get(out, "attempts"), 0);
	json_object_del(one, "gaps");
	json_object_del(one, "issues_sha256");
	like = loads(want);
	text = json_line(one, NULL);
	ck_assert_msg(json_equal(one, like), "%s", text);
	free(text);
	json_decref(like);
	json_decref(out);
}
END_TEST

/* A task may be at attempt 1,000,000 without as many documents. */
START_TEST(what_is_too_much_is_counted)
{
	json_t *task = loads(TASK("1000000", "")), *out, *last;
	struct fidelity *f = fidelity_new(task);
	char id[32];

	for (int i = 0; i < 3000; i++) {
		json_t *run;

		snprintf(id, sizeof(id), "r-%04d", i);
		run = json_pack("{s:s,s:i,s:s,s:s}", "id", id, "attempt",
				i % 100 + 1, "side_effect_level",
				"local_write", "state", "succeeded");
		fidelity_add(f, "run", run);
		json_decref(run);
	}
	out = fidelity_answer(f, is_stored, NULL);
	ck_assert_int_eq(json_int(out, "earlier_attempts", 0), 51);
	ck_assert_uint_eq(json_array_size(json_object_get(out, "gaps")), 1000);
	last = json_array_get(json_object_get(out, "attempts"), 49);
	ck_assert_int_eq(json_int(last, "attempt", 0), 1000000);
	ck_assert_int_eq(json_int(last, "more_gaps", 0), 2002);
	ck_assert(!json_is_set(out, "complete"));
	json_decref(out);
	fidelity_free(f);
	json_decref(task);
}
END_TEST

TESTS("fidelity",
      each_gap_is_named_with_what_it_is_about,
      altered_issues_are_told_by_both_hashes,
      an_attempt_shows_who_did_what_and_what_served_what,
      what_is_too_much_is_counted)
