/* See second.h. A place's thread waits on wake (a new checkpoint) and stop. */
#include "agent/core/second.h"

#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "agent/core/checkpoints.h"
#include "agent/core/pause.h"
#include "agent/core/second_row.h"
#include "agent/core/threads.h"
#include "agent/ops/op.h"
#include "agent/run/helper.h"
#include "agent/store/checkpoint.h"
#include "agent/store/home.h"
#include "agent/store/settings.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/mem.h"

#define PAUSE_LEAST 1000000
#define PAUSE_MOST 60000000
#define STATE_MAX 64

struct second {
	struct core *core;
	const struct second_kind *kind;
	const void *conf;
	char *tools;			/* folder of our programs */
	int wake, stop;			/* eventfds; stop is the list's */
	pthread_t thread;
	int64_t pause;
	struct second_row row;
};

struct seconds {
	int stop;
	size_t n;
	struct second list[WITNESSES_MAX + 1];
};

struct core *second_core(struct second *s)
{
	return s->core;
}

const void *second_conf(struct second *s)
{
	return s->conf;
}

void second_reached(struct second *s, uint64_t size)
{
	second_row_reached(&s->row, size);
}

int second_trouble(struct second_said *said, bool down, const char *code,
		   const char *hint, const char *fmt, ...)
{
	va_list ap;

	*said = (struct second_said){.down = down};
	snprintf(said->code, sizeof(said->code), "%s", code);
	snprintf(said->hint, sizeof(said->hint), "%s", hint);
	va_start(ap, fmt);
	vsnprintf(said->detail, sizeof(said->detail), fmt, ap);
	va_end(ap);
	return -1;
}

static int local(struct second_said *said, struct err *err)
{
	second_trouble(said, false, err_row(err->code)->code,
		       err_hint_of(err), "%s", err->detail);
	err_fini(err);
	return -1;
}

/* Text, an empty line, and our line of the signatures. */
static void own_part(const struct note *n, const struct note_key *key,
		     struct buf *out)
{
	buf_add(out, n->text, n->text_len);
	for (size_t i = 0; i < n->n; i++) {
		const struct note_signature *s = &n->signatures[i];

		if (s->id != key->id || s->name_len != strlen(key->name) ||
		    memcmp(s->name, key->name, s->name_len))
			continue;
		buf_adds(out, "\n");
		buf_add(out, s->line, s->line_len);
		buf_adds(out, "\n");
		return;
	}
}

int second_checkpoint(struct second *s, struct buf *note,
		      struct checkpoint *c, struct second_said *said)
{
	struct note *n = xmalloc(sizeof(*n));
	struct err err = {0};
	struct buf all = {0};
	const struct note_key *key = s->core->agent->journal_key;
	int rc = checkpoints_note(s->core->checkpoints, 0, &all, &err) ||
		 checkpoint_open(c, all.data, all.len, key, &err) ||
		 note_parse(n, all.data, all.len, &err) ?
			 local(said, &err) : 0;

	if (!rc)
		own_part(n, key, note);
	buf_fini(&all);
	free(n);
	return rc;
}

json_t *second_ask(struct second *s, const char *program, const char *verb,
		   json_t *args, int64_t timeout_us,
		   struct second_said *said)
{
	char *path = xasprintf("%s/%s", s->tools, program);
	struct helper_options o = {path, verb, timeout_us, s->stop};
	struct helper_said why;
	json_t *result = helper_run(args, &o, &why);

	if (!result) {
		second_trouble(said, !why.retryable, why.code, why.hint,
			       "%s", why.detail);
		said->stopped = why.stopped;
	}
	json_decref(args);
	free(path);
	return result;
}

static char *state_path(struct second *s)
{
	return xasprintf("%s/seconds/%s", s->core->agent->home->dir,
			 s->row.name);
}

void second_recall(struct second *s, uint64_t *a, uint64_t *b)
{
	char *path = state_path(s);
	char *text = fs_read(path, STATE_MAX, NULL, NULL);
	unsigned long long x = 0, y = 0;

	if (text && sscanf(text, "%llu %llu\n", &x, &y) != 2)
		x = y = 0;
	*a = x;
	*b = y;
	free(text);
	free(path);
}

int second_note(struct second *s, uint64_t a, uint64_t b,
		struct second_said *said)
{
	char text[STATE_MAX], *path = state_path(s);
	struct err err = {0};
	int n = snprintf(text, sizeof(text), "%llu %llu\n",
			 (unsigned long long)a, (unsigned long long)b);
	int rc = fs_replace(path, text, (size_t)n, 0600, &err);

	free(path);
	return rc ? local(said, &err) : 0;
}

int second_keep(struct second *s, const char *ext, const void *data,
		size_t len, struct second_said *said)
{
	char *path = xasprintf("%s/seconds/%s.%s", s->core->agent->home->dir,
			       s->row.name, ext);
	struct err err = {0};
	int rc = fs_replace(path, data, len, 0600, &err);

	free(path);
	return rc ? local(said, &err) : 0;
}

static int64_t next_pause(struct second *s)
{
	return pause_longer(&s->pause, PAUSE_LEAST, PAUSE_MOST);
}

static int64_t take_turn(struct second *s)
{
	struct second_said said = {0};
	int64_t next = SECOND_LATER;

	second_row_busy(&s->row, true);
	if (!s->kind->turn(s, &next, &said)) {
		s->pause = 0;
		second_row_fine(&s->row);
	} else {
		if (!said.stopped)
			second_row_trouble(&s->row, &said);
		next = next_pause(s);
	}
	second_row_busy(&s->row, false);
	return next;
}

static void *main_of(void *arg)
{
	struct second *s = arg;
	struct pollfd p[] = {{s->stop, POLLIN, 0}, {s->wake, POLLIN, 0}};
	eventfd_t n;

	while (!p[0].revents) {
		int64_t us = take_turn(s);

		if (poll(p, 2, us == SECOND_LATER ? -1 : us > 3600000000LL ?
			 3600000 : (int)((us + 999) / 1000)) > 0)
			eventfd_read(s->wake, &n);
	}
	return NULL;
}

static void add(struct seconds *all, struct core *k, const char *name,
		const struct second_kind *kind, const void *conf)
{
	struct second *s = &all->list[all->n++];

	s->core = k;
	s->kind = kind;
	s->conf = conf;
	s->stop = all->stop;
	s->tools = xstrdup(k->agent->tool_dirs[0]);
	s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	second_row_init(&s->row, k, name, kind->effect);
	if (s->wake < 0)
		abort();
}

static int make_folder(const struct core *k, struct err *err)
{
	char *path = xasprintf("%s/seconds", k->agent->home->dir);
	int rc = fs_mkdir(path, 0700, err);

	free(path);
	return rc;
}

static void start(struct seconds *all)
{
	for (size_t i = 0; i < all->n; i++) {
		struct second *s = &all->list[i];

		if (pthread_create(&s->thread, NULL, main_of, s))
			abort();
		pthread_setname_np(s->thread, "second");
	}
}

static bool is_set(const char *text)
{
	return text && *text;
}

static size_t n_witnesses(const struct settings *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_witnesses; i++)
		n += is_set(s->witnesses[i].url);
	return n;
}

int seconds_open(struct core *k, struct err *err)
{
	const struct settings *s = k->agent->settings;
	struct seconds *all;
	char name[80];

	if (!n_witnesses(s) && !is_set(s->stamp_url))
		return 0;
	if (make_folder(k, err))
		return -1;
	all = xcalloc(1, sizeof(*all));
	all->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (all->stop < 0)
		abort();
	for (size_t i = 0; i < s->n_witnesses; i++) {
		if (!is_set(s->witnesses[i].url))
			continue;
		snprintf(name, sizeof(name), "witness.%s",
			 s->witnesses[i].name);
		add(all, k, name, &witness_kind, &s->witnesses[i]);
	}
	if (is_set(s->stamp_url))
		add(all, k, "timestamp", &stamp_kind, s);
	start(all);
	k->seconds = all;
	return 0;
}

void seconds_new(struct seconds *s)
{
	for (size_t i = 0; s && i < s->n; i++)
		eventfd_write(s->list[i].wake, 1);
}

void seconds_halt(struct seconds *s)
{
	if (s)
		eventfd_write(s->stop, 1);
}

void seconds_rest(struct seconds *s)
{
	seconds_halt(s);
	for (size_t i = 0; s && i < s->n; i++) {
		if (s->list[i].thread)
			pthread_join(s->list[i].thread, NULL);
		s->list[i].thread = 0;
	}
}

void seconds_close(struct seconds *s)
{
	if (!s)
		return;
	seconds_rest(s);
	for (size_t i = 0; i < s->n; i++) {
		close(s->list[i].wake);
		second_row_fini(&s->list[i].row);
		free(s->list[i].tools);
	}
	close(s->stop);
	free(s);
}

bool seconds_rows(struct seconds *s, json_t *rows)
{
	bool bad = false;

	for (size_t i = 0; s && i < s->n; i++)
		bad |= second_row_json(&s->list[i].row, rows);
	return bad;
}
