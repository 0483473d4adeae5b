/* See ssot_text.h. */
#include "agent/store/ssot_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/id.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/utf8.h"

#define SUBJECT_MAX 72		/* bytes */

const char ssot_readme[] =
	"# Tasks of a kircerta agent\n"
	"\n"
	"The agent writes this repository, one commit for each change; read it"
	" with git,\ndo not push to it. It can be made anew from the agent's"
	" journal.\n"
	"\n"
	"- `tasks/`: one document for each task, as it is now\n"
	"- `attempts/`: acknowledgements and results of each attempt\n"
	"- `evidence/`: what each run left behind, with the SHA-256 of every"
	" file\n"
	"\n"
	"Folders are the first three hex digits of the SHA-256 of the task's"
	" id. A commit\nnames the record of the journal that it stands for:"
	" `Audit-Head: <seq> <leaf hash>`.\n";

/* Which documents belong in the repository, and what names them there. */
static const struct row {
	const char *kind, *folder;
	enum { BY_ID, BY_ATTEMPT, BY_RUN } by;
} rows[] = {
	{"task", "tasks", BY_ID},
	{"ack", "attempts", BY_ATTEMPT},
	{"result", "attempts", BY_ATTEMPT},
	{"package", "evidence", BY_RUN},
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

bool ssot_path(const struct record *r, const char *kind, const json_t *doc,
	       char path[SSOT_PATH])
{
	const char *task = either(json_str(doc, "task_id"), r->task_id);
	const char *run = either(json_str(doc, "run_id"), r->run_id);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (strcmp(rows[i].kind, kind) || !json_is_object(doc))
			continue;
		switch (rows[i].by) {
		case BY_ID:
			return ssot_task_path(json_str(doc, "id"), path);
		case BY_ATTEMPT:
			return attempt_path(&rows[i], task,
					    json_int(doc, "attempt", 0), path);
		case BY_RUN:
			return run_path(&rows[i], task, run, path);
		}
	}
	return false;
}

/* Fit for the line of an author: what git forbids there becomes '_'. */
static void plain_name(const char *text, char out[129])
{
	size_t n = 0;

	for (; text && *text && n < 128; text++)
		out[n++] = strchr("<>", *text) || (*text & 0x80) ||
			   *text <= ' ' || *text == 127 ? '_' : *text;
	out[n] = 0;
	if (!n)
		strcpy(out, "unknown");
}

static void add_subject(struct buf *out, const struct record *r)
{
	const json_t *put = json_object_get(r->data, "put");
	const char *title = json_str(json_object_get(put, "task"), "title");
	char line[SUBJECT_MAX + 1], text[2048];

	snprintf(text, sizeof(text), "%s %s", r->type,
		 title && *title ? title : either(r->task_id,
					   either(r->run_id, "")));
	utf8_visible(text, line, sizeof(line));
	for (size_t n = strlen(line); n && line[n - 1] == ' '; n--)
		line[n - 1] = 0;
	buf_addf(out, "%s\n\n", line);
}

static void add_trailer(struct buf *out, const char *key, const char *value)
{
	char line[256];

	if (!value || !*value)
		return;
	utf8_visible(value, line, sizeof(line));
	buf_addf(out, "%s: %s\n", key, line);
}

void ssot_commit_text(struct buf *out, const struct record *r,
		      const char *tree, const char *parent)
{
	long long at = r->ts_us / 1000000;
	char name[129], leaf[SHA256_HEX];

	plain_name(r->actor, name);
	hex_of(r->leaf, SHA256_RAW, leaf);
	buf_addf(out, "tree %s\n", tree);
	if (parent)
		buf_addf(out, "parent %s\n", parent);
	buf_addf(out, "author %s <%s@kircerta> %lld +0000\n", name, name, at);
	buf_addf(out, "committer kircerta <kircerta@kircerta> %lld +0000\n\n",
		 at);
	add_subject(out, r);
	add_trailer(out, "Task", r->task_id);
	add_trailer(out, "Actor", r->actor);
	add_trailer(out, "Operation", r->type);
	add_trailer(out, "Correlation-Id", r->correlation_id);
	buf_addf(out, "Audit-Head: %llu %s\n", (unsigned long long)r->seq,
		 leaf);
}

bool ssot_trailer(const char *message, const char *key, char *out,
		  size_t size)
{
	const char *last = message, *at;
	size_t len = strlen(key);

	while ((at = strstr(last, "\n\n")) && at[2])
		last = at + 1;
	for (at = last; at; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (!strncmp(at, key, len) && !strncmp(at + len, ": ", 2)) {
			at += len + 2;
			snprintf(out, size, "%.*s", (int)strcspn(at, "\n"),
				 at);
			return true;
		}
		if (!*at)
			break;
	}
	return false;
}

bool ssot_audit_head(const char *message, uint64_t *seq,
		     char leaf[SHA256_HEX])
{
	char text[128], *end;

	if (!ssot_trailer(message, "Audit-Head", text, sizeof(text)) ||
	    *text < '1' || *text > '9')
		return false;
	*seq = strtoull(text, &end, 10);
	if (*end != ' ' || !is_hex(end + 1, SHA256_HEX - 1))
		return false;
	strcpy(leaf, end + 1);
	return true;
}
