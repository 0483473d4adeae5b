/*
 * See upkeep_pack.h. Why not `git repack`: it holds for one that wrote the
 * packs itself that deltas were tried within each, and so would find few in
 * ours; and one has to take its word that nothing is lost.
 */
#include "agent/core/upkeep_pack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/run/git.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/mem.h"

#define GIT_US 7200000000LL		/* for one git, on a busy machine */

/* One git, as every one here is run; *out: what it said, or NULL. */
static int run_git(const struct upkeep_where *w, const char *const args[],
		   const char *in, char **out, struct err *err)
{
	const struct git_options o = {
		.dir = w->path, .timeout_us = GIT_US, .stop_fd = w->stop_fd,
		.in = in, .background = true,
	};
	struct git_result r;
	int rc = git_run(&r, args, &o, err);

	if (!rc && r.code)
		rc = err_set(err, ERR_io, "git %s ended with %d: %s",
			     strcmp(*args, "-c") ? *args : "pack-objects",
			     r.code, r.err);
	if (!rc && out) {
		*out = r.out;
		r.out = NULL;
	}
	git_result_fini(&r);
	return rc;
}

/* The name of the pack that has all of these, written now, durable. */
static int make_pack(const struct upkeep_where *w,
		     const struct pack_facts *list, size_t n, enum plan plan,
		     char name[PACK_NAME], struct err *err)
{
	const char *args[] = {
		"-c", "pack.threads=1", "-c", "pack.windowMemory=32m",
		"-c", "pack.deltaCacheSize=16m",
		"-c", "core.packedGitLimit=128m",
		"-c", "core.packedGitWindowSize=8m",
		"-c", "core.deltaBaseCacheLimit=16m",
		"-c", "core.bigFileThreshold=1m", "pack-objects", "-q",
		"--stdin-packs", "--window=10", "--depth=50",
		"objects/pack/pack", NULL, NULL, NULL,
	};
	size_t at = ARRAY_LEN(args) - 3;
	struct buf in = {0};
	char *out = NULL;
	int rc;

	for (size_t i = 0; i < n; i++)
		buf_addf(&in, "%s.pack\n", list[i].name);
	if (plan == PLAN_NEW) {
		args[at++] = "--unpacked";
		args[at] = "--no-reuse-delta";
	}
	rc = run_git(w, args, in.data, &out, err);
	if (!rc && strspn(out, "0123456789abcdef") != 2 * GIT_RAW)
		rc = err_set(err, ERR_io, "git pack-objects names no pack");
	if (!rc)
		snprintf(name, PACK_NAME, "pack-%.40s", out);
	buf_fini(&in);
	free(out);
	return rc ? -1 : fs_sync_dir(w->folder, err);
}

/* Whatever git thinks: nothing goes that is not in the new pack. */
static int check_pack(const struct upkeep_where *w,
		      const struct pack_facts *list, size_t n,
		      const char *name, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		int has = pack_covers(w->folder, name, list[i].name, err);

		if (has < 0)
			return -1;
		if (!has)
			return err_set(err, ERR_io, "%s has not all of %s: "
				       "both are kept", name, list[i].name);
	}
	return 0;
}

int upkeep_pack(const struct upkeep_where *w, const struct pack_facts *list,
		size_t n, enum plan plan, char name[PACK_NAME],
		struct err *err)
{
	return make_pack(w, list, n, plan, name, err) ||
	       check_pack(w, list, n, name, err) ? -1 : 0;
}

/* What makes it quick to ask for one file's history, and loose ones go. */
int upkeep_finish(const struct upkeep_where *w, enum plan plan,
		  struct err *err)
{
	static const char *const prune[] = {"prune-packed", "-q", NULL};
	static const char *const graph[] = {
		"commit-graph", "write", "--split", "--changed-paths",
		"--reachable", "--no-progress", NULL,
	};

	if (plan != PLAN_NEW)
		return 0;
	return run_git(w, prune, NULL, NULL, err) ||
	       run_git(w, graph, NULL, NULL, err) ? -1 : 0;
}
