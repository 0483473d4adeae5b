/*
 * One grammar to pick rows, on the screen and on the command line:
 *   type:publish|approval -state:done task:t-18* since:2h word /regex/
 * Terms are ANDed, "|" separates alternatives, "-" negates, "*" and "?" are
 * wildcards; a word or regex is looked for in everything a row shows.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "console/model_item.h"

struct filter;
struct err;

/* NULL with invalid_request where the text is no filter. */
struct filter *filter_new(const char *text, struct err *err);
void filter_free(struct filter *f);
/* now: wall time, for since. A NULL filter matches everything. */
bool filter_matches(const struct filter *f, const struct item *item,
		    int64_t now_us);

/*
 * The terms as API query parameters, "type=a%2Cb&since=2h"; NULL with
 * invalid_request for a term the agent has no parameter for. Caller frees.
 */
char *filter_query(const char *text, struct err *err);
