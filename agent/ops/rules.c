/*
 * See rules.h. On SIGHUP the policy is read again; a bad file leaves the old
 * one, a good one takes its place between two calls.
 */
#include "agent/ops/rules.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/ops/approval_bound.h"
#include "agent/ops/handlers.h"
#include "agent/ops/webhook_fit.h"
#include "agent/store/policy.h"
#include "agent/store/settings.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"

/* What the policy says outside the gate, */
static const struct { const char *reason; enum policy_key key; } lines[] = {
	{"approval_expired", POLICY_KEY_approval_ttl},
	{"unsigned_decision", POLICY_KEY_signed_decisions},
};

/* and what no file can change. */
static const struct { const char *reason, *rule; } built_in[] = {
	{"approval_required", "built in: it starts with its approval only"},
	{"approval_used", "built in: an approval is good for one run"},
	{"approval_stale", "built in: an approval is for what was approved, "
	 "in the mode and under the policy it was given in"},
	{"outcome_unknown", "built in: a publish whose outcome nobody knows "
	 "is not sent again"},
	{"publish_not_allowed", "task: allow_external_publish is false"},
	{"fidelity_incomplete", "review.require-fidelity: what is missing is "
	 "in gaps"},
	{"self_approval", "built in: who asked does not decide, and nobody "
	 "decides twice"},
	{"admin_field", "built in: a field that is not the caller's"},
	{"insufficient_scope", "token: it has not the scope"},
};

static json_t *rule_of(struct agent *a, const char *tool, const char *reason)
{
	json_t *out = NULL;
	char *line;

	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		if (!strcmp(lines[i].reason, reason)) {
			line = policy_line(a->policy, policy_for(a->policy,
					   tool), lines[i].key);
			out = json_lossy(line);
			free(line);
		}
	for (size_t i = 0; i < ARRAY_LEN(built_in); i++)
		if (!strcmp(built_in[i].reason, reason))
			out = json_string(built_in[i].rule);
	return out ? out : json_string("built in");
}

void rule_add(struct agent *a, const struct call *c, json_t *data)
{
	const char *reason = json_str(data, "reason");
	json_t *rule;

	if (json_object_get(data, "rule"))
		return;
	if (c->rule && c->reason && reason && !strcmp(c->reason, reason))
		rule = json_lossy(c->rule);
	else
		rule = rule_of(a, json_str(data, "tool"),
			       reason ? reason : "");
	json_object_set_new(data, "rule", rule);
}

static void set_text(json_t *to, const char *key, const char *text)
{
	json_object_set_new(to, key, *text ? json_lossy(text) : json_null());
}

json_t *rules_loaded(const struct policy_table *t)
{
	json_t *data = json_object();

	set_text(data, "policy_sha256", t->sha256);
	set_text(data, "file", t->file);
	set_text(data, "file_sha256", t->file_sha256);
	json_set_int(data, "rules", (json_int_t)t->rules);
	return data;
}

/* Rules that a file had are not given up because it cannot be found. */
static bool is_gone(const struct policy_table *was,
		    const struct policy_table *now)
{
	return *was->file_sha256 && !*now->file_sha256;
}

/* All of the file has to be good, though only the policy is taken from it. */
static int read_again(struct agent *a, struct policy_table **policy,
		      json_t **waiting, struct err *err)
{
	struct settings s;
	int rc;

	if (settings_read(&s, a->settings->file, err))
		return -1;
	rc = webhooks_fit(&s, err);
	*waiting = rc ? NULL : settings_differ(a->settings, &s);
	settings_fini(&s);
	if (rc)
		return -1;
	if (!policy_read(policy, a->settings->file, err)) {
		if (!is_gone(a->policy, *policy))
			return 0;
		policy_unref(*policy);
		err_set(err, ERR_bad_config, "%s: it is not there any more",
			a->settings->file);
	}
	json_decref(*waiting);
	return -1;
}

/* On the record when it begins and when it is over. */
static int tell_health(struct agent *a, const struct call *c,
		       const char *wrong, struct err *err)
{
	struct fact fact = {.type = wrong ? "degraded" : "recovered",
			    .data = json_object()};

	json_set_str(fact.data, "what", "policy");
	if (wrong) {
		json_set_str(fact.data, "error_code", "policy_refused");
		json_object_set_new(fact.data, "detail", json_lossy(wrong));
	}
	return agent_record(a, c, &fact, err);
}

/* Health shows it: the old policy is in force, not what was meant. */
static void keep_wrong(struct agent *a, const char *detail)
{
	a->wrongs = xrealloc(a->wrongs, (a->n_wrongs + 1) *
			     sizeof(*a->wrongs));
	a->policy_wrong = a->wrongs[a->n_wrongs++] = xstrdup(detail);
}

static int refused(struct agent *a, struct call *c, struct err *err)
{
	struct fact fact = {.type = "policy_refused", .data = json_object()};
	bool again = a->policy_wrong;
	struct err why = *err;
	int rc;

	*err = (struct err){0};
	log_error("the policy stays as it is: %s", why.detail);
	json_object_set_new(fact.data, "detail", json_lossy(why.detail));
	json_set_str(fact.data, "policy_sha256", a->policy->sha256);
	rc = agent_record(a, c, &fact, err);
	if (!rc && !again)
		rc = tell_health(a, c, why.detail, err);
	keep_wrong(a, why.detail);
	err_fini(&why);
	return rc;
}

static void take(struct agent *a, struct policy_table *policy)
{
	a->old_policies = xrealloc(a->old_policies, (a->n_old_policies + 1) *
				   sizeof(*a->old_policies));
	a->old_policies[a->n_old_policies++] = a->policy;
	a->policy = policy;
	tzset();			/* quiet hours are local time */
}

static void say_waiting(const json_t *sections)
{
	const json_t *each;
	size_t i;

	json_array_foreach (sections, i, each)
		log_info("[%s] has changed in agent.conf: that counts from "
			 "the next start", json_string_value(each));
}

int op_policy_reload(struct agent *a, struct call *c, struct err *err)
{
	struct fact fact = {.type = "policy_loaded"};
	bool was_wrong = a->policy_wrong;
	struct policy_table *policy;
	json_t *waiting;

	if (read_again(a, &policy, &waiting, err))
		return refused(a, c, err);
	say_waiting(waiting);
	fact.data = rules_loaded(policy);
	json_object_set_new(fact.data, "at_next_start", waiting);
	if (agent_record(a, c, &fact, err)) {
		policy_unref(policy);	/* what is not recorded is not done */
		return -1;
	}
	take(a, policy);
	approval_end_unbound(a, c);
	a->policy_wrong = NULL;
	return was_wrong ? tell_health(a, c, NULL, err) : 0;
}
