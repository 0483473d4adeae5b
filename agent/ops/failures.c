/*
 * See failures.h. GCRA (ITU-T I.371, as a leaky bucket): for each who fails
 * there is one time, the one at which all failures so far are paid for at an
 * even pace; it may be a minute ahead and no more.
 */
#include "agent/ops/failures.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

#define SECOND 1000000LL
#define MINUTE (60 * SECOND)
#define SETS 256u
#define WAYS 8u

struct one {
	char who[48];
	int64_t paid;		/* monotonic; long ago: free */
};

struct failures {
	pthread_mutex_t lock;
	int64_t each;		/* microseconds that one costs */
	int64_t refused_at;	/* the last; 0: none was */
	uint64_t refused;
	struct one ones[SETS][WAYS];
};

struct failures *failures_new(int64_t a_minute)
{
	struct failures *f = xcalloc(1, sizeof(*f));

	pthread_mutex_init(&f->lock, NULL);
	f->each = MINUTE / a_minute;
	return f;
}

void failures_free(struct failures *f)
{
	if (!f)
		return;
	pthread_mutex_destroy(&f->lock);
	free(f);
}

/* FNV-1a; who picks it loses only the company of others. */
static uint32_t hash(const char *text)
{
	uint32_t h = 2166136261u;

	for (; *text; text++)
		h = (h ^ (uint8_t)*text) * 16777619u;
	return h;
}

/* The one of this name, or the one who has failed least in its place. */
static struct one *find(struct failures *f, const char *who)
{
	struct one *set = f->ones[hash(who) % SETS], *least = set;

	for (size_t i = 0; i < WAYS; i++) {
		if (!strncmp(set[i].who, who, sizeof(set[i].who) - 1))
			return &set[i];
		if (set[i].paid < least->paid)
			least = &set[i];
	}
	snprintf(least->who, sizeof(least->who), "%s", who);
	least->paid = 0;
	return least;
}

static unsigned refuse(struct failures *f, int64_t now, int64_t wait)
{
	if (now - f->refused_at > MINUTE)
		f->refused = 0;
	f->refused_at = now;
	f->refused++;
	return (unsigned)((wait + SECOND - 1) / SECOND);
}

unsigned failures_add(struct failures *f, const char *who, int64_t now)
{
	unsigned wait = 0;
	struct one *one;
	int64_t paid;

	pthread_mutex_lock(&f->lock);
	one = find(f, who);
	paid = (one->paid > now ? one->paid : now) + f->each;
	if (paid > now + MINUTE)
		wait = refuse(f, now, paid - now - MINUTE);
	else
		one->paid = paid;
	pthread_mutex_unlock(&f->lock);
	return wait;
}

bool failures_refused(struct failures *f, int64_t now, uint64_t *count)
{
	bool any;

	pthread_mutex_lock(&f->lock);
	any = f->refused && now - f->refused_at <= MINUTE;
	*count = f->refused;
	pthread_mutex_unlock(&f->lock);
	return any;
}
