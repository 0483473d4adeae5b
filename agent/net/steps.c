/* See steps.h. */
#include "agent/net/steps.h"

#include <stdlib.h>

#include "agent/net/server.h"
#include "common/clock.h"
#include "common/json.h"

#define TOLD (SECOND)			/* less is not worth a record */
#define AT_ONCE (SECOND / 20)		/* else the two tell nothing */
#define SLEPT (SECOND / 10)

static void record(struct net *n, int64_t wall, int64_t by)
{
	char from[CLOCK_TEXT], to[CLOCK_TEXT];

	clock_text(wall - by, from);
	clock_text(wall, to);
	n->agent->stepped_at_us = wall;
	n->agent->stepped_by_us = by;
	core_service(n->core, "clock_stepped", json_pack("{s:I,s:s,s:s}",
		"by_ms", (json_int_t)(by / 1000), "from", from, "to", to));
}

/* The writer sleeps by a clock that stood still. */
static void look_at_sleep(struct net *n, int64_t steady)
{
	int64_t slept = steady - clock_mono_us();

	if (n->slept && llabs(slept - n->slept) > SLEPT)
		core_look(n->core);
	n->slept = slept;
}

void steps_look(struct net *n)
{
	int64_t before = clock_steady_us(), wall = clock_wall_us();
	int64_t after = clock_steady_us(), by = wall - after - n->apart;

	look_at_sleep(n, after);
	if (after - before > AT_ONCE || llabs(by) <= TOLD)
		return;
	n->apart += by;
	record(n, wall, by);
}
