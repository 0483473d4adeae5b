/* See fidelity_judge.h: what runs did to the world outside. */
#include "agent/ops/fidelity_judge.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"

static const struct { const char *state; bool counts, settled; } states[] = {
	{"queued", true, false}, {"awaiting_approval", false, false},
	{"running", true, false}, {"succeeded", true, true},
	{"failed", false, true},	/* it says itself that it did not */
	{"outcome_unknown", true, false},
};

/* Was something done, or is it being done? Who knows counts as yes. */
static void weigh(struct served *e, const json_t *run)
{
	const char *level = json_str(run, "side_effect_level");
	const char *state = json_str(run, "state");

	e->settled = true;
	if (level && !strcmp(level, "read_only"))
		return;
	e->counts = json_str(run, "started_at");	/* cancelled, timed_out */
	for (size_t i = 0; state && i < ARRAY_LEN(states); i++)
		if (!strcmp(states[i].state, state)) {
			e->settled = states[i].settled;
			e->counts = states[i].counts;
		}
}

static json_t *shown(const json_t *run, json_int_t attempt)
{
	static const char *const kept[] = {
		"tool", "side_effect_level", "state",
	};
	json_t *out = json_object();

	json_set_str(out, "run_id", json_str(run, "id"));
	json_set_int(out, "attempt", attempt);
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		json_set_str(out, kept[i], json_str(run, kept[i]));
	return out;
}

static int64_t ended_at(const json_t *run)
{
	const char *at = json_str(run, "finished_at");
	int64_t us;

	return at && clock_parse(at, 0, &us) ? us : 0;
}

/* Before runs had attempts, every task was at its first. */
void effect_add(struct fidelity *f, const char *kind, const json_t *doc)
{
	struct served *e;

	if (!json_str(doc, "id"))
		return;
	if (f->n_effects == f->room) {
		f->room = f->room ? 2 * f->room : 64;
		f->effects = xrealloc(f->effects,
				      f->room * sizeof(*f->effects));
	}
	e = &f->effects[f->n_effects++];
	*e = (struct served){
		.id = xstrdup(json_str(doc, "id")),
		.ref = xstrdup(json_str(doc, "criterion_ref")),
		.by = xstrdup(json_str(doc, "actor")),
		.ended = ended_at(doc),
		.attempt = json_int(doc, "attempt", 1),
		.package = !strcmp(kind, "package"),
	};
	weigh(e, doc);
	e->shown = shown(doc, e->attempt);
}

static void served_fini(struct served *e)
{
	free(e->id);
	free(e->ref);
	free(e->by);
	json_decref(e->shown);
}

/* Of one run, what it says itself comes first. */
static int in_order(const void *a, const void *b)
{
	const struct served *x = a, *y = b;
	int rc = strcmp(x->id, y->id);

	return rc ? rc : x->package - y->package;
}

void effects_sort(struct fidelity *f)
{
	size_t n = 0;

	if (f->n_effects)
		qsort(f->effects, f->n_effects, sizeof(*f->effects), in_order);
	for (size_t i = 0; i < f->n_effects; i++)
		if (n && !strcmp(f->effects[n - 1].id, f->effects[i].id))
			served_fini(&f->effects[i]);
		else
			f->effects[n++] = f->effects[i];
	f->n_effects = n;
}

void effects_free(struct fidelity *f)
{
	for (size_t i = 0; i < f->n_effects; i++)
		served_fini(&f->effects[i]);
	free(f->effects);
}
