/* See webhook_secrets.h. */
#include "agent/store/webhook_secrets.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/store/settings.h"
#include "agent/store/webhook_secret.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "common/mem.h"

#define LOOK_EVERY 1000000LL

struct secret {
	const char *path;		/* NULL: none is named */
	bool spare;			/* a file that is away is no fault */
	struct stat seen;		/* of the file when it was read */
	bool read;			/* it was, well or not */
	struct webhook_key key;		/* len 0: cannot be used */
	char wrong[sizeof((struct err){0}.detail)];
};

struct source {
	enum webhook_scheme scheme;
	struct secret secrets[WEBHOOK_SECRETS];
};

struct webhook_secrets {
	pthread_mutex_t lock;
	const struct settings *settings;
	int64_t looked_at;		/* monotonic */
	struct source *sources;		/* as settings has them */
};

/* Is the file that is there now another one than was read? */
static bool changed(const struct secret *s, const struct stat *now)
{
	const struct stat *was = &s->seen;

	return !s->read || was->st_dev != now->st_dev ||
	       was->st_ino != now->st_ino || was->st_size != now->st_size ||
	       was->st_mode != now->st_mode ||
	       was->st_mtim.tv_sec != now->st_mtim.tv_sec ||
	       was->st_mtim.tv_nsec != now->st_mtim.tv_nsec ||
	       was->st_ctim.tv_sec != now->st_ctim.tv_sec ||
	       was->st_ctim.tv_nsec != now->st_ctim.tv_nsec;
}

/* Said once in the log, and again when it changes. */
static void tell(const struct secret *s, const char *before)
{
	if (*s->wrong && strcmp(s->wrong, before))
		log_warn("a webhook's secret cannot be used: %s", s->wrong);
	else if (s->key.len && *before)
		log_info("a webhook's secret can be used again: %s", s->path);
}

/* A file that is not there is asked for each time: it is not remembered. */
static void look(struct secret *s, enum webhook_scheme scheme, bool always)
{
	char before[sizeof(s->wrong)];
	struct stat now = {0};
	struct err err = {0};

	if (!s->path || (!stat(s->path, &now) && !always && !changed(s, &now)))
		return;
	s->seen = now;
	s->read = now.st_ino;
	webhook_key_wipe(&s->key);
	memcpy(before, s->wrong, sizeof(before));
	*s->wrong = 0;
	if ((!s->spare || webhook_secret_there(s->path)) &&
	    webhook_secret_read(scheme, s->path, &s->key, &err))
		snprintf(s->wrong, sizeof(s->wrong), "%s", err.detail);
	err_fini(&err);
	tell(s, before);
}

static void look_all(struct webhook_secrets *all, bool always)
{
	const int64_t now = clock_mono_us();

	if (!always && now - all->looked_at < LOOK_EVERY)
		return;
	all->looked_at = now;
	for (size_t i = 0; i < all->settings->n_webhooks; i++)
		for (size_t j = 0; j < WEBHOOK_SECRETS; j++)
			look(&all->sources[i].secrets[j],
			     all->sources[i].scheme, always);
}

struct webhook_secrets *webhook_secrets_new(const struct settings *s)
{
	struct webhook_secrets *all = xcalloc(1, sizeof(*all));

	all->settings = s;
	pthread_mutex_init(&all->lock, NULL);
	all->sources = xcalloc(s->n_webhooks + 1, sizeof(*all->sources));
	for (size_t i = 0; i < s->n_webhooks; i++) {
		const struct webhook_conf *w = &s->webhooks[i];

		all->sources[i].scheme = (enum webhook_scheme)w->scheme;
		all->sources[i].secrets[0].path = w->secret_file;
		all->sources[i].secrets[1].path = w->next_secret_file;
		all->sources[i].secrets[1].spare = true;
	}
	look_all(all, true);
	return all;
}

void webhook_secrets_free(struct webhook_secrets *all)
{
	if (!all)
		return;
	mem_wipe(all->sources,
		 all->settings->n_webhooks * sizeof(*all->sources));
	free(all->sources);
	pthread_mutex_destroy(&all->lock);
	free(all);
}

void webhook_secrets_reload(struct webhook_secrets *all)
{
	if (!all)
		return;
	pthread_mutex_lock(&all->lock);
	look_all(all, true);
	pthread_mutex_unlock(&all->lock);
}

static enum webhook_secret_state state_of(const struct source *source)
{
	bool good = false, bad = false;

	for (size_t i = 0; i < WEBHOOK_SECRETS; i++) {
		good |= source->secrets[i].key.len > 0;
		bad |= *source->secrets[i].wrong;
	}
	return !good ? WEBHOOK_SECRET_NONE :
	       bad ? WEBHOOK_SECRET_PARTLY : WEBHOOK_SECRET_GOOD;
}

enum webhook_secret_state
webhook_secrets_keys(struct webhook_secrets *all, const struct webhook_conf *w,
		     struct webhook_key keys[WEBHOOK_SECRETS])
{
	const struct source *source =
		&all->sources[w - all->settings->webhooks];
	enum webhook_secret_state state;

	pthread_mutex_lock(&all->lock);
	look_all(all, false);
	for (size_t i = 0; i < WEBHOOK_SECRETS; i++)
		keys[i] = source->secrets[i].key;
	state = state_of(source);
	pthread_mutex_unlock(&all->lock);
	return state;
}

enum webhook_secret_state
webhook_secrets_state(struct webhook_secrets *all,
		      const struct webhook_conf *w, char *detail, size_t size)
{
	const struct source *source =
		&all->sources[w - all->settings->webhooks];
	enum webhook_secret_state state;

	pthread_mutex_lock(&all->lock);
	look_all(all, false);
	state = state_of(source);
	*detail = 0;
	for (size_t i = WEBHOOK_SECRETS; i--;)
		if (*source->secrets[i].wrong)
			snprintf(detail, size, "%s", source->secrets[i].wrong);
	pthread_mutex_unlock(&all->lock);
	if (state == WEBHOOK_SECRET_NONE && !*detail)
		snprintf(detail, size, "no secret-file is named");
	return state;
}
