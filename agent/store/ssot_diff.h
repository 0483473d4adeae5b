/*
 * Reading the task repository's commits, also those that others made. Any
 * thread: each call opens a handle of its own. Nothing here knows of the
 * journal. Commits are 40 hex digits; path is the bare repository.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "agent/store/ssot_commit.h"
#include "agent/store/ssot_graph.h"
#include "agent/store/ssot_text.h"

struct err;

#define SSOT_TEXT_MAX 53248	/* bytes of a document: 48 KiB and 4 more */

struct ssot_change {
	char path[SSOT_PATH];
	char base_sha[SSOT_HEX], sha[SSOT_HEX];	/* of blobs; "": absent */
	const char *kind;	/* "task", ...; NULL: not a document's place */
	bool reserved;		/* in a folder that is for documents only */
	unsigned base_mode, mode;	/* 0100644 is a plain file; 0: absent */
	const char *text;	/* borrowed; NULL: removed, too long, or */
	size_t len;		/* no blob (a submodule). len: its bytes */
	const char *base;	/* the same of what was there; read for a */
	size_t base_len;	/* document's place only */
};

/*
 * Every file that differs between two commits (from NULL or "": nothing), in
 * git's order. each returns non-zero to stop, which is returned. -1 and
 * ERR_invalid_request: a tree that git itself would not write, or a path of
 * SSOT_PATH bytes or more; ERR_io: the repository cannot be read.
 */
typedef int ssot_each(const struct ssot_change *c, void *data,
		      struct err *err);
int ssot_diff(const char *path, const char *from, const char *to,
	      ssot_each *each, void *data, struct err *err);
