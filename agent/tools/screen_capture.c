/* screen.capture: a still picture of a display, a region or a window. */
#include <string.h>

#include "agent/tools/screen.h"
#include "agent/tools/screen_area.h"
#include "agent/tools/screen_display.h"
#include "agent/tools/screen_grab.h"
#include "agent/tools/screen_image.h"
#include "agent/tools/tool.h"
#include "common/err.h"

static const struct err_row no_picture = {
	.code = "display_unavailable", .retryable = true,
	.hint = "Try again; the screen changed its size or the X server "
		"ended while the picture was taken.",
};

/* The screen may be resized between asking for its size and the picture. */
static void grab(struct frame *f, const struct display *d,
		 const struct tool *t, struct area *area)
{
	for (int tries = 0; tries < 2; tries++) {
		display_area(d, t, area);
		if (frame_grab(f, d, area))
			return;
	}
	tool_fail(&no_picture, "The display %s gave no picture.",
		  display_name(d));
}

static size_t save(const struct frame *f, bool jpeg, int quality)
{
	if (jpeg)
		return image_jpeg(f, "screen.jpg", quality);
	return image_png(f, "screen.png");
}

int screen_capture(const struct tool *t)
{
	bool jpeg = tool_choice(t, "format", "png jpeg") == 1;
	int quality = (int)tool_int(t, "quality", 1, 100, 85);
	bool with_cursor = tool_bool(t, "cursor", true);
	struct frame f = {0};
	struct display *d;
	struct area area;
	json_t *result;
	size_t bytes;

	tool_end_on_cancel(t);
	d = display_open(t);
	grab(&f, d, t, &area);
	if (with_cursor)
		frame_draw_cursor(&f, d, &area);
	bytes = save(&f, jpeg, quality);
	tool_artifact(jpeg ? "screen.jpg" : "screen.png",
		      jpeg ? "image/jpeg" : "image/png");
	result = json_pack("{s:i, s:i, s:s, s:s, s:s, s:I}", "width", f.w,
			   "height", f.h, "format", jpeg ? "jpeg" : "png",
			   "display", display_name(d), "backend", f.how,
			   "bytes", (json_int_t)bytes);
	frame_fini(&f);
	display_close(d);
	return tool_result(result);
}
