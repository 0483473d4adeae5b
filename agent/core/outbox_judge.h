/* What an answer to a webhook means for the event that it was about. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct second_said;

enum outbox_fate {
	OUTBOX_AGAIN,		/* it is the place's trouble: nothing is lost */
	OUTBOX_SKIP,		/* this event is not wanted, the next may be */
	OUTBOX_GONE,		/* nor any other */
};

/* Not of a 2xx; 0: none came, and why. Fills *said. */
enum outbox_fate outbox_judge(int status, const char *why,
			      struct second_said *said);
