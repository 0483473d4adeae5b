/*
 * See webhook_tally.h. The times of the last minute are a ring as long as
 * the limit: there is room again when the oldest is a minute ago.
 */
#include "agent/ops/webhook_tally.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "agent/store/settings.h"
#include "agent/store/settings_webhook.h"
#include "common/clock.h"
#include "common/mem.h"

#define MINUTE 60000000LL

struct source {
	_Atomic uint64_t count[WEBHOOK_REFUSED + 1];
	_Atomic int64_t last_us;
	int64_t *times;			/* 0: never */
	size_t at, room;
};

struct webhook_tally {
	const struct settings *settings;
	struct source *sources;		/* as in the settings */
};

struct webhook_tally *webhook_tally_new(const struct settings *s)
{
	struct webhook_tally *t = xcalloc(1, sizeof(*t));

	t->settings = s;
	t->sources = xcalloc(s->n_webhooks + 1, sizeof(*t->sources));
	return t;
}

void webhook_tally_free(struct webhook_tally *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->settings->n_webhooks; i++)
		free(t->sources[i].times);
	free(t->sources);
	free(t);
}

static struct source *source_of(struct webhook_tally *t,
				const struct webhook_conf *hook)
{
	return &t->sources[hook - t->settings->webhooks];
}

unsigned webhook_tally_rate(struct webhook_tally *t,
			    const struct webhook_conf *hook, int64_t now)
{
	struct source *s = source_of(t, hook);
	int64_t wait;

	if (!hook->max_per_minute)
		return 0;
	if (!s->times) {
		s->room = (size_t)hook->max_per_minute;
		s->times = xcalloc(s->room, sizeof(*s->times));
	}
	wait = s->times[s->at] ? s->times[s->at] + MINUTE - now : 0;
	if (wait > 0)
		return (unsigned)((wait + 999999) / 1000000);
	s->times[s->at] = now;
	s->at = (s->at + 1) % s->room;
	return 0;
}

void webhook_tally_add(struct webhook_tally *t, const struct webhook_conf *hook,
		       enum webhook_fate fate)
{
	struct source *s = source_of(t, hook);

	atomic_fetch_add(&s->count[fate], 1);
	if (fate == WEBHOOK_ACCEPTED)
		atomic_store(&s->last_us, clock_wall_us());
}

struct webhook_sums webhook_tally_of(struct webhook_tally *t, size_t i)
{
	struct source *s = &t->sources[i];

	return (struct webhook_sums){
		.accepted = atomic_load(&s->count[WEBHOOK_ACCEPTED]),
		.repeated = atomic_load(&s->count[WEBHOOK_REPEATED]),
		.refused = atomic_load(&s->count[WEBHOOK_REFUSED]),
		.last_us = atomic_load(&s->last_us),
	};
}
