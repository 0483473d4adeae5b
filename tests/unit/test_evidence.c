/* The evidence store: what goes in comes out, or is said not to. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/store/evidence.h"
#include "common/err.h"
#include "common/fs.h"

/* SHA-256 of "abc" (FIPS 180-2). */
#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static char dir[64];

static struct evidence *store_new(void)
{
	struct evidence *e;

	strcpy(dir, "/tmp/kircerta-evidence-XXXXXX");
	ck_assert(mkdtemp(dir));
	ck_assert_int_eq(evidence_open(&e, dir, NULL), 0);
	return e;
}

static void store_end(struct evidence *e)
{
	evidence_close(e);
	fs_remove_tree(dir);
}

static char *path_in(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void overwrite(const char *name, const char *text)
{
	int fd;

	ck_assert_int_eq(chmod(path_in(name), 0600), 0);
	fd = open(path_in(name), O_WRONLY | O_TRUNC);
	ck_assert_int_eq(fs_write_all(fd, text, strlen(text)), 0);
	close(fd);
}

static int get_code(struct evidence *e, const char *sha)
{
	struct err err = {0};
	int fd, rc = evidence_get(e, sha, &fd, NULL, &err), code = err.code;

	err_fini(&err);
	if (!rc)
		close(fd);
	return rc ? code : -1;
}

START_TEST(what_is_stored_is_named_by_its_hash_and_read_back)
{
	struct evidence *e = store_new();
	char sha[SHA256_HEX], text[8] = "";
	struct stat st;
	uint64_t size;
	int fd;

	ck_assert_int_eq(evidence_store(e, "abc", 3, sha, NULL), 0);
	ck_assert_str_eq(sha, ABC);
	ck_assert(evidence_has(e, sha));
	ck_assert_int_eq(evidence_get(e, sha, &fd, &size, NULL), 0);
	ck_assert_uint_eq(size, 3);
	ck_assert_int_eq(read(fd, text, sizeof(text)), 3);
	ck_assert_str_eq(text, "abc");
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0400);
	close(fd);
	ck_assert_int_eq(evidence_store(e, "", 0, sha, NULL), 0);
	ck_assert_int_eq(get_code(e, sha), -1);
	store_end(e);
}
END_TEST

START_TEST(pieces_and_a_pipe_give_the_same_as_the_whole)
{
	struct evidence *e = store_new();
	char sha[SHA256_HEX];
	struct evidence_file *f = evidence_begin(e, NULL);
	uint64_t size;
	int ends[2];

	ck_assert_int_eq(evidence_write(f, "a", 1, NULL), 0);
	ck_assert_int_eq(evidence_write(f, "bc", 2, NULL), 0);
	ck_assert_int_eq(evidence_commit(f, sha, &size, NULL), 0);
	ck_assert_str_eq(sha, ABC);
	ck_assert_uint_eq(size, 3);
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(write(ends[1], "abc", 3), 3);
	close(ends[1]);
	ck_assert_int_eq(evidence_store_fd(e, ends[0], sha, &size, NULL), 0);
	ck_assert_str_eq(sha, ABC);
	close(ends[0]);
	store_end(e);
}
END_TEST

START_TEST(a_changed_byte_is_noticed_at_every_way_out)
{
	struct evidence *e = store_new();
	char sha[SHA256_HEX];
	struct err err = {0};

	evidence_store(e, "abc", 3, sha, NULL);
	overwrite("ba/" ABC, "abd");
	ck_assert_int_eq(get_code(e, sha), ERR_evidence_corrupt);
	ck_assert_int_eq(evidence_copy_out(e, sha, path_in("out"), &err), -1);
	ck_assert_int_eq(err.code, ERR_evidence_corrupt);
	ck_assert_int_eq(access(path_in("out"), F_OK), -1);
	err_fini(&err);
	store_end(e);
}
END_TEST

START_TEST(what_is_there_is_kept_and_a_wrong_size_is_told)
{
	struct evidence *e = store_new();
	char sha[SHA256_HEX];
	struct err err = {0};
	struct stat a, b;

	evidence_store(e, "abc", 3, sha, NULL);
	ck_assert_int_eq(stat(path_in("ba/" ABC), &a), 0);
	ck_assert_int_eq(evidence_store(e, "abc", 3, sha, NULL), 0);
	ck_assert_int_eq(stat(path_in("ba/" ABC), &b), 0);
	ck_assert_uint_eq(a.st_ino, b.st_ino);
	overwrite("ba/" ABC, "ab");
	ck_assert_int_eq(evidence_store(e, "abc", 3, sha, &err), -1);
	ck_assert_int_eq(err.code, ERR_evidence_corrupt);
	err_fini(&err);
	store_end(e);
}
END_TEST

START_TEST(no_name_leads_out_of_the_store)
{
	static const struct { const char *sha; int code; } cases[] = {
		{"", ERR_not_found}, {"../../etc/passwd", ERR_not_found},
		{NULL, ERR_not_found}, {ABC "0", ERR_not_found},
		{"BA7816BF8F01CFEA414140DE5DAE2223"
		 "B00361A396177A9CB410FF61F20015AD", ERR_not_found},
		{ABC, ERR_evidence_corrupt},	/* a link to good bytes */
	};
	struct evidence *e = store_new();
	char sha[SHA256_HEX];

	evidence_store(e, "abc", 3, sha, NULL);
	ck_assert_int_eq(evidence_copy_out(e, ABC, path_in("elsewhere"),
					   NULL), 0);
	unlink(path_in("ba/" ABC));
	ck_assert_int_eq(symlink("../elsewhere", path_in("ba/" ABC)), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		ck_assert_int_eq(get_code(e, cases[i].sha), cases[i].code);
		ck_assert(!evidence_has(e, cases[i].sha));
	}
	unlink(path_in("ba/" ABC));
	ck_assert_int_eq(mkfifo(path_in("ba/" ABC), 0600), 0);
	ck_assert_int_eq(get_code(e, ABC), ERR_evidence_corrupt);
	unlink(path_in("ba/" ABC));
	ck_assert_int_eq(get_code(e, ABC), ERR_not_found);
	store_end(e);
}
END_TEST

START_TEST(a_copy_never_replaces_a_file)
{
	struct evidence *e = store_new();
	char sha[SHA256_HEX], *text;
	struct stat st;
	size_t len;

	evidence_store(e, "abc", 3, sha, NULL);
	ck_assert_int_eq(evidence_copy_out(e, sha, path_in("out"), NULL), 0);
	text = fs_read(path_in("out"), 10, &len, NULL);
	ck_assert_str_eq(text, "abc");
	free(text);
	ck_assert_int_eq(stat(path_in("out"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	ck_assert_int_eq(evidence_copy_out(e, sha, path_in("out"), NULL), -1);
	store_end(e);
}
END_TEST

START_TEST(what_a_crash_left_goes_and_what_is_being_written_stays)
{
	struct evidence *e = store_new(), *other;
	struct evidence_file *f = evidence_begin(e, NULL);
	char sha[SHA256_HEX];
	int fd = open(path_in("tmp/left-behind"), O_CREAT | O_WRONLY, 0600);

	close(fd);
	evidence_write(f, "abc", 3, NULL);
	ck_assert_int_eq(evidence_open(&other, dir, NULL), 0);
	ck_assert_int_eq(access(path_in("tmp/left-behind"), F_OK), -1);
	ck_assert_int_eq(evidence_commit(f, sha, NULL, NULL), 0);
	ck_assert_int_eq(get_code(other, ABC), -1);
	f = evidence_begin(e, NULL);
	evidence_write(f, "x", 1, NULL);
	evidence_abort(f);
	ck_assert_int_eq(rmdir(path_in("tmp")), 0);
	evidence_close(other);
	store_end(e);
}
END_TEST

START_TEST(a_media_type_is_what_the_bytes_are)
{
	static const struct { const char *name, *head, *type; } cases[] = {
		{"a.png", "\x89PNG\r\n\x1a\n....", "image/png"},
		{"a.JPG", "\xff\xd8\xff\xe0", "image/jpeg"},
		{"a", "\xff\xd8\xff\xe0", "image/jpeg"},
		{"a.mp4", "....ftypisom", "video/mp4"},
		{"a.mkv", "\x1a\x45\xdf\xa3", "video/x-matroska"},
		{"a.bin", "\x1a\x45\xdf\xa3", "video/webm"},
		{"a.json", "{}", "application/json"},
		{"a.txt", "hello", "text/plain"},
		{"a.html", "<html>", "text/html"},
		{"a.txt", "%PDF-1.7", "text/plain"},
		{"a.pdf", "%PDF-1.7", "application/pdf"},
		{"a.zip", "PK\x03\x04", "application/zip"},
		{"a.png", "<script>", "application/octet-stream"},
		{"a.mp4", "", "application/octet-stream"},
		{NULL, "", "application/octet-stream"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		ck_assert_str_eq(media_type_of(cases[i].name, cases[i].head,
					       strlen(cases[i].head)),
				 cases[i].type);
	ck_assert_str_eq(media_type_of("a.txt", "a\0b", 3),
			 "application/octet-stream");
}
END_TEST

START_TEST(what_is_held_stays_until_it_is_recorded)
{
	struct evidence *e = store_new();
	char sha[SHA256_HEX];

	ck_assert_int_eq(evidence_store(e, "abc", 3, sha, NULL), 0);
	ck_assert_int_eq(evidence_store(e, "abc", 3, sha, NULL), 0);
	ck_assert(evidence_held(e, sha));
	ck_assert_int_eq(evidence_remove(e, sha, NULL), 1);
	evidence_recorded(e, sha);
	ck_assert_int_eq(evidence_remove(e, sha, NULL), 1);
	ck_assert(evidence_has(e, sha));
	evidence_recorded(e, sha);
	ck_assert(!evidence_held(e, sha));
	ck_assert_int_eq(evidence_remove(e, sha, NULL), 0);
	ck_assert(!evidence_has(e, sha));
	ck_assert_int_eq(evidence_remove(e, sha, NULL), 0);
	ck_assert_int_eq(evidence_remove(e, "../../x", NULL), -1);
	store_end(e);
}
END_TEST

START_TEST(what_is_removed_is_read_to_its_end_and_swept)
{
	struct evidence *e = store_new();
	char sha[SHA256_HEX], text[4] = "", line[160];
	int fd;

	ck_assert_int_eq(evidence_store(e, "abc", 3, sha, NULL), 0);
	evidence_recorded(e, sha);
	ck_assert_int_eq(evidence_get(e, sha, &fd, NULL, NULL), 0);
	ck_assert_int_eq(evidence_remove(e, sha, NULL), 0);
	evidence_sweep(e);
	evidence_sweep(e);
	ck_assert_int_eq(read(fd, text, 3), 3);
	ck_assert_str_eq(text, "abc");
	close(fd);
	snprintf(line, sizeof(line), "test -z \"$(ls %s/tmp)\"", dir);
	ck_assert_int_eq(system(line), 0);
	store_end(e);
}
END_TEST

TESTS("evidence",
      what_is_stored_is_named_by_its_hash_and_read_back,
      pieces_and_a_pipe_give_the_same_as_the_whole,
      a_changed_byte_is_noticed_at_every_way_out,
      what_is_there_is_kept_and_a_wrong_size_is_told,
      no_name_leads_out_of_the_store,
      a_copy_never_replaces_a_file,
      what_a_crash_left_goes_and_what_is_being_written_stays,
      a_media_type_is_what_the_bytes_are,
      what_is_held_stays_until_it_is_recorded,
      what_is_removed_is_read_to_its_end_and_swept)
