/* A journal for one test of the repository, and its replay. */
#pragma once
#include "tests/unit/ssot_repo.h"

#define MAX 64

static struct record *log_of[MAX];
static size_t log_n;

/* Into the journal of the test, and what was new into the repository. */
static inline void put(struct record *r)
{
	log_of[log_n++] = r;
}

static inline void begin_again(void)
{
	while (log_n)
		record_unref(log_of[--log_n]);
	*log_id = 0;
}

static inline int go(struct ssot *s, struct err *err)
{
	return ssot_apply(s, log_of, log_n, err);
}

static inline void go_well(struct ssot *s)
{
	struct err err = {0};

	ck_assert_msg(!go(s, &err), "%s", err.detail);
}

static inline void sound(void)
{
	ck_assert_str_eq(sh("git -C %s fsck --strict 2>&1 | grep -v dangling "
			    "|| true", path), "");
}

/*
 * From nothing but the objects (main forgotten) in steps of every size, and
 * on what is there already: always the same commit.
 */
static inline void replays(struct ssot *s)
{
	char tip[64];

	ssot_close(s);
	keep(tip, git_main());
	sh("git -C %s update-ref -d refs/heads/side", path);
	for (size_t step = 0; step <= log_n; step += step < 4 ? 1 : 7) {
		if (step)
			sh("git -C %s update-ref -d refs/heads/main", path);
		ck_assert_int_eq(open_store(&s, NULL), 0);
		for (size_t i = 0; step && i < log_n; i += step)
			ck_assert_int_eq(ssot_apply(s, log_of, i + step < log_n
					? i + step : log_n, NULL), 0);
		go_well(s);
		ssot_close(s);
		ck_assert_str_eq(git_main(), tip);
	}
	sound();
}

static inline const char *task_in_main(const char *id)
{
	char name[200];

	snprintf(name, sizeof(name), "%s.json", id);
	return sh("git -C %s show main:%s | grep '\"n\"' | tr -dc 0-9", path,
		  path_of("tasks", id, name));
}
