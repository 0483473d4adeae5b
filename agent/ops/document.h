/*
 * Documents that come with a commit of somebody else: hostile bytes until
 * they are checked here. Any thread.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct err;

/* Texts that are shown or recorded: a path as it is, made visible, cut. */
#define DOCUMENT_PATH 320

/*
 * The document of these bytes, which lie at path: strict JSON, of the shape
 * that its kind ("task", "ack", "result"...) has, at the path that it
 * says itself, and not too long in canonical form, whose blob id sha gets. *canonical: the bytes are that form. A new
 * reference, or NULL and *err, whose detail begins with the path.
 */
json_t *document_read(const char *path, const char *kind, const char *text,
		      size_t len, char sha[41], bool *canonical,
		      struct err *err);
/*
 * What counts of a document that has so many bytes in canonical form, at most
 * TASK_MAX of them: what the agent itself adds to a task does not, nor does
 * an envelope around words that were accepted already.
 */
size_t document_counts(const char *kind, const json_t *doc, size_t len);
/*
 * What a person may do to a task by hand: make one that is new in every way
 * (before is NULL), or change what task.update lets anybody change. *err says
 * which member is in the way.
 */
int document_by_person(const json_t *before, const json_t *task,
		       struct err *err);
/* Names of the members that differ, a new array. */
json_t *document_changes(const json_t *before, const json_t *after);
