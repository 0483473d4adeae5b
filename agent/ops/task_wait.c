/* See task_wait.h. {"WHAT:ID": [OF, END]}. */
#include "agent/ops/task_wait.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"

#define KEY 200

static const char *key_of(char key[KEY], const char *what, const char *id)
{
	snprintf(key, KEY, "%s:%s", what, id);
	return key;
}

void task_wait_set(struct agent *a, const char *what, const char *id,
		   const char *of, int64_t us)
{
	char key[KEY];

	json_object_set_new(a->task_waits, key_of(key, what, id),
		json_pack("[s,I]", of, (json_int_t)(clock_steady_us() + us)));
}

int64_t task_wait_left(struct agent *a, const char *what, const char *id,
		       const char *of, int64_t us)
{
	char key[KEY];
	const json_t *known = json_object_get(a->task_waits,
					      key_of(key, what, id));
	const char *is = json_string_value(json_array_get(known, 0));

	if (is && !strcmp(is, of))
		return json_integer_value(json_array_get(known, 1)) -
		       clock_steady_us();
	task_wait_set(a, what, id, of, us);
	return us;
}

void task_wait_end(struct agent *a, const char *what, const char *id)
{
	char key[KEY];

	json_object_del(a->task_waits, key_of(key, what, id));
}
