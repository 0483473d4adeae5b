/* The mode: a row of the policy matrix that an admin chooses. */
#include <string.h>

#include "agent/ops/approval.h"
#include "agent/ops/glass.h"
#include "agent/ops/handlers.h"
#include "agent/ops/run.h"
#include "agent/store/index.h"
#include "agent/store/state.h"
#include "common/clock.h"
#include "common/json.h"

static json_t *mode_first(void)
{
	return json_pack("{s:s,s:s,s:n,s:n,s:n}", "id", "mode", "mode",
			 "normal", "reason", "by", "since");
}

int op_mode_get(struct agent *a, struct call *c, struct err *err)
{
	json_t *mode = glass_mode(a);

	if (mode)
		return call_answer(c, mode);
	if (a->read_wait(a->core, false, err))
		return -1;
	mode = reader_doc(c->reader, "mode", "mode", err);
	if (!mode && err->code)
		return -1;
	if (!mode)
		mode = mode_first();
	json_object_del(mode, "id");
	return call_answer(c, mode);
}

int op_mode_set(struct agent *a, struct call *c, struct err *err)
{
	const char *to = call_str(c, "mode"), *why = call_str(c, "reason");
	const char *was = agent_mode(a);
	char now[CLOCK_TEXT];
	struct fact fact = {.type = "mode_changed"};
	json_t *next;

	if (!strcmp(was, "stopped") && strcmp(to, "stopped") &&
	    (!why || !*why))
		return err_set(err, ERR_invalid_request,
			       "reason: leaving stopped needs one");
	clock_text(clock_wall_us(), now);
	next = json_pack("{s:s,s:s,s:s,s:s,s:s}", "id", "mode", "mode", to,
			 "reason", why ? why : "", "by", c->who.name, "since",
			 now);
	fact.data = json_pack("{s:s,s:s,s:s}", "from", was, "to", to,
			      "reason", why ? why : "");
	fact.put = json_pack("{s:O}", "mode", next);
	if (agent_record(a, c, &fact, err)) {
		json_decref(next);
		return -1;
	}
	if (!strcmp(to, "stopped")) {
		approval_end_all(a, c, "the mode is stopped");
		run_end_all(a, c, "the mode is stopped");
	}
	call_answer(c, json_copy(next));	/* next is the record's now */
	json_decref(next);
	json_object_del(c->answer, "id");
	return 0;
}
