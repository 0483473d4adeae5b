/*
 * Compressed segments on a disk that fails at each call, and files that were
 * made to deceive: an error, or the bytes that went in.
 */
#include "tests/unit/unit.h"

#include <string.h>
#include <zstd.h>

#include "agent/store/journal_zst.h"
#include "common/err.h"
#include "common/fs.h"
#include "tests/unit/disk_calls.h"

#define FRAME (256u << 10)

static bool zstd_fails;
size_t __real_ZSTD_compress2(ZSTD_CCtx *c, void *out, size_t room,
			     const void *in, size_t len);
size_t __wrap_ZSTD_compress2(ZSTD_CCtx *c, void *out, size_t room,
			     const void *in, size_t len);
size_t __wrap_ZSTD_compress2(ZSTD_CCtx *c, void *out, size_t room,
			     const void *in, size_t len)
{
	return __real_ZSTD_compress2(c, out, zstd_fails ? 1 : room, in, len);
}

struct files {
	char plain[64], packed[64];
	int in, out;
	char *text;
	size_t len;
};

static struct files files_new(size_t len)
{
	struct files f = {"/tmp/kircerta-zst-XXXXXX",
			  "/tmp/kircerta-zst-XXXXXX", -1, -1, NULL, len};

	f.in = mkstemp(f.plain);
	f.out = mkstemp(f.packed);
	f.text = xmalloc(len + 1);
	for (size_t i = 0; i < len; i++)
		f.text[i] = (char)(i * 7 % 251);
	ck_assert(f.in >= 0 && f.out >= 0 &&
		  !fs_write_all(f.in, f.text, len));
	return f;
}

static void files_end(struct files *f)
{
	close(f->in);
	close(f->out);
	unlink(f->plain);
	unlink(f->packed);
	free(f->text);
}

static void pack(struct files *f)
{
	ck_assert(!ftruncate(f->out, 0) && !lseek(f->out, 0, SEEK_SET));
	ck_assert(!zst_write(f->in, f->out, NULL));
}

/* Never other bytes than went in. 0 if there were any. */
static int unpack(struct files *f)
{
	char *out = xcalloc(1, f->len + 1);
	struct err err = {0};
	struct zst *z = NULL;
	int rc = zst_open(&z, f->out, &err);

	if (!rc && zst_size(z) == f->len)
		rc = zst_pread(z, 0, f->len, out, &err);
	else
		rc = -1;
	if (!rc && memcmp(out, f->text, f->len))
		_exit(DISK_WRONG);
	zst_close(z);
	free(out);
	return rc;
}

static void work(void *arg)
{
	struct files *f = arg;

	if (ftruncate(f->out, 0) || lseek(f->out, 0, SEEK_SET) ||
	    zst_write(f->in, f->out, NULL))
		return;
	unpack(f);
}

static void read_only(void *arg)
{
	unpack(arg);
}

START_TEST(whichever_call_fails_no_other_bytes_are_read)
{
	static const struct disk_plan plans[] = {
		{DISK_FAILS, 0, EIO, 0}, {DISK_FAILS_ON, 0, ENOSPC, 0},
		{DISK_FAILS, 0, EINTR, 0}, {DISK_SHORT, 0, 0, 0},
	};
	struct files f = files_new(3 * FRAME + 5);
	unsigned cases = 0;

	for (size_t i = 0; i < 2 * ARRAY_LEN(plans); i++) {
		struct disk_plan plan = plans[i / 2];
		enum disk_end end = DISK_DONE;

		for (plan.at = 1; end != DISK_MISSED; plan.at++, cases++) {
			pack(&f);
			end = disk_try(&plan, i % 2 ? work : read_only, &f);
			ck_assert_msg(end == DISK_DONE || end == DISK_MISSED,
				      "call %u: %d", plan.at, end);
		}
	}
	printf("      %u faults\n", cases);
	ck_assert_int_gt(cases, 100);
	files_end(&f);
}
END_TEST

static void put32(struct files *f, uint32_t n)
{
	uint8_t le[4] = {(uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16),
			 (uint8_t)(n >> 24)};

	ck_assert(!fs_write_all(f->out, le, 4));
}

struct row { uint32_t packed, plain; };

/* The frames as they are given, under a table that says this of them. */
static void forge(struct files *f, const void *frames, size_t len,
		  const struct row *rows, uint32_t n)
{
	ck_assert(!ftruncate(f->out, 0) && !lseek(f->out, 0, SEEK_SET) &&
		  !fs_write_all(f->out, frames, len));
	put32(f, 0x184d2a5e);
	put32(f, 8 * n + 9);
	for (uint32_t i = 0; i < n; i++) {
		put32(f, rows[i].packed);
		put32(f, rows[i].plain);
	}
	put32(f, n);
	ck_assert(!fs_write_all(f->out, "", 1));
	put32(f, 0x8f92eab1);
}

static uint32_t frame(const struct files *f, size_t len, bool checksum,
		      char *out, size_t room)
{
	ZSTD_CCtx *c = ZSTD_createCCtx();
	size_t n;

	ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, checksum);
	n = ZSTD_compress2(c, out, room, f->text, len);
	ck_assert(!ZSTD_isError(n));
	ZSTD_freeCCtx(c);
	return (uint32_t)n;
}

START_TEST(what_a_table_says_that_the_frames_do_not_is_refused)
{
	struct files f = files_new(100);
	char *two = xmalloc(4096);
	const uint32_t a = frame(&f, 100, true, two, 4096);
	const uint32_t b = frame(&f, 50, true, two + a, 4096 - a);
	const struct { uint32_t n, len; struct row rows[2]; } cases[] = {
		{1, a, {{a, 101}}}, {1, a, {{a, 99}}}, {1, a, {{a, 0}}},
		{1, a, {{a, FRAME + 1}}}, {1, a, {{0, 100}}},
		{1, a, {{UINT32_MAX, 100}}}, {1, a, {{a - 1, 100}}},
		{1, a, {{a + 1, 100}}}, {2, a, {{a, 100}, {0, 0}}},
		{2, a + b, {{a, 100}, {b, 50}}}, {1, a + b, {{a + b, 100}}},
		{1, a + b, {{a + b, 150}}}, {1, 4, {{4, 100}}},
		{1, 3, {{3, 100}}},
	};

	forge(&f, two, a, (const struct row[]){{a, 100}}, 1);
	ck_assert_int_eq(unpack(&f), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		forge(&f, two, cases[i].len, cases[i].rows, cases[i].n);
		ck_assert_msg(unpack(&f) == -1, "case %zu", i);
	}
	forge(&f, two, frame(&f, 100, false, two, 4096),
	      (const struct row[]){{a - 4, 100}}, 1);
	ck_assert_int_eq(unpack(&f), -1);
	free(two);
	files_end(&f);
}
END_TEST

START_TEST(a_file_that_changes_while_it_is_read_is_refused)
{
	struct files f = files_new(2000);
	struct zst *z;
	char c;

	for (off_t at = 0; at < 12; at++) {
		pack(&f);
		ck_assert(!zst_open(&z, f.out, NULL));
		ck_assert(pread(f.out, &c, 1, at) == 1);
		c ^= 1;
		ck_assert(pwrite(f.out, &c, 1, at) == 1);
		ck_assert_int_eq(zst_pread(z, 0, 1, &c, NULL), -1);
		zst_close(z);
	}
	files_end(&f);
}
END_TEST

START_TEST(what_cannot_be_compressed_is_told)
{
	struct files f = files_new(100);
	struct err err = {0};

	zstd_fails = true;
	ck_assert_int_eq(zst_write(f.in, f.out, &err), -1);
	ck_assert_msg(!strncmp(err.detail, "zstd: ", 6), "%s", err.detail);
	ck_assert(!ftruncate(f.in, (off_t)65536 * FRAME + 1));
	ck_assert_int_eq(zst_write(f.in, f.out, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.detail, "too long"));
	files_end(&f);
}
END_TEST

TESTS("journal_zst on a bad disk",
      whichever_call_fails_no_other_bytes_are_read,
      what_a_table_says_that_the_frames_do_not_is_refused,
      a_file_that_changes_while_it_is_read_is_refused,
      what_cannot_be_compressed_is_told)
