/*
 * The X11 display that a request means, and the part of it. What cannot be
 * shown ends the program: display_unavailable, or invalid_args.
 */
#pragma once
#include <stdbool.h>
#include <xcb/xcb.h>

struct area;
struct display;
struct tool;

/* args.display, else the configured one, else $DISPLAY. */
struct display *display_open(const struct tool *t);
void display_close(struct display *d);
const char *display_name(const struct display *d);
xcb_connection_t *display_connection(const struct display *d);
xcb_window_t display_root(const struct display *d);
bool display_alive(const struct display *d);	/* asks the server */

/*
 * The region, window or monitor that the arguments name, else the whole
 * screen, as it is now: asked anew each time.
 */
void display_area(const struct display *d, const struct tool *t,
		  struct area *out);
