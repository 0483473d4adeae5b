/* See index_db.h. */
#include "agent/store/index_db.h"

#include <locale.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

#include "common/err.h"
#include "common/mem.h"
#include "common/sha256.h"
#include "common/utf8.h"

#define BUSY_MS 5000

static void holds(sqlite3_context *c, int n, sqlite3_value **v)
{
	const void *text = sqlite3_value_text(v[0]);
	const void *part = sqlite3_value_text(v[1]);

	(void)n;
	sqlite3_result_int(c, text && part &&
			   memmem(text, (size_t)sqlite3_value_bytes(v[0]),
				  part, (size_t)sqlite3_value_bytes(v[1])));
}

int db_open(struct db *d, const char *path, int flags, struct err *err)
{
	*d = (struct db){0};
	if (sqlite3_open_v2(path, &d->handle,
			    flags | SQLITE_OPEN_NOMUTEX, NULL) ||
	    sqlite3_create_function_v2(d->handle, DB_HOLDS, 2, SQLITE_UTF8 |
				       SQLITE_DETERMINISTIC, NULL, holds, NULL,
				       NULL, NULL)) {
		db_error(d, err);
		db_close(d);
		return -1;
	}
	sqlite3_busy_timeout(d->handle, BUSY_MS);
	return 0;
}

void db_close(struct db *d)
{
	for (size_t i = 0; i < d->used; i++) {
		sqlite3_finalize(d->cache[i].stmt);
		free(d->cache[i].sql);
	}
	sqlite3_close(d->handle);
	*d = (struct db){0};
}

bool db_damaged(int rc)
{
	rc &= 0xff;
	return rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB;
}

int db_error(struct db *d, struct err *err)
{
	const int rc = sqlite3_errcode(d->handle);

	err_set(err, ERR_io, "the index: %s", sqlite3_errmsg(d->handle));
	if (!db_damaged(rc))
		return -1;
	/* Condemned here, it is set aside by the next index_open. */
	sqlite3_exec(d->handle, "ROLLBACK", NULL, NULL, NULL);
	sqlite3_exec(d->handle, "PRAGMA user_version=0", NULL, NULL, NULL);
	return err_hint(err, "Restart the agent: the index is then made anew "
			"from the journal.");
}

/* A free place, or that of the longest unused one; not one being stepped. */
static size_t place(struct db *d)
{
	size_t at = DB_CACHE;

	if (d->used < DB_CACHE)
		return d->used++;
	for (size_t i = 0; i < DB_CACHE; i++)
		if (!sqlite3_stmt_busy(d->cache[i].stmt) &&
		    (at == DB_CACHE || d->cache[i].when < d->cache[at].when))
			at = i;
	if (at == DB_CACHE)
		abort();	/* nobody nests questions so deep */
	sqlite3_finalize(d->cache[at].stmt);
	free(d->cache[at].sql);
	return at;
}

sqlite3_stmt *db_stmt(struct db *d, const char *sql, struct err *err)
{
	sqlite3_stmt *stmt;
	size_t at;

	for (size_t i = 0; i < d->used; i++)
		if (!strcmp(d->cache[i].sql, sql)) {
			d->cache[i].when = ++d->asked;
			sqlite3_reset(d->cache[i].stmt);
			return d->cache[i].stmt;
		}
	if (sqlite3_prepare_v3(d->handle, sql, -1, SQLITE_PREPARE_PERSISTENT,
			       &stmt, NULL)) {
		db_error(d, err);
		return NULL;
	}
	at = place(d);
	d->cache[at].sql = xstrdup(sql);
	d->cache[at].stmt = stmt;
	d->cache[at].when = ++d->asked;
	return stmt;
}

int db_step(struct db *d, sqlite3_stmt *s, struct err *err)
{
	int rc = sqlite3_step(s);

	if (rc == SQLITE_ROW)
		return 1;
	if (rc != SQLITE_DONE)
		db_error(d, err);
	sqlite3_reset(s);
	return rc == SQLITE_DONE ? 0 : -1;
}

int db_run(struct db *d, const char *sql, struct err *err)
{
	return sqlite3_exec(d->handle, sql, NULL, NULL, NULL) ?
	       db_error(d, err) : 0;
}

int db_number(struct db *d, const char *sql, int64_t *out, struct err *err)
{
	sqlite3_stmt *s = db_stmt(d, sql, err);
	int got = s ? db_step(d, s, err) : -1;

	*out = got == 1 ? sqlite3_column_int64(s, 0) : 0;
	sqlite3_reset(s);
	return got < 0 ? -1 : 0;
}

int db_cursor(struct db *d, struct index_cursor *at, struct err *err)
{
	sqlite3_stmt *s = db_stmt(d, "SELECT seq,off,leaf FROM meta", err);
	int got = s ? db_step(d, s, err) : -1;

	*at = (struct index_cursor){0};
	if (got == 1 && sqlite3_column_bytes(s, 2) == SHA256_RAW) {
		at->seq = (uint64_t)sqlite3_column_int64(s, 0);
		at->off = (uint64_t)sqlite3_column_int64(s, 1);
		memcpy(at->leaf, sqlite3_column_blob(s, 2), SHA256_RAW);
	}
	sqlite3_reset(s);
	return got < 0 ? -1 : 0;
}

void db_bind_text(sqlite3_stmt *s, int at, const char *text)
{
	sqlite3_bind_text(s, at, text, -1, SQLITE_STATIC);
}

void db_bind_hash(sqlite3_stmt *s, int at, const char *text)
{
	if (text)
		sqlite3_bind_int64(s, at, hash64(text));
	else
		sqlite3_bind_null(s, at);
}

int64_t hash64(const char *text)
{
	uint8_t raw[SHA256_RAW];
	int64_t out;

	sha256_raw(text, strlen(text), raw);
	memcpy(&out, raw, sizeof(out));
	return out;
}

static locale_t unicode;

static void load_locale(void)
{
	unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL);
	if (!unicode)
		unicode = newlocale(LC_CTYPE_MASK, "C", NULL);
}

static void put_point(struct buf *b, uint32_t p)
{
	static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
	int n = p < 0x80 ? 1 : p < 0x800 ? 2 : p < 0x10000 ? 3 : 4;
	char *at = buf_room(b, 4);

	for (int i = n; i-- > 1; p >>= 6)
		at[i] = (char)(0x80 | (p & 0x3f));
	at[0] = (char)(lead[n] | p);
	at[n] = 0;
	b->len += (size_t)n;
}

void fold_case(struct buf *b, const char *text)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	size_t len = strlen(text);
	uint32_t p;

	pthread_once(&once, load_locale);
	for (size_t i = 0; i < len;) {
		i += utf8_decode(text + i, len - i, &p);
		put_point(b, towlower_l(p, unicode));
	}
}
