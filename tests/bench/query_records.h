/*
 * The records of a long life, for the benches of questions: chains of 64
 * records, 64 of them interleaved, six requests in seven records. A chain is
 * one run for a task, and a task has three of them.
 */
#pragma once
#include <stdio.h>

#include "tests/bench/ssot_tasks.h"

enum { CHAIN = 64, ABREAST = 64, RUNS_A_TASK = 3 };

struct life { struct entry e; char corr[32], task[32], run[32], sha[65]; };

static inline uint64_t mixed(uint64_t x)
{
	x = (x + 1) * 0x9e3779b97f4a7c15ull;
	return x ^ x >> 29;
}

static inline uint64_t life_chain(uint64_t i)
{
	return i / (CHAIN * ABREAST) * ABREAST + i % ABREAST;
}

static inline void life_ids(uint64_t chain, struct life *l)
{
	const unsigned long long x = mixed(chain);

	snprintf(l->corr, sizeof(l->corr), "c-%016llx", x);
	snprintf(l->run, sizeof(l->run), "r-%016llx", x);
	snprintf(l->task, sizeof(l->task), "t-%016llx", (unsigned long long)
		 mixed(chain / RUNS_A_TASK + (1ull << 40)));
	for (int k = 0; k < 4; k++)
		snprintf(l->sha + 16 * k, 17, "%016llx", (unsigned long long)
			 mixed(x + (unsigned)k));
}

static inline json_t *life_task(const struct life *l, unsigned chain,
				const char *state)
{
	char title[48], text[240];

	words(chain / RUNS_A_TASK, title, sizeof(title));
	words(chain / RUNS_A_TASK + 7, text, sizeof(text));
	return json_pack("{s:s,s:s,s:s,s:s,s:i,s:[{s:s,s:s}],s:s,s:s,s:s}",
		"id", l->task, "title", title, "request_text", text, "state",
		state, "attempt", (int)(chain % RUNS_A_TASK) + 1,
		"acceptance_criteria", "id", "AC-1", "text",
		"the demo shows the new export dialog", "side_effect_level",
		"local_write", "correlation_id", l->corr, "created_at",
		"2026-01-02T03:04:05.678901Z");
}

static inline json_t *life_run(const struct life *l, const char *state)
{
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:{s:i,s:i}}", "id", l->run,
		"task_id", l->task, "correlation_id", l->corr, "tool",
		"screen.capture", "state", state, "side_effect_level",
		"local_write", "args", "x", 10, "y", 20);
}

static inline json_t *life_summary(const struct life *l, unsigned chain)
{
	char text[120];

	words(chain * 5 + 3, text, sizeof(text));
	return json_pack("{s:i,s:s,s:{s:o}}", "attempt",
			 (int)(chain % RUNS_A_TASK) + 1, "summary", text,
			 "put", "task", life_task(l, chain, "needs_review"));
}

static inline json_t *life_artifact(const struct life *l)
{
	return json_pack("{s:s,s:i,s:s,s:{s:{s:s,s:s,s:s,s:s,s:s,s:s,s:i}}}",
		"sha256", l->sha, "size", 120345, "name", "screen.png", "put",
		"artifact", "id", l->run, "sha256", l->sha, "task_id",
		l->task, "run_id", l->run, "correlation_id", l->corr, "name",
		"screen.png", "size", 120345);
}

static inline void life_event(struct life *l, unsigned chain, unsigned step)
{
	struct entry *e = &l->e;

	switch (step) {
	case 1:
		e->type = "ack_accepted";
		e->data = json_pack("{s:i,s:{s:o}}", "attempt", 1, "put",
				    "task", life_task(l, chain, "running"));
		break;
	case 8:
		e->type = "run_started";
		e->data = json_pack("{s:s,s:{s:o}}", "tool", "screen.capture",
				    "put", "run", life_run(l, "running"));
		break;
	case 30:
		e->type = "tool_finished";
		e->data = json_pack("{s:s,s:i,s:{s:o}}", "tool",
				    "screen.capture", "duration_ms", 120,
				    "put", "run", life_run(l, "succeeded"));
		break;
	case 31:
		e->type = "artifact_stored";
		e->data = life_artifact(l);
		break;
	case 50:
		e->type = "task_result";
		e->data = life_summary(l, chain);
		break;
	case 60:
		e->type = chain % 50 ? "task_approved" : "policy_denied";
		e->actor = chain % 50 ? "ann" : "codex";
		e->data = json_pack("{s:s}", "reason", chain % 50 ?
				    "looks right" : "publish_not_allowed");
		break;
	default:
		e->type = "heartbeat";
		e->data = json_pack("{s:i}", "lease_s", 120);
	}
}

/* What is recorded as number i, from 0. */
static inline void life_init(struct life *l, uint64_t i)
{
	static const char *const actors[] = {"codex", "coordinator", "console"};
	const uint64_t chain = life_chain(i);
	const unsigned step = (unsigned)(i / ABREAST % CHAIN);
	const bool own = step % 8 != 7;	/* not one of who only looks */

	life_ids(chain, l);
	l->e = (struct entry){
		.type = "request", .actor = actors[step % 3],
		.scope = "tool_runner", .transport = "http",
		.method = own ? "POST" : "GET", .route = own ?
		"/api/tasks/{id}/heartbeat" : "/api/tasks/{id}",
		.status = i % 997 ? 200 : i % 7 ? 409 : 500,
		.correlation_id = l->corr, .task_id = l->task,
		.run_id = step > 8 && step < 31 ? l->run : NULL,
	};
	if (step == 1 || step == 8 || step == 30 || step == 31 ||
	    step == 50 || step == 60 || step % 16 == 4)
		life_event(l, (unsigned)chain, step);
	else
		l->e.data = json_pack("{s:s,s:i}", "operation",
				      "task.heartbeat", "us", (int)(i % 1000));
}

static inline void life_fini(struct life *l)
{
	json_decref(l->e.data);
}
