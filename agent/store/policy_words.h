/* What the table's types cannot say of a policy's texts: words and hours. */
#pragma once
#include "agent/store/policy.h"

/* Words parted by one space, whatever parted them. Caller frees. */
char *words_plain(const char *text);
/*
 * "22:00-07:00 12:00-13:00" into p->hours, over midnight where the end is
 * not after the start. NULL, or what is wrong.
 */
const char *hours_read(struct policy *p, const char *text);
/*
 * Take in one entry of [policy-args "TOOL"]; the last of a name counts.
 * NULL, or what is wrong.
 */
const char *policy_arg_set(struct policy *p, const char *key,
			   const char *value, int line);
/* Once all are in. */
void policy_args_sort(struct policy *p);
void policy_args_fini(struct policy *p);
