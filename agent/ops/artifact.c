/* Evidence over the API: lists, files with ranges, and files stored. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/ops/evidence.h"
#include "agent/ops/handlers.h"
#include "agent/ops/list.h"
#include "agent/ops/task.h"
#include "agent/store/evidence.h"
#include "common/clock.h"
#include "common/id.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/sha256.h"

static void add_link(json_t *artifact)
{
	char link[96];

	snprintf(link, sizeof(link), "/api/evidence/%s",
		 json_str(artifact, "sha256"));
	json_set_str(artifact, "link", link);
}

static json_t *artifact_shown(const json_t *artifact)
{
	json_t *shown = json_copy((json_t *)artifact);

	add_link(shown);
	return shown;
}

int op_evidence_list(struct agent *a, struct call *c, struct err *err)
{
	struct doc_filter f = {.kind = "artifact",
			       .task_id = call_str(c, "task_id"),
			       .run_id = call_str(c, "run_id"),
			       .correlation_id = call_str(c, "correlation_id")};

	json_t *each;
	size_t i;

	if (list_docs(a, c, &f, artifact_shown, err))
		return -1;
	json_array_foreach (json_object_get(c->answer, "items"), i, each)
		evidence_mark(c->reader, each);
	return 0;
}

/* The artifact of this hash; a prefix or suffix is not enough for bytes. */
static json_t *artifact_of(struct call *c, const char *sha, struct err *err)
{
	struct doc_filter f = {.kind = "artifact", .ref = sha, .limit = 1};
	json_t *list = reader_docs(c->reader, &f, err);
	json_t *v = json_incref(json_array_get(list, 0));

	json_decref(list);
	return v;
}

/* RFC 9110 section 14.2, one range. 0: all; 1: a part; -1: outside. */
static int range_of(const char *range, uint64_t size, uint64_t *off,
		    uint64_t *len)
{
	uint64_t from, to = size ? size - 1 : 0;
	char dash, rest;

	*off = 0;
	*len = size;
	if (!range || strncmp(range, "bytes=", 6) || strchr(range, ','))
		return 0;
	range += 6;
	if (sscanf(range, "-%" SCNu64 "%c", &from, &rest) == 1) {
		if (!from || !size)
			return -1;
		*off = from < size ? size - from : 0;
		*len = size - *off;
		return 1;
	}
	if (sscanf(range, "%" SCNu64 "-%" SCNu64 "%c", &from, &to,
		   &rest) != 2 &&
	    (sscanf(range, "%" SCNu64 "%c%c", &from, &dash, &rest) != 2 ||
	     dash != '-'))
		return 0;
	if (to >= size)
		to = size ? size - 1 : 0;
	if (from >= size || from > to)
		return -1;
	*off = from;
	*len = to - from + 1;
	return 1;
}

/* Static text for what the document says: a call keeps no copy. */
static const char *known_type(const json_t *artifact)
{
	const char *type = json_str(artifact, "media_type");
	const char *name = json_str(artifact, "name");
	const char *own = media_type_of(name ? name : "", NULL, 0);

	return type && !strcmp(type, own) ? own : "application/octet-stream";
}

/* It may have been stored again a moment ago. */
static json_t *still_removed(struct agent *a, struct call *c, const char *sha,
			     struct err *err)
{
	json_t *removed = evidence_removed(c->reader, sha, err);

	if (!removed || a->read_wait(a->core, false, NULL))
		return removed;
	json_decref(removed);
	return evidence_removed(c->reader, sha, err);
}

/* It may have been removed a moment ago. */
static int why_not(struct agent *a, struct call *c, const char *sha,
		   struct err *err)
{
	json_t *removed = NULL;

	if (err->code == ERR_not_found && !a->read_wait(a->core, false, NULL))
		removed = evidence_removed(c->reader, sha, NULL);
	if (!removed)
		return -1;
	err_fini(err);
	return evidence_say_removed(sha, removed, err);
}

int op_evidence_get(struct agent *a, struct call *c, struct err *err)
{
	const char *sha = call_str(c, "sha256");
	uint64_t size, off, len;
	json_t *artifact, *removed;
	int fd, part;

	if (!is_hex(sha, 64))
		return err_set(err, ERR_not_found,
			       "evidence is named by 64 hex digits");
	removed = still_removed(a, c, sha, err);
	if (removed)
		return evidence_say_removed(sha, removed, err);
	artifact = artifact_of(c, sha, err);
	if (err->code)
		return -1;
	c->etag = xstrdup(sha);
	if (c->if_none_match && strstr(c->if_none_match, sha) &&
	    evidence_has(a->evidence, sha)) {
		json_decref(artifact);
		c->status = 304;
		return 0;
	}
	if (evidence_get(a->evidence, sha, &fd, &size, err)) {
		json_decref(artifact);
		return why_not(a, c, sha, err);
	}
	part = range_of(c->range, size, &off, &len);
	if (c->via == VIA_WEBSOCKET || part < 0) {
		close(fd);
		c->fd_size = size;
		json_decref(artifact);
		return part < 0 ?
			err_set(err, ERR_range_not_satisfiable,
				"the file has %" PRIu64 " bytes", size) :
			call_answer(c, json_pack("{s:s,s:I,s:s}", "sha256",
				sha, "size", (json_int_t)size, "link",
				"fetch the bytes over HTTP"));
	}
	call_file(c, fd, off, len, size, known_type(artifact));
	c->status = part ? 206 : 200;
	json_decref(artifact);
	return 0;
}

/* What the worker stored, for the writer to record. */
struct stored {
	char sha256[SHA256_HEX];
	uint64_t size;
	const char *media_type;		/* static text */
};

#define HEAD 512			/* bytes that tell a media type */

int op_evidence_add_prepare(struct agent *a, struct call *c, struct err *err)
{
	struct evidence_file *f = c->upload;
	const char *name = call_str(c, "name");
	char head[HEAD];
	struct stored *s;

	(void)a;
	if (!f)
		return err_set(err, ERR_invalid_request, "the body is the "
			       "file: send it over HTTP with its length");
	s = xcalloc(1, sizeof(*s));
	s->media_type = media_type_of(name ? name : "", head,
				      evidence_head(f, head, sizeof(head)));
	c->upload = NULL;		/* commit frees it in any case */
	c->prepared = s;
	c->prepared_free = free;
	if (evidence_commit(f, s->sha256, &s->size, err))
		return -1;
	json_set_str(c->args, "sha256", s->sha256);	/* what was asked */
	return 0;
}

int op_evidence_add(struct agent *a, struct call *c, struct err *err)
{
	const struct stored *s = c->prepared;
	const char *name = call_str(c, "name"), *task = call_str(c, "task_id");
	const char *correlation = call_str(c, "correlation_id");
	struct fact fact = {.type = "evidence_added", .task_id = task};
	char id[ID_MADE], now[CLOCK_TEXT];
	json_t *doc;

	if (task && !task_by_id(a, task, err))
		return -1;
	if (correlation && !correlation_valid(correlation))
		return err_set(err, ERR_invalid_request, "correlation_id");
	if (!correlation)
		correlation = c->correlation_id;
	id_make('e', id);
	clock_text(clock_wall_us(), now);
	name = name ? name : s->sha256;
	doc = json_pack("{s:s,s:s,s:s,s:I,s:s,s:s,s:s?,s:n,s:s}", "id", id,
		"name", name, "media_type", s->media_type,
		"size", (json_int_t)s->size, "sha256", s->sha256,
		"created_at", now, "task_id", task, "run_id",
		"correlation_id", correlation);
	fact.data = json_pack("{s:s,s:s,s:I,s:s}", "name", name, "sha256",
			      s->sha256, "size", (json_int_t)s->size,
			      "media_type", s->media_type);
	fact.put = json_pack("{s:O}", "artifact", doc);
	if (evidence_record_added(a, c, correlation, &fact, s->sha256, err)) {
		json_decref(doc);
		return -1;
	}
	c->answer = json_copy(doc);
	json_decref(doc);
	add_link(c->answer);
	c->status = 201;
	c->location = xstrdup(json_str(c->answer, "link"));
	return 0;
}
