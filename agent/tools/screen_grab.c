/* See screen_grab.h. */
#include "agent/tools/screen_grab.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <xcb/shm.h>
#include <xcb/xfixes.h>

#include "agent/tools/screen_area.h"
#include "agent/tools/screen_display.h"

#define PLANES_ALL 0xffffffffu

static bool has_shm(xcb_connection_t *c)
{
	return xcb_get_extension_data(c, &xcb_shm_id)->present;
}

/* Attached by both sides and removed at once: no crash can leave it behind. */
static uint8_t *shared(xcb_connection_t *c, size_t size, xcb_shm_seg_t *seg)
{
	int id = shmget(IPC_PRIVATE, size, IPC_CREAT | 0600);
	xcb_generic_error_t *refused;
	void *at;

	if (id < 0)
		return NULL;
	at = shmat(id, NULL, 0);
	*seg = xcb_generate_id(c);
	refused = xcb_request_check(c, xcb_shm_attach_checked(
		c, *seg, (uint32_t)id, 0));
	shmctl(id, IPC_RMID, NULL);
	if (at != (void *)-1 && !refused && !xcb_connection_has_error(c))
		return at;
	free(refused);
	if (at != (void *)-1)
		shmdt(at);
	return NULL;
}

static bool grab_shared(struct frame *f, const struct display *d,
			const struct area *a)
{
	xcb_connection_t *c = display_connection(d);
	xcb_shm_get_image_reply_t *r = NULL;
	xcb_shm_seg_t seg;
	uint8_t *at;

	if (!has_shm(c))
		return false;
	at = shared(c, (size_t)a->w * (size_t)a->h * 4, &seg);
	if (!at)
		return false;
	r = xcb_shm_get_image_reply(c, xcb_shm_get_image(
		c, display_root(d), (int16_t)a->x, (int16_t)a->y,
		(uint16_t)a->w, (uint16_t)a->h, PLANES_ALL,
		XCB_IMAGE_FORMAT_Z_PIXMAP, seg, 0), NULL);
	xcb_shm_detach(c, seg);
	if (!r) {
		shmdt(at);
		return false;
	}
	free(r);
	*f = (struct frame){at, a->w, a->h, "x11-shm", NULL};
	return true;
}

static bool grab_copied(struct frame *f, const struct display *d,
			const struct area *a)
{
	xcb_connection_t *c = display_connection(d);
	xcb_get_image_reply_t *r = xcb_get_image_reply(c, xcb_get_image(
		c, XCB_IMAGE_FORMAT_Z_PIXMAP, display_root(d), (int16_t)a->x,
		(int16_t)a->y, (uint16_t)a->w, (uint16_t)a->h, PLANES_ALL),
		NULL);

	if (!r)
		return false;
	if ((size_t)xcb_get_image_data_length(r) <
	    (size_t)a->w * (size_t)a->h * 4) {
		free(r);
		return false;
	}
	*f = (struct frame){xcb_get_image_data(r), a->w, a->h,
			    "x11-getimage", r};
	return true;
}

bool frame_grab(struct frame *f, const struct display *d,
		const struct area *area)
{
	return grab_shared(f, d, area) || grab_copied(f, d, area);
}

void frame_fini(struct frame *f)
{
	if (f->owner)
		free(f->owner);
	else if (f->pixels)
		shmdt(f->pixels);
	*f = (struct frame){0};
}

/* The cursor's colours come multiplied by their opacity. */
static void blend(uint8_t *pixel, uint32_t argb)
{
	unsigned through = 255 - (argb >> 24);

	for (int i = 0; i < 3; i++) {
		unsigned v = (argb >> (8 * i) & 255) +
			     pixel[i] * through / 255;

		pixel[i] = v > 255 ? 255 : (uint8_t)v;
	}
}

static xcb_xfixes_get_cursor_image_reply_t *cursor(xcb_connection_t *c)
{
	if (!xcb_get_extension_data(c, &xcb_xfixes_id)->present)
		return NULL;
	free(xcb_xfixes_query_version_reply(
		c, xcb_xfixes_query_version(c, 4, 0), NULL));
	return xcb_xfixes_get_cursor_image_reply(
		c, xcb_xfixes_get_cursor_image(c), NULL);
}

void frame_draw_cursor(struct frame *f, const struct display *d,
		       const struct area *area)
{
	xcb_xfixes_get_cursor_image_reply_t *cur =
		cursor(display_connection(d));
	const uint32_t *argb;
	int left, top;

	if (!cur)
		return;
	argb = xcb_xfixes_get_cursor_image_cursor_image(cur);
	left = cur->x - cur->xhot - area->x;
	top = cur->y - cur->yhot - area->y;
	for (int y = 0; y < cur->height; y++)
		for (int x = 0; x < cur->width; x++) {
			int fx = left + x, fy = top + y;

			if (fx >= 0 && fy >= 0 && fx < f->w && fy < f->h)
				blend(f->pixels +
				      4 * ((size_t)fy * (size_t)f->w +
					   (size_t)fx),
				      argb[y * cur->width + x]);
		}
	free(cur);
}
