/* See screen_display.h. */
#include "agent/tools/screen_display.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xcb/randr.h>

#include "agent/tools/screen_area.h"
#include "agent/tools/tool.h"
#include "common/err.h"
#include "common/mem.h"

struct display {
	xcb_connection_t *c;
	xcb_window_t root;
	char *name;
};

#define UNAVAILABLE(again, text) \
	{.code = "display_unavailable", .retryable = again, .hint = text}

static const struct err_row none_set = UNAVAILABLE(false,
	"Set display in the [screen] section of agent.conf (:0 is the usual "
	"desktop), or start the agent inside the session with DISPLAY set; "
	"without a monitor, run Xvfb and name its display.");
static const struct err_row wayland = UNAVAILABLE(false,
	"Log in to an Xorg session instead, or set display in the [screen] "
	"section of agent.conf to an X display such as an Xvfb.");
static const struct err_row unreachable = UNAVAILABLE(true,
	"Check that the X server runs (ls /tmp/.X11-unix) and that the "
	"agent's user may use it (XAUTHORITY, or xhost +si:localuser:NAME).");
static const struct err_row strange = UNAVAILABLE(false,
	"Run the display with 24 bits of colour, as in Xvfb -screen 0 "
	"1920x1080x24.");

/* A caller may choose among this machine's displays, not reach for others. */
static const char *checked(const char *name)
{
	char *host = NULL;
	int number, screen;
	bool here = xcb_parse_display(name, &host, &number, &screen) &&
		    (!*host || !strcmp(host, "unix") ||
		     !strcmp(host, "localhost"));

	free(host);
	if (!here)
		tool_fail(err_row(ERR_invalid_args),
			  "display is not one of this machine, such as :0");
	return name;
}

static bool is_set(const char *variable, const char *value)
{
	const char *is = getenv(variable);

	return is && *is && (!value || !strcmp(is, value));
}

static const char *name_wanted(const struct tool *t)
{
	const char *name = tool_text(t, "display");

	if (name)
		return checked(name);
	name = tool_config(t, "display", NULL);
	if (name)
		return name;
	if (is_set("XDG_SESSION_TYPE", "wayland") ||
	    is_set("WAYLAND_DISPLAY", NULL))
		tool_fail(&wayland, "This is a Wayland session; an X11 "
			  "capture of it would be black.");
	if (!is_set("DISPLAY", NULL))
		tool_fail(&none_set, "No display: neither the request nor "
			  "agent.conf names one, and DISPLAY is not set.");
	return getenv("DISPLAY");
}

static const xcb_screen_t *screen_at(const xcb_setup_t *setup, int n)
{
	xcb_screen_iterator_t it = xcb_setup_roots_iterator(setup);

	while (n-- > 0 && it.rem)
		xcb_screen_next(&it);
	return it.rem ? it.data : NULL;
}

/* Four bytes a pixel, blue first: all that the encoders are given. */
static bool is_bgrx(const xcb_setup_t *setup, const xcb_screen_t *screen)
{
	xcb_format_iterator_t it = xcb_setup_pixmap_formats_iterator(setup);

	for (; it.rem; xcb_format_next(&it))
		if (it.data->depth == screen->root_depth)
			return it.data->bits_per_pixel == 32 &&
			       screen->root_depth >= 24 &&
			       setup->image_byte_order ==
				       XCB_IMAGE_ORDER_LSB_FIRST;
	return false;
}

struct display *display_open(const struct tool *t)
{
	struct display *d = xcalloc(1, sizeof(*d));
	const xcb_screen_t *screen;
	int number = 0;

	d->name = xstrdup(name_wanted(t));
	d->c = xcb_connect(d->name, &number);
	if (xcb_connection_has_error(d->c))
		tool_fail(&unreachable, "The display %s cannot be opened.",
			  d->name);
	screen = screen_at(xcb_get_setup(d->c), number);
	if (!screen)
		tool_fail(&unreachable, "The display %s has no screen %d.",
			  d->name, number);
	if (!is_bgrx(xcb_get_setup(d->c), screen))
		tool_fail(&strange, "The display %s has %d bits of colour.",
			  d->name, screen->root_depth);
	d->root = screen->root;
	return d;
}

void display_close(struct display *d)
{
	if (!d)
		return;
	xcb_disconnect(d->c);
	free(d->name);
	free(d);
}

const char *display_name(const struct display *d)
{
	return d->name;
}

xcb_connection_t *display_connection(const struct display *d)
{
	return d->c;
}

xcb_window_t display_root(const struct display *d)
{
	return d->root;
}

bool display_alive(const struct display *d)
{
	void *reply = xcb_get_input_focus_reply(
		d->c, xcb_get_input_focus(d->c), NULL);

	free(reply);
	return reply != NULL;
}

static bool geometry(const struct display *d, xcb_window_t window,
		     struct area *out)
{
	xcb_get_geometry_reply_t *g = xcb_get_geometry_reply(
		d->c, xcb_get_geometry(d->c, window), NULL);

	if (g)
		*out = (struct area){g->x, g->y, g->width, g->height};
	free(g);
	return g != NULL;
}

static void by_region(const char *text, const struct area *whole,
		      struct area *out)
{
	if (!area_parse(text, out))
		tool_fail(err_row(ERR_invalid_args),
			  "region is not X,Y,WxH such as 0,0,800x600");
	if (!area_inside(out, whole))
		tool_fail(err_row(ERR_invalid_args),
			  "region %s is not inside the %dx%d screen", text,
			  whole->w, whole->h);
}

/* What the screen shows there: a covered window's own pixels are garbage. */
static void by_window(const struct display *d, const char *text,
		      const struct area *whole, struct area *out)
{
	xcb_translate_coordinates_reply_t *at = NULL;
	xcb_get_window_attributes_reply_t *has = NULL;
	uint32_t id;

	if (!window_parse(text, &id))
		tool_fail(err_row(ERR_invalid_args), "window is not an id "
			  "such as 0x400003 (xwininfo shows them)");
	has = xcb_get_window_attributes_reply(
		d->c, xcb_get_window_attributes(d->c, id), NULL);
	at = xcb_translate_coordinates_reply(
		d->c, xcb_translate_coordinates(d->c, id, d->root, 0, 0),
		NULL);
	if (!has || !at || !geometry(d, id, out))
		tool_fail(err_row(ERR_invalid_args), "there is no window %s",
			  text);
	out->x = at->dst_x;
	out->y = at->dst_y;
	if (has->map_state != XCB_MAP_STATE_VIEWABLE ||
	    !area_clip(out, whole))
		tool_fail(err_row(ERR_invalid_args),
			  "the window %s is not on the screen", text);
	free(has);
	free(at);
}

static bool monitor_is(const struct display *d,
		       const xcb_randr_monitor_info_t *m, const char *name)
{
	xcb_get_atom_name_reply_t *r = xcb_get_atom_name_reply(
		d->c, xcb_get_atom_name(d->c, m->name), NULL);
	bool same = r && (size_t)xcb_get_atom_name_name_length(r) ==
				 strlen(name) &&
		    !memcmp(xcb_get_atom_name_name(r), name, strlen(name));

	free(r);
	return same;
}

static void by_monitor(const struct display *d, const char *name,
		       const struct area *whole, struct area *out)
{
	xcb_randr_get_monitors_reply_t *r = NULL;
	xcb_randr_monitor_info_iterator_t it = {0};
	bool found = false;

	if (xcb_get_extension_data(d->c, &xcb_randr_id)->present)
		r = xcb_randr_get_monitors_reply(
			d->c, xcb_randr_get_monitors(d->c, d->root, 1), NULL);
	if (r)
		it = xcb_randr_get_monitors_monitors_iterator(r);
	for (; it.rem && !found; xcb_randr_monitor_info_next(&it)) {
		*out = (struct area){it.data->x, it.data->y, it.data->width,
				     it.data->height};
		found = monitor_is(d, it.data, name);
	}
	free(r);
	if (!found || !area_clip(out, whole))
		tool_fail(err_row(ERR_invalid_args),
			  "there is no monitor %s (xrandr shows them)", name);
}

void display_area(const struct display *d, const struct tool *t,
		  struct area *out)
{
	const char *region = tool_text(t, "region");
	const char *window = tool_text(t, "window");
	const char *monitor = tool_text(t, "monitor");
	struct area whole;

	if (!!region + !!window + !!monitor > 1)
		tool_fail(err_row(ERR_invalid_args),
			  "give one of region, window and monitor");
	if (!geometry(d, d->root, &whole))
		tool_fail(&unreachable, "The display %s went away.", d->name);
	*out = whole;
	if (region)
		by_region(region, &whole, out);
	else if (window)
		by_window(d, window, &whole, out);
	else if (monitor)
		by_monitor(d, monitor, &whole, out);
}
