/* See screen_text.h. */
#include "console/screen_text.h"

#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/fs.h"

#define CLIPBOARD_MAX 55000	/* 74 kB as base64 */

void terminal_write(const char *bytes)
{
	/* a terminal that is gone is noticed where it is read */
	(void)!fs_write_all(STDOUT_FILENO, bytes, strlen(bytes));
}

static void add_base64(struct buf *b, const unsigned char *in, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < len; i += 3) {
		uint32_t n = (uint32_t)in[i] << 16 |
			     (i + 1 < len ? (uint32_t)in[i + 1] << 8 : 0) |
			     (i + 2 < len ? in[i + 2] : 0);
		char out[4] = {digits[n >> 18], digits[n >> 12 & 63],
			       i + 1 < len ? digits[n >> 6 & 63] : '=',
			       i + 2 < len ? digits[n & 63] : '='};

		buf_add(b, out, 4);
	}
}

char *clipboard_text(const char *text)
{
	struct buf b = {0};
	size_t len = strlen(text);

	buf_adds(&b, "");
	if (len <= CLIPBOARD_MAX) {
		buf_adds(&b, "\033]52;c;");
		add_base64(&b, (const unsigned char *)text, len);
		buf_adds(&b, "\a");
	}
	return buf_take(&b, NULL);
}
