/*
 * How often a tool was asked for and how often it went out: what the limits
 * of the policy count. Writer only.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct quota;

#define QUOTA_MINUTE 60000000LL
#define QUOTA_DAY 86400000000LL
#define QUOTA_ANY ""			/* a start that counts for all */

struct quota *quota_new(void);
void quota_free(struct quota *q);
/* A call of this tool was accepted at this monotonic time. */
void quota_call(struct quota *q, const char *tool, int64_t mono_us);
/* An external_publish started at this steady time; in any order. */
void quota_start(struct quota *q, const char *tool, int64_t steady_us);
/*
 * Of the minute or day before now. What lies in the future counts too: a
 * clock that was set back before a start gives no room.
 */
size_t quota_calls(struct quota *q, const char *tool, int64_t mono_us);
size_t quota_starts(struct quota *q, const char *tool, int64_t steady_us);
