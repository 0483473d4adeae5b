/*
 * See notify.h. What waits is bounded: where it is too much, what is least
 * pressing goes first, and how much went is on the record.
 */
#include "agent/core/notify.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "agent/core/notify_words.h"
#include "agent/core/outbox.h"
#include "agent/core/pause.h"
#include "agent/core/second_row.h"
#include "agent/core/threads.h"
#include "agent/ops/op.h"
#include "agent/run/helper.h"
#include "agent/store/record.h"
#include "agent/store/settings.h"
#include "agent/store/state.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"

#define WAITING_MAX 64
#define PAUSE_LEAST 1000000
#define PAUSE_MOST 60000000
#define TOO_OLD_US 3600000000LL

struct message {
	json_t *args;
	int64_t since;			/* monotonic */
	bool pressing;
};

struct place {
	struct core *core;
	const struct notify_conf *conf;
	char *program;
	int wake, stop;			/* eventfds; stop is the list's */
	pthread_t thread;
	int64_t pause;
	int tries;			/* of the first that waits */
	struct second_row row;
	pthread_mutex_t lock;
	/* under lock: the oldest first */
	struct message waiting[WAITING_MAX];
	size_t n;
	json_int_t dropped;
};

struct notify {
	struct outbox *outbox;		/* those that are signed */
	int stop;
	size_t n;
	struct place *places;
};

static void take_out(struct place *p, size_t at)
{
	p->n--;
	memmove(&p->waiting[at], &p->waiting[at + 1],
		(p->n - at) * sizeof(*p->waiting));
}

/* The oldest that is not pressing, or the oldest. */
static void make_room(struct place *p)
{
	size_t at = 0;

	while (at < p->n && p->waiting[at].pressing)
		at++;
	if (at == p->n)
		at = 0;
	json_decref(p->waiting[at].args);
	take_out(p, at);
	p->dropped++;
}

static void put(struct place *p, json_t *args)
{
	pthread_mutex_lock(&p->lock);
	if (p->n == WAITING_MAX)
		make_room(p);
	p->waiting[p->n++] = (struct message){args, clock_mono_us(),
		strcmp(json_str(args, "priority"), "normal") != 0};
	pthread_mutex_unlock(&p->lock);
	eventfd_write(p->wake, 1);
}

void notify_feed(struct notify *n, struct record *const *records, size_t len)
{
	if (n)
		outbox_feed(n->outbox, records, len);
	for (size_t i = 0; n && i < len * n->n; i++) {
		const struct record *r = records[i / n->n];
		struct place *p = &n->places[i % n->n];
		struct agent *a = p->core->agent;

		if (notify_wants(p->conf, p->row.name, r))
			put(p, notify_words(a->settings->name, r, r->task_id ?
				state_doc(a->state, "task", r->task_id) :
				NULL));
	}
}

/* The oldest, which stays until it is told or given up. */
static bool first(struct place *p, struct message *out)
{
	bool any;

	pthread_mutex_lock(&p->lock);
	any = p->n > 0;
	if (any) {
		*out = p->waiting[0];
		json_incref(out->args);
	}
	pthread_mutex_unlock(&p->lock);
	return any;
}

/* It may have made room for others meanwhile. */
static json_int_t done_with(struct place *p, const struct message *m)
{
	json_int_t dropped;

	pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < p->n; i++)
		if (p->waiting[i].args == m->args) {
			json_decref(m->args);
			take_out(p, i);
			break;
		}
	dropped = p->dropped;
	p->dropped = 0;
	pthread_mutex_unlock(&p->lock);
	return dropped;
}

/* On the record of what it was about. */
static void record(struct place *p, const struct message *m,
		   const char *type, json_t *data)
{
	json_t *args = json_pack("{s:s,s:o}", "type", type, "data", data);
	static const char *const of[] = {"task_id", "run_id",
					 "correlation_id"};

	json_object_set(data, "event", json_object_get(m->args, "event"));
	if (json_object_get(m->args, "approval_id"))
		json_object_set(data, "approval_id",
				json_object_get(m->args, "approval_id"));
	for (size_t i = 0; i < ARRAY_LEN(of); i++)
		if (json_object_get(m->args, of[i]))
			json_object_set(args, of[i],
					json_object_get(m->args, of[i]));
	queue_put(&p->core->applying, internal_call("service", args));
}

static void record_failed(struct place *p, const struct message *m,
			  const char *code, const char *detail)
{
	json_t *data = json_pack("{s:s,s:s}", "what", p->row.name,
				 "error_code", code);

	json_object_set_new(data, "detail", json_lossy(detail));
	record(p, m, "notify_failed", data);
}

static void record_dropped(struct place *p, const struct message *m,
			   json_int_t dropped)
{
	char detail[80];

	snprintf(detail, sizeof(detail), "%lld before it were not told",
		 (long long)dropped);
	if (dropped)
		record_failed(p, m, "notify_too_many", detail);
}

static json_t *ask(struct place *p, const struct message *m,
		   struct helper_said *said)
{
	struct helper_options o = {
		p->program, "tell",
		p->core->agent->settings->timeouts.webhook, p->stop,
	};
	json_t *args = json_copy(m->args), *result;

	json_set_str(args, "kind", notify_kind_name(p->conf->kind));
	json_set_str(args, "url_file", p->conf->url_file);
	result = helper_run(args, &o, said);
	json_decref(args);
	return result;
}

/* "Later" is an answer too. -1: *said, and *after_us if they say when. */
static int tell(struct place *p, const struct message *m, int64_t *after_us,
		struct helper_said *said)
{
	json_t *result = ask(p, m, said);
	json_int_t status = json_int(result, "status", 0);
	json_int_t after = json_int(result, "retry_after_s", 0);

	json_decref(result);
	if (!status || status / 100 == 2)
		return status ? 0 : -1;
	*said = (struct helper_said){.retryable = true};
	snprintf(said->code, sizeof(said->code), "notify_unreachable");
	snprintf(said->hint, sizeof(said->hint), "It is tried again; see "
		 "whether the receiving service is well.");
	snprintf(said->detail, sizeof(said->detail), "the service answered "
		 "%d", (int)status);
	*after_us = (after < 3600 ? after : 3600) * 1000000;
	return -1;
}

static void trouble(struct place *p, const struct helper_said *why)
{
	struct second_said said;

	second_trouble(&said, !why->retryable, why->code, why->hint, "%s",
		       why->detail);
	second_row_trouble(&p->row, &said);
}

static void told(struct place *p, const struct message *m)
{
	record_dropped(p, m, done_with(p, m));
	record(p, m, "notify_sent", json_pack("{s:s,s:s,s:I}", "what",
		p->row.name, "kind", notify_kind_name(p->conf->kind), "tries",
		(json_int_t)p->tries));
	p->tries = 0;
	p->pause = 0;
	second_row_fine(&p->row);
}

static void given_up(struct place *p, const struct message *m,
		     const struct helper_said *why)
{
	record_dropped(p, m, done_with(p, m));
	record_failed(p, m, why->code, why->detail);
	p->tries = 0;
	p->pause = 0;
}

/* Returns how long to leave them alone; 0: go on. */
static int64_t turn(struct place *p, const struct message *m)
{
	struct helper_said said;
	int64_t after = 0, pause;
	int rc;

	p->tries++;
	second_row_busy(&p->row, true);
	rc = tell(p, m, &after, &said);
	second_row_busy(&p->row, false);
	if (!rc)
		told(p, m);
	if (!rc || said.stopped)
		return 0;
	trouble(p, &said);
	if (!said.retryable || clock_mono_us() - m->since > TOO_OLD_US) {
		given_up(p, m, &said);
		return 0;
	}
	pause = pause_longer(&p->pause, PAUSE_LEAST, PAUSE_MOST);
	return pause > after ? pause : after;
}

static void *main_of(void *arg)
{
	struct place *p = arg;
	struct pollfd fds[] = {{p->stop, POLLIN, 0}, {p->wake, POLLIN, 0}};
	struct message m;
	eventfd_t n;

	while (poll(fds, 1, 0) >= 0 && !fds[0].revents) {
		int64_t us = -1000;

		if (first(p, &m)) {
			us = turn(p, &m);
			json_decref(m.args);
		}
		/* What comes while they are left alone waits with the rest. */
		if (us && poll(fds, us < 0 ? 2 : 1, (int)(us / 1000)) > 0)
			eventfd_read(p->wake, &n);
	}
	return NULL;
}

static void init(struct place *p, struct notify *n, struct core *k,
		 const struct notify_conf *conf)
{
	char name[80];

	snprintf(name, sizeof(name), "notify.%s", conf->name);
	p->core = k;
	p->conf = conf;
	p->stop = n->stop;
	p->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	p->program = xasprintf("%s/notify", k->agent->tool_dirs[0]);
	pthread_mutex_init(&p->lock, NULL);
	second_row_init(&p->row, k, name,
			"people are not told; nothing else waits for it");
	if (p->wake < 0 || pthread_create(&p->thread, NULL, main_of, p))
		abort();
	pthread_setname_np(p->thread, "notify");
}

struct notify *notify_open(struct core *k)
{
	const struct settings *s = k->agent->settings;
	struct notify *n;

	if (!s->n_notifies)
		return NULL;
	n = xcalloc(1, sizeof(*n));
	n->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (n->stop < 0)
		abort();
	n->places = xcalloc(s->n_notifies, sizeof(*n->places));
	for (size_t i = 0; i < s->n_notifies; i++)
		if (*s->notifies[i].url_file &&
		    !notify_is_signed(&s->notifies[i]))
			init(&n->places[n->n++], n, k, &s->notifies[i]);
	n->outbox = outbox_open(k);
	return n;
}

void notify_halt(struct notify *n)
{
	if (!n)
		return;
	eventfd_write(n->stop, 1);
	outbox_halt(n->outbox);
}

void notify_close(struct notify *n)
{
	if (!n)
		return;
	notify_halt(n);
	outbox_close(n->outbox);
	for (size_t i = 0; i < n->n; i++) {
		struct place *p = &n->places[i];

		pthread_join(p->thread, NULL);
		while (p->n)
			json_decref(p->waiting[--p->n].args);
		close(p->wake);
		pthread_mutex_destroy(&p->lock);
		second_row_fini(&p->row);
		free(p->program);
	}
	close(n->stop);
	free(n->places);
	free(n);
}

static json_int_t waiting(struct place *p)
{
	json_int_t n;

	pthread_mutex_lock(&p->lock);
	n = (json_int_t)p->n;
	pthread_mutex_unlock(&p->lock);
	return n;
}

static void add_rows(struct notify *n, json_t *all)
{
	for (size_t i = 0; i < n->n; i++) {
		json_t *one;

		second_row_json(&n->places[i].row, all);
		one = json_array_get(all, i);
		json_set_int(one, "waiting", waiting(&n->places[i]));
	}
	outbox_rows(n->outbox, all);
}

/* One row for all; what is wrong is that of the first that is not well. */
bool notify_row(struct notify *n, json_t *rows)
{
	json_t *all = json_array(), *row = NULL, *one;
	bool bad = false;
	size_t i;

	if (n)
		add_rows(n, all);
	json_array_foreach (all, i, one) {
		bool down = strcmp(json_str(one, "status"), "ok") != 0;

		json_object_del(one, "size");
		json_object_del(one, "last");
		if (!row || (down && !bad))
			row = one;
		bad |= down;
	}
	if (row) {
		row = json_copy(row);
		json_set_str(row, "name", "notify");
		json_object_set(row, "places", all);
		json_array_append_new(rows, row);
	}
	json_decref(all);
	return bad;
}
