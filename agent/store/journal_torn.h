/* Was this left behind by a write that was cut short, or is it damage? */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct link;

struct torn_text {
	const char *at;		/* what is behind the records, */
	size_t len;		/* up to the last byte that is not fill */
	uint64_t off;		/* of it in the file */
	uint64_t start;		/* and of the file in the journal */
	bool cut;		/* the file ends behind it: there is no fill */
};

/*
 * 0: it may be overwritten. -1: it is damage, and *err names the record that
 * should be there. last is the chain's end before it.
 */
int torn_judge(const struct torn_text *t, const struct link *last,
	       struct err *err);
