/* See decision_sign.h. */
#include "agent/ops/decision_sign.h"

#include <stdlib.h>
#include <string.h>

#include "agent/ops/stage.h"
#include "agent/store/policy.h"
#include "agent/store/settings.h"
#include "agent/store/signers.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/jcs.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/sshkey.h"
#include "common/sshsig.h"

#define STATEMENT_MAX 4096	/* it is kept twice in one record */

/* What is said of an approval besides what the approval itself says. */
struct said {
	const char *nonce, *by, *reason;
	bool allow;
};

static json_t *fields_of(struct agent *a, const json_t *approval,
			 const struct said *s)
{
	json_t *v = json_pack("{s:i,s:s,s:s,s:s?,s:s?,s:s?,s:b}", "v", 1,
		"decision", "approve", "agent", a->settings->name, "nonce",
		s->nonce, "by", s->by, "reason", s->reason,
		"allow_external_publish", s->allow);

	json_object_set(v, "approval_id", json_object_get(approval, "id"));
	json_object_set(v, "request_sha256",
			json_object_get(approval, "request_sha256"));
	json_object_set(v, "expires_at",
			json_object_get(approval, "expires_at"));
	return v;
}

json_t *decision_template(struct agent *a, const struct call *c,
			  const json_t *approval, const char *nonce)
{
	const struct policy *p = policy_for(a->policy,
					    json_str(approval, "tool"));
	const struct said s = {nonce, c->who.name, "", false};

	return json_pack("{s:s,s:b,s:o}", "namespace", DECISION_SPACE,
			 "required", p->signed_decisions, "fields",
			 fields_of(a, approval, &s));
}

static char *statement_of(struct agent *a, const json_t *approval,
			  const struct said *s, size_t *len)
{
	json_t *v = fields_of(a, approval, s);
	char *text = jcs_text(v, len, NULL);

	json_decref(v);
	return text;
}

/*
 * Is it that person's signature of this statement? key gets the
 * fingerprint. -1: why not is *err's detail.
 */
static int verify(const struct policy *p, const char *statement, size_t len,
		  const char *signature, const char *by,
		  char key[SSHKEY_PRINT], struct err *err)
{
	struct sshsig *sig = NULL;
	int rc;

	if (!p->allowed_signers || !*p->allowed_signers)
		return err_set(err, ERR_bad_config, "no allowed-signers file "
			       "says whose key it is");
	rc = sshsig_read(&sig, signature, strlen(signature), err) ||
	     sshsig_verify(sig, DECISION_SPACE, statement, len, err) ||
	     signers_allow(p->allowed_signers, sshsig_key(sig), by,
			   DECISION_SPACE, clock_wall_us(), err) ? -1 : 0;
	if (!rc)
		sshkey_print(sshsig_key(sig), key);
	sshsig_free(sig);
	return rc;
}

static bool key_decided(const json_t *approval, const char *key)
{
	json_t *each;
	size_t i;

	json_array_foreach (json_object_get(approval, "decisions"), i, each) {
		const char *other = json_str(each, "key");

		if (other && !strcmp(other, key))
			return true;
	}
	return false;
}

/* policy_denied with the rule; why (may be NULL) goes into record and hint. */
static int deny(struct agent *a, const struct call *c, const json_t *approval,
		const char *reason, enum policy_key key, const char *why,
		struct err *err)
{
	const char *task_id = json_str(approval, "task_id");
	char *rule = policy_line(a->policy, policy_for(a->policy,
				 json_str(approval, "tool")), key);
	json_t *more = json_pack("{s:O,s:O,s:s}", "tool",
		json_object_get(approval, "tool"), "approval_id",
		json_object_get(approval, "id"), "rule", rule);

	if (why)
		json_object_set_new(more, "why", json_lossy(why));
	free(rule);
	return agent_deny(a, c, task_id, reason, more, err);
}

static int unsigned_(struct agent *a, const struct call *c,
		     const json_t *approval, struct err *err)
{
	deny(a, c, approval, "unsigned_decision",
	     POLICY_KEY_signed_decisions, NULL, err);
	return err->code != ERR_policy_denied ? -1 : err_hint(err,
		"Sign it: kircerta approve --signing-key FILE, or "
		"agent.signing-key in console.conf; see \"Signed decisions\" "
		"in the README.");
}

int decision_signed(struct agent *a, const struct call *c,
		    const json_t *approval, json_t **proof, struct err *err)
{
	const struct policy *p = policy_for(a->policy,
					    json_str(approval, "tool"));
	const char *signature = call_str(c, "signature");
	const char *reason = call_str(c, "reason");
	const struct said s = {
		call_str(c, "nonce"), c->who.name, reason ? reason : "",
		json_is_set(c->args, "allow_external_publish")};
	char key[SSHKEY_PRINT], *statement;
	struct err why = {0};
	size_t len;
	int rc = 0;

	*proof = NULL;
	if (!signature)
		return p->signed_decisions ? unsigned_(a, c, approval, err) :
					     0;
	statement = statement_of(a, approval, &s, &len);
	if (!statement || len > STATEMENT_MAX)
		rc = err_set(err, ERR_invalid_request, "reason: too long, or "
			     "not to be written in a statement");
	else if (verify(p, statement, len, signature, s.by, key, &why))
		rc = deny(a, c, approval, "bad_signature",
			  POLICY_KEY_allowed_signers, why.detail, err);
	else if (key_decided(approval, key))
		rc = err_set(err, ERR_self_approval, "the key %s has decided "
			     "already; another has to", key);
	else
		*proof = json_pack("{s:s,s:s,s:s}", "statement", statement,
				   "signature", signature, "key", key);
	if (rc && err->code == ERR_policy_denied)
		err_hint(err, "%s.", why.detail);
	err_fini(&why);
	free(statement);
	return rc;
}

static json_t *last_decision(const json_t *approval)
{
	json_t *list = json_object_get(approval, "decisions");
	size_t n = json_array_size(list);

	return n ? json_array_get(list, n - 1) : NULL;
}

void decision_keep(json_t *approval, json_t *proof)
{
	if (proof)
		json_object_update(last_decision(approval), proof);
	json_decref(proof);
}

void decision_show(const json_t *approval, json_t *data)
{
	static const char *const names[] = {"statement", "signature", "key"};
	json_t *last = last_decision(approval), *v;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if ((v = json_object_get(last, names[i])))
			json_object_set(data, names[i], v);
}

/* The statement again, from what is stored: is it the one that was signed? */
static bool same_statement(struct agent *a, const json_t *approval,
			   const json_t *decision, const char *statement)
{
	json_t *v = json_parse(statement, strlen(statement), NULL);
	const struct said s = {
		json_str(v, "nonce"), json_str(decision, "by"),
		json_str(decision, "reason"),
		json_is_set(v, "allow_external_publish")};
	char *again = v ? statement_of(a, approval, &s, NULL) : NULL;
	bool same = again && !strcmp(again, statement);

	free(again);
	json_decref(v);
	return same;
}

/* One stored decision. NULL: it counts; or the reason why nothing starts. */
static const char *stored_refuses(struct agent *a, const json_t *approval,
				  const json_t *decision, char key[SSHKEY_PRINT])
{
	const struct policy *p = policy_for(a->policy,
					    json_str(approval, "tool"));
	const char *statement = json_str(decision, "statement");
	const char *signature = json_str(decision, "signature");
	const char *by = json_str(decision, "by");
	struct err why = {0};

	*key = 0;
	if (!statement && !signature)
		return p->signed_decisions ? "unsigned_decision" : NULL;
	if (!statement || !signature || !by ||
	    !same_statement(a, approval, decision, statement))
		err_set(&why, ERR_policy_denied, "its statement is another's");
	else
		verify(p, statement, strlen(statement), signature, by, key,
		       &why);
	if (why.code)
		log_warn("approval %s: a stored signature does not hold: %s",
			 json_str(approval, "id"), why.detail);
	return why.code ? err_fini(&why), "bad_signature" : NULL;
}

/* The decisions that count: each another person's, by another key. */
static const char *count(struct agent *a, const json_t *approval,
			 int64_t *n)
{
	const char *asked = json_str(json_object_get(approval, "request"),
				     "requester");
	json_t *seen = json_object(), *each;
	const char *reason = NULL;
	char key[SSHKEY_PRINT];
	size_t i;

	json_array_foreach (json_object_get(approval, "decisions"), i, each) {
		const char *by = json_str(each, "by");

		if (reason || !by || strcmp(json_str(each, "decision") ?
					    json_str(each, "decision") : "",
					    "approve"))
			continue;
		reason = stored_refuses(a, approval, each, key);
		if (reason || (asked && !strcmp(asked, by)) ||
		    json_object_get(seen, by) ||
		    (*key && json_object_get(seen, key)))
			continue;
		json_object_set_new(seen, by, json_true());
		if (*key)
			json_object_set_new(seen, key, json_true());
		++*n;
	}
	json_decref(seen);
	return reason;
}

/* Staged as was approved, or not at all: else it would change arguments. */
static bool same_stage(const json_t *run, const json_t *request)
{
	const json_t *effective = json_object_get(request, "effective_args");
	json_t *args = json_copy(json_object_get(request, "args"));
	bool same;

	stage_apply(run, args);
	same = json_equal(args, effective ? effective :
			  json_object_get(request, "args"));
	json_decref(args);
	return same;
}

/* What runs is what was approved, also where somebody else wrote the run. */
static bool same_args(const json_t *run, const json_t *approval)
{
	static const char *const names[] = {"tool", "args", "task_id",
					    "criterion_ref"};
	const json_t *request = json_object_get(approval, "request");

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!json_equal(json_object_get(run, names[i]),
				json_object_get(request, names[i])))
			return false;
	return same_stage(run, request);
}

const char *decision_refuses(struct agent *a, const json_t *run,
			     const json_t *approval)
{
	const struct policy *p = policy_for(a->policy,
					    json_str(approval, "tool"));
	int64_t required = json_int(approval, "required", 1), n = 0;
	const char *reason;

	if (!same_args(run, approval))
		return "approval_stale";
	reason = count(a, approval, &n);
	if (reason)
		return reason;
	if (required < p->approvals_required)
		required = p->approvals_required;
	return n >= required ? NULL : "approval_required";
}

static int signers_ready(const struct policy *p, struct err *err)
{
	size_t keys;

	if (!p->allowed_signers || !*p->allowed_signers)
		return 0;
	return signers_check(p->allowed_signers, &keys, err);
}

int decision_ready(struct agent *a, struct err *err)
{
	const struct policy_table *t = a->policy;
	int rc = signers_ready(&t->all, err);

	for (size_t i = 0; !rc && i < t->n_tools; i++)
		rc = signers_ready(&t->tools[i], err);
	return rc;
}
