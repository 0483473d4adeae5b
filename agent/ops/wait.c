/* See wait.h. {"waits": {KEY: [boot, end, length]}}, both in microseconds. */
#include "agent/ops/wait.h"

#include <string.h>

#include "common/clock.h"
#include "common/json.h"

#define WAITS "waits"

/* The document may be a shallow copy: what it shares is not touched. */
void wait_set(json_t *doc, const char *key, int64_t us)
{
	json_t *waits = json_copy(json_object_get(doc, WAITS));
	char text[CLOCK_TEXT];

	clock_text(clock_wall_us() + us, text);
	json_set_str(doc, key, text);
	if (!waits)
		waits = json_object();
	json_object_set_new(waits, key, json_pack("[s,I,I]", clock_boot(),
		(json_int_t)(clock_boot_us() + us), (json_int_t)us));
	json_object_set_new(doc, WAITS, waits);
}

static int64_t number(const json_t *wait, size_t i)
{
	return json_integer_value(json_array_get(wait, i));
}

int64_t wait_left(const json_t *doc, const char *key)
{
	const json_t *wait = json_object_get(json_object_get(doc, WAITS), key);
	const char *boot = json_string_value(json_array_get(wait, 0));
	const char *text = json_str(doc, key);
	int64_t end, left;

	if (boot && !strcmp(boot, clock_boot()))
		return number(wait, 1) - clock_boot_us();
	if (!text || !clock_parse(text, 0, &end))
		return 0;
	left = end - clock_wall_us();
	return wait && left > number(wait, 2) ? number(wait, 2) : left;
}

bool wait_is_ours(const json_t *doc, const char *key)
{
	const json_t *wait = json_object_get(json_object_get(doc, WAITS), key);
	const char *boot = json_string_value(json_array_get(wait, 0));

	return boot && !strcmp(boot, clock_boot());
}

void wait_hide(json_t *doc)
{
	json_object_del(doc, WAITS);
}
