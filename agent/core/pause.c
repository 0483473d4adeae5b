/* See pause.h. */
#include "agent/core/pause.h"

#include <sys/random.h>

int64_t pause_longer(int64_t *pause, int64_t least, int64_t most)
{
	uint32_t dice = 0;

	*pause = *pause ? *pause * 2 : least;
	if (*pause > most)
		*pause = most;
	getrandom(&dice, sizeof(dice), GRND_NONBLOCK);
	return *pause - *pause / 4 * (int64_t)(dice % 1000) / 1000;
}
