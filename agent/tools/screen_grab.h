/* One picture of a part of a display, in memory. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct area;
struct display;

struct frame {
	uint8_t *pixels;	/* w * h times blue, green, red, nothing */
	int w, h;
	const char *how;	/* "x11-shm" or "x11-getimage" */
	void *owner;		/* what frame_fini gives back */
};

/*
 * Through shared memory where the server has it, else over the connection.
 * False if the area is no longer what the screen has: ask for it anew.
 */
bool frame_grab(struct frame *f, const struct display *d,
		const struct area *area);
void frame_fini(struct frame *f);

/* X11 leaves the mouse cursor out of pictures; draw it where it is. */
void frame_draw_cursor(struct frame *f, const struct display *d,
		       const struct area *area);
