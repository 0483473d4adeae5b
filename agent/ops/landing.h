/* Proposals that the remote has taken: recorded here, and said to be there. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct call;

struct landing {
	char commit[41];	/* the last of them: what is main there now */
	char base[41];		/* what they were made on top of; "": nothing */
	struct call **calls;	/* with their drafts; borrowed */
	size_t n;
	uint64_t seq;		/* of ssot_merged; the writer's */
};
