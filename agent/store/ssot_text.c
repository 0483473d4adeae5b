/* See ssot_text.h. */
#include "agent/store/ssot_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/record.h"
#include "common/id.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/sha256.h"

#define SHORT_SHA 12

const char ssot_readme[] =
	"# Tasks of a kircerta agent\n"
	"\n"
	"Every change of a task is one commit here. Read it with git, or on the"
	" pages of a\ngit host.\n"
	"\n"
	"- `tasks/`: one document for each task, as it is now\n"
	"- `attempts/`: acknowledgement, result and verdict of each attempt,"
	" and the issues\n  that the next was opened with\n"
	"- `evidence/`: what each run left behind, with the SHA-256 of every"
	" file\n"
	"- `conflicts/`: the shas of two documents that were changed at once,"
	" and which\n  one stayed; both are in the history\n"
	"\n"
	"Folders are the first three hex digits of the SHA-256 of the task's"
	" id.\n`git log -- tasks/1/2/3/ID.json` is the history of a task.\n"
	"\n"
	"## Changing tasks with git\n"
	"\n"
	"Commits that are pushed onto `main` are taken in, if all of the push"
	" is in order:\na new task (state `pending`, attempt 1, without a"
	" lease), or another title,\n`request_text`, side effect level, labels,"
	" meta or assignee of a task, or other\nacceptance criteria as long as"
	" nobody took the task. A file is JSON of at most\n48 KiB, at the path"
	" that its id gives. Other files are kept and not looked at.\n"
	"\n"
	"A new task has every member: copy one that is pending at attempt 1,"
	" and give it an\n`id`, `correlation_id` and `title` of its own."
	" `printf %s ID | sha256sum` tells the\nthree folders.\n"
	"\n"
	"Refused are: removed documents, states, leases and approvals, changes"
	" to what is\nin `attempts/`, `evidence/` and `conflicts/`, and history"
	" that does not build on\n`main`. Nothing of such a push is taken in,"
	" and nothing of it is overwritten: the\nagent says in its health what"
	" is wrong and goes on when `main` is in order.\n"
	"\n"
	"## What a commit says\n"
	"\n"
	"A commit of an agent names the agent's journal and the record that it"
	" stands for:\n`Audit-Log: <id of the journal>`, `Audit-Head: <seq>"
	" <leaf hash>`. The repository\ncan be made anew from the journal."
	" Where agents share a remote, what it decided\nnames the journal"
	" alone.\n"
	"\n"
	"`Audit-Checkpoint: <size> <root> <signature>` is the newest signed"
	" checkpoint of the\njournal at that time: the RFC 6962 root over its"
	" first `size` records. The agent's\nname, the size and the root, a"
	" line each, are what the signature (4 bytes that\nname the key, then"
	" Ed25519) is of. Keep a clone: with it anybody sees whether the\n"
	"journal was changed or cut since.\n";

bool ssot_readme_old(const char *sha)
{
	static const char *const old[] = {
		"c9bab2ccf6019e17f7021a2e7754adca433a3286",
		"5f09a9991bfcfb48645e10e243e169d62a8aced5",
		"8d5b12bbfedacc30d85c37d721193b06ee11912a",
		"2ab22f9c82bd053cf89fed0ed690af8d951aa057",
	};

	for (size_t i = 0; i < ARRAY_LEN(old); i++)
		if (!strcmp(old[i], sha))
			return true;
	return false;
}

/* Which documents belong in the repository, and what names them there. */
static const struct row {
	const char *kind, *folder;
	enum { BY_ID, BY_ATTEMPT, BY_RUN, BY_CONFLICT } by;
} rows[] = {
	{"task", "tasks", BY_ID},
	{"ack", "attempts", BY_ATTEMPT},
	{"result", "attempts", BY_ATTEMPT},
	{"verdict", "attempts", BY_ATTEMPT},
	{"redispatch", "attempts", BY_ATTEMPT},
	{"package", "evidence", BY_RUN},
	{"conflict", "conflicts", BY_CONFLICT},
};

static int fan_out(char *path, const char *folder, const char *key)
{
	char h[SHA256_HEX];

	sha256_hex(key, strlen(key), h);
	return snprintf(path, SSOT_PATH, "%s/%c/%c/%c/", folder, h[0], h[1],
			h[2]);
}

bool ssot_task_path(const char *task_id, char path[SSOT_PATH])
{
	int n;

	if (!id_valid(task_id))
		return false;
	n = fan_out(path, rows[0].folder, task_id);
	snprintf(path + n, SSOT_PATH - (size_t)n, "%s.json", task_id);
	return true;
}

bool ssot_attempts_path(const char *task_id, char path[SSOT_PATH])
{
	int n;

	if (!id_valid(task_id))
		return false;
	n = fan_out(path, "attempts", task_id);
	snprintf(path + n, SSOT_PATH - (size_t)n, "%s", task_id);
	return true;
}

static const char *either(const char *a, const char *b)
{
	return a ? a : b;
}

static bool attempt_path(const struct row *row, const char *task,
			 json_int_t attempt, char *path)
{
	int n;

	if (!id_valid(task) || attempt < 1)
		return false;
	n = fan_out(path, row->folder, task);
	snprintf(path + n, SSOT_PATH - (size_t)n, "%s/%lld-%s.json", task,
		 (long long)attempt, row->kind);
	return true;
}

/* A run without a task is spread by its own id: "none" would grow. */
static bool run_path(const struct row *row, const char *task, const char *run,
		     char *path)
{
	int n;

	if (!id_valid(run) || (task && !id_valid(task)))
		return false;
	n = fan_out(path, row->folder, either(task, run));
	snprintf(path + n, SSOT_PATH - (size_t)n, "%s/%s.json",
		 either(task, "none"), run);
	return true;
}

/* The id of a conflict is "<task id>.<start of a sha>". */
static bool conflict_path(const struct row *row, const char *task,
			  const char *id, char *path)
{
	const char *sha = id ? strrchr(id, '.') : NULL;
	int n;

	if (!id_valid(task) || !sha || !is_hex(sha + 1, SHORT_SHA) ||
	    strlen(task) != (size_t)(sha - id) ||
	    strncmp(task, id, strlen(task)))
		return false;
	n = fan_out(path, row->folder, task);
	snprintf(path + n, SSOT_PATH - (size_t)n, "%s/%s.json", task, sha + 1);
	return true;
}

static bool row_path(const struct row *row, const struct record *r,
		     const json_t *doc, char *path)
{
	const char *task = either(json_str(doc, "task_id"),
				  r ? r->task_id : NULL);
	const char *run = either(json_str(doc, "run_id"),
				 r ? r->run_id : NULL);

	switch (row->by) {
	case BY_ID:
		return ssot_task_path(json_str(doc, "id"), path);
	case BY_ATTEMPT:
		return attempt_path(row, task, json_int(doc, "attempt", 0),
				    path);
	case BY_RUN:
		return run_path(row, task, run, path);
	case BY_CONFLICT:
		return conflict_path(row, task, json_str(doc, "id"), path);
	}
	return false;
}

bool ssot_path(const struct record *r, const char *kind, const json_t *doc,
	       char path[SSOT_PATH])
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (!strcmp(rows[i].kind, kind) && json_is_object(doc))
			return row_path(&rows[i], r, doc, path);
	return false;
}

/* The last two parts of a path without ".json": folder and name. */
static bool last_parts(const char *path, char folder[ID_MAX + 1],
		       char name[ID_MAX + 32])
{
	const char *at = strrchr(path, '/'), *from = at, *end;

	while (from && from > path && from[-1] != '/')
		from--;
	end = at ? strrchr(at, '.') : NULL;
	if (!end || strcmp(end, ".json") || at - from > ID_MAX ||
	    end - at > ID_MAX + 30)
		return false;
	snprintf(folder, ID_MAX + 1, "%.*s", (int)(at - from), from);
	snprintf(name, ID_MAX + 32, "%.*s", (int)(end - at - 1), at + 1);
	return true;
}

/* The path that a document with the names in this path would have. */
static bool path_again(const struct row *row, const char *folder,
		       const char *name, char *path)
{
	char id[2 * ID_MAX + 64];
	char *end;
	long attempt;

	switch (row->by) {
	case BY_ID:
		return ssot_task_path(name, path);
	case BY_ATTEMPT:
		attempt = strtol(name, &end, 10);
		return *end == '-' && attempt_path(row, folder, attempt, path);
	case BY_RUN:
		return run_path(row, folder, name, path);
	case BY_CONFLICT:
		snprintf(id, sizeof(id), "%s.%s", folder, name);
		return conflict_path(row, folder, id, path);
	}
	return false;
}

const char *ssot_path_kind(const char *path)
{
	char folder[ID_MAX + 1], name[ID_MAX + 32], again[SSOT_PATH];

	if (strlen(path) >= SSOT_PATH || !last_parts(path, folder, name))
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *row = &rows[i];

		if (path_again(row, folder, name, again) &&
		    !strcmp(path, again))
			return row->kind;
		if (row->by == BY_RUN && !strcmp(folder, "none") &&
		    run_path(row, NULL, name, again) && !strcmp(path, again))
			return row->kind;
	}
	return NULL;
}

bool ssot_path_reserved(const char *path)
{
	size_t n = strcspn(path, "/");

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strlen(rows[i].folder) == n &&
		    !strncmp(rows[i].folder, path, n))
			return true;
	return false;
}
