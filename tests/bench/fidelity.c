/*
 * Judging a task of 200 criteria that 1,000 runs serve, documents at hand:
 * milliseconds of one CPU.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "agent/ops/fidelity.h"
#include "common/json.h"

#define CRITERIA 200
#define RUNS 1000
#define TIMES 50

static int64_t cpu_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000LL + ts.tv_nsec / 1000;
}

static bool stored(void *data, const char *sha256)
{
	(void)data, (void)sha256;
	return true;
}

static json_t *criteria(void)
{
	json_t *list = json_array();

	for (int i = 0; i < CRITERIA; i++)
		json_array_append_new(list, json_pack("{s:o,s:o}", "id",
			json_sprintf("AC-%d", i), "text",
			json_sprintf("it shows the dialog number %d", i)));
	return list;
}

static json_t *claims(void)
{
	json_t *list = json_array();

	for (int i = 0; i < CRITERIA; i++)
		json_array_append_new(list, json_pack("{s:o,s:b,s:[s]}",
			"criterion_ref", json_sprintf("AC-%d", i), "met", 1,
			"evidence", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			"aaaaaaaaaaaaaaaaaaaaaaaa"));
	return list;
}

static json_t *run(int i)
{
	return json_pack("{s:o,s:i,s:s,s:s,s:s,s:o,s:s,s:{}}", "id",
			 json_sprintf("r-%016d", i), "attempt", 1, "tool",
			 "screen.capture", "side_effect_level", "local_write",
			 "state", "succeeded", "criterion_ref",
			 json_sprintf("AC-%d", i % CRITERIA), "started_at",
			 "2026-01-02T03:04:05.678901Z", "args");
}

int main(void)
{
	json_t *task, *ack, *result, *runs = json_array(), *each, *out;
	int64_t start, worst = 0, sum = 0;
	size_t k;

	json_setup();
	task = json_pack("{s:s,s:i,s:o}", "id", "t-1", "attempt", 1,
			 "acceptance_criteria", criteria());
	ack = json_pack("{s:i,s:o}", "attempt", 1,
			"echoed_acceptance_criteria", criteria());
	result = json_pack("{s:i,s:o}", "attempt", 1, "criteria", claims());
	for (int i = 0; i < RUNS; i++)
		json_array_append_new(runs, run(i));
	for (int i = 0; i < TIMES; i++) {
		struct fidelity *f;

		start = cpu_us();
		f = fidelity_new(task);
		fidelity_add(f, "ack", ack);
		fidelity_add(f, "result", result);
		json_array_foreach (runs, k, each)
			fidelity_add(f, "run", each);
		out = fidelity_answer(f, stored, NULL);
		if (!json_is_set(out, "complete"))
			return 1;
		json_decref(out);
		fidelity_free(f);
		start = cpu_us() - start;
		sum += start;
		worst = start > worst ? start : worst;
	}
	printf("fidelity_200_criteria_1000_runs %.2f ms\n"
	       "fidelity_worst_of_%d %.2f ms\n", (double)sum / TIMES / 1e3,
	       TIMES, (double)worst / 1e3);
	json_decref(runs);
	json_decref(result);
	json_decref(ack);
	json_decref(task);
	return 0;
}
