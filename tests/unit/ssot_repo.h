/* A repository for one test, records to put in, and git to look at it. */
#pragma once
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/store/record.h"
#include "agent/store/ssot.h"
#include "common/err.h"
#include "common/fs.h"
#include "tests/unit/unit.h"

#define TS 1767323045678901LL	/* 2026-01-02T03:04:05.678901Z */

static char dir[64], path[80], log_id[17];

static inline void setup_dir(void)
{
	strcpy(dir, "/tmp/kircerta-ssot-XXXXXX");
	ck_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/ssot.git", dir);
}

/* As an agent does whose journal has this log_id. */
static inline int open_store(struct ssot **s, struct err *err)
{
	struct ssot_options o = {.log_id = *log_id ? log_id : NULL};

	return ssot_open(s, path, &o, err);
}

static inline struct ssot *store_new(void)
{
	struct ssot *s;
	struct err err = {0};

	setup_dir();
	ck_assert_msg(!open_store(&s, &err), "%s", err.detail);
	return s;
}

static inline void store_end(struct ssot *s)
{
	ssot_close(s);
	fs_remove_tree(dir);
}

/* Output of a command, its %s being the repository; static. */
static inline const char *sh(const char *fmt, ...)
{
	static char out[16384];
	char command[1024];
	va_list ap;
	size_t n;
	FILE *p;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	p = popen(command, "r");
	n = fread(out, 1, sizeof(out) - 1, p);
	out[n] = 0;
	if (n && out[n - 1] == '\n')
		out[n - 1] = 0;
	ck_assert_msg(pclose(p) == 0, "%s\n%s", command, out);
	return out;
}

static inline struct record *record_new(uint64_t seq, const char *type,
				 const char *task_id, json_t *put)
{
	static const uint8_t prev[SHA256_RAW];
	json_t *data = json_object();
	struct entry e = {.type = type, .actor = "coordinator",
			  .correlation_id = "c-1", .task_id = task_id,
			  .data = data};
	struct record *r;

	if (put)
		json_object_set_new(data, "put", put);
	r = record_make(&e, seq, TS + (int64_t)seq * 1000000, prev, NULL);
	json_decref(data);
	if (seq == 1)
		hex_of(r->leaf, (sizeof(log_id) - 1) / 2, log_id);
	return r;
}

static inline json_t *task_doc(const char *id, const char *title, int n)
{
	return json_pack("{s:s,s:s,s:i,s:[{s:s}]}", "id", id, "title", title,
			 "n", n, "acceptance_criteria", "id", "AC-1");
}

static inline struct record *task_record(uint64_t seq, const char *id, int n)
{
	return record_new(seq, "task_updated", id, json_pack(
		"{s:o}", "task", task_doc(id, "Record the demo", n)));
}

static inline int apply_one(struct ssot *s, struct record *r, struct err *err)
{
	int rc = ssot_apply(s, &r, 1, err);

	record_unref(r);
	return rc;
}

static inline void apply(struct ssot *s, struct record *r)
{
	struct err err = {0};

	ck_assert_msg(!apply_one(s, r, &err), "%s", err.detail);
}

/* "tasks/1/2/3/" and the rest; static. */
static inline const char *path_of(const char *folder, const char *key,
			   const char *rest)
{
	static char out[300];
	char h[SHA256_HEX];

	sha256_hex(key, strlen(key), h);
	snprintf(out, sizeof(out), "%s/%c/%c/%c/%s", folder, h[0], h[1],
		 h[2], rest);
	return out;
}

#define GIT "git -c user.name=Anna -c user.email=anna@x -C "

static inline void keep(char out[64], const char *text)
{
	snprintf(out, 64, "%s", text);
}

/* A clone with main in it, to make commits in and push them. */
static inline void work_clone(void)
{
	sh("git clone -q %s %s/w 2>&1; " GIT "%s/w config user.name Anna; "
	   GIT "%s/w config user.email anna@x", path, dir, dir, dir);
}

static inline const char *git_main(void)
{
	return sh("git -C %s rev-parse main", path);
}

/* The document that apply(task_record(.., id, n)) commits, as Anna's. */
static inline void work_task(const char *id, const char *title, int n)
{
	json_t *doc = task_doc(id, title, n);
	size_t len;
	char *text = json_pretty(doc, &len);
	char *file = xasprintf("%s/w/%s", dir,
			       path_of("tasks", id, "x"));
	char *name = xasprintf("%.*s%s.json", (int)strlen(file) - 1, file, id);

	file[strlen(file) - 1] = 0;
	ck_assert_int_eq(fs_mkdir(file, 0755, NULL), 0);
	ck_assert_int_eq(fs_replace(name, text, len, 0644, NULL), 0);
	free(name);
	free(file);
	free(text);
	json_decref(doc);
}

/* Commit all that is in the clone; its id. */
static inline const char *work_commit(const char *message)
{
	sh("cd %s/w && git add -A && git commit -q --allow-empty -m '%s'",
	   dir, message);
	return sh("git -C %s/w rev-parse HEAD", dir);
}

static inline void work_push(const char *to)
{
	sh("git -C %s/w push -q origin HEAD:%s 2>&1", dir, to);
}

static inline struct record *data_record(uint64_t seq, const char *type,
					 const char *task_id, json_t *data)
{
	static const uint8_t prev[SHA256_RAW];
	struct entry e = {.type = type, .actor = "agent",
			  .correlation_id = "c-git", .task_id = task_id,
			  .data = data};
	struct record *r;

	r = record_make(&e, seq, TS + (int64_t)seq * 1000000, prev, NULL);
	json_decref(data);
	return r;
}

static inline struct record *merged_record(uint64_t seq, const char *commit,
					   const char *strategy)
{
	return data_record(seq, "ssot_merged", NULL, json_pack(
		"{s:s,s:s,s:s,s:s}", "commit", commit, "from", "main", "by",
		"Anna", "strategy", strategy));
}

/* A task that came with a commit. */
static inline struct record *marked_record(uint64_t seq, const char *commit,
					   const char *id, int n)
{
	return data_record(seq, "task_updated", id, json_pack(
		"{s:{s:s},s:{s:o}}", "git", "commit", commit, "put", "task",
		task_doc(id, "Record the demo", n)));
}
