/*
 * The journal on a disk that fails at every single call it makes, once and
 * from then on, or stops there with the power lost; and again while it is
 * being repaired. Acknowledged is durable, or the answer was an error. Every
 * call with KIRCERTA_EVERY=1, many ways of losing the power with
 * KIRCERTA_SOAK=1.
 */
#include "tests/unit/journals.h"

#include <sys/mman.h>

#include "tests/unit/disk_calls.h"

#define ROUNDS 8
#define CALLS_MOST 100000

struct trial {			/* shared with the children */
	struct place place;
	struct journal_head acked;
	uint64_t tried;		/* records, for there to be any sense in them */
	bool failed;		/* somebody was answered with an error */
};

static struct trial *trial_new(void)
{
	struct trial *t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert(t != MAP_FAILED);
	t->place = place_new();
	return t;
}

static void trial_free(struct trial *t)
{
	fs_remove_tree(t->place.dir);
	munmap(t, sizeof(*t));
}

static void wipe(struct trial *t)
{
	const struct place p = t->place;

	fs_remove_tree(p.dir);
	*t = (struct trial){.place = p};
}

/* One batch; false if it was not acknowledged. */
static bool batch(struct trial *t, struct journal *j, int records, int size)
{
	static char text[RECORD_LINE_MAX];
	struct record **made;
	size_t n;

	memset(text, 'x', (size_t)size);
	for (int i = 0; i < records; i++) {
		json_t *data = json_pack("{s:s#}", "text", text, size);
		struct entry e = {.type = "heartbeat", .actor = "tester",
				  .data = data};
		struct record *r = journal_append(j, &e, NULL);

		json_decref(data);
		if (!r)
			return false;
		t->tried = r->seq;
	}
	if (journal_commit(j, &made, &n, NULL))
		return false;
	for (size_t i = 0; i < n; i++)
		record_unref(made[i]);
	free(made);
	t->acked = journal_head(j);
	return true;
}

/* Once it said that it cannot, it never says that it can. */
static void stays_sealed(struct trial *t, struct journal *j)
{
	struct journal_head head = journal_head(j);

	for (int i = 0; i < 2; i++)
		if (batch(t, j, 1, 1) || journal_head(j).seq != head.seq)
			_exit(DISK_WRONG);
	if (!journal_sealed(j) && !journal_full(j))
		_exit(DISK_WRONG);
}

/* No thread beside, for the calls to have numbers; and soon a next file. */
static const struct journal_options alone = {.segment = 65536, .alone = true};

static void work(void *arg)
{
	struct journal_repair repair;
	struct trial *t = arg;
	struct journal *j;

	if (journal_open(&j, t->place.dir, &alone, &repair, NULL)) {
		t->failed = true;
		return;
	}
	for (int i = 0; i < ROUNDS && !t->failed; i++)
		t->failed = !batch(t, j, 1 + i % 3, i % 3 ? 17000 : 1);
	if (t->failed)
		stays_sealed(t, j);
	journal_close(j);
}

/* With a disk that works all is there, and it goes on. */
static void holds(struct trial *t, const char *when)
{
	const struct journal_head acked = t->acked;
	struct journal_repair repair;
	struct journal_report report;
	struct journal *j;
	struct err err = {0};

	ck_assert_msg(!journal_open(&j, t->place.dir, NULL, &repair, &err),
		      "%s: %s", when, err.detail);
	ck_assert_msg(journal_has(j, &acked, &err) == 1, "%s: record %llu "
		      "was acknowledged and is lost", when,
		      (unsigned long long)acked.seq);
	ck_assert_msg(journal_head(j).seq <= t->tried, "%s", when);
	ck_assert_msg(batch(t, j, 1, 1), "%s", when);
	journal_close(j);
	report = verify(&t->place);
	ck_assert_msg(report.ok && report.records == t->acked.seq, "%s: %s",
		      when, report.what);
}

static const struct disk_plan plans[] = {
	{DISK_FAILS, 0, EIO, 0}, {DISK_FAILS_ON, 0, EIO, 0},
	{DISK_FAILS, 0, ENOSPC, 0}, {DISK_FAILS_ON, 0, ENOSPC, 0},
	{DISK_FAILS, 0, EINTR, 0}, {DISK_SHORT, 0, 0, 0},
	{DISK_STOPS, 0, 0, 0}, {DISK_STOPS_AFTER, 0, 0, 0},
	{DISK_FAILS, 0, EIO, 1}, {DISK_FAILS_ON, 0, EIO, 2},
	{DISK_STOPS, 0, 0, 3}, {DISK_STOPS_AFTER, 0, 0, 4},
};

static unsigned seeds(void)
{
	return getenv("KIRCERTA_SOAK") ? 100 : 1;
}

/* Each plan tries others of the calls, but for KIRCERTA_EVERY. */
static unsigned step(void)
{
	return getenv("KIRCERTA_SOAK") || getenv("KIRCERTA_EVERY") ? 1 : 4;
}

static void describe(const struct disk_plan *p, const char *of, char out[160])
{
	static const char *const names[] = {
		"well", "fails", "fails on", "short", "lies", "stops",
		"stops after"};

	snprintf(out, 160, "call %u %s %s (%s), seed %u", p->at, of,
		 names[p->what], strerror(p->error), p->lose);
}

START_TEST(whichever_call_fails_or_is_the_last_nothing_acknowledged_is_lost)
{
	struct trial *t = trial_new();
	unsigned cases = 0, stopped = 0, errors = 0;
	enum disk_end end = DISK_DONE;
	char when[160];

	for (size_t i = 0; i < ARRAY_LEN(plans); i++)
		for (unsigned seed = 0; seed < (plans[i].lose ? seeds() : 1);
		     seed++) {
			struct disk_plan plan = plans[i];

			if (plan.lose)
				plan.lose += 4 * seed;
			for (plan.at = 1 + i % step(); plan.at < CALLS_MOST;
			     plan.at += step()) {
				wipe(t);
				end = disk_try(&plan, work, t);
				describe(&plan, "", when);
				if (end == DISK_MISSED)
					break;
				ck_assert_msg(end != DISK_WRONG, "%s", when);
				holds(t, when);
				cases++;
				stopped += end == DISK_STOPPED;
				errors += t->failed;
			}
			ck_assert_int_eq(end, DISK_MISSED);
		}
	printf("      %u faults: %u stops, %u told as errors\n", cases, stopped,
	       errors);
	ck_assert(stopped > 30 && errors > 50);
	trial_free(t);
}
END_TEST

/* A whole journal with a torn end, as it lies there before each repair. */
static void tear(struct trial *t)
{
	const struct place p = t->place;
	struct journal *j;
	int fd;

	wipe(t);
	j = open_ok(&p);
	for (int i = 0; i < 5; i++)
		ck_assert(batch(t, j, 1, 1));
	journal_close(j);
	fd = open(p.file, O_WRONLY);
	ck_assert_int_eq(pwrite(fd, "{\"seq\":6,\"ts\":\"20", 17,
				(off_t)t->acked.off), 17);
	close(fd);
}

START_TEST(a_repair_that_fails_or_stops_is_done_again)
{
	struct trial *t = trial_new();
	unsigned cases = 0;
	enum disk_end end = DISK_DONE;
	char when[160];

	for (size_t i = 0; i < ARRAY_LEN(plans); i++) {
		struct disk_plan plan = plans[i];

		for (plan.at = 1 + i % step(); plan.at < CALLS_MOST;
		     plan.at += step()) {
			tear(t);
			end = disk_try(&plan, work, t);
			describe(&plan, "of the repair", when);
			if (end == DISK_MISSED)
				break;
			ck_assert_msg(end != DISK_WRONG, "%s", when);
			holds(t, when);
			cases++;
		}
		ck_assert_int_eq(end, DISK_MISSED);
	}
	printf("      %u faults in repairs\n", cases);
	ck_assert_int_gt(cases, 100);
	trial_free(t);
}
END_TEST

TESTS("journal on a bad disk",
      whichever_call_fails_or_is_the_last_nothing_acknowledged_is_lost,
      a_repair_that_fails_or_stops_is_done_again)
