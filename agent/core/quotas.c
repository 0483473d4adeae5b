/*
 * See quotas.h. A limit that a restart forgets would be none; what cannot be
 * read any more counts for every tool.
 */
#include "agent/core/quotas.h"

#include <string.h>

#include "agent/core/threads.h"
#include "agent/ops/audit.h"
#include "agent/ops/quota.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"

static void count_one(struct agent *a, const struct line *line,
		      const json_t *data)
{
	const char *level = json_str(data, "side_effect_level");
	const char *tool = json_str(data, "tool");

	if (level && strcmp(level, "external_publish"))
		return;
	quota_start(a->quota, level && tool ? tool : QUOTA_ANY, line->ts_us);
}

static int on_record(const struct record_place *p, void *core,
		     struct err *err)
{
	struct agent *a = ((struct core *)core)->agent;
	struct buf text = {0};
	struct err why = {0};
	json_t *data = NULL;
	struct line line;

	(void)err;
	if (!audit_line(a, p, &text, &line, &why))
		data = audit_data(&line, &why);
	if (data) {
		count_one(a, &line, data);
	} else {
		log_warn("it counts as a publish of every tool: %s",
			 why.detail);
		quota_start(a->quota, QUOTA_ANY, clock_steady_us());
	}
	json_decref(data);
	err_fini(&why);
	buf_fini(&text);
	return 0;
}

int quotas_fill(struct core *k, struct err *err)
{
	struct record_filter f = {
		.types = "tool_started",
		.since_us = clock_wall_us() - QUOTA_DAY,
	};

	return reader_scan(k->reader, &f, on_record, k, err) < 0 ? -1 : 0;
}
