/* The note of a stop: its room, its bytes, and what is made of damage. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/store/stop_note.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/mem.h"

static char dir[64], path[96];

static void begin(void)
{
	strcpy(dir, "/tmp/kircerta-note-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/stopped", dir);
}

static void end(void)
{
	ck_assert_int_eq(fs_remove_tree(dir), 0);
}

static struct stat file(void)
{
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	return st;
}

START_TEST(its_room_is_taken_once_and_what_it_says_stays)
{
	json_t *note = json_pack("{s:s}", "by", "ana"), *read;
	struct err err = {0};
	ino_t inode;

	begin();
	ck_assert_ptr_null(stop_note_read(path));
	ck_assert_int_eq(stop_note_prepare(path, &err), 0);
	ck_assert_int_eq(file().st_size, STOP_NOTE);
	ck_assert_int_eq(file().st_mode & 0777, 0600);
	ck_assert_int_gt(file().st_blocks, 0);
	ck_assert_ptr_null(stop_note_read(path));
	inode = file().st_ino;
	ck_assert_int_eq(stop_note_write(path, note, &err), 0);
	ck_assert_int_eq(stop_note_prepare(path, &err), 0);
	read = stop_note_read(path);
	ck_assert(json_equal(read, note));
	json_decref(read);
	ck_assert_int_eq(stop_note_write(path, NULL, &err), 0);
	ck_assert_ptr_null(stop_note_read(path));
	ck_assert(file().st_ino == inode && file().st_size == STOP_NOTE);
	json_decref(note);
	end();
}
END_TEST

START_TEST(what_cannot_be_read_is_a_stop)
{
	static const struct { const char *text; size_t len; } cases[] = {
		{"{", 1}, {"[1]", 3}, {"stop", 4}, {"\0", 1}, {" \n x", 4},
		{"{\"by\":\"a\"} {", 12},
	};
	char long_text[STOP_NOTE * 2];
	struct err err = {0};
	json_t *note;

	begin();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		ck_assert_int_eq(fs_replace(path, cases[i].text, cases[i].len,
					    0600, &err), 0);
		ck_assert_int_eq(stop_note_prepare(path, &err), 0);
		note = stop_note_read(path);
		ck_assert_msg(note && json_str(note, "reason"), "case %zu", i);
		json_decref(note);
	}
	memset(long_text, ' ', sizeof(long_text));
	ck_assert_int_eq(fs_replace(path, long_text, sizeof(long_text), 0600,
				    &err), 0);
	note = stop_note_read(path);
	ck_assert_ptr_nonnull(note);
	json_decref(note);
	end();
}
END_TEST

START_TEST(what_leads_elsewhere_or_waits_is_replaced)
{
	json_t *note = json_pack("{s:s}", "by", "ana"), *read;
	char elsewhere[96];
	struct err err = {0};

	for (int kind = 0; kind < 2; kind++) {
		begin();
		snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", dir);
		ck_assert_int_eq(kind ? mkfifo(path, 0600) :
				 symlink(elsewhere, path), 0);
		ck_assert_int_eq(stop_note_write(path, note, &err), 0);
		ck_assert_int_eq(access(elsewhere, F_OK), -1);
		ck_assert(S_ISREG(file().st_mode));
		read = stop_note_read(path);
		ck_assert(json_equal(read, note));
		json_decref(read);
		end();
	}
	json_decref(note);
}
END_TEST

START_TEST(what_does_not_fit_or_has_no_place_is_an_error)
{
	char text[STOP_NOTE];
	struct err err = {0};
	json_t *note;

	begin();
	memset(text, 'x', sizeof(text));
	note = json_pack("{s:s#}", "reason", text, (int)sizeof(text));
	ck_assert_int_eq(stop_note_write(path, note, &err), -1);
	err_fini(&err);
	json_decref(note);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(stop_note_write(path, NULL, &err), -1);
	ck_assert_int_eq(err.code, ERR_io);
	err_fini(&err);
	end();
}
END_TEST

TESTS("stop_note", its_room_is_taken_once_and_what_it_says_stays,
      what_cannot_be_read_is_a_stop, what_leads_elsewhere_or_waits_is_replaced,
      what_does_not_fit_or_has_no_place_is_an_error)
