/* Lists and single documents out of the read model; on a worker. */
#pragma once
#include "agent/ops/op.h"
#include "agent/store/index.h"

/* A stored document as it is answered; new. */
typedef json_t *doc_shown(const json_t *doc);

/* limit and cursor of the call: {"items":[...],"next_cursor":id|null}. */
int list_docs(struct agent *a, struct call *c, struct doc_filter *f,
	      doc_shown *shown, struct err *err);
/* The document of the call's id, as answer. ERR_not_found. */
int answer_doc(struct call *c, const char *kind, doc_shown *shown,
	       struct err *err);
