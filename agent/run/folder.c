/* See folder.h. A tool may take rights off its own folders: given back. */
#include "agent/run/folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/run/kept.h"
#include "agent/run/run.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/id.h"
#include "common/log.h"
#include "common/mem.h"

#define DEPTH_MAX 64		/* folders without rights in each other */

static int open_up(const char *path, const struct stat *st, int type,
		   struct FTW *at)
{
	(void)st, (void)at;
	if ((type == FTW_D || type == FTW_DNR) && chmod(path, 0700))
		log_debug("%s: rights cannot be set", path);
	return 0;
}

static void remove_all(const char *path)
{
	int rc = fs_remove_tree(path);

	for (int i = 0; rc && i < DEPTH_MAX; i++) {
		nftw(path, open_up, 16, FTW_PHYS);
		rc = fs_remove_tree(path);
	}
	if (rc)
		log_warn("%s: could not be removed", path);
}

int folder_make(struct run *r, struct err *err)
{
	char *in = xasprintf("%s/in", r->dir);
	char *out = xasprintf("%s/out", r->dir);

	if (!r->spec->reconcile)	/* of this id, and of nothing before */
		kept_remove(r->dir);
	r->made = !mkdir(r->dir, 0700);
	if (r->made && !mkdir(in, 0700) && !mkdir(out, 0700))
		r->out = open(out, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
			      O_CLOEXEC);
	if (r->out < 0)
		err_sys(err, ERR_io, "making the run's folder %s", r->dir);
	free(in);
	free(out);
	return r->out < 0 ? -1 : 0;
}

void folder_remove(struct run *r)
{
	if (r->out >= 0)
		close(r->out);
	r->out = -1;
	if (r->made)
		remove_all(r->dir);
	r->made = false;
}

/* A kill may come between the folder and what is made in it. */
static bool looks_ours(const char *path)
{
	char *in = xasprintf("%s/in", path), *out = xasprintf("%s/out", path);
	bool ours = !access(in, F_OK) || !access(out, F_OK);

	free(in);
	free(out);
	return ours;
}

void folder_sweep(const char *work_dir)
{
	DIR *d = opendir(work_dir);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		char *path = xasprintf("%s/%s", work_dir, e->d_name);

		if (id_valid(e->d_name) && rmdir(path) && looks_ours(path)) {
			kept_move(path);
			remove_all(path);
		}
		free(path);
	}
	if (d)
		closedir(d);
}
