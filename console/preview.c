/*
 * kircerta-preview COLSxROWS 256|mono: a picture on stdin, cells on stdout
 * (picture.h has the form). Image decoders see hostile bytes, so this is a
 * program of its own that first gives up all it does not need: no new files,
 * sockets or programs, little memory, little time.
 */
#include <chafa.h>
#include <errno.h>
#include <link.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <png.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
/* after stdio: it wants FILE */
#include <jpeglib.h>

#include "common/mem.h"
#include "console/picture.h"

#define BYTES_MAX (64u << 20)
#define SIDE_MAX 16384u
#define PIXELS_MAX (32u << 20)
#define MEMORY_MAX (1u << 30)
#define SECONDS_MAX 10

struct image {
	unsigned width, height;
	uint8_t *rgba;
};

static _Noreturn void die(const char *why)
{
	fprintf(stderr, "kircerta-preview: %s\n", why);
	exit(EXIT_FAILURE);
}

/* Sanitizers map terabytes and call what they like: they go without. */
__attribute__((weak)) void __asan_init(void);

/* What decoding and printing calls; anything else is refused. */
static const int allowed[] = {
	SYS_read, SYS_write, SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect,
	SYS_brk, SYS_madvise, SYS_futex, SYS_fstat, SYS_newfstatat, SYS_lseek,
	SYS_clock_gettime, SYS_getrandom, SYS_rt_sigaction,
	SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_sched_yield, SYS_tgkill,
	SYS_gettid, SYS_getpid, SYS_sysinfo, SYS_exit, SYS_exit_group,
};

/* This program's own ELF header, from the linker. */
extern const ElfW(Ehdr) __ehdr_start;

/* AUDIT_ARCH_ of what we are compiled for: <linux/audit.h> has the parts. */
static uint32_t our_arch(void)
{
	const ElfW(Ehdr) *e = &__ehdr_start;

	return e->e_machine |
	       (e->e_ident[EI_CLASS] == ELFCLASS64 ? __AUDIT_ARCH_64BIT : 0) |
	       (e->e_ident[EI_DATA] == ELFDATA2LSB ? __AUDIT_ARCH_LE : 0);
}

#define LOAD(field) (struct sock_filter)BPF_STMT(			\
	BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define ANSWER(what) (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, what)
#define IF_EQUAL(value, yes, no) (struct sock_filter)BPF_JUMP(		\
	BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)

/* By another architecture's numbers, read could be open: that ends it. */
static int filter_calls(void)
{
	enum { N = sizeof(allowed) / sizeof(*allowed), HEAD = 4 };
	struct sock_filter code[HEAD + N + 2] = {
		LOAD(arch),
		IF_EQUAL(our_arch(), 1, 0),
		ANSWER(SECCOMP_RET_KILL_PROCESS),
		LOAD(nr),
	};
	struct sock_fprog prog = {ARRAY_LEN(code), code};

	for (int i = 0; i < N; i++)
		code[HEAD + i] = IF_EQUAL((unsigned)allowed[i],
					  (uint8_t)(N - i), 0);
	code[HEAD + N] = ANSWER(SECCOMP_RET_ERRNO | EPERM);
	code[HEAD + N + 1] = ANSWER(SECCOMP_RET_ALLOW);
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

static void give_up_everything(void)
{
	static const struct { int what; rlim_t most; } limits[] = {
		{RLIMIT_AS, MEMORY_MAX}, {RLIMIT_CPU, SECONDS_MAX},
		{RLIMIT_FSIZE, BYTES_MAX}, {RLIMIT_CORE, 0},
		{RLIMIT_NOFILE, 3},
	};

	if (__asan_init)
		return;
	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		struct rlimit r = {limits[i].most, limits[i].most};

		if (setrlimit(limits[i].what, &r))
			die("a limit cannot be set");
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || filter_calls())
		die("the sandbox cannot be entered");
}

static uint8_t *read_all(size_t *len)
{
	size_t cap = 1 << 20;
	uint8_t *data = xmalloc(cap);
	ssize_t n;

	for (*len = 0; (n = read(0, data + *len, cap - *len)) != 0;) {
		if (n < 0 && errno != EINTR)
			die("the picture cannot be read");
		*len += n > 0 ? (size_t)n : 0;
		if (*len == cap && cap >= BYTES_MAX)
			die("the picture is too large");
		if (*len == cap)
			data = xrealloc(data, cap *= 2);
	}
	return data;
}

static void check_size(unsigned width, unsigned height)
{
	if (!width || !height || width > SIDE_MAX || height > SIDE_MAX ||
	    (uint64_t)width * height > PIXELS_MAX)
		die("the picture has too many pixels");
}

static void decode_png(const uint8_t *data, size_t len, struct image *out)
{
	png_image png = {.version = PNG_IMAGE_VERSION};

	if (!png_image_begin_read_from_memory(&png, data, len))
		die(png.message);
	check_size(png.width, png.height);
	png.format = PNG_FORMAT_RGBA;
	out->width = png.width;
	out->height = png.height;
	out->rgba = xmalloc(PNG_IMAGE_SIZE(png));
	if (!png_image_finish_read(&png, NULL, out->rgba, 0, NULL))
		die(png.message);
}

static _Noreturn void jpeg_failed(j_common_ptr j)
{
	char text[JMSG_LENGTH_MAX];

	j->err->format_message(j, text);
	die(text);
}

/* An eighth, quarter or half is decoded where that is enough for the cells. */
static void decode_jpeg(const uint8_t *data, size_t len, unsigned cols,
			struct image *out)
{
	struct jpeg_decompress_struct j;
	struct jpeg_error_mgr errors;

	j.err = jpeg_std_error(&errors);
	errors.error_exit = jpeg_failed;
	jpeg_create_decompress(&j);
	jpeg_mem_src(&j, data, len);
	jpeg_read_header(&j, TRUE);
	check_size(j.image_width, j.image_height);
	j.out_color_space = JCS_EXT_RGBA;
	for (j.scale_denom = 8; j.scale_denom > 1 &&
	     j.image_width / j.scale_denom < cols * 8; j.scale_denom /= 2)
		;
	jpeg_start_decompress(&j);
	out->width = j.output_width;
	out->height = j.output_height;
	out->rgba = xmalloc((size_t)out->width * out->height * 4);
	while (j.output_scanline < j.output_height) {
		JSAMPROW row = out->rgba +
			       (size_t)j.output_scanline * out->width * 4;

		jpeg_read_scanlines(&j, &row, 1);
	}
	jpeg_destroy_decompress(&j);
}

static void decode(const uint8_t *data, size_t len, unsigned cols,
		   struct image *out)
{
	if (len > 8 && !png_sig_cmp(data, 0, 8))
		decode_png(data, len, out);
	else if (len > 3 && data[0] == 0xff && data[1] == 0xd8)
		decode_jpeg(data, len, cols, out);
	else
		die("neither PNG nor JPEG");
}

/* Half blocks in 240 colours: the 16 that users choose are left alone. */
static ChafaCanvas *canvas_of(const struct image *image, int *cols, int *rows,
			      bool mono)
{
	ChafaCanvasConfig *config = chafa_canvas_config_new();
	ChafaSymbolMap *symbols = chafa_symbol_map_new();
	ChafaCanvas *canvas;

	chafa_calc_canvas_geometry((int)image->width, (int)image->height, cols,
				   rows, 0.5f, TRUE, FALSE);
	chafa_symbol_map_add_by_tags(symbols, mono ? CHAFA_SYMBOL_TAG_ASCII :
		CHAFA_SYMBOL_TAG_SPACE | CHAFA_SYMBOL_TAG_SOLID |
		CHAFA_SYMBOL_TAG_VHALF);
	chafa_canvas_config_set_symbol_map(config, symbols);
	chafa_canvas_config_set_geometry(config, *cols, *rows);
	chafa_canvas_config_set_canvas_mode(config, mono ?
		CHAFA_CANVAS_MODE_FGBG : CHAFA_CANVAS_MODE_INDEXED_240);
	canvas = chafa_canvas_new(config);
	chafa_canvas_draw_all_pixels(canvas, CHAFA_PIXEL_RGBA8_UNASSOCIATED,
		image->rgba, (int)image->width, (int)image->height,
		(int)image->width * 4);
	chafa_symbol_map_unref(symbols);
	chafa_canvas_config_unref(config);
	return canvas;
}

static void put_cell(ChafaCanvas *canvas, int x, int y, bool mono)
{
	uint32_t ch = chafa_canvas_get_char_at(canvas, x, y);
	int fg = -1, bg = -1;

	if (!mono)
		chafa_canvas_get_raw_colors_at(canvas, x, y, &fg, &bg);
	for (int shift = 24; shift >= 0; shift -= 8)
		putchar((int)(ch >> shift & 0xff));
	putchar(fg < 0 ? 0 : fg & 0xff);
	putchar(bg < 0 ? 0 : bg & 0xff);
}

int main(int argc, char **argv)
{
	bool mono = argc == 3 && !strcmp(argv[2], "mono");
	struct image image;
	ChafaCanvas *canvas;
	int cols, rows;
	uint8_t *data;
	size_t len;

	if (argc != 3 || sscanf(argv[1], "%4dx%4d", &cols, &rows) != 2 ||
	    cols < 1 || rows < 1 || cols > PICTURE_MAX || rows > PICTURE_MAX) {
		fputs("usage: kircerta-preview COLSxROWS 256|mono < PICTURE\n",
		      stderr);
		return 2;
	}
	chafa_set_n_threads(1);
	give_up_everything();
	data = read_all(&len);
	decode(data, len, (unsigned)cols, &image);
	canvas = canvas_of(&image, &cols, &rows, mono);
	printf(PICTURE_MAGIC " %d %d %d\n", cols, rows, !mono);
	for (int y = 0; y < rows; y++)
		for (int x = 0; x < cols; x++)
			put_cell(canvas, x, y, mono);
	chafa_canvas_unref(canvas);
	free(image.rgba);
	free(data);
	return fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}
