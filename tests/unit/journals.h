/*
 * A journal in a folder of its own: filled, checked, and its file taken apart
 * by hand.
 */
#pragma once
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/store/journal.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/fs.h"

#define SEGMENT "00000000000000000001.jsonl"

static const uint8_t zeros[SHA256_RAW];

struct place { char dir[64], file[128]; };

/* In memory where the machine has that: thousands of syncs below. */
static inline struct place place_new(void)
{
	const char *base = access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm";
	struct place p;

	snprintf(p.dir, sizeof(p.dir), "%s/kircerta-journal-XXXXXX", base);
	ck_assert_ptr_nonnull(mkdtemp(p.dir));
	snprintf(p.file, sizeof(p.file), "%s/%s", p.dir, SEGMENT);
	return p;
}

static inline struct journal *open_ok(const struct place *p)
{
	struct journal_repair repair;
	struct journal *j = NULL;
	struct err err = {0};

	ck_assert_msg(!journal_open(&j, p->dir, NULL, &repair, &err), "%s",
		      err.detail);
	return j;
}

static inline void append(struct journal *j, const char *type, json_t *data)
{
	struct entry e = {.type = type, .actor = "tester", .data = data,
			  .status = 200, .correlation_id = "c-1"};
	struct err err = {0};

	ck_assert_msg(journal_append(j, &e, &err) != NULL, "%s", err.detail);
	json_decref(data);
}

static inline void commit(struct journal *j)
{
	struct record **batch;
	struct err err = {0};
	size_t n;

	ck_assert_msg(!journal_commit(j, &batch, &n, &err), "%s", err.detail);
	for (size_t i = 0; i < n; i++)
		record_unref(batch[i]);
	free(batch);
}

static inline void commit_fails(struct journal *j, const char *says)
{
	struct record **batch;
	struct err err = {0};
	size_t n;

	ck_assert_int_eq(journal_commit(j, &batch, &n, &err), -1);
	ck_assert_int_eq(err.code, ERR_audit_unavailable);
	ck_assert_msg(strstr(err.detail, says) != NULL, "%s", err.detail);
	ck_assert_ptr_null(batch);
	ck_assert(journal_sealed(j));
}

static inline void fill(const struct place *p, int records)
{
	struct journal *j = open_ok(p);

	for (int i = 1; i <= records; i++) {
		append(j, i % 2 ? "heartbeat" : "task_created",
		       json_pack("{s:i,s:s}", "n", i, "text", "a\n\"b\""));
		if (i % 3 == 0)
			commit(j);
	}
	commit(j);
	journal_close(j);
}

/* The file without its fill. */
static inline char *slurp(const struct place *p, size_t *len)
{
	char *text = fs_read(p->file, 1 << 24, len, NULL);

	ck_assert_ptr_nonnull(text);
	while (*len && text[*len - 1] == '\n' &&
	       (*len == 1 || text[*len - 2] == '\n'))
		text[--*len] = 0;
	return text;
}

static inline void spill(const struct place *p, const void *text, size_t len)
{
	int fd = open(p->file, O_WRONLY | O_TRUNC | O_CREAT, 0600);

	ck_assert(fd >= 0 && !fs_write_all(fd, text, len));
	close(fd);
}

static inline struct journal_report verify(const struct place *p)
{
	struct journal_report report;
	struct err err = {0};

	ck_assert_msg(!journal_verify(p->dir, NULL, NULL, &report, &err),
		      "%s", err.detail);
	return report;
}
