/* Compressed segments: the same bytes, or an error; zstd reads them too. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/store/journal_zst.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/sha256.h"

#define FRAME (256u << 10)

struct file { char path[64]; int fd; };

static struct file file_new(void)
{
	struct file f = {"/tmp/kircerta-zst-XXXXXX", -1};

	f.fd = mkstemp(f.path);
	ck_assert_int_ge(f.fd, 0);
	return f;
}

static void file_end(struct file *f)
{
	close(f->fd);
	unlink(f->path);
}

static void put(const struct file *f, const void *data, size_t len)
{
	ck_assert(!ftruncate(f->fd, 0) && !lseek(f->fd, 0, SEEK_SET) &&
		  !fs_write_all(f->fd, data, len));
}

/* Text like a journal's, which compresses, with what does not in it. */
static char *text_new(size_t len)
{
	char *text = xmalloc(len + 256);
	uint8_t hash[SHA256_RAW] = {0};
	char hex[SHA256_HEX];

	for (size_t at = 0; at < len;) {
		sha256_raw(hash, sizeof(hash), hash);
		hex_of(hash, sizeof(hash), hex);
		at += (size_t)sprintf(text + at, "{\"seq\":%zu,\"type\":"
				      "\"heartbeat\",\"prev\":\"%s\"}\n", at,
				      hex);
	}
	return text;
}

/* Compress text; the file and its bytes. */
static char *pack(const char *text, size_t len, struct file *f, size_t *n)
{
	struct file plain = file_new();
	struct err err = {0};
	char *packed;

	put(&plain, text, len);
	*f = file_new();
	ck_assert_msg(!zst_write(plain.fd, f->fd, &err), "%s", err.detail);
	file_end(&plain);
	packed = fs_read(f->path, 1 << 24, n, NULL);
	ck_assert_ptr_nonnull(packed);
	return packed;
}

/* What zstd itself makes of it. */
static void same_for_zstd(const struct file *f, const char *text, size_t len)
{
	char command[128], *out = xmalloc(len + 1);
	FILE *p;

	snprintf(command, sizeof(command), "zstd -dcq < %s", f->path);
	p = popen(command, "r");
	ck_assert_ptr_nonnull(p);
	ck_assert_uint_eq(fread(out, 1, len + 1, p), len);
	ck_assert(!memcmp(out, text, len));
	ck_assert_int_eq(pclose(p), 0);
	free(out);
}

/* 1: all of it reads as text. 0: an error. Never other bytes. */
static int reads_as(const struct file *f, const char *text, size_t len)
{
	char *out = xcalloc(1, len + 1);
	struct err err = {0};
	struct zst *z = NULL;
	int same = 0;

	if (!zst_open(&z, f->fd, &err)) {
		ck_assert_uint_eq(zst_size(z), len);
		same = !zst_pread(z, 0, len, out, &err);
		ck_assert(!same || !memcmp(out, text, len));
	}
	ck_assert(same || (err.code == ERR_io && *err.detail));
	zst_close(z);
	free(out);
	return same;
}

START_TEST(what_was_compressed_reads_the_same_in_any_piece)
{
	static const size_t sizes[] = {0, 1, 80, FRAME - 1, FRAME, FRAME + 1,
				       3 * FRAME + 7};
	char *text = text_new(3 * FRAME + 7);

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		const size_t len = sizes[i];
		char *out = xmalloc(len + 1);
		struct err err = {0};
		struct file f;
		struct zst *z;
		size_t n;

		free(pack(text, len, &f, &n));
		ck_assert(reads_as(&f, text, len));
		same_for_zstd(&f, text, len);
		ck_assert(!zst_open(&z, f.fd, &err));
		for (unsigned k = 0; len && k < 300; k++) {
			size_t off = k * 7919 * 131 % len;
			size_t some = k * 104729 % (len - off + 1);

			ck_assert(!zst_pread(z, off, some, out, &err));
			ck_assert(!memcmp(out, text + off, some));
		}
		ck_assert(!zst_pread(z, len, 0, out, &err));
		ck_assert(zst_pread(z, len, 1, out, &err) == -1);
		ck_assert(zst_pread(z, len + 1, 0, out, &err) == -1);
		ck_assert(zst_pread(z, 1, SIZE_MAX, out, &err) == -1);
		zst_close(z);
		file_end(&f);
		free(out);
	}
	free(text);
}
END_TEST

static void flip(const struct file *f, const char *packed, size_t bit)
{
	char c = (char)(packed[bit / 8] ^ 1 << bit % 8);

	ck_assert_int_eq(pwrite(f->fd, &c, 1, (off_t)(bit / 8)), 1);
}

START_TEST(a_flipped_bit_gives_no_other_bytes)
{
	static const size_t sizes[] = {0, 700, FRAME + 700};
	char *text = text_new(FRAME + 700);
	unsigned flips = 0, unread = 0;

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct file f;
		size_t n, step;
		char *packed = pack(text, sizes[i], &f, &n);

		step = i == 2 ? 997 : 1;
		for (size_t bit = 0; bit < n * 8; bit += step, flips++) {
			if (n * 8 - bit < 1500)
				step = 1;
			flip(&f, packed, bit);
			unread += !reads_as(&f, text, sizes[i]);
			ck_assert_int_eq(pwrite(f.fd, packed + bit / 8, 1,
						(off_t)(bit / 8)), 1);
		}
		ck_assert(reads_as(&f, text, sizes[i]));
		file_end(&f);
		free(packed);
	}
	/* Some bits of a frame mean nothing to anybody. */
	ck_assert_uint_le((flips - unread) * 300, flips);
	printf("%u bits flipped, %u refused, none read wrong\n", flips,
	       unread);
	free(text);
}
END_TEST

START_TEST(what_was_cut_or_goes_on_is_refused)
{
	char *text = text_new(2000);
	struct file f;
	size_t n;
	char *packed = pack(text, 2000, &f, &n);

	for (size_t len = 0; len < n; len++) {
		put(&f, packed, len);
		ck_assert_msg(!reads_as(&f, text, 2000), "%zu", len);
		put(&f, packed + n - len, len);
		ck_assert_msg(!reads_as(&f, text, 2000), "last %zu", len);
	}
	packed = xrealloc(packed, n + 1);
	packed[n] = 0;
	put(&f, packed, n + 1);
	ck_assert(!reads_as(&f, text, 2000));
	file_end(&f);
	free(packed);
	free(text);
}
END_TEST

static void put32(uint8_t *at, uint32_t n)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(n >> 8 * i);
}

START_TEST(a_table_that_promises_much_costs_nothing)
{
	static const struct { off_t size; uint32_t frames, skip; } cases[] = {
		{17, 0xffffffff, 0xffffffff}, {1 << 20, 0xffffffff, 9},
		{(off_t)64 << 30, 0xffffffff, 0xfffffff1},
		{(off_t)64 << 30, 0x10000000, 0x80000009},
		{(off_t)1 << 30, 0x10000, 0x80009}, {17, 0, 9 + 8},
		{17 + 8, 1, 9 + 8},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct file f = file_new();
		uint8_t foot[9] = {0}, head[8];
		off_t table = 17 + (off_t)cases[i].frames * 8;

		ck_assert(!ftruncate(f.fd, cases[i].size));
		put32(foot, cases[i].frames);
		put32(foot + 5, 0x8f92eab1);
		put32(head, 0x184d2a5e);
		put32(head + 4, cases[i].skip);
		ck_assert(pwrite(f.fd, foot, 9, cases[i].size - 9) == 9);
		if (table <= cases[i].size)
			ck_assert(pwrite(f.fd, head, 8, cases[i].size - table)
				  == 8);
		ck_assert_msg(!reads_as(&f, "", 0), "case %zu", i);
		file_end(&f);
	}
}
END_TEST

START_TEST(what_zstd_wrote_by_hand_is_told_apart)
{
	struct file f = file_new();
	struct err err = {0};
	struct zst *z;
	char command[128];

	snprintf(command, sizeof(command), "echo '{}' | zstd -cq > %s",
		 f.path);
	ck_assert_int_eq(system(command), 0);
	ck_assert(zst_open(&z, f.fd, &err) == -1);
	ck_assert_msg(strstr(err.detail, "table") && strstr(err.hint, "zstd"),
		      "%s", err.detail);
	file_end(&f);
}
END_TEST

TESTS("journal_zst", what_was_compressed_reads_the_same_in_any_piece,
      a_flipped_bit_gives_no_other_bytes, what_was_cut_or_goes_on_is_refused,
      a_table_that_promises_much_costs_nothing,
      what_zstd_wrote_by_hand_is_told_apart)
