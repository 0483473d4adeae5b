/*
 * Reading, checking and compressing a journal of several files on a disk that
 * fails at each call, or reads other bits than were written: every record as
 * it is, or an error; and what was compressed is there afterwards.
 */
#include "tests/unit/journals.h"

#include "tests/unit/disk_calls.h"

#define RECORDS 14

struct asking {
	struct place place;
	struct journal_head heads[RECORDS];
	void (*what)(struct asking *a);
};

static int count(struct record *r, void *data, struct err *err)
{
	unsigned *n = data;

	(void)err;
	if (r->seq != ++*n)
		_exit(DISK_WRONG);
	return 0;
}

static void read_it(struct asking *a)
{
	const struct journal_options o = {.segment = 65536, .alone = true};
	struct journal_repair repair;
	struct journal *j;
	char text[32];

	if (journal_open(&j, a->place.dir, &o, &repair, NULL))
		return;
	for (unsigned i = 0, n; i < RECORDS; i += 3) {
		const struct journal_head *h = &a->heads[i];

		if (!journal_has(j, h, NULL) && disk.plan.what != DISK_LIES)
			_exit(DISK_WRONG);
		n = i + 1;
		if (!journal_replay(j, h->off, count, &n, NULL) &&
		    n != RECORDS)
			_exit(DISK_WRONG);
		if (!journal_read(j, h->off - 2, 2, text, NULL) &&
		    memcmp(text, "}\n", 2) && disk.plan.what != DISK_LIES)
			_exit(DISK_WRONG);
	}
	journal_close(j);
}

static void check_it(struct asking *a)
{
	struct journal_report report;
	unsigned n = 0;

	if (!journal_verify(a->place.dir, count, &n, &report, NULL) &&
	    report.ok && (n != RECORDS || report.records != RECORDS ||
			  memcmp(report.head, a->heads[RECORDS - 1].leaf,
				 SHA256_RAW)))
		_exit(DISK_WRONG);
}

static void compress_it(struct asking *a)
{
	journal_compress(a->place.dir, 1, NULL, NULL, NULL);
}

static void work(void *asking)
{
	struct asking *a = asking;

	a->what(a);
}

static void make(struct asking *a)
{
	const struct journal_options o = {.segment = 65536, .alone = true};
	struct journal_repair repair;
	static char text[15000];
	struct journal *j;

	memset(text, 'x', sizeof(text) - 1);
	ck_assert(!journal_open(&j, a->place.dir, &o, &repair, NULL));
	for (int i = 0; i < RECORDS; i++) {
		append(j, "heartbeat", json_pack("{s:s}", "text", text));
		commit(j);
		a->heads[i] = journal_head(j);
	}
	journal_close(j);
}

/* All plans, all calls; again(a) before each where it is not NULL. */
static unsigned try_all(struct asking *a, void (*again)(struct asking *a))
{
	static const struct disk_plan plans[] = {
		{DISK_FAILS, 0, EIO, 0}, {DISK_FAILS_ON, 0, EIO, 0},
		{DISK_FAILS, 0, EINTR, 0}, {DISK_FAILS, 0, ENOENT, 0},
		{DISK_SHORT, 0, 0, 0}, {DISK_LIES, 0, 0, 0},
		{DISK_STOPS, 0, 0, 0}, {DISK_STOPS_AFTER, 0, 0, 1},
	};
	const unsigned step = getenv("KIRCERTA_EVERY") ? 1 : 5;
	unsigned cases = 0;

	for (size_t i = 0; i < ARRAY_LEN(plans); i++) {
		struct disk_plan plan = plans[i];
		enum disk_end end = DISK_DONE;

		for (plan.at = 1 + i % step; end != DISK_MISSED;
		     plan.at += step, cases++) {
			if (again)
				again(a);
			end = disk_try(&plan, work, a);
			ck_assert_msg(end != DISK_WRONG, "plan %zu, call %u",
				      i, plan.at);
		}
	}
	return cases;
}

START_TEST(what_is_read_is_what_was_written_or_an_error)
{
	struct asking a = {.place = place_new(), .what = read_it};
	unsigned reads, checks;

	make(&a);
	ck_assert(!journal_compress(a.place.dir, 1, NULL, NULL, NULL));
	reads = try_all(&a, NULL);
	a.what = check_it;
	checks = try_all(&a, NULL);
	printf("      %u faults in reading, %u in checking\n", reads, checks);
	ck_assert(verify(&a.place).ok);
	fs_remove_tree(a.place.dir);
}
END_TEST

static void anew(struct asking *a)
{
	const struct journal_report report = verify(&a->place);

	ck_assert_msg(report.ok && report.records == RECORDS, "%s",
		      report.what);
	fs_remove_tree(a->place.dir);
	make(a);
}

START_TEST(what_is_being_compressed_is_never_lost)
{
	struct asking a = {.place = place_new(), .what = compress_it};
	unsigned cases;

	make(&a);
	cases = try_all(&a, anew);
	printf("      %u faults in compressing\n", cases);
	fs_remove_tree(a.place.dir);
}
END_TEST

TESTS("journal read from a bad disk",
      what_is_read_is_what_was_written_or_an_error,
      what_is_being_compressed_is_never_lost)
