/*
 * See outbox.h. A batch is one run of the child on one connection, and ends
 * with the first event that is not taken; that one is alone in the next.
 */
#include "agent/core/outbox.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "agent/core/backlog.h"
#include "agent/core/outbox_judge.h"
#include "agent/core/outbox_sign.h"
#include "agent/core/pause.h"
#include "agent/core/second_row.h"
#include "agent/core/threads.h"
#include "agent/core/told.h"
#include "agent/ops/op.h"
#include "agent/run/helper.h"
#include "agent/store/settings.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"

#define BEGIN_US 1000000		/* none is begun after that, in one run */
#define PAUSE_LEAST 250000
#define PAUSE_MOST 60000000
#define AFTER_MAX_S 3600

struct last_error {
	int64_t at_us;			/* wall; 0: there was none */
	uint64_t seq;
	char code[64], detail[480];
};

struct place {
	struct core *core;
	const struct notify_conf *conf;
	char *program;
	int wake, stop;			/* eventfds; stop is the list's */
	pthread_t thread;
	struct backlog *backlog;
	struct second_row row;
	/* The thread's own. */
	struct told told;
	char log_id[SSOT_LOG];
	int tries;			/* of the first that waits */
	int64_t since, pause;		/* since the first of them */
	uint64_t from;			/* told up to there at the start */
	atomic_bool fresh;		/* is not on the record yet */
	pthread_mutex_t lock;
	struct last_error last;		/* under lock */
};

struct outbox {
	int stop;
	size_t n;
	struct place *places;
};

void outbox_feed(struct outbox *o, struct record *const *records, size_t n)
{
	for (size_t i = 0; o && i < o->n; i++)
		if (backlog_feed(o->places[i].backlog, records, n) ||
		    atomic_load(&o->places[i].fresh))
			eventfd_write(o->places[i].wake, 1);
}

static void trouble(struct place *p, const struct second_said *said)
{
	pthread_mutex_lock(&p->lock);
	p->last = (struct last_error){.at_us = clock_wall_us()};
	if (backlog_count(p->backlog))
		p->last.seq = backlog_at(p->backlog, 0)->seq;
	snprintf(p->last.code, sizeof(p->last.code), "%s", said->code);
	snprintf(p->last.detail, sizeof(p->last.detail), "%s", said->detail);
	pthread_mutex_unlock(&p->lock);
}

static int64_t later(struct place *p, int64_t after_s)
{
	int64_t pause = pause_longer(&p->pause, PAUSE_LEAST, PAUSE_MOST);

	if (after_s > AFTER_MAX_S)
		after_s = AFTER_MAX_S;
	return pause > after_s * 1000000 ? pause : after_s * 1000000;
}

static void next_one(struct place *p)
{
	backlog_done(p->backlog, 1);
	p->tries = 0;
	p->since = 0;
}

/* Nothing was told of what this is about. Returns how long to wait. */
static int64_t failed(struct place *p, const struct second_said *said,
		      int64_t after_s)
{
	char detail[560];

	trouble(p, said);
	second_row_trouble(&p->row, said);
	if (clock_boot_us() - p->since < p->conf->give_up)
		return later(p, after_s);
	snprintf(detail, sizeof(detail), "given up: %s", said->detail);
	told_skipped(&p->told, backlog_at(p->backlog, 0)->seq, p->tries,
		     said->code, detail);
	next_one(p);
	return later(p, after_s);
}

static int64_t not_taken(struct place *p, int status, const char *why,
			 int64_t after_s)
{
	struct second_said said = {0};
	enum outbox_fate fate = outbox_judge(status, why, &said);

	if (fate == OUTBOX_AGAIN)
		return failed(p, &said, after_s);
	trouble(p, &said);
	if (fate == OUTBOX_GONE)
		second_row_trouble(&p->row, &said);
	else
		second_row_fine(&p->row);
	told_skipped(&p->told, backlog_at(p->backlog, 0)->seq, p->tries,
		     said.code, said.detail);
	next_one(p);
	if (fate == OUTBOX_GONE)
		return later(p, after_s);
	p->pause = 0;
	return 0;
}

static void taken(struct place *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		told_sent(&p->told, backlog_at(p->backlog, i)->seq,
			  i ? 1 : p->tries);
	backlog_done(p->backlog, n);
	p->tries = 1;			/* of who came next in this run */
	p->since = clock_boot_us();
	p->pause = 0;
	second_row_fine(&p->row);
}

/* What was answered; returns how long to leave them alone, 0: go on. */
static int64_t heard(struct place *p, const json_t *result)
{
	json_int_t done = json_int(result, "done", 0);
	json_int_t status = json_int(result, "status", done > 0 ? -1 : 0);
	size_t n = backlog_count(p->backlog);

	if (done > 0)
		taken(p, (size_t)done < n ? (size_t)done : n);
	if (status >= 0 && backlog_count(p->backlog))
		return not_taken(p, (int)status, json_str(result, "why"),
				 json_int(result, "retry_after_s", 0));
	p->tries = 0;
	p->since = 0;
	return 0;
}

/* A run of the child with all there is, or the first after a failure. */
static json_t *deliver(struct place *p, const struct outbox_keys *keys,
		       struct helper_said *said)
{
	const int64_t each = p->core->agent->settings->timeouts.webhook;
	const size_t n = p->tries > 1 ? 1 : backlog_count(p->backlog);
	struct helper_options o = {p->program, "deliver", each + BEGIN_US,
				   p->stop};
	json_t *list = json_array(), *args, *result;

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, outbox_delivery(keys, p->log_id,
						backlog_at(p->backlog, i)));
	args = json_pack("{s:s,s:I,s:I,s:o}", "url_file", p->conf->url_file,
			 "begin_ms", (json_int_t)BEGIN_US / 1000, "each_ms",
			 (json_int_t)(each / 1000 ? each / 1000 : 1),
			 "deliveries", list);
	second_row_busy(&p->row, true);
	result = helper_run(args, &o, said);
	second_row_busy(&p->row, false);
	json_decref(args);
	return result;
}

static int64_t cannot(struct place *p, bool down, const char *code,
		      const char *hint, const char *detail)
{
	struct second_said said;

	second_trouble(&said, down, code, hint, "%s", detail);
	return failed(p, &said, 0);
}

/* Keys that are being changed are worth waiting for, as all else is. */
static int64_t turn(struct place *p)
{
	struct helper_said said = {0};
	struct outbox_keys keys = {0};
	struct err err = {0};
	json_t *result;
	int64_t us = 0;

	if (!p->tries++)
		p->since = clock_boot_us();
	if (outbox_keys_read(&keys, p->conf, &err)) {
		us = cannot(p, true, err_row(err.code)->code,
			    err_hint_of(&err), err.detail);
		err_fini(&err);
		return us;
	}
	result = deliver(p, &keys, &said);
	outbox_keys_wipe(&keys);
	if (result)
		us = heard(p, result);
	else if (!said.stopped)
		us = cannot(p, !said.retryable, said.code, said.hint,
			    said.detail);
	json_decref(result);
	return us;
}

/* What is there, or who they are, cannot be read: the disk's trouble. */
static int64_t unreadable(struct place *p, struct err *err)
{
	struct second_said said;

	second_trouble(&said, false, err_row(err->code)->code,
		       err_hint_of(err), "%s", err->detail);
	err_fini(err);
	second_row_trouble(&p->row, &said);
	return later(p, 0);
}

/* Returns how long there is nothing to do, -1: until something comes. */
static int64_t step(struct place *p)
{
	struct err err = {0};

	if (!*p->log_id && core_log_id(p->core, p->log_id, &err))
		return unreadable(p, &err);
	if (!*p->log_id)
		return -1;
	if (atomic_exchange(&p->fresh, false))
		told_begun(&p->told, p->from);
	if (backlog_fill(p->backlog, &err))
		return unreadable(p, &err);
	return backlog_count(p->backlog) ? turn(p) : -1;
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Until then, or until it is stopped, or something comes if that counts. */
static bool await(struct place *p, int64_t until, bool come)
{
	struct pollfd fds[] = {{p->stop, POLLIN, 0}, {p->wake, POLLIN, 0}};
	eventfd_t n;

	for (;;) {
		int64_t now = clock_mono_us();
		int64_t due = least(until, told_due(&p->told));

		if (due <= now && due < until) {
			told_flush(&p->told);
			continue;
		}
		if (poll(fds, come ? 2 : 1, until <= now ? 0 :
			 due == INT64_MAX ? -1 :
			 (int)(least(due - now, PAUSE_MOST) / 1000 + 1)) > 0)
			break;
		if (until <= now)
			break;
	}
	if (fds[1].revents)
		eventfd_read(p->wake, &n);
	return !fds[0].revents;
}

static void *main_of(void *arg)
{
	struct place *p = arg;
	int64_t us = atomic_load(&p->fresh) ? -1 : 0;

	while (await(p, us < 0 ? INT64_MAX : clock_mono_us() + us, us < 0))
		us = step(p);
	told_flush(&p->told);
	return NULL;
}

static void init(struct place *p, struct outbox *o, struct core *k,
		 const struct notify_conf *conf)
{
	char name[80];

	snprintf(name, sizeof(name), "notify.%s", conf->name);
	p->core = k;
	p->conf = conf;
	p->stop = o->stop;
	p->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	p->program = xasprintf("%s/webhook", k->agent->tool_dirs[0]);
	pthread_mutex_init(&p->lock, NULL);
	second_row_init(&p->row, k, name, "its events wait in the journal and "
			"are told later; nothing else waits for it");
	p->told = (struct told){.core = k, .conf = conf, .name = p->row.name};
	p->from = core_seq(k);
	atomic_store(&p->fresh, !told_cursor(k, conf, &p->from));
	p->backlog = backlog_new(k, conf, p->row.name, p->from);
	if (p->wake < 0 || pthread_create(&p->thread, NULL, main_of, p))
		abort();
	pthread_setname_np(p->thread, "outbox");
}

struct outbox *outbox_open(struct core *k)
{
	const struct settings *s = k->agent->settings;
	struct outbox *o = xcalloc(1, sizeof(*o));

	o->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (o->stop < 0)
		abort();
	o->places = xcalloc(NOTIFIES_MAX, sizeof(*o->places));
	for (size_t i = 0; i < s->n_notifies; i++)
		if (notify_is_signed(&s->notifies[i]) &&
		    *s->notifies[i].url_file)
			init(&o->places[o->n++], o, k, &s->notifies[i]);
	return o;
}

void outbox_halt(struct outbox *o)
{
	if (o)
		eventfd_write(o->stop, 1);
}

void outbox_close(struct outbox *o)
{
	if (!o)
		return;
	outbox_halt(o);
	for (size_t i = 0; i < o->n; i++) {
		struct place *p = &o->places[i];

		pthread_join(p->thread, NULL);
		backlog_free(p->backlog);
		close(p->wake);
		pthread_mutex_destroy(&p->lock);
		second_row_fini(&p->row);
		free(p->program);
	}
	close(o->stop);
	free(o->places);
	free(o);
}

static json_t *last_error(struct place *p)
{
	char at[CLOCK_TEXT];
	json_t *v = NULL;

	pthread_mutex_lock(&p->lock);
	if (p->last.at_us) {
		clock_text(p->last.at_us, at);
		v = json_pack("{s:s,s:I,s:s,s:o}", "at", at, "seq",
			      (json_int_t)p->last.seq, "error_code",
			      p->last.code, "detail",
			      json_lossy(p->last.detail));
	}
	pthread_mutex_unlock(&p->lock);
	return v ? v : json_null();
}

void outbox_rows(struct outbox *o, json_t *rows)
{
	for (size_t i = 0; o && i < o->n; i++) {
		struct place *p = &o->places[i];
		int64_t since, age = 0;
		uint64_t seq, lag = backlog_lag(p->backlog, &seq, &since);
		json_t *row;

		second_row_json(&p->row, rows);
		row = json_array_get(rows, json_array_size(rows) - 1);
		if (lag && since)
			age = (clock_wall_us() - since) / 1000000;
		json_set_int(row, "seq", (json_int_t)seq);
		json_set_int(row, "lag", (json_int_t)lag);
		json_set_int(row, "lag_s", age > 0 ? age : 0);
		json_object_set_new(row, "last_error", last_error(p));
	}
}
