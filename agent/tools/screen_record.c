/*
 * screen.record: a display as video. ffmpeg does the work and is watched; the
 * file is in fragments, so that what was recorded survives any end. ffmpeg's
 * exit status says little (it is 0 when the X server dies, 255 when it was
 * asked to stop): the length of the file decides.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/tools/screen.h"
#include "agent/tools/screen_area.h"
#include "agent/tools/screen_child.h"
#include "agent/tools/screen_display.h"
#include "agent/tools/screen_progress.h"
#include "agent/tools/tool.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/mem.h"

#define VIDEO "recording.mp4"
#define POSTER "poster.jpg"
#define START_MS 15000		/* what ffmpeg may take beyond the recording */
#define STOP_MS 2500

struct recording {
	struct display *display;
	struct area area;
	int64_t seconds, fps;
	bool with_cursor;
	struct progress progress;
	bool cancelled, hung;
	int64_t ms;		/* as ffprobe reads the file */
	int64_t bytes;
};

static const struct err_row lost = {
	.code = "display_lost", .retryable = true,
	.hint = "Bring the display back and record again; what was recorded "
		"until then is in the artifacts.",
};
static const struct err_row incomplete = {
	.code = "recording_incomplete", .retryable = true,
	.hint = "See ffmpeg's words in the log artifact; a lower fps or a "
		"smaller region helps on a busy machine.",
};

static void start(struct recording *r, struct child *c)
{
	char fps[8], gop[8], size[24], x[8], y[8], seconds[8];
	const char *argv[] = {
		"ffmpeg", "-nostdin", "-hide_banner", "-v", "error", "-y",
		"-f", "x11grab", "-framerate", fps, "-video_size", size,
		"-grab_x", x, "-grab_y", y, "-draw_mouse",
		r->with_cursor ? "1" : "0", "-i", display_name(r->display),
		"-t", seconds, "-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2",
		"-c:v", "libx264", "-preset", "veryfast", "-crf", "28",
		"-pix_fmt", "yuv420p", "-g", gop, "-movflags",
		"+frag_keyframe+empty_moov+default_base_moof", "-progress",
		"pipe:1", "-stats_period", "0.5", VIDEO, NULL,
	};

	snprintf(fps, sizeof(fps), "%d", (int)r->fps);
	snprintf(gop, sizeof(gop), "%d", (int)r->fps * 2);
	snprintf(size, sizeof(size), "%dx%d", r->area.w, r->area.h);
	snprintf(x, sizeof(x), "%d", r->area.x);
	snprintf(y, sizeof(y), "%d", r->area.y);
	snprintf(seconds, sizeof(seconds), "%d", (int)r->seconds);
	child_start(c, argv);
}

static void tell(const struct recording *r)
{
	tool_progress((double)r->progress.out_us / 1e6 / (double)r->seconds,
		      "%.1f of %lld s, %lld frames, %lld KiB",
		      (double)r->progress.out_us / 1e6, (long long)r->seconds,
		      (long long)r->progress.frames,
		      (long long)r->progress.bytes / 1024);
}

/* Until ffmpeg closes its output, the cancel, or far too late. */
static void follow(struct recording *r, const struct tool *t,
		   struct child *c)
{
	int64_t end = clock_mono_us() / 1000 + r->seconds * 1000 + START_MS;
	struct pollfd p[] = {
		{.fd = c->out, .events = POLLIN},
		{.fd = tool_cancel_fd(t), .events = POLLIN},
	};
	char chunk[4096];
	ssize_t n = 1;

	while (n > 0) {
		int64_t left = end - clock_mono_us() / 1000;
		int ready = poll(p, 2, left > 0 ? (int)left : 0);

		if (ready < 0 && errno == EINTR)
			continue;
		r->cancelled = p[1].revents != 0;
		r->hung = ready <= 0;
		if (r->cancelled || r->hung)
			break;
		n = read(c->out, chunk, sizeof(chunk));
		if (n > 0 && progress_feed(&r->progress, chunk, (size_t)n))
			tell(r);
	}
	if (r->cancelled || r->hung)
		child_stop(c, STOP_MS);
	/* The cancel may have gone to the whole group, ffmpeg first. */
	r->cancelled = tool_cancelled(t);
}

static void measure(struct recording *r)
{
	static const char *const argv[] = {
		"ffprobe", "-v", "error", "-show_entries", "format=duration",
		"-of", "csv=p=0", VIDEO, NULL,
	};
	struct stat st;
	char text[64];

	if (stat(VIDEO, &st) || !st.st_size)
		return;
	r->bytes = st.st_size;
	if (!child_output(argv, text, sizeof(text)))
		r->ms = (int64_t)(strtod(text, NULL) * 1000 + 0.5);
	if (r->ms < 0 || r->ms > INT64_C(1000) * 86400)
		r->ms = 0;
}

/* From the middle; a recording without a poster is a recording all the same. */
static void add_poster(const struct recording *r)
{
	char at[24], words[64];
	const char *argv[] = {
		"ffmpeg", "-nostdin", "-v", "error", "-y", "-ss", at, "-i",
		VIDEO, "-frames:v", "1", "-vf", "scale=min(640\\,iw):-2",
		"-q:v", "4", POSTER, NULL,
	};
	struct stat st;

	snprintf(at, sizeof(at), "%.3f", (double)r->ms / 2000);
	if (!child_output(argv, words, sizeof(words)) &&
	    !stat(POSTER, &st) && st.st_size)
		tool_artifact(POSTER, "image/jpeg");
	else
		fprintf(stderr, "no poster frame\n");
}

static void file_artifacts(struct recording *r)
{
	measure(r);
	if (!r->ms)
		return;
	tool_artifact(VIDEO, "video/mp4");
	add_poster(r);
}

/* Frames come at their own pace: two of them, or 5 %, may be missing. */
static bool complete(const struct recording *r)
{
	int64_t frames = 2000 / r->fps, part = r->seconds * 50;
	int64_t slack = frames > part ? frames : part;

	return r->ms && r->ms >= r->seconds * 1000 - slack;
}

static void judge(const struct recording *r, int status)
{
	double got = (double)r->ms / 1000;

	if (r->cancelled)
		tool_fail(err_row(ERR_cancelled), "Cancelled after %.1f of "
			  "%lld s; what was recorded is kept.", got,
			  (long long)r->seconds);
	if (complete(r))
		return;
	if (!display_alive(r->display))
		tool_fail(&lost, "The display %s ended after %.1f of %lld s.",
			  display_name(r->display), got,
			  (long long)r->seconds);
	tool_fail(&incomplete, "Recorded %.1f of %lld s; ffmpeg %s %d.", got,
		  (long long)r->seconds,
		  r->hung ? "hung and was stopped, status" : "ended with",
		  status);
}

static json_t *describe(const struct recording *r)
{
	return json_pack("{s:I, s:I, s:I, s:i, s:i, s:s, s:I}",
			 "duration_ms", (json_int_t)r->ms, "frames",
			 (json_int_t)r->progress.frames, "fps",
			 (json_int_t)r->fps, "width", r->area.w, "height",
			 r->area.h, "display", display_name(r->display),
			 "bytes", (json_int_t)r->bytes);
}

int screen_record(const struct tool *t)
{
	struct recording r = {
		.seconds = tool_int(t, "seconds", 1, 3600, 0),
		.fps = tool_int(t, "fps", 1, 60, 10),
		.with_cursor = tool_bool(t, "cursor", true),
	};
	struct child ffmpeg;
	json_t *result;
	int status;

	r.display = display_open(t);
	display_area(r.display, t, &r.area);
	start(&r, &ffmpeg);
	follow(&r, t, &ffmpeg);
	status = child_end(&ffmpeg);
	file_artifacts(&r);
	judge(&r, status);
	result = describe(&r);
	display_close(r.display);
	return tool_result(result);
}
