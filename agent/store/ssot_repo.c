/* See ssot_repo.h. */
#include "agent/store/ssot_repo.h"

#include <errno.h>
#include <git2/sys/mempack.h>
#include <git2/sys/odb_backend.h>
#include <git2/sys/repository.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/store/ssot_git.h"
#include "agent/store/ssot_merge.h"
#include "agent/store/ssot_pack.h"
#include "common/err.h"
#include "common/log.h"
#include "common/mem.h"

#define MERGE_EVERY 16		/* packs written */
#define FIRST 1000		/* the priority of what is in memory */

static int open_handle(struct ssot_repo *r, struct err *err)
{
	if (git_repository_open_bare(&r->git, r->path) ||
	    git_repository_odb(&r->odb, r->git) ||
	    git_mempack_new(&r->fresh))
		return ssot_git_error(err, "opening %s", r->path);
	r->shown = 0;
	if (git_odb_add_backend(r->odb, r->fresh, FIRST) ||
	    git_repository_set_ident(r->git, "kircerta", "kircerta@kircerta"))
		return ssot_git_error(err, "opening %s", r->path);
	return 0;
}

/* A folder that is none is made one, if there is nothing in it. */
static int make_sure(struct ssot_repo *r, struct err *err)
{
	git_repository *there = NULL;
	int rc = git_repository_open_bare(&there, r->path);

	git_repository_free(there);
	if (rc != GIT_ENOTFOUND)
		return 0;
	/* rmdir as the test: it fails where there is anything. */
	if (rmdir(r->path) && errno != ENOENT)
		return ssot_foreign(r->path, "this is not a bare git "
				    "repository", err);
	return ssot_git_create(r->path, err);
}

int ssot_repo_open(struct ssot_repo *r, const char *path, struct err *err)
{
	memset(r, 0, sizeof(*r));
	ssot_git_setup();
	pthread_mutex_init(&r->merging, NULL);
	r->path = xstrdup(path);
	r->packs = xasprintf("%s/objects/pack", path);
	r->writes = MERGE_EVERY;
	return make_sure(r, err) || open_handle(r, err) ? -1 : 0;
}

void ssot_repo_close(struct ssot_repo *r)
{
	git_odb_free(r->odb);		/* and fresh with it */
	git_repository_free(r->git);
	pthread_mutex_destroy(&r->merging);
	buf_fini(&r->known);
	free(r->path);
	free(r->packs);
}

int ssot_repo_reopen(struct ssot_repo *r, struct err *err)
{
	git_repository *git = r->git;
	git_odb_backend *fresh = r->fresh;
	git_odb *odb = r->odb;
	const size_t shown = r->shown;
	int rc;

	r->odb = NULL;
	r->git = NULL;
	rc = open_handle(r, err);
	git_odb_free(rc ? r->odb : odb);
	git_repository_free(rc ? r->git : git);
	if (rc) {
		r->git = git;
		r->odb = odb;
		r->fresh = fresh;
		r->shown = shown;
	} else if (shown) {
		ssot_repo_show(r);
	}
	return rc;
}

char *ssot_repo_load(void *repo, const uint8_t id[GIT_RAW], size_t *len,
		     struct err *err)
{
	struct ssot_repo *r = repo;
	git_odb_object *object;
	git_oid oid;
	char *raw;

	git_oid_fromraw(&oid, id);
	/* Its pack may just have gone: it is in another one by now. */
	if (git_odb_read(&object, r->odb, &oid) &&
	    (ssot_repo_reopen(r, NULL) ||
	     git_odb_read(&object, r->odb, &oid))) {
		ssot_git_error(err, "reading %s", r->path);
		return NULL;
	}
	*len = git_odb_object_size(object);
	raw = xmalloc(*len + 1);
	memcpy(raw, git_odb_object_data(object), *len);
	raw[*len] = 0;
	git_odb_object_free(object);
	return raw;
}

void ssot_repo_know(struct ssot_repo *r, const uint8_t id[GIT_RAW],
		    const void *text, size_t len)
{
	buf_add(&r->known, id, GIT_RAW);
	buf_add(&r->known, &len, sizeof(len));
	buf_add(&r->known, text, len);
}

/* Past git_odb_write, which would look for each in every pack first. */
void ssot_repo_show(struct ssot_repo *r)
{
	while (r->shown < r->known.len) {
		const char *at = r->known.data + r->shown;
		git_oid id;
		size_t len;

		memcpy(id.id, at, GIT_RAW);
		memcpy(&len, at + GIT_RAW, sizeof(len));
		at += GIT_RAW + sizeof(len);
		if (r->fresh->write(r->fresh, &id, at, len,
				    GIT_OBJECT_COMMIT))
			abort();	/* it only takes memory */
		r->shown += GIT_RAW + sizeof(len) + len;
	}
}

void ssot_repo_forget(struct ssot_repo *r)
{
	if (r->shown)
		git_mempack_reset(r->fresh);
	buf_reset(&r->known);
	r->shown = 0;
}

int ssot_repo_write(struct ssot_repo *r, struct pack *p, struct err *err)
{
	char name[PACK_NAME];

	if (pack_empty(p))
		return 0;
	if (pack_write(p, r->packs, name, err))
		return -1;
	pack_reset(p);
	ssot_repo_forget(r);
	r->writes++;
	return 0;
}

/* Fewer packs are only faster: if that fails, the log says so. */
void ssot_repo_upkeep(struct ssot_repo *r)
{
	struct err err = {0};
	int n;

	if (r->writes < MERGE_EVERY)
		return;
	r->writes = 0;
	pthread_mutex_lock(&r->merging);
	n = ssot_merge_packs(r->packs, r->hold_ns, &err);
	pthread_mutex_unlock(&r->merging);
	if (n < 0 || (n > 0 && ssot_repo_reopen(r, &err)))
		log_warn("merging packs: %s", err.detail);
	err_fini(&err);
}
