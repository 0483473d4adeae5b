/* See expiry.h. */
#include "agent/core/expiry.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/core/forget.h"
#include "agent/core/threads.h"
#include "agent/ops/evidence.h"
#include "agent/store/evidence.h"
#include "agent/store/home.h"
#include "agent/store/index.h"
#include "agent/store/retention.h"
#include "agent/store/settings.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"

#define PAGE 500

struct expiry {
	struct core *core;
	struct reader *reader;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t woken;
	bool stop, sweep;
};

static const struct settings *settings_of_core(const struct expiry *x)
{
	return x->core->agent->settings;
}

static bool stopping(struct expiry *x)
{
	bool stop;

	pthread_mutex_lock(&x->lock);
	stop = x->stop;
	pthread_mutex_unlock(&x->lock);
	return stop;
}

/* Until something is to be swept, the time has come, or it is to stop. */
static void rest(struct expiry *x, int64_t until_us)
{
	struct timespec at = {until_us / 1000000, until_us % 1000000 * 1000};
	bool sweep;

	pthread_mutex_lock(&x->lock);
	while (!x->stop && !x->sweep && clock_mono_us() < until_us)
		pthread_cond_timedwait(&x->woken, &x->lock, &at);
	sweep = x->sweep;
	x->sweep = false;
	pthread_mutex_unlock(&x->lock);
	if (sweep)
		evidence_sweep(x->core->agent->evidence);
}

/*
 * Calls each for all documents of a kind, until one is negative. They may
 * change meanwhile; what is new has the later id or comes the next time.
 */
typedef int each_doc(struct expiry *x, const json_t *doc, void *data);

static int walk(struct expiry *x, const char *kind, const char *state,
		each_doc *each, void *data)
{
	struct doc_filter f = {.kind = kind, .state = state, .limit = PAGE};
	char after[DOC_ID_MAX + 1] = "";
	size_t n = PAGE, i;
	json_t *page, *doc;
	int rc = 0;

	while (!rc && n == PAGE && !stopping(x)) {
		struct err err = {0};

		f.after_id = after;
		page = reader_docs(x->reader, &f, &err);
		n = json_array_size(page);
		json_array_foreach (page, i, doc)
			if (!rc)
				rc = each(x, doc, data);
		if (n)
			snprintf(after, sizeof(after), "%s", json_str(
				json_array_get(page, n - 1), "id"));
		if (err.code)
			log_error("retention: %s", err.detail);
		err_fini(&err);
		json_decref(page);
	}
	return rc;
}

/* -1: nothing can be recorded now, or the agent stops. */
static int apply(struct expiry *x, struct call *c)
{
	struct call *done = core_apply_now(x->core, c);
	int rc = !done || done->err.code == ERR_audit_unavailable ? -1 : 0;

	if (done)
		call_free(done);
	return rc;
}

static int bury(struct expiry *x, const json_t *tombstone, void *data)
{
	const char *sha = json_str(tombstone, "sha256");

	(void)data;
	if (!evidence_has(x->core->agent->evidence, sha))
		return 0;
	return apply(x, internal_call("evidence.bury", json_pack("{s:s}",
		     "sha256", sha)));
}

static int collect(struct expiry *x, const json_t *artifact, void *data)
{
	const struct settings *s = settings_of_core(x);
	json_t *removed;

	if (retention_rule(s->retentions, s->n_retentions,
			   json_str(artifact, "media_type")) < 0)
		return 0;
	removed = evidence_removed(x->reader, json_str(artifact, "sha256"),
				   NULL);
	if (!removed)
		retained_add(data, s->retentions, s->n_retentions, artifact);
	json_decref(removed);
	return 0;
}

/* Is it also stored as something that no rule is about, or again by now? */
static bool kept_as_else(const struct settings *s, json_t *docs,
			 int64_t newest_us)
{
	json_t *each;
	int64_t us;
	size_t i;

	json_array_foreach (docs, i, each)
		if (retention_rule(s->retentions, s->n_retentions,
				   json_str(each, "media_type")) < 0 ||
		    !clock_parse(json_str(each, "created_at"), 0, &us) ||
		    us > newest_us)
			return true;
	return false;
}

static int expire(struct expiry *x, const struct retained *r)
{
	const struct settings *s = settings_of_core(x);
	struct doc_filter f = {.kind = "artifact", .ref = r->sha256,
			       .limit = PAGE};
	json_t *docs = reader_docs(x->reader, &f, NULL), *last;
	char *why;
	int rc = 0;

	last = json_array_get(docs, json_array_size(docs) - 1);
	if (last && !kept_as_else(s, docs, r->at_us)) {
		why = retained_why(r, s->retentions);
		rc = apply(x, internal_call("evidence.expire", json_pack(
			   "{s:O,s:s}", "artifact", last, "why", why)));
		free(why);
	}
	json_decref(docs);
	return rc;
}

static void round_of(struct expiry *x)
{
	const struct settings *s = settings_of_core(x);
	struct retained_list l = {0};

	if (!s->n_retentions)
		return;
	if (!walk(x, "artifact", NULL, collect, &l) && !stopping(x)) {
		retained_decide(&l, s->retentions, s->n_retentions,
				clock_wall_us());
		for (size_t i = 0; i < l.n && !stopping(x); i++)
			if (expire(x, &l.items[i]))
				break;
	}
	retained_fini(&l);
}

static void *run(void *arg)
{
	struct expiry *x = arg;
	const int64_t forget_us = forget_every(settings_of_core(x));
	int64_t next = 0, forget_at = clock_mono_us() + forget_us;
	struct forget forgotten = {0};

	walk(x, "tombstone", "removed", bury, NULL);
	while (!stopping(x)) {
		if (clock_mono_us() >= next) {
			round_of(x);
			next = clock_mono_us() +
			       settings_of_core(x)->retention_every;
		}
		if (clock_mono_us() >= forget_at) {
			forget_some(x->core, x->reader, &forgotten);
			forget_at = clock_mono_us() + forget_us;
		}
		rest(x, next < forget_at ? next : forget_at);
	}
	return NULL;
}

struct expiry *expiry_start(struct core *k)
{
	struct expiry *x = xcalloc(1, sizeof(*x));
	pthread_condattr_t attr;
	struct err err = {0};

	x->core = k;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&x->lock, NULL);
	pthread_cond_init(&x->woken, &attr);
	pthread_condattr_destroy(&attr);
	if (reader_open(&x->reader, k->agent->home->index, &err)) {
		log_error("retention: %s", err.detail);
		err_fini(&err);
	} else if (pthread_create(&x->thread, NULL, run, x)) {
		abort();
	} else {
		pthread_setname_np(x->thread, "expiry");
	}
	return x;
}

void expiry_wake(struct expiry *x)
{
	if (!x)
		return;
	pthread_mutex_lock(&x->lock);
	x->sweep = true;
	pthread_cond_signal(&x->woken);
	pthread_mutex_unlock(&x->lock);
}

void expiry_stop(struct expiry *x)
{
	if (!x || !x->thread)
		return;
	pthread_mutex_lock(&x->lock);
	x->stop = true;
	pthread_cond_signal(&x->woken);
	pthread_mutex_unlock(&x->lock);
	pthread_join(x->thread, NULL);
	x->thread = 0;
}

void expiry_free(struct expiry *x)
{
	if (!x)
		return;
	expiry_stop(x);
	reader_close(x->reader);
	pthread_cond_destroy(&x->woken);
	pthread_mutex_destroy(&x->lock);
	free(x);
}
