/*
 * The end of a journal file, read when it is opened: where the chain ends,
 * and what a write that was cut short has left behind it.
 */
#pragma once
#include <stdint.h>

#include "agent/store/journal_lines.h"
#include "common/sha256.h"

struct err;

struct tail {
	struct link last;	/* link_first if there is no record */
	uint64_t end;		/* after the last whole line */
	uint64_t torn;		/* bytes behind it; 0: none */
	char torn_sha256[SHA256_HEX];
};

/*
 * Read the tail of the size bytes of fd and check the chain over its last
 * records, without reading the rest. Torn is what has no LF, or is NULs that
 * a crash of the machine has left; anything else that is wrong is -1.
 */
int tail_read(int fd, uint64_t size, struct tail *t, struct err *err);
