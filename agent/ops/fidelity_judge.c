/* See fidelity_judge.h. */
#include "agent/ops/fidelity_judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ops/issues.h"
#include "agent/ops/task.h"
#include "common/json.h"
#include "common/mem.h"

struct judged {
	const struct fidelity *f;
	json_int_t attempt, first;	/* it goes on from: a round */
	bool current;
	const json_t *ack, *result, *verdict;
	json_t *echoed, *claims;	/* by criterion */
	json_t *serving;		/* effects by criterion */
	json_t *out, *gaps;
};

static json_t *gap(struct judged *j, const char *kind, const char *ref,
		   const char *run_id, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
/* One more, borrowed; NULL: it is only counted, for there are too many. */
static json_t *gap(struct judged *j, const char *kind, const char *ref,
		   const char *run_id, const char *fmt, ...)
{
	json_t *one;
	char detail[400];
	va_list ap;

	if (json_array_size(j->gaps) == FIDELITY_LIST) {
		json_set_int(j->out, "more_gaps",
			     json_int(j->out, "more_gaps", 0) + 1);
		return NULL;
	}
	one = json_object();
	va_start(ap, fmt);
	vsnprintf(detail, sizeof(detail), fmt, ap);
	va_end(ap);
	json_set_int(one, "attempt", j->attempt);
	json_set_str(one, "kind", kind);
	json_set_str(one, "criterion_ref", ref);
	json_set_str(one, "run_id", run_id);
	json_object_set_new(one, "detail", json_lossy(detail));
	json_array_append_new(j->gaps, one);
	return one;
}

/* The last attempt up to this one that a redispatch opened, else the first. */
static json_int_t round_of(const struct fidelity *f, json_int_t attempt)
{
	json_int_t first = 1, n;
	const char *key;
	json_t *doc;

	json_object_foreach (f->docs[FIDELITY_REDISPATCH], key, doc) {
		n = strtoll(key, NULL, 10);
		if (n <= attempt && n > first)
			first = n;
	}
	return first;
}

static void note_echo(struct judged *j)
{
	json_t *each;
	size_t i;

	json_array_foreach (json_object_get(j->ack,
			"echoed_acceptance_criteria"), i, each)
		if (json_str(each, "id"))
			json_object_set(j->echoed, json_str(each, "id"),
					each);
}

/* What is claimed twice is met if both say so. */
static void note_claim(struct judged *j, const char *ref, const json_t *claim)
{
	json_t *known = json_object_get(j->claims, ref);
	bool met = json_is_set(claim, "met");

	if (!known) {
		known = json_pack("{s:b,s:[]}", "met", (int)met, "evidence");
		json_object_set_new(j->claims, ref, known);
	} else if (!met) {
		json_object_set_new(known, "met", json_false());
	}
	json_array_extend(json_object_get(known, "evidence"),
			  json_object_get(claim, "evidence"));
}

static void note_claims(struct judged *j, const json_t *known)
{
	json_t *each;
	size_t i;

	json_array_foreach (json_object_get(j->result, "criteria"), i, each) {
		const char *ref = json_str(each, "criterion_ref");

		if (ref && json_object_get(known, ref))
			note_claim(j, ref, each);
		else
			gap(j, "unknown_criterion", ref, NULL, "the result "
			    "speaks of %.80s, which the task does not have",
			    ref ? ref : "no criterion");
	}
}

static void serve(struct judged *j, const struct served *e)
{
	const char *ref = e->ref;
	json_t *list = json_object_get(j->serving, ref);

	if (!list) {
		list = json_array();
		json_object_set_new(j->serving, ref, list);
	}
	if (json_array_size(list) < FIDELITY_LIST)
		json_array_append(list, e->shown);
}

/* What was done in an earlier round is no proof in this one. */
static void judge_effect(struct judged *j, const json_t *known,
			 const struct served *e, json_t *uncited)
{
	const char *tool = json_str(e->shown, "tool"), *ref = e->ref;
	const char *state = json_str(e->shown, "state");
	bool cited = ref && json_object_get(known, ref);

	if (cited && e->attempt >= j->first)
		serve(j, e);
	if (!e->counts)
		return;
	if (!cited && json_array_size(uncited) < FIDELITY_LIST)
		json_array_append(uncited, e->shown);
	if (!cited)
		gap(j, "uncited_effect", ref, e->id, "%.100s (%.40s) %s%.80s%s",
		    tool ? tool : "a tool", state ? state : "?",
		    ref ? "cites " : "cites no criterion", ref ? ref : "",
		    ref ? ", which the task does not have" : "");
	else if (!e->settled)
		gap(j, "unsettled_effect", ref, e->id, "%.100s is %.40s: what "
		    "it did is not known yet", tool ? tool : "a tool", state);
}

static void judge_effects(struct judged *j, const json_t *known)
{
	json_t *uncited = json_array();

	for (size_t i = 0; i < j->f->n_effects; i++) {
		const struct served *e = &j->f->effects[i];

		if (e->attempt <= j->attempt && j->attempt < e->until)
			judge_effect(j, known, e, uncited);
	}
	json_object_set_new(j->out, "effects_without_criterion", uncited);
}

/* How many of them are there. */
static size_t judge_evidence(struct judged *j, const char *ref,
			     const json_t *list)
{
	size_t i, n = 0;
	json_t *each;

	json_array_foreach (list, i, each) {
		const char *sha = json_string_value(each);

		if (sha && j->f->stored(j->f->stored_data, sha))
			n++;
		else
			gap(j, "evidence_missing", ref, NULL, "%.64s is not "
			    "stored any more", sha ? sha : "what is no hash");
	}
	return n;
}

static bool has_succeeded(const json_t *effects)
{
	json_t *each;
	size_t i;

	json_array_foreach (effects, i, each)
		if (!strcmp(json_str(each, "state") ? json_str(each, "state") :
			    "", "succeeded"))
			return true;
	return false;
}

static json_t *issues_about(const json_t *verdict, const char *ref)
{
	json_t *out = json_array(), *each;
	size_t i;

	json_array_foreach (json_object_get(verdict, "issues"), i, each) {
		const char *own = json_str(each, "criterion_ref");

		if (own && !strcmp(own, ref))
			json_array_append(out, each);
	}
	return out;
}

static json_t *some(json_t *list)
{
	return list ? json_incref(list) : json_array();
}

static void judge_criterion(struct judged *j, const json_t *criterion,
			    json_t *list, json_t *without)
{
	const char *ref = json_str(criterion, "id");
	json_t *claim = json_object_get(j->claims, ref);
	json_t *effects = json_object_get(j->serving, ref);
	json_t *evidence = json_object_get(claim, "evidence");
	bool met = json_is_set(claim, "met");
	bool echoed = json_equal(json_object_get(j->echoed, ref), criterion);
	size_t proofs;

	if (j->ack && !echoed)
		gap(j, "not_echoed", ref, NULL, "the executor did not echo "
		    "it as it is");
	if (j->result && !claim)
		gap(j, "not_reported", ref, NULL, "the result does not say "
		    "whether it is met");
	if (claim && !met)
		gap(j, "not_met", ref, NULL, "the result says that it is not "
		    "met");
	proofs = judge_evidence(j, ref, evidence);
	if (met && !proofs && !has_succeeded(effects))
		gap(j, "no_proof", ref, NULL, "it is said to be met, without "
		    "evidence or a run for it that succeeded");
	if (!effects)
		json_array_append_new(without, json_string(ref));
	json_array_append_new(list, json_pack(
		"{s:s,s:O,s:b,s:o,s:o,s:o,s:o}", "criterion_ref", ref,
		"text", json_object_get(criterion, "text"), "echoed",
		(int)echoed, "met", claim ? json_boolean(met) : json_null(),
		"evidence", some(evidence), "issues",
		issues_about(j->verdict, ref), "effects", some(effects)));
}

static void judge_criteria(struct judged *j)
{
	json_t *list = json_array(), *without = json_array(), *each;
	json_t *known = json_object();
	size_t i;

	json_array_foreach (json_object_get(j->f->task,
			"acceptance_criteria"), i, each)
		if (json_str(each, "id"))
			json_object_set(known, json_str(each, "id"), each);
	if (!j->ack)
		gap(j, "no_ack", NULL, NULL, "nobody took the attempt");
	if (!j->result)
		gap(j, "no_result", NULL, NULL, "there is no result");
	note_echo(j);
	note_claims(j, known);
	judge_effects(j, known);
	json_array_foreach (json_object_get(j->f->task,
			"acceptance_criteria"), i, each)
		if (json_str(each, "id"))
			judge_criterion(j, each, list, without);
	json_object_set_new(j->out, "criteria", list);
	json_object_set_new(j->out, "criteria_without_effect", without);
	json_decref(known);
}

/* NULL: there are none, or they are such as have no hash. */
static const char *hash_of(const json_t *doc, char hex[SHA256_HEX])
{
	const json_t *issues = json_object_get(doc, "issues");

	return issues && !issues_sha256(issues, hex, NULL) ? hex : NULL;
}

static bool same(const char *a, const char *b)
{
	return a && b && !strcmp(a, b);
}

static void altered(struct judged *j, const char *expected, const char *got,
		    const char *detail)
{
	json_t *one = gap(j, "issues_altered", NULL, NULL, "%s", detail);

	if (one) {
		json_set_str(one, "expected_sha256", expected);
		json_set_str(one, "got_sha256", got);
	}
}

/* From the verdict over the redispatch into the task: the same words. */
static void judge_handover(struct judged *j)
{
	const struct fidelity *f = j->f;
	const json_t *opened = fidelity_doc(f, FIDELITY_REDISPATCH, j->first);
	char was[SHA256_HEX], handed[SHA256_HEX], held[SHA256_HEX];
	const char *w = hash_of(fidelity_doc(f, FIDELITY_VERDICT,
					     j->first - 1), was);
	const char *g = hash_of(opened, handed);
	const char *h = j->current ? hash_of(f->task, held) : g;

	if (opened && !same(w, g))
		altered(j, w, g, w ? "what was handed on is not what the "
			"verdict said" : "there is no verdict that said what "
			"was handed on");
	else if (opened && !same(g, h))
		altered(j, g, h, "the task does not say what was handed on");
	else if (!opened && j->current &&
		 json_array_size(json_object_get(f->task, "issues")))
		altered(j, NULL, h, "the task has issues that no redispatch "
			"brought");
}

static void set_issues(struct judged *j)
{
	const json_t *next = fidelity_doc(j->f, FIDELITY_REDISPATCH,
					  j->attempt + 1);
	char was[SHA256_HEX], handed[SHA256_HEX];
	const char *w = hash_of(j->verdict, was), *g = hash_of(next, handed);

	json_set_str(j->out, "issues_sha256", w);
	json_set_str(j->out, "redispatched_issues_sha256", g);
	json_object_set_new(j->out, "issues_unaltered",
			    next ? json_boolean(same(w, g)) : json_null());
}

static void set_people(struct judged *j)
{
	json_set_int(j->out, "attempt", j->attempt);
	json_set_str(j->out, "acked_by", json_str(j->ack, "by"));
	json_set_str(j->out, "result_by", json_str(j->result, "by"));
	json_set_str(j->out, "verdict_by", json_str(j->verdict, "by"));
	json_set_str(j->out, "decision", json_str(j->verdict, "decision"));
}

json_t *fidelity_judge(const struct fidelity *f, json_int_t attempt)
{
	struct judged j = {
		.f = f, .attempt = attempt, .first = round_of(f, attempt),
		.current = attempt == json_int(f->task, "attempt", 1),
		.ack = fidelity_now(f, FIDELITY_ACK, attempt),
		.result = fidelity_now(f, FIDELITY_RESULT, attempt),
		.verdict = fidelity_now(f, FIDELITY_VERDICT, attempt),
		.echoed = json_object(), .claims = json_object(),
		.serving = json_object(), .out = json_object(),
		.gaps = json_array(),
	};

	set_people(&j);
	judge_handover(&j);
	judge_criteria(&j);
	set_issues(&j);
	json_object_set_new(j.out, "gaps", j.gaps);
	json_decref(j.echoed);
	json_decref(j.claims);
	json_decref(j.serving);
	return j.out;
}
