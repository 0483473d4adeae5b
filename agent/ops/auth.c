/* See auth.h. */
#include "agent/ops/auth.h"

#include <stdio.h>

#include "agent/ops/failures.h"
#include "agent/ops/op.h"
#include "common/clock.h"

const struct auth_row auth_rows[AUTH_count] = {
	[AUTH_FLOODED] = {"auth_failures",
		"See auth_failed in the record for who and why.",
		"who fails that often gets 429; good tokens go on"},
	[AUTH_SHUT] = {"tokens_unreadable",
		"Mend what detail names: chmod 600 it, or restore it.",
		"nobody with a token is let in"},
};

enum auth_state auth_state(struct agent *a, char *detail, size_t size)
{
	struct err err = {0};
	uint64_t refused;

	if (tokens_ready(a->tokens, &err)) {
		snprintf(detail, size, "%s", err.detail);
		err_fini(&err);
		return AUTH_SHUT;
	}
	if (!failures_refused(a->failures, clock_mono_us(), &refused))
		return AUTH_WELL;
	snprintf(detail, size, "%llu failed authentications more than allowed",
		 (unsigned long long)refused);
	return AUTH_FLOODED;
}
