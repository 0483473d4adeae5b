/* See share.h: what the writer and the remote's thread pass to each other. */
#include "agent/core/share_inner.h"

#include <stdio.h>
#include <stdlib.h>

#include "agent/core/remote.h"
#include "agent/core/threads.h"
#include "common/err.h"
#include "common/mem.h"

#define TRIES_MAX 50		/* of a call, while others are faster */

static enum remote_state state_of(void *core, struct err *err)
{
	return share_state(((struct core *)core)->share, err);
}

struct share *share_new(struct core *k, bool accept)
{
	struct share *s = xcalloc(1, sizeof(*s));

	s->core = k;
	s->accept = accept;
	s->patience = PATIENCE;
	queue_init(&s->proposals);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->settled, NULL);
	k->agent->remote_state = state_of;
	return s;
}

void share_free(struct share *s)
{
	if (!s)
		return;
	share_stop(s);
	queue_fini(&s->proposals);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->settled);
	free(s);
}

void share_set_state(struct share *s, enum remote_state state,
		     const char *words)
{
	pthread_mutex_lock(&s->lock);
	if (!s->stopped) {
		s->state = state;
		snprintf(s->words, sizeof(s->words), "%s", words);
	}
	pthread_mutex_unlock(&s->lock);
}

enum remote_state share_state(struct share *s, struct err *err)
{
	enum remote_state state;

	pthread_mutex_lock(&s->lock);
	state = s->state;
	if (state != REMOTE_UP)
		err_set(err, ERR_remote_unavailable, "%s", s->words);
	pthread_mutex_unlock(&s->lock);
	return state;
}

size_t share_waiting(struct share *s)
{
	size_t n;

	pthread_mutex_lock(&s->lock);
	n = s->waiting;
	pthread_mutex_unlock(&s->lock);
	return n;
}

void share_no_longer(struct share *s, size_t n)
{
	pthread_mutex_lock(&s->lock);
	s->waiting -= n;
	if (!s->waiting)
		pthread_cond_broadcast(&s->settled);
	pthread_mutex_unlock(&s->lock);
}

void share_give_back(struct share *s, struct call **calls, size_t n,
		     enum proposed fate)
{
	for (size_t i = 0; i < n; i++) {
		calls[i]->proposed = fate;
		calls[i]->next = i + 1 < n ? calls[i + 1] : NULL;
	}
	if (n)
		queue_put_list(&s->core->applying, calls[0], calls[n - 1]);
	share_no_longer(s, n);
}

void share_refuse(struct share *s, struct call **calls, size_t n,
		  const char *words)
{
	for (size_t i = 0; i < n; i++)
		err_set(&calls[i]->err, ERR_remote_unavailable, "%s", words);
	share_give_back(s, calls, n, PROPOSED_AWAY);
}

void share_again(struct share *s, struct call **calls, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (++calls[i]->tries > TRIES_MAX)
			share_refuse(s, &calls[i], 1, "others were faster each "
				     "time that this was tried");
		else
			share_give_back(s, &calls[i], 1, PROPOSED_STALE);
	}
}

void share_propose(struct share *s, struct call *first, struct call *last)
{
	size_t n = 1;

	for (struct call *c = first; c != last; c = c->next)
		n++;
	pthread_mutex_lock(&s->lock);
	s->waiting += n;
	pthread_mutex_unlock(&s->lock);
	if (queue_offer_list(&s->proposals, first, last)) {
		remote_hurry(s->core->remote);
		return;
	}
	for (struct call *c = first, *next; c; c = next) {
		next = c->next;
		share_give_back(s, &c, 1, PROPOSED_AWAY);
	}
}

struct call **share_gather(struct share *s, size_t *n)
{
	struct call *list = queue_drain(&s->proposals, 0), **out = NULL;

	*n = 0;
	for (struct call *c = list; c; c = c->next)
		++*n;
	if (*n)
		out = xcalloc(*n, sizeof(*out));
	for (size_t i = 0; i < *n; i++, list = list->next)
		out[i] = list;
	return out;
}

void share_stop(struct share *s)
{
	struct call **calls;
	size_t n;

	if (!s)
		return;
	share_set_state(s, REMOTE_AWAY, "the agent is stopping");
	pthread_mutex_lock(&s->lock);
	s->stopped = true;
	pthread_mutex_unlock(&s->lock);
	queue_close(&s->proposals);
	calls = share_gather(s, &n);
	share_give_back(s, calls, n, PROPOSED_AWAY);
	free(calls);
	pthread_mutex_lock(&s->lock);
	while (s->waiting)		/* a turn is giving back the rest */
		pthread_cond_wait(&s->settled, &s->lock);
	pthread_mutex_unlock(&s->lock);
}
