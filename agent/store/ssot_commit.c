/* See ssot_commit.h. */
#include "agent/store/ssot_commit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/record.h"
#include "common/buf.h"
#include "common/json.h"
#include "common/utf8.h"

#define SUBJECT_MAX 72		/* bytes */

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

static void add_subject(struct buf *out, const struct ssot_words *w)
{
	char line[SUBJECT_MAX + 1], text[2048];

	snprintf(text, sizeof(text), "%s %s", w->operation ? w->operation : "",
		 w->subject ? w->subject : "");
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

static const char *subject_of(const struct record *r)
{
	const json_t *put = json_object_get(r->data, "put");
	const char *title = json_str(json_object_get(put, "task"), "title");

	if (title && *title)
		return title;
	if (!strcmp(r->type, "ssot_merged"))
		return json_str(r->data, "by");
	return r->task_id ? r->task_id : r->run_id;
}

void ssot_record_words(struct ssot_words *w, const struct record *r,
		       const char *log_id, char leaf[SHA256_HEX])
{
	*w = (struct ssot_words){
		.ts_us = r->ts_us, .actor = r->actor, .operation = r->type,
		.subject = subject_of(r), .task_id = r->task_id,
		.correlation_id = r->correlation_id, .log_id = log_id,
		.seq = r->seq, .leaf = leaf,
	};
	hex_of(r->leaf, SHA256_RAW, leaf);
}

void ssot_commit_text(struct buf *out, const struct ssot_words *w)
{
	long long at = w->ts_us / 1000000;
	char name[129];

	plain_name(w->actor, name);
	buf_addf(out, "tree %s\n", w->tree);
	for (int i = 0; i < 2; i++)
		if (w->parent[i])
			buf_addf(out, "parent %s\n", w->parent[i]);
	buf_addf(out, "author %s <%s@kircerta> %lld +0000\n", name, name, at);
	buf_addf(out, "committer kircerta <kircerta@kircerta> %lld +0000\n\n",
		 at);
	add_subject(out, w);
	add_trailer(out, "Task", w->task_id);
	add_trailer(out, "Actor", w->actor);
	add_trailer(out, "Operation", w->operation);
	add_trailer(out, "Correlation-Id", w->correlation_id);
	add_trailer(out, "Audit-Log", w->log_id);
	if (w->seq)
		buf_addf(out, "Audit-Head: %llu %s\n",
			 (unsigned long long)w->seq, w->leaf);
	add_trailer(out, "Audit-Checkpoint", w->checkpoint);
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

bool ssot_commit_ours(const char *message, const char *log_id, uint64_t *seq,
	       char leaf[SHA256_HEX])
{
	char log[SSOT_LOG + 1];

	if (ssot_trailer(message, "Audit-Log", log, sizeof(log)) &&
	    (!*log_id || strcmp(log, log_id)))
		return false;
	return ssot_audit_head(message, seq, leaf);
}
