/*
 * The end of a segment, read when it is opened: where the chain ends, and
 * what a write that was cut short has left behind it.
 *
 * A segment is lines, then fill: line feeds that were written beforehand. A
 * batch goes over the fill with one write, of which a crash of the machine
 * keeps any of its sectors. So torn is what can be such a write: a line that
 * breaks off, or records with a hole of whole sectors before them. All else
 * that is wrong is damage, and for a person to look at.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "agent/store/journal_lines.h"
#include "common/sha256.h"

struct err;

#define TAIL_BATCH (512u << 10)	/* the most that is written between syncs */

struct tail {
	struct link last;	/* the chain's end */
	uint64_t end;		/* after the last whole line; 0: there is none */
	uint64_t torn;		/* bytes behind it that were not fill */
	bool text;		/* and not only NULs, where blocks were empty */
	char torn_sha256[SHA256_HEX];
};

/*
 * Read the tail of the size bytes of a segment, of which start are before it
 * in the journal, and check the chain over its last records without reading
 * the rest; before is the chain's end in the segment before. Changes
 * nothing. -1 for damage: ERR_audit_unavailable, with a hint.
 */
int tail_read(bytes_read *read, void *from, uint64_t size, uint64_t start,
	      const struct link *before, struct tail *t, struct err *err);
