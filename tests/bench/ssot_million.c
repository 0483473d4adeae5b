/*
 * The task repository over a long life: changes of many tasks in batches of
 * 256, as a busy agent has them, with upkeep beside. A line for each tenth of the
 * commits, then what stock git says of the whole.
 *
 *   build/tests/bench/ssot_million [COMMITS [TASKS]]    1000000 100000
 *
 * Without arguments a small one, for `make bench`.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/core/upkeep.h"
#include "agent/run/spawn.h"
#include "agent/store/ssot.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/mem.h"
#include "tests/bench/ssot_tasks.h"

#define BATCH 256
#define STEPS 10

struct bench {
	char *path;
	struct ssot *s;
	struct upkeep *u;
	uint64_t seq;
	unsigned tasks;
};

/* Seconds a command takes; what it says is appended to out. */
static double timed(char *out, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static double timed(char *out, size_t size, const char *fmt, ...)
{
	int64_t start = clock_mono_us();
	char command[1024];
	va_list ap;
	size_t n = 0;
	FILE *p;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	p = popen(command, "r");
	if (p)
		n = fread(out, 1, size - 1, p);
	out[n] = 0;
	if (!p || pclose(p))
		printf("# failed: %s\n%s\n", command, out);
	return (double)(clock_mono_us() - start) / 1e6;
}

static double megabytes(const char *path)
{
	char out[64];

	timed(out, sizeof(out), "du -sk %s", path);
	return atof(out) / 1024;
}

/* Milliseconds that the slowest batch took. */
static double write_some(struct bench *b, uint64_t upto)
{
	int64_t worst = 0;

	while (b->seq < upto) {
		struct record *r[BATCH];
		struct err err = {0};
		int64_t start;

		for (int i = 0; i < BATCH; i++) {
			unsigned n = b->seq < b->tasks ? (unsigned)b->seq :
				     next_random() % b->tasks;

			r[i] = task_record(++b->seq, n);
		}
		start = clock_mono_us();
		check(ssot_apply(b->s, r, BATCH, &err), &err);
		start = clock_mono_us() - start;
		worst = start > worst ? start : worst;
		for (int i = 0; i < BATCH; i++)
			record_unref(r[i]);
	}
	return (double)worst / 1e3;
}

/* A path that is in the repository. */
static void some_path(const struct bench *b, char *out, size_t size)
{
	char id[32], h[SHA256_HEX];

	snprintf(id, sizeof(id), "t-%06u", next_random() % b->tasks %
		 (unsigned)b->seq);
	sha256_hex(id, strlen(id), h);
	snprintf(out, size, "tasks/%c/%c/%c/%s.json", h[0], h[1], h[2], id);
}

static double history_ms(const struct bench *b)
{
	int64_t start;
	char id[32];
	struct err err = {0};
	json_t *all;

	snprintf(id, sizeof(id), "t-%06u", next_random() % b->tasks %
		 (unsigned)b->seq);
	start = clock_mono_us();
	all = ssot_history(b->path, id, NULL, 100, &err);
	check(!all, &err);
	json_decref(all);
	return (double)(clock_mono_us() - start) / 1e3;
}

static void step(struct bench *b, uint64_t upto)
{
	uint64_t from = b->seq;
	int64_t start = clock_mono_us();
	double worst = write_some(b, upto), seconds, log;
	char out[4096], packs[64], path[160];

	seconds = (double)(clock_mono_us() - start) / 1e6;
	timed(packs, sizeof(packs), "ls %s/objects/pack/*.pack | wc -l",
	      b->path);
	some_path(b, path, sizeof(path));
	log = timed(out, sizeof(out), "git -C %s log -1 --format=%%h -- %s",
		    b->path, path);
	printf("%8llu %9.0f %9.1f %8.0f %6d %9.1f %9.1f\n",
	       (unsigned long long)b->seq, (double)(b->seq - from) / seconds,
	       worst, megabytes(b->path), atoi(packs), history_ms(b), log * 1e3);
	fflush(stdout);
}

/* Until upkeep finds nothing to do any more, its rest after work included. */
static void settle(struct bench *b)
{
	int64_t start = clock_mono_us(), quiet = start, patience = 0;
	char last[512] = "";

	while (clock_mono_us() - quiet < patience + 10000000) {
		json_t *v = json_object(), *repack;
		char *text;

		upkeep_json(b->u, v);
		repack = json_object_get(v, "repack");
		text = repack ? json_dumps(repack, JSON_REAL_PRECISION(4)) :
				xstrdup("");
		if (json_object_get(v, "repacking") || strcmp(text, last))
			quiet = clock_mono_us();
		if (strcmp(text, last))
			printf("# %s\n", text);
		snprintf(last, sizeof(last), "%s", text);
		patience = (int64_t)(json_number_value(json_object_get(
			repack, "seconds")) * 0.25e6);
		free(text);
		json_decref(v);
		usleep(200000);
	}
	printf("upkeep_settles %.1f s\n", (double)(quiet - start) / 1e6);
}

static void whole(struct bench *b)
{
	char out[16384], clone[256];
	double seconds;

	printf("size %.0f MB\n", megabytes(b->path));
	timed(out, sizeof(out), "git -C %s count-objects -v", b->path);
	printf("%s", out);
	seconds = timed(out, sizeof(out), "git -C %s rev-list --count main",
			b->path);
	printf("rev_list_count %.1f s: %s", seconds, out);
	seconds = timed(out, sizeof(out), "git -C %s fsck --full --strict "
			"2>&1", b->path);
	printf("fsck_full_strict %.1f s: %s\n", seconds, *out ? out : "clean");
	snprintf(clone, sizeof(clone), "%s.clone", b->path);
	seconds = timed(out, sizeof(out), "git clone -q --bare --no-local %s %s",
			b->path, clone);
	printf("clone %.1f s %.0f MB\n", seconds, megabytes(clone));
	for (int i = 0; i < 5; i++) {
		char path[160];

		some_path(b, path, sizeof(path));
		printf("history %.1f ms, ", history_ms(b));
		seconds = timed(out, sizeof(out), "git -C %s log --oneline -- "
				"%s | wc -l", b->path, path);
		printf("git log -- path %.1f ms: %s", seconds * 1e3, out);
	}
	fs_remove_tree(clone);
}

/* git is started by a helper, which is this very program. */
__attribute__((constructor)) static void be_helper(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], SPAWN_HELPER))
		_exit(spawn_helper_main(argc, argv));
}

int main(int argc, char **argv)
{
	uint64_t commits = argc > 1 ? strtoull(argv[1], NULL, 10) : 20000;
	const char *tmp = getenv("TMPDIR");
	char *dir = xasprintf("%s/kircerta-bench-XXXXXX", tmp ? tmp : "/tmp");
	struct bench b = {.tasks = argc > 2 ? (unsigned)atoi(argv[2]) :
			  (unsigned)(commits / 10)};
	struct ssot_options so = {0};
	struct upkeep_options uo = {.new_bytes = 32 << 20,
				    .every_us = 2000000};
	struct err err = {0};

	json_setup();
	if (!mkdtemp(dir))
		return 1;
	b.path = xasprintf("%s/ssot.git", dir);
	check(ssot_open(&b.s, b.path, &so, &err), &err);
	uo.path = b.path;
	uo.ssot = b.s;
	b.u = upkeep_start(&uo);
	printf("# commits commits/s worst_ms  size_MB  packs history_ms "
	       "git_log_1_ms\n");
	for (uint64_t i = 1; i <= STEPS; i++)
		step(&b, commits * i / STEPS);
	settle(&b);
	whole(&b);
	upkeep_stop(b.u);
	ssot_close(b.s);
	free(b.path);
	fs_remove_tree(dir);
	free(dir);
	return 0;
}
