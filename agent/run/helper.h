/*
 * A program of ours in a child, for one exchange with another machine: what
 * can hang is killed, and what comes from outside is not parsed in here. It
 * speaks as a tool does (agent/tools/tool.h), but is none that anybody calls.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct helper_options {
	const char *program, *verb;	/* a path; argv[1] */
	int64_t timeout_us;		/* at least a second */
	int stop_fd;			/* ends it when readable; 0: none */
};

struct helper_said {			/* why there is no result */
	char code[64], hint[320], detail[480];	/* fit to be shown */
	bool stopped;			/* by stop_fd */
	bool retryable;
};

/*
 * Run it with args (an object, borrowed) and wait. The result, which the
 * caller owns; NULL and *said.
 */
json_t *helper_run(json_t *args, const struct helper_options *o,
		   struct helper_said *said);
