/* The read model may be lost: it is noticed, and made anew. */
#include "tests/unit/indexes.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "common/log.h"

static void noise(const char *file, off_t from, off_t to)
{
	int fd = open(file, O_WRONLY | O_CREAT, 0600);

	for (off_t at = from; at < to; at++)
		ck_assert_int_eq(pwrite(fd, "\xa5", 1, at), 1);
	close(fd);
}

static void run_sql(const char *file, const char *sql)
{
	sqlite3 *db;

	ck_assert_int_eq(sqlite3_open(file, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void no_database(const char *file) { noise(file, 0, 5000); }
static void lost_header(const char *file) { noise(file, 0, 16); }
static void lost_pages(const char *file) { noise(file, 4096, 200000); }
static void cut_short(const char *file) { (void)!truncate(file, 9000); }
static void other_version(const char *file)
{
	run_sql(file, "PRAGMA user_version=99");
}
static void other_program(const char *file)
{
	run_sql(file, "PRAGMA application_id=1");
}
static void lost_table(const char *file) { run_sql(file, "DROP TABLE name"); }
static void lost_row(const char *file)
{
	run_sql(file, "DELETE FROM event WHERE seq=500;"
		"DELETE FROM request WHERE seq=500");
}
static void moved_cursor(const char *file)
{
	run_sql(file, "UPDATE meta SET off=off-1");
}

START_TEST(a_damaged_index_is_set_aside_and_made_anew)
{
	static void (*const damage[])(const char *) = {
		no_database, lost_header, lost_pages, cut_short, other_version,
		other_program, lost_table, lost_row, moved_cursor,
	};
	struct log *l = many_records(500);

	log_setup(LOG_ERROR);
	for (size_t i = 0; i < ARRAY_LEN(damage); i++) {
		struct place p = place_new();
		struct index *x = open_ok(&p, false);
		char aside[160], *before, *after;
		struct stat st;

		apply(x, l, 0, l->n);
		before = all_of(&p);
		index_close(x);
		damage[i](p.file);
		x = open_ok(&p, true);
		snprintf(aside, sizeof(aside), "%s.damaged", p.file);
		ck_assert_int_eq(stat(aside, &st), 0);
		ck_assert_int_eq(index_cursor(x).seq, 0);
		apply(x, l, 0, l->n);
		after = all_of(&p);
		ck_assert_str_eq(before, after);
		free(before);
		free(after);
		index_close(x);
		fs_remove_tree(p.dir);
	}
	log_free(l);
}
END_TEST

START_TEST(damage_that_shows_later_is_told_and_cured_by_a_restart)
{
	struct log *l = xcalloc(1, sizeof(*l));
	struct place p = place_new();
	struct index *x = open_ok(&p, false);
	struct reader *r;
	struct err err = {0};
	char doc[3000];
	struct stat st;

	log_setup(LOG_ERROR);
	for (int i = 0; i < 300; i++) {
		snprintf(doc, sizeof(doc), "{\"id\":\"t-%04d\",\"x\":\"%0*d\"}",
			 i, 2000, i);
		log_put(l, "task", doc);
	}
	apply(x, l, 0, l->n);
	index_close(x);
	/* Most pages are of texts, which opening does not look at. */
	ck_assert_int_eq(stat(p.file, &st), 0);
	noise(p.file, st.st_size / 4, st.st_size / 2);
	x = open_ok(&p, false);
	r = reader_ok(&p);
	ck_assert_ptr_null(reader_docs(r, &(struct doc_filter){.kind = "task"},
				       &err));
	ck_assert_int_eq(err.code, ERR_io);
	ck_assert_msg(strstr(err.hint, "Restart") != NULL, "%s", err.detail);
	reader_close(r);
	index_close(x);
	index_close(open_ok(&p, true));
	log_free(l);
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(an_index_that_cannot_be_opened_is_left_alone)
{
	struct place p = place_new();
	struct index *x = NULL;
	struct err err = {0};
	bool rebuilt;

	ck_assert_int_eq(mkdir(p.file, 0700), 0);
	ck_assert_int_eq(index_open(&x, p.file, &rebuilt, &err), -1);
	ck_assert_int_eq(err.code, ERR_io);
	ck_assert_int_eq(rmdir(p.file), 0);
	fs_remove_tree(p.dir);
}
END_TEST

TESTS("index damage",
      a_damaged_index_is_set_aside_and_made_anew,
      damage_that_shows_later_is_told_and_cured_by_a_restart,
      an_index_that_cannot_be_opened_is_left_alone)
