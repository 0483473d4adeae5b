/* See second_row.h. */
#include "agent/core/second_row.h"

#include <stdio.h>
#include <string.h>

#include "agent/core/threads.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"

#define SLOW_US 5000000

void second_row_init(struct second_row *w, struct core *k, const char *name,
		     const char *effect)
{
	*w = (struct second_row){.core = k, .effect = effect,
				 .since = clock_wall_us()};
	snprintf(w->name, sizeof(w->name), "%s", name);
	pthread_mutex_init(&w->lock, NULL);
}

void second_row_fini(struct second_row *w)
{
	pthread_mutex_destroy(&w->lock);
}

void second_row_busy(struct second_row *w, bool busy)
{
	pthread_mutex_lock(&w->lock);
	w->busy = busy ? clock_mono_us() : 0;
	pthread_mutex_unlock(&w->lock);
}

void second_row_reached(struct second_row *w, uint64_t size)
{
	pthread_mutex_lock(&w->lock);
	w->size = size;
	w->reached_us = clock_wall_us();
	pthread_mutex_unlock(&w->lock);
}

static void record(const struct second_row *w, const char *type,
		   const struct second_said *said)
{
	json_t *data = json_pack("{s:s}", "what", w->name);

	if (said) {
		json_set_str(data, "error_code", said->code);
		json_object_set_new(data, "detail", json_lossy(said->detail));
	}
	core_service(w->core, type, data);
}

void second_row_fine(struct second_row *w)
{
	bool over;

	pthread_mutex_lock(&w->lock);
	over = w->bad;
	if (over || !w->met)
		w->since = clock_wall_us();
	w->bad = false;
	w->met = true;
	pthread_mutex_unlock(&w->lock);
	if (!over)
		return;
	log_info("%s: it works again", w->name);
	record(w, "recovered", NULL);
}

void second_row_trouble(struct second_row *w,
			const struct second_said *said)
{
	bool other;

	pthread_mutex_lock(&w->lock);
	other = !w->bad || strcmp(w->said.code, said->code);
	if (other)
		w->since = clock_wall_us();
	w->bad = true;
	w->said = *said;
	pthread_mutex_unlock(&w->lock);
	if (!other)
		return;
	log_warn("%s: %s: %s", w->name, said->code, said->detail);
	record(w, "degraded", said);
}

static void set_time(json_t *v, const char *key, int64_t wall_us)
{
	char text[CLOCK_TEXT];

	if (wall_us)
		clock_text(wall_us, text);
	json_set_str(v, key, wall_us ? text : NULL);
}

static void say(json_t *v, const struct second_row *w)
{
	int64_t slow = w->busy ? clock_mono_us() - w->busy : 0;

	if (w->bad) {
		json_set_str(v, "error_code", w->said.code);
		json_object_set_new(v, "detail", json_lossy(w->said.detail));
		json_set_str(v, "remediation_hint", w->said.hint);
	} else if (slow > SLOW_US) {
		json_set_str(v, "error_code", "no_answer_yet");
		json_object_set_new(v, "detail", json_sprintf(
			"it has been asked %lld s ago and has not answered "
			"yet", (long long)(slow / 1000000)));
		json_set_str(v, "remediation_hint", "Wait: its time is "
			     "limited, and nothing else waits for it.");
	} else {
		return;
	}
	json_set_str(v, "status", w->bad && w->said.down ? "down" :
		     "degraded");
	json_set_str(v, "effect", w->effect);
}

bool second_row_json(struct second_row *w, json_t *rows)
{
	json_t *v = json_pack("{s:s,s:s}", "name", w->name, "status", "ok");

	pthread_mutex_lock(&w->lock);
	set_time(v, "since", w->since);
	json_set_int(v, "size", (json_int_t)w->size);
	set_time(v, "last", w->reached_us);
	say(v, w);
	pthread_mutex_unlock(&w->lock);
	json_array_append_new(rows, v);
	return strcmp(json_str(v, "status"), "ok") != 0;
}
