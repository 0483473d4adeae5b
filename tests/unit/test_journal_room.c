/*
 * Room on the disk: fill and the reserve made by the thread and without it,
 * while others take what is free and give it back.
 */
#include "tests/unit/journals.h"

#include <poll.h>
#include <stdatomic.h>

#include "agent/store/journal_live_inner.h"
#include "agent/store/journal_room.h"
#include "common/clock.h"
#include "tests/unit/disk_calls.h"

#define MIB (1u << 20)
#define PLENTY (1u << 30)
#define STEP_MOST (4u << 20)
#define WAIT_MS 20000

/* How much of the disk is said to be free. */
static struct {
	atomic_bool on, fails;
	atomic_uint_fast64_t free;
	atomic_uint asked;		/* by other threads */
	pthread_t main;
} says;

int __real_statvfs(const char *path, struct statvfs *v);
int __wrap_statvfs(const char *path, struct statvfs *v);
int __wrap_statvfs(const char *path, struct statvfs *v)
{
	if (!says.on)
		return __real_statvfs(path, v);
	if (!pthread_equal(says.main, pthread_self()))
		atomic_fetch_add(&says.asked, 1);
	if (says.fails) {
		errno = EIO;
		return -1;
	}
	*v = (struct statvfs){.f_frsize = 1, .f_blocks = PLENTY,
			      .f_bavail = says.free};
	return 0;
}

static void say_free(uint64_t bytes)
{
	says.main = pthread_self();
	says.free = bytes;
	says.on = true;
}

START_TEST(room_is_what_is_free_beyond_the_last_of_it)
{
	static const struct { const char *call; int error; uint64_t free;
			      const char *says; } cases[] = {
		{"pwrite", ENOSPC, PLENTY, "the disk is full"},
		{"pwrite", EDQUOT, PLENTY, "the disk is full"},
		{"pwrite", EIO, PLENTY, "cannot grow"},
		{"fdatasync", EIO, PLENTY, "cannot grow"},
		{NULL, 0, MIB + 8192, "the disk is full"},
		{NULL, 0, MIB / 2, "the disk is full"},
		{NULL, 0, PLENTY, NULL},
	};
	struct place p = place_new();
	int fd = open(p.file, O_RDWR | O_CREAT, 0600);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = {0};
		uint64_t end = 0;
		int rc;

		say_free(cases[i].free);
		if (cases[i].call)
			disk_breaks(DISK_FAILS, cases[i].call, 1, cases[i].error);
		rc = room_fill(fd, p.dir, &end, 2 * MIB, &err);
		disk_well();
		ck_assert_int_eq(rc, cases[i].says ? -1 : 0);
		ck_assert_msg(!rc || strstr(err.detail, cases[i].says), "%s",
			      err.detail);
		ck_assert_uint_eq(end, !rc ? 2 * MIB : cases[i].free ==
				  MIB + 8192 ? 8192 : 0);
	}
	says.fails = true;
	ck_assert(room_free(p.dir) == UINT64_MAX && !room_low(p.dir));
	close(fd);
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(a_reserve_is_whole_or_not_there)
{
	static const struct { const char *call; uint64_t free; bool made; }
	cases[] = {
		{"write", PLENTY, false}, {"fsync", PLENTY, false},
		{"openat", PLENTY, false}, {NULL, 2 * MIB, false},
		{NULL, PLENTY, true}, {NULL, 2 * MIB, true},
	};
	struct place p = place_new();
	char path[128];

	snprintf(path, sizeof(path), "%s/reserve", p.dir);
	disk_spill(path, "short", 5);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		say_free(cases[i].free);
		if (cases[i].call)
			disk_breaks(DISK_FAILS, cases[i].call, 1, EIO);
		ck_assert_int_eq(reserve_make(p.dir), cases[i].made);
		disk_well();
		ck_assert_int_eq(!access(path, F_OK), cases[i].made);
	}
	fs_remove_tree(p.dir);
}
END_TEST

static struct live *live_in(const struct place *p)
{
	struct live *l = live_new(p->dir, 64 * MIB);
	struct err err = {0};

	ck_assert_msg(!live_create(l, 1, &err), "%s", err.detail);
	return l;
}

static bool is_full(struct live *l)
{
	int64_t since;
	char why[160];

	return live_full(l, &since, why, sizeof(why));
}

START_TEST(room_that_others_take_is_seen_and_its_return_too)
{
	struct place p = place_new();
	struct live *l;

	say_free(MIB + MIB / 2);	/* enough, but for no reserve */
	l = live_in(&p);
	ck_assert(!is_full(l));
	live_release(l);
	ck_assert(l->released);
	l->released = false;
	say_free(PLENTY);
	live_release(l);
	ck_assert(!l->released);
	ck_assert(live_ready(l, 0));
	say_free(MIB / 4);
	l->look_at = 0;
	ck_assert(!live_ready(l, 0) && is_full(l));
	ck_assert(!live_fits(l, 0, 16 * MIB, false));
	ck_assert(!live_fits(l, 0, 16 * MIB, true));	/* is tried */
	live_release(l);
	ck_assert(l->released);
	ck_assert(live_start(l, NULL) == 0);
	say_free(PLENTY);
	for (int ms = 0; is_full(l); ms++) {
		ck_assert_int_lt(ms, WAIT_MS);
		poll(NULL, 0, 1);
	}
	live_free(l);
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(fill_that_is_short_is_never_made_over_records)
{
	struct place p = place_new();
	struct live *l = live_in(&p);

	live_wrote(l, atomic_load(&l->room) + 1);
	ck_assert(!live_ready(l, 0) && is_full(l));
	live_free(l);
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(fill_is_made_in_no_other_file)
{
	struct place p = place_new();
	struct live *l = live_in(&p);
	int64_t since;
	char why[160];

	ck_assert(!unlink(p.file));
	disk_spill(p.file, "other", 5);
	ck_assert(!live_fits(l, 0, 16 * MIB, true));
	live_wrote(l, atomic_load(&l->room) - live_used(l));
	ck_assert(!live_ready(l, 0));
	ck_assert(live_full(l, &since, why, sizeof(why)));
	ck_assert_msg(strstr(why, "is not the file it was") != NULL, "%s",
		      why);
	live_free(l);
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(fill_does_not_hide_that_the_file_was_cut)
{
	struct place p = place_new();
	struct live *l = live_in(&p);
	int64_t since;
	char why[160];
	struct stat st;

	ck_assert(!truncate(p.file, 100));
	live_wrote(l, atomic_load(&l->room) - live_used(l));
	ck_assert(!live_ready(l, 0));
	ck_assert(live_full(l, &since, why, sizeof(why)));
	ck_assert_msg(strstr(why, "was cut") != NULL, "%s", why);
	ck_assert(!stat(p.file, &st));
	ck_assert_int_eq(st.st_size, 100);
	live_free(l);
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(a_journal_gives_its_reserve_up)
{
	struct place p = place_new();
	struct journal_repair repair;
	struct journal *j;
	char path[128];

	snprintf(path, sizeof(path), "%s/reserve", p.dir);
	ck_assert(!journal_open(&j, p.dir, &(struct journal_options){
		.alone = true}, &repair, NULL));
	disk_spill(path, "reserve", 7);
	say_free(PLENTY);
	journal_release(j);
	ck_assert(!access(path, F_OK));
	say_free(0);
	journal_release(j);
	ck_assert(access(path, F_OK));
	journal_close(j);
	fs_remove_tree(p.dir);
}
END_TEST

/* Until the thread has asked so often how much is free. */
static void asked(unsigned times)
{
	for (int ms = 0; says.asked < times; ms++) {
		ck_assert_int_lt(ms, WAIT_MS);
		poll(NULL, 0, 1);
	}
}

START_TEST(a_thread_that_waits_sees_room_return)
{
	struct place p = place_new();
	struct live *l;
	int64_t begun;

	say_free(PLENTY);
	l = live_in(&p);
	ck_assert(!live_start(l, NULL));
	asked(1);			/* and the reserve is made */
	say_free(MIB / 4);
	l->look_at = 0;
	ck_assert(!live_ready(l, 0));
	begun = clock_mono_us();
	says.asked = 0;
	asked(4);			/* not at once: it waits in between */
	ck_assert_int_gt(clock_mono_us() - begun, 150000);
	ck_assert(is_full(l));
	say_free(PLENTY);
	for (int ms = 0; is_full(l); ms++) {
		ck_assert_int_lt(ms, WAIT_MS);
		poll(NULL, 0, 1);
	}
	live_free(l);
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(a_reserve_is_not_made_where_there_is_too_little)
{
	struct place p = place_new();
	struct live *l;

	say_free(4 * MIB);
	l = live_in(&p);
	ck_assert(!live_start(l, NULL));
	asked(1);			/* and is to look again */
	live_free(l);
	fs_remove_tree(p.dir);
}
END_TEST

/* As if so much had been written; the thread makes more. */
static void grow_once(struct live *l)
{
	const uint64_t room = atomic_load(&l->room);

	live_wrote(l, room - live_used(l) - LIVE_KEEP);
	for (int ms = 0; atomic_load(&l->room) == room; ms++) {
		ck_assert_int_lt(ms, WAIT_MS);
		live_nudge(l);
		poll(NULL, 0, 1);
	}
}

/* A while ago, for the one that makes it. */
static void long_ago(struct live *l)
{
	pthread_mutex_lock(&l->lock);
	l->grown_us = clock_mono_us() - 10000000;
	pthread_mutex_unlock(&l->lock);
}

static void soon_again(struct live *l)
{
	pthread_mutex_lock(&l->lock);
	l->grown_us = clock_mono_us() + 10000000;
	pthread_mutex_unlock(&l->lock);
}

START_TEST(fill_is_made_in_larger_steps_while_there_is_much_to_write)
{
	struct place p = place_new();
	struct live *l = live_in(&p);

	ck_assert(!live_start(l, NULL));
	for (int i = 0; atomic_load(&l->step) < STEP_MOST; i++) {
		ck_assert_int_lt(i, 10);
		soon_again(l);
		grow_once(l);
	}
	soon_again(l);
	grow_once(l);
	ck_assert_uint_eq(atomic_load(&l->step), STEP_MOST);
	for (int i = 0; atomic_load(&l->step) > LIVE_STEP; i++) {
		ck_assert_int_lt(i, 10);
		long_ago(l);
		grow_once(l);
	}
	long_ago(l);
	grow_once(l);
	ck_assert_uint_eq(atomic_load(&l->step), LIVE_STEP);
	live_free(l);
	fs_remove_tree(p.dir);
}
END_TEST

TESTS("journal room",
      room_is_what_is_free_beyond_the_last_of_it,
      a_reserve_is_whole_or_not_there,
      room_that_others_take_is_seen_and_its_return_too,
      fill_that_is_short_is_never_made_over_records,
      fill_is_made_in_no_other_file,
      fill_does_not_hide_that_the_file_was_cut, a_journal_gives_its_reserve_up,
      a_thread_that_waits_sees_room_return,
      a_reserve_is_not_made_where_there_is_too_little,
      fill_is_made_in_larger_steps_while_there_is_much_to_write)
