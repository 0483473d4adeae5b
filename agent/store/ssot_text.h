/* Where documents lie in the task repository, and what its README says. */
#pragma once
#include <jansson.h>
#include <stdbool.h>

struct record;

#define SSOT_PATH 512

extern const char ssot_readme[];	/* README.md of the repository */
/* Is this the blob id (40 hex) of a README.md that an older agent made? */
bool ssot_readme_old(const char *sha);

/*
 * The path of a document of this kind; false if it does not belong there or
 * lacks what its path is made of. The record (may be NULL) lends its task
 * and run to a document that names none.
 */
bool ssot_path(const struct record *r, const char *kind, const json_t *doc,
	       char path[SSOT_PATH]);
/* The path of a task; false if that is no id. */
bool ssot_task_path(const char *task_id, char path[SSOT_PATH]);
/* The folder of its attempts' documents; false if that is no id. */
bool ssot_attempts_path(const char *task_id, char path[SSOT_PATH]);
/*
 * The kind of document that a path is for, "task" and so on; NULL if it is
 * for none: elsewhere, or not exactly where ssot_path would put it.
 */
const char *ssot_path_kind(const char *path);
/* Below (or in place of) a folder that is for documents only? */
bool ssot_path_reserved(const char *path);
