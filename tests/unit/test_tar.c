/* Archives: what goes in, GNU tar reads out, whatever its name and size. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/store/tar.h"
#include "common/err.h"
#include "common/fs.h"

static char dir[64], path[80];

static struct tar new_tar(void)
{
	struct tar t = {.mtime = 1700000000};

	strcpy(dir, "/tmp/kircerta-tar-XXXXXX");
	ck_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/a.tar", dir);
	t.fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ck_assert_int_ge(t.fd, 0);
	return t;
}

static void end_tar(struct tar *t)
{
	close(t->fd);
	fs_remove_tree(dir);
}

/* What a command prints about the archive, at most 4095 bytes. */
static const char *said(const char *command)
{
	static char text[4096];
	char *line = xasprintf(command, path);
	FILE *out = popen(line, "r");
	size_t n;

	ck_assert_ptr_nonnull(out);
	n = fread(text, 1, sizeof(text) - 1, out);
	text[n] = 0;
	ck_assert_int_eq(pclose(out), 0);
	free(line);
	return text;
}

static char *repeated(const char *piece, size_t times)
{
	char *text = xmalloc(strlen(piece) * times + 1);

	*text = 0;
	for (size_t i = 0; i < times; i++)
		strcat(text, piece);
	return text;
}

START_TEST(a_file_comes_out_as_it_went_in)
{
	struct tar t = new_tar();

	ck_assert_int_eq(tar_add(&t, "x/one", "hello\n", 6, 0644, NULL), 0);
	ck_assert_int_eq(tar_add(&t, "x/none", "", 0, 0755, NULL), 0);
	ck_assert_int_eq(tar_end(&t, NULL), 0);
	ck_assert_uint_eq(t.off % 512, 0);
	ck_assert_str_eq(said("TZ=UTC tar --full-time -tvf %s"),
		"-rw-r--r-- 0/0               6 2023-11-14 22:13:20 x/one\n"
		"-rwxr-xr-x 0/0               0 2023-11-14 22:13:20 x/none\n");
	ck_assert_str_eq(said("tar -xOf %s x/one"), "hello\n");
	end_tar(&t);
}
END_TEST

static const struct { const char *piece; size_t times; const char *more; }
names[] = {
	{"a", 99, ""}, {"a", 100, ""}, {"a", 101, ""}, {"a", 155, "/b"},
	{"a", 156, "/b"}, {"abc/", 24, "d"}, {"abc/", 25, "d"},
	{"0123456789/", 20, "file"}, {"a", 100, "/z"}, {"\xc3\xa9", 80, "/x"},
	{"long/", 200, "end"},
};

START_TEST(every_length_of_name_is_kept)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct tar t = new_tar();
		char *left = repeated(names[i].piece, names[i].times);
		char *name = xasprintf("%s%s", left, names[i].more);
		char *line = xasprintf("%s\n", name);

		ck_assert_int_eq(tar_add(&t, name, "abc", 3, 0644, NULL), 0);
		ck_assert_int_eq(tar_end(&t, NULL), 0);
		ck_assert_str_eq(said("tar --quoting-style=literal -tf %s"),
				 line);
		ck_assert_str_eq(said("tar -xOf %s"), "abc");
		free(line);
		free(name);
		free(left);
		end_tar(&t);
	}
}
END_TEST

START_TEST(a_file_over_eight_gigabytes_has_its_size)
{
	static const uint64_t sizes[] = {8589934591, 8589934592, 20000000000};

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct tar t = new_tar();
		char want[64];

		ck_assert_int_eq(tar_begin(&t, "big", sizes[i], 0644, NULL), 0);
		/* a hole: nothing is written to the disk */
		t.off += sizes[i];
		ck_assert_int_ge(lseek(t.fd, (off_t)t.off, SEEK_SET), 0);
		ck_assert_int_eq(tar_finish(&t, NULL), 0);
		ck_assert_int_eq(tar_add(&t, "next", "x", 1, 0644, NULL), 0);
		ck_assert_int_eq(tar_end(&t, NULL), 0);
		snprintf(want, sizeof(want), "%llu big\n1 next\n",
			 (unsigned long long)sizes[i]);
		ck_assert_str_eq(said("tar -tvf %s | "
				      "awk '{print $3, $6}'"), want);
		end_tar(&t);
	}
}
END_TEST

START_TEST(what_was_rewound_is_not_there)
{
	struct tar t = new_tar();
	uint64_t off;

	ck_assert_int_eq(tar_add(&t, "kept", "x", 1, 0644, NULL), 0);
	off = t.off;
	ck_assert_int_eq(tar_begin(&t, "bad", 3000, 0644, NULL), 0);
	ck_assert_int_eq(tar_write(&t, dir, sizeof(dir), NULL), 0);
	ck_assert_int_eq(tar_rewind(&t, off, NULL), 0);
	ck_assert_int_eq(tar_add(&t, "next", "y", 1, 0644, NULL), 0);
	ck_assert_int_eq(tar_end(&t, NULL), 0);
	ck_assert_str_eq(said("tar -tf %s"), "kept\nnext\n");
	ck_assert_uint_eq((uint64_t)lseek(t.fd, 0, SEEK_END), t.off);
	end_tar(&t);
}
END_TEST

START_TEST(a_disk_that_is_full_is_said)
{
	struct tar t = {.fd = open("/dev/full", O_WRONLY | O_CLOEXEC)};
	struct err err = {0};

	ck_assert_int_eq(tar_add(&t, "x", "y", 1, 0644, &err), -1);
	ck_assert_int_eq(err.code, ERR_io);
	err_fini(&err);
	close(t.fd);
}
END_TEST

TESTS("tar", a_file_comes_out_as_it_went_in, every_length_of_name_is_kept,
      a_file_over_eight_gigabytes_has_its_size, what_was_rewound_is_not_there,
      a_disk_that_is_full_is_said)
