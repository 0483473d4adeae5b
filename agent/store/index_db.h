/*
 * What the index's writer and its readers share: a connection, statements
 * that are prepared once, and how a text becomes a column.
 *
 * Names that are few (types, actors, kinds, states) are numbers out of the
 * table name. Ids that are many (correlations, tasks, runs, hashes) are the
 * first 64 bits of their SHA-256: no look-up when a record is added, half the
 * bytes in the indexes, and nobody can make an id that meets a given one.
 */
#pragma once
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/store/index.h"
#include "common/buf.h"

#define INDEX_VERSION 5		/* of the tables; PRAGMA user_version */
#define INDEX_APP 0x6b697263	/* "kirc"; PRAGMA application_id */
#define NAME_REQUEST 1		/* the type that has a table of its own */

struct err;

#define DB_CACHE 48
#define DB_KEPT 16

struct db {
	sqlite3 *handle;
	struct { char *sql; sqlite3_stmt *stmt; uint64_t when; } cache[DB_CACHE];
	size_t used;
	uint64_t asked;			/* for a statement, times */
};

/* SQL function (text, part): instr, but much faster, and only yes or no. */
#define DB_HOLDS "holds"

/* flags as for sqlite3_open_v2. On failure d is closed. */
int db_open(struct db *d, const char *path, int flags, struct err *err);
void db_close(struct db *d);

/*
 * The statement for this text, prepared once and kept; reset, its values
 * still bound. NULL and *err. The last DB_KEPT that were asked for are there.
 */
sqlite3_stmt *db_stmt(struct db *d, const char *sql, struct err *err);
/* 1: a row. 0: done, and reset. -1: *err, and reset. */
int db_step(struct db *d, sqlite3_stmt *s, struct err *err);
/* Run statements that answer nothing. */
int db_run(struct db *d, const char *sql, struct err *err);
/* The only number that sql answers; 0 where there is no row. */
int db_number(struct db *d, const char *sql, int64_t *out, struct err *err);
/* The row of meta; zeros if it is not sound. */
int db_cursor(struct db *d, struct index_cursor *at, struct err *err);
/* What went wrong last, as ERR_io with a hint; -1. */
int db_error(struct db *d, struct err *err);
bool db_damaged(int rc);		/* of an SQLite result code */

/* Bind text (borrowed until the step) or its hash; NULL binds null. */
void db_bind_text(sqlite3_stmt *s, int at, const char *text);
void db_bind_hash(sqlite3_stmt *s, int at, const char *text);
int64_t hash64(const char *text);

/* Append text in lower case, for searching. */
void fold_case(struct buf *b, const char *text);
