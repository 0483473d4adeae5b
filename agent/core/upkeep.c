/* See upkeep.h: when, and what is told of it. */
#include "agent/core/upkeep.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "agent/core/upkeep_pack.h"
#include "agent/store/ssot.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"

#define SECOND 1000000LL
#define GRACE_US (2 * SECOND)		/* old packs stay for who reads them */
#define RETRY_US (60 * SECOND)		/* after a failure; doubles */
#define RETRY_MOST_US (3600 * SECOND)
#define REST_US (10 * SECOND)		/* at most, after a repack */
#define LOOSE_US (60 * SECOND)		/* between counts of loose objects */
#define LEFT_S 600			/* a temporary file of a killed git */
#define DISK_LEFT (512ull << 20)	/* is not ours to fill */
#define PACKS_MANY 256			/* not even a busy writer waits */
#define OBJECT_BYTES 400		/* of git's memory */
#define OBJECTS_LEAST 200000
#define OBJECTS_MOST 2000000

struct facts { uint64_t packs, bytes; };

struct upkeep {
	struct upkeep_options o;
	struct upkeep_where where;
	char *objects;
	uint64_t limit;			/* objects in one go */
	pthread_t thread;
	int64_t rest_until, loose_at, retry_us;
	int64_t seen_ns;		/* the folder as it was; 0: look */
	pthread_mutex_t lock;
	/* under lock */
	struct facts now, before, after;
	size_t loose;
	bool looked, working;
	int64_t repacked_at;		/* wall; 0: never */
	double seconds;
	char error[200];
};

/* True: it is time to end. */
static bool pause_us(struct upkeep *u, int64_t us)
{
	struct pollfd p = {.fd = u->where.stop_fd, .events = POLLIN};

	return poll(&p, 1, (int)(us / 1000)) == 1;
}

static void note_error(struct upkeep *u, const char *why)
{
	bool other;

	pthread_mutex_lock(&u->lock);
	other = strcmp(u->error, why) != 0;
	snprintf(u->error, sizeof(u->error), "%s", why);
	pthread_mutex_unlock(&u->lock);
	if (other && *why)
		log_warn("upkeep of the repository: %s", why);
}

static void drop_packs(struct upkeep *u, const struct pack_facts *list,
		       size_t n, const char *name)
{
	pause_us(u, GRACE_US);
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i].name, name))
			pack_drop(u->where.folder, list[i].name);
	ssot_packs_changed(u->o.ssot);
}

static struct facts sum_of(const struct pack_facts *list, size_t n)
{
	struct facts f = {.packs = n};

	for (size_t i = 0; i < n; i++)
		f.bytes += list[i].bytes;
	return f;
}

static int look(struct upkeep *u, struct pack_facts **list, size_t *n,
		struct err *err)
{
	int64_t now = clock_mono_us();
	size_t loose = u->loose;

	if (packs_list(u->where.folder, list, n, err))
		return -1;
	if (now >= u->loose_at) {
		loose = packs_loose(u->objects);
		u->loose_at = now + LOOSE_US;
		packs_sweep(u->where.folder, LEFT_S);
	}
	pthread_mutex_lock(&u->lock);
	u->now = sum_of(*list, *n);
	u->loose = loose;
	u->looked = true;
	pthread_mutex_unlock(&u->lock);
	return 0;
}

static void note_working(struct upkeep *u, bool working)
{
	pthread_mutex_lock(&u->lock);
	u->working = working;
	pthread_mutex_unlock(&u->lock);
}

static void note_repack(struct upkeep *u, struct facts before,
			const char *name, int64_t start)
{
	struct facts after = {0};
	struct pack_facts *list = NULL;
	size_t n;

	u->loose_at = 0;
	if (look(u, &list, &n, NULL))
		return;
	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i].name, name))
			after = sum_of(list + i, 1);
	free(list);
	pthread_mutex_lock(&u->lock);
	u->before = before;
	u->after = after;
	u->repacked_at = clock_wall_us();
	u->seconds = (double)(clock_mono_us() - start) / 1e6;
	pthread_mutex_unlock(&u->lock);
	log_debug("repacked in %.1f s: %llu packs of %llu bytes are one of "
		  "%llu", u->seconds, (unsigned long long)before.packs,
		  (unsigned long long)before.bytes,
		  (unsigned long long)after.bytes);
}

/* Nothing came or went since nothing was to be done: no need to look. */
static bool unchanged(struct upkeep *u)
{
	struct stat st;
	int64_t ns;

	if (stat(u->where.folder, &st) || clock_mono_us() >= u->loose_at)
		return false;
	ns = st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec;
	if (ns == u->seen_ns)
		return true;
	u->seen_ns = ns;
	return false;
}

/* The new pack lies beside the old ones for a while. */
static int check_disk(const struct upkeep *u, uint64_t bytes, struct err *err)
{
	struct statvfs st;
	unsigned long long have;

	if (statvfs(u->where.folder, &st))
		return err_sys(err, ERR_io, "%s", u->where.folder);
	have = (unsigned long long)st.f_bavail * st.f_frsize;
	if (have >= bytes + DISK_LEFT)
		return 0;
	return err_set(err, ERR_io, "no room to repack %llu MiB: %llu MiB are "
		       "free", (unsigned long long)bytes >> 20, have >> 20);
}

/* 1: something was done. 0: there is nothing to do, or not now. -1: *err. */
static int round_of(struct upkeep *u, struct err *err)
{
	struct plan_limits limits = {
		.new_bytes = (uint64_t)u->o.new_bytes, .objects = u->limit,
		.before_ns = clock_wall_us() * 1000,
	};
	struct pack_facts *list = NULL;
	char name[PACK_NAME] = "";
	int64_t start = clock_mono_us();
	struct facts before;
	enum plan plan;
	size_t n, chosen;
	int rc = -1;

	/* Nobody else takes these away from here on; then look at them. */
	ssot_packs_hold(u->o.ssot, limits.before_ns);
	if (look(u, &list, &n, err))
		goto done;
	plan = plan_repack(list, n, u->loose, &limits, &chosen);
	rc = plan != PLAN_NOTHING && (n >= PACKS_MANY || !u->o.busy ||
				      !u->o.busy(u->o.ctx));
	if (!rc)
		goto done;
	rc = -1;
	note_working(u, true);
	before = sum_of(list, chosen);
	if (check_disk(u, before.bytes, err) ||
	    upkeep_pack(&u->where, list, chosen, plan, name, err))
		goto done;
	drop_packs(u, list, chosen, name);
	if (upkeep_finish(&u->where, plan, err))
		goto done;
	note_repack(u, before, name, start);
	rc = 1;
done:
	note_working(u, false);
	ssot_packs_hold(u->o.ssot, 0);
	free(list);
	return rc;
}

/* Some rest after work, and after a failure more each time. */
static void rest(struct upkeep *u, int rc, int64_t start)
{
	int64_t now = clock_mono_us();

	if (rc < 0) {
		/* It may have been too much for this machine. */
		if (u->limit > OBJECTS_LEAST)
			u->limit /= 2;
		u->rest_until = now + u->retry_us;
		u->retry_us = u->retry_us * 2 < RETRY_MOST_US ?
			      u->retry_us * 2 : RETRY_MOST_US;
	} else {
		u->rest_until = !rc ? 0 :
			(now - start) / 4 < REST_US ? now + (now - start) / 4 :
			now + REST_US;
		u->retry_us = RETRY_US;
	}
}

static void *run(void *arg)
{
	struct upkeep *u = arg;
	struct err err = {0};

	if (packs_own(u->where.path, &err))
		note_error(u, err.detail);
	while (!pause_us(u, u->o.every_us)) {
		int64_t start = clock_mono_us();
		int rc;

		if ((start < u->rest_until && u->now.packs < PACKS_MANY) ||
		    unchanged(u))
			continue;
		err_fini(&err);
		err = (struct err){0};
		rc = round_of(u, &err);
		if (rc < 0 && pause_us(u, 0))
			break;		/* it was stopped at it: no failure */
		note_error(u, rc < 0 ? err.detail : "");
		if (rc)
			u->seen_ns = 0;
		rest(u, rc, start);
	}
	err_fini(&err);
	return NULL;
}

/* A quarter of the machine's memory at most, and that is plenty. */
static uint64_t objects_limit(void)
{
	uint64_t bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) *
			 (uint64_t)sysconf(_SC_PAGE_SIZE);
	uint64_t n = bytes / 4 / OBJECT_BYTES;

	return n < OBJECTS_LEAST ? OBJECTS_LEAST :
	       n > OBJECTS_MOST ? OBJECTS_MOST : n;
}

struct upkeep *upkeep_start(const struct upkeep_options *o)
{
	struct upkeep *u = xcalloc(1, sizeof(*u));

	u->o = *o;
	u->where.path = xstrdup(o->path);
	u->objects = xasprintf("%s/objects", o->path);
	u->where.folder = xasprintf("%s/pack", u->objects);
	u->limit = objects_limit();
	u->retry_us = RETRY_US;
	u->where.stop_fd = eventfd(0, EFD_CLOEXEC);
	pthread_mutex_init(&u->lock, NULL);
	if (u->where.stop_fd < 0 || pthread_create(&u->thread, NULL, run, u))
		abort();
	pthread_setname_np(u->thread, "upkeep");
	return u;
}

static json_t *repack_json(const struct upkeep *u)
{
	char at[CLOCK_TEXT];

	clock_text(u->repacked_at, at);
	return json_pack("{s:s,s:f,s:I,s:I,s:I,s:I}", "at", at, "seconds",
			 u->seconds, "packs_before",
			 (json_int_t)u->before.packs, "packs_after",
			 (json_int_t)u->after.packs, "bytes_before",
			 (json_int_t)u->before.bytes, "bytes_after",
			 (json_int_t)u->after.bytes);
}

void upkeep_json(struct upkeep *u, json_t *v)
{
	if (!u)
		return;
	pthread_mutex_lock(&u->lock);
	if (u->looked) {
		json_set_int(v, "packs", (json_int_t)u->now.packs);
		json_set_int(v, "loose", (json_int_t)u->loose);
		json_set_int(v, "bytes", (json_int_t)u->now.bytes);
	}
	if (u->working)
		json_object_set_new(v, "repacking", json_true());
	if (u->repacked_at)
		json_object_set_new(v, "repack", repack_json(u));
	if (*u->error)
		json_set_str(v, "upkeep_error", u->error);
	pthread_mutex_unlock(&u->lock);
}

void upkeep_stop(struct upkeep *u)
{
	if (!u)
		return;
	eventfd_write(u->where.stop_fd, 1);
	pthread_join(u->thread, NULL);
	close(u->where.stop_fd);
	pthread_mutex_destroy(&u->lock);
	free(u->where.path);
	free(u->objects);
	free(u->where.folder);
	free(u);
}
