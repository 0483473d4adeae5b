/*
 * See index.h: the writing side. Every apply is one transaction that moves
 * the cursor as well, so that the index is always that of a point in the
 * journal, also after a crash.
 */
#include "agent/store/index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/store/index_schema.h"
#include "agent/store/index_write.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/mem.h"

/* KiB; and while many are taken: a part's links, and more. */
#define CACHE "PRAGMA cache_size=-16384"
#define CACHE_MANY "PRAGMA cache_size=-98304"

#define LAST(table)							\
	"SELECT * FROM (SELECT seq,off+len+1 AS end FROM " table	\
	" ORDER BY seq DESC LIMIT 1)"

/* 1: these are our tables and they agree with each other. 0: they do not. */
static int sound(struct index *x, struct err *err)
{
	int64_t version, app, seq, off;

	if (db_number(&x->db, "PRAGMA user_version", &version, err) ||
	    db_number(&x->db, "PRAGMA application_id", &app, err))
		return -1;
	if (version != INDEX_VERSION || app != INDEX_APP)
		return 0;
	if (db_cursor(&x->db, &x->cursor, err) || index_load_names(x, err) ||
	    db_number(&x->db, "SELECT seq FROM (" LAST("request")
		      " UNION ALL " LAST("event") ") ORDER BY seq DESC", &seq,
		      err) ||
	    db_number(&x->db, "SELECT end FROM (" LAST("request") " UNION ALL "
		      LAST("event") ") ORDER BY seq DESC", &off, err))
		return -1;
	return (uint64_t)seq == x->cursor.seq && (uint64_t)off == x->cursor.off;
}

static int create(struct index *x, struct err *err)
{
	char mark[96];

	snprintf(mark, sizeof(mark), "PRAGMA application_id=%d;"
		 "PRAGMA user_version=%d;COMMIT", INDEX_APP, INDEX_VERSION);
	return db_run(&x->db, "BEGIN IMMEDIATE;" INDEX_SCHEMA, err) ||
	       db_run(&x->db, mark, err) ? -1 : 0;
}

/* 1: open. 0: not ours, or damaged. -1: cannot be opened at all. */
static int try_open(struct index *x, const char *path, struct err *err)
{
	int64_t tables = 0;
	int rc, code;

	if (db_open(&x->db, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
		    err))
		return -1;
	/* A page lost with the power is found in the journal again. */
	rc = db_run(&x->db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
		    "PRAGMA wal_autocheckpoint=8000;" CACHE, err);
	if (!rc)
		rc = db_number(&x->db, "SELECT count(*) FROM sqlite_master",
			       &tables, err);
	if (!rc && !tables)
		rc = create(x, err);
	code = sqlite3_errcode(x->db.handle);
	if (!rc) {
		rc = sound(x, err);
		code = sqlite3_errcode(x->db.handle);
	}
	if (rc == 1)
		return 1;
	db_close(&x->db);
	/* SQLITE_ERROR: a table or column that we count on is not there. */
	return rc == 0 || db_damaged(code) || code == SQLITE_ERROR ? 0 : -1;
}

static void remove_beside(const char *path)
{
	static const char *const ends[] = {"-wal", "-shm"};

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		char *other = xasprintf("%s%s", path, ends[i]);

		unlink(other);
		free(other);
	}
}

void index_remove(const char *path)
{
	unlink(path);
	remove_beside(path);
}

/* The old one's log goes before its file, so that no file has another's. */
int index_replace(const char *path, const char *anew, struct err *err)
{
	char *dir = xstrdup(path), *slash = strrchr(dir, '/');
	int rc = 0;

	remove_beside(path);
	if (rename(anew, path))
		rc = err_sys(err, ERR_io, "renaming %s", anew);
	if (slash)
		*slash = 0;
	if (!rc)
		rc = fs_sync_dir(slash ? dir : ".", err);
	free(dir);
	return rc;
}

static int set_aside(const char *path, struct err *err)
{
	char *other = xasprintf("%s.damaged", path);
	int rc = 0;

	log_warn("the index %s is damaged or of another version; it is kept "
		 "as %s and made anew", path, other);
	if (rename(path, other))
		rc = err_sys(err, ERR_io, "setting %s aside", path);
	free(other);
	remove_beside(path);
	return rc;
}

int index_open(struct index **out, const char *path, bool *rebuilt,
	       struct err *err)
{
	struct index *x = xcalloc(1, sizeof(*x));
	int got;

	x->names = json_object();
	x->docs_at = json_object();
	*rebuilt = false;
	got = try_open(x, path, err);
	if (!got) {
		err_fini(err);
		*rebuilt = true;
		x->cursor = (struct index_cursor){0};
		got = set_aside(path, err) ? -1 : try_open(x, path, err);
	}
	if (got == 1) {
		*out = x;
		return 0;
	}
	index_close(x);
	return -1;
}

void index_close(struct index *x)
{
	if (!x)
		return;
	index_drop_docs(x);
	db_close(&x->db);
	json_decref(x->names);
	json_decref(x->docs_at);
	free(x->docs);
	buf_fini(&x->folded);
	buf_fini(&x->back);
	buf_fini(&x->pretty);
	post_fini(&x->post);
	free(x);
}

struct index_cursor index_cursor(struct index *x)
{
	return x->cursor;
}

/* What is in memory goes the way of what is on disk. */
static int give_up(struct index *x)
{
	x->open = false;
	post_drop(&x->post);
	index_drop_docs(x);
	sqlite3_exec(x->db.handle, "ROLLBACK", NULL, NULL, NULL);
	index_load_names(x, NULL);
	return -1;
}

static int begin(struct index *x, struct err *err)
{
	if (db_run(&x->db, "BEGIN IMMEDIATE", err))
		return -1;
	x->open = true;
	x->taken = x->cursor;
	return 0;
}

int index_reset(struct index *x, struct err *err)
{
	if (x->open)
		give_up(x);
	if (begin(x, err))
		return -1;
	if (db_run(&x->db, "DELETE FROM request; DELETE FROM event;"
		   "DELETE FROM link; DELETE FROM facet; DELETE FROM word;"
		   "DELETE FROM doc; DELETE FROM text;"
		   "DELETE FROM name WHERE id>1;", err))
		return give_up(x);
	x->taken = (struct index_cursor){0};
	return index_commit(x, err) || index_load_names(x, err) ? -1 : 0;
}

static int add(struct index *x, struct record *const *records, size_t n,
	       struct err *err)
{
	struct index_cursor *at = &x->taken;

	for (size_t i = 0; i < n; i++) {
		struct record *r = records[i];

		if (r->seq <= at->seq)
			continue;
		if (r->seq != at->seq + 1)
			return err_set(err, ERR_internal, "the index is at "
				       "record %llu and was given %llu",
				       (unsigned long long)at->seq,
				       (unsigned long long)r->seq);
		if (index_add_record(x, r, err) || index_add_docs(x, r, err) ||
		    (post_full(&x->post) && post_flush(&x->post, &x->db, err)))
			return -1;
		at->seq = r->seq;
		at->off = r->off + r->len + 1;
		memcpy(at->leaf, r->leaf, SHA256_RAW);
	}
	return 0;
}

static int store_cursor(struct index *x, const struct index_cursor *at,
			struct err *err)
{
	sqlite3_stmt *s = db_stmt(&x->db, "UPDATE meta SET seq=?1,off=?2,"
				  "leaf=?3", err);

	if (!s)
		return -1;
	sqlite3_bind_int64(s, 1, (int64_t)at->seq);
	sqlite3_bind_int64(s, 2, (int64_t)at->off);
	sqlite3_bind_blob(s, 3, at->leaf, SHA256_RAW, SQLITE_STATIC);
	return db_step(&x->db, s, err);
}

static int cache(struct index *x, bool many, struct err *err)
{
	if (many == x->many)
		return 0;
	x->many = many;
	if (!many)
		sqlite3_db_release_memory(x->db.handle);
	return db_run(&x->db, many ? CACHE_MANY : CACHE, err);
}

static int take(struct index *x, struct record *const *records, size_t n,
		struct err *err)
{
	if (!x->open && begin(x, err))
		return -1;
	return add(x, records, n, err) ? give_up(x) : 0;
}

int index_take(struct index *x, struct record *const *records, size_t n,
	       struct err *err)
{
	return cache(x, true, err) ? -1 : take(x, records, n, err);
}

int index_commit(struct index *x, struct err *err)
{
	if (!x->open)
		return 0;
	if (post_flush(&x->post, &x->db, err) || index_flush_docs(x, err) ||
	    store_cursor(x, &x->taken, err) || db_run(&x->db, "COMMIT", err))
		return give_up(x);
	x->open = false;
	x->cursor = x->taken;
	return cache(x, false, NULL);	/* who takes more asks for it again */
}

int index_apply(struct index *x, struct record *const *records, size_t n,
		struct err *err)
{
	if (x->open)
		give_up(x);
	if (!n || records[n - 1]->seq <= x->cursor.seq)
		return 0;
	return take(x, records, n, err) ? -1 : index_commit(x, err);
}
