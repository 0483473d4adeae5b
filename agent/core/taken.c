/* See taken.h. */
#include "agent/core/taken.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "agent/core/threads.h"
#include "agent/ops/op.h"
#include "agent/store/home.h"
#include "agent/store/index.h"
#include "agent/store/journal.h"
#include "agent/store/record.h"
#include "agent/store/ssot.h"
#include "common/json.h"
#include "common/mem.h"

#define INDEX_US 5000000
#define PAGE 64

static bool names(struct core *k, const struct record_place *p,
		  const char *commit)
{
	char *line = xmalloc(p->len);
	struct record *r = NULL;
	const char *said;
	bool same;

	if (!journal_read(k->agent->journal, p->off, p->len, line, NULL))
		r = record_parse(line, p->len, NULL, NULL);
	said = r ? json_str(r->data, "commit") : NULL;
	same = said && !strcmp(said, commit);
	record_unref(r);
	free(line);
	return same;
}

uint64_t taken_seq(struct core *k, const char *commit)
{
	struct record_filter f = {.types = "ssot_merged", .limit = PAGE,
				  .after_seq = ssot_seq(k->ssot)};
	struct record_place found[PAGE];
	struct reader *r;
	uint64_t seq = 0;
	size_t n = 0;

	if (follower_wait(k->follow_index, core_seq(k), INDEX_US) ||
	    reader_open(&r, k->agent->home->index, NULL))
		return 0;
	while (!reader_records(r, &f, found, &n, NULL) && n) {
		for (size_t i = 0; i < n; i++)
			if (names(k, &found[i], commit))
				seq = found[i].seq;
		f.after_seq = found[n - 1].seq;
	}
	reader_close(r);
	return seq;
}
