/* See screen_image.h. Encoded in memory, written at once. */
#include "agent/tools/screen_image.h"

#include <errno.h>
#include <fcntl.h>
#include <png.h>
#include <stdio.h>
#include <string.h>
#include <turbojpeg.h>
#include <unistd.h>

#include "agent/tools/screen_grab.h"
#include "agent/tools/tool.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/fs.h"

static size_t save(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || fs_write_all(fd, data, len) || close(fd))
		tool_fail(err_row(ERR_io), "%s: %s", path, strerror(errno));
	return len;
}

static void png_stop(png_structp png, png_const_charp why)
{
	(void)png;
	tool_fail(err_row(ERR_internal), "libpng: %s", why);
}

static void png_note(png_structp png, png_const_charp why)
{
	(void)png;
	fprintf(stderr, "libpng: %s\n", why);
}

static void png_take(png_structp png, png_bytep data, size_t len)
{
	buf_add(png_get_io_ptr(png), data, len);
}

/* Level 1 without filters: a third of the time for a quarter more bytes. */
size_t image_png(const struct frame *f, const char *path)
{
	png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL,
						  png_stop, png_note);
	png_infop info = png_create_info_struct(png);
	struct buf out = {0};
	size_t size;

	png_set_write_fn(png, &out, png_take, NULL);
	png_set_user_limits(png, 65535, 65535);
	png_set_compression_level(png, 1);
	png_set_filter(png, 0, PNG_FILTER_NONE);
	png_set_IHDR(png, info, (png_uint_32)f->w, (png_uint_32)f->h, 8,
		     PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
		     PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
	png_write_info(png, info);
	png_set_bgr(png);
	png_set_filler(png, 0, PNG_FILLER_AFTER);
	for (int y = 0; y < f->h; y++)
		png_write_row(png, f->pixels +
				   (size_t)y * (size_t)f->w * 4);
	png_write_end(png, info);
	png_destroy_write_struct(&png, &info);
	size = save(path, out.data, out.len);
	buf_fini(&out);
	return size;
}

/* Colour is kept at full resolution: small text on a screen needs it. */
size_t image_jpeg(const struct frame *f, const char *path, int quality)
{
	tjhandle tj = tjInitCompress();
	unsigned char *data = NULL;
	unsigned long len = 0;
	size_t size;

	if (!tj || tjCompress2(tj, f->pixels, f->w, 0, f->h, TJPF_BGRX, &data,
			       &len, TJSAMP_444, quality, TJFLAG_FASTDCT))
		tool_fail(err_row(ERR_internal), "libjpeg: %s",
			  tjGetErrorStr2(tj));
	size = save(path, data, len);
	tjFree(data);
	tjDestroy(tj);
	return size;
}
