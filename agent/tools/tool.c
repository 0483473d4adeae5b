/* See tool.h. Output goes straight to the descriptor, one write a line. */
#include "agent/tools/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/mem.h"

#define REQUEST_MAX (4 << 20)
#define SECRET_MAX 65536
#define NO_DEADLINE_S 86400
#define KEPT "kept"		/* the file, and the member of the request */

struct tool {
	json_t *request, *args, *config;
	int64_t deadline_us;	/* monotonic */
	int cancel_fd;		/* signalfd of SIGTERM, never read */
};

static void read_all(int fd, size_t max, struct buf *in)
{
	ssize_t n = 1;

	while (n > 0 && in->len <= max) {
		n = read(fd, buf_room(in, 65536), 65536);
		if (n > 0)
			in->len += (size_t)n;
		else if (n < 0 && errno == EINTR)
			n = 1;
	}
	buf_add(in, "", 0);
}

static json_t *read_request(void)
{
	struct buf in = {0};
	struct err err = {0};
	json_t *request;

	read_all(STDIN_FILENO, REQUEST_MAX, &in);
	if (in.len > REQUEST_MAX)
		tool_fail(err_row(ERR_invalid_request), "over %d bytes",
			  REQUEST_MAX);
	request = json_parse(in.data, in.len, &err);
	buf_fini(&in);
	if (!request)
		tool_fail(err_row(ERR_invalid_request), "%s", err.detail);
	if (json_int(request, "v", 0) != 1)
		tool_fail(err_row(ERR_invalid_request), "v is not 1");
	return request;
}

static int hold_back_sigterm(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		tool_fail(err_row(ERR_internal), "signalfd: %s",
			  strerror(errno));
	return fd;
}

static json_t *object_of(json_t *request, const char *key)
{
	json_t *v = json_object_get(request, key);

	if (v && !json_is_object(v))
		tool_fail(err_row(ERR_invalid_request), "%s is not an object",
			  key);
	return v;
}

struct tool *tool_open(void)
{
	struct tool *t = xcalloc(1, sizeof(*t));
	json_int_t seconds;

	json_setup();
	t->cancel_fd = hold_back_sigterm();
	t->request = read_request();
	t->args = object_of(t->request, "args");
	t->config = object_of(t->request, "config");
	seconds = json_int(t->request, "timeout_s", NO_DEADLINE_S);
	if (seconds < 0 || seconds > NO_DEADLINE_S)
		seconds = NO_DEADLINE_S;
	t->deadline_us = clock_mono_us() + seconds * 1000000;
	return t;
}

void tool_free(struct tool *t)
{
	if (!t)
		return;
	json_decref(t->request);
	close(t->cancel_fd);
	free(t);
}

static json_t *arg(const struct tool *t, const char *name)
{
	json_t *v = json_object_get(t->args, name);

	return json_is_null(v) ? NULL : v;
}

const char *tool_text(const struct tool *t, const char *name)
{
	const json_t *v = arg(t, name);

	if (v && !json_is_string(v))
		tool_fail(err_row(ERR_invalid_args), "%s is not a text", name);
	return json_string_value(v);
}

const char *tool_need(const struct tool *t, const char *name)
{
	const char *text = tool_text(t, name);

	if (!text || !*text)
		tool_fail(err_row(ERR_invalid_args), "%s is missing", name);
	return text;
}

bool tool_bool(const struct tool *t, const char *name, bool fallback)
{
	const json_t *v = arg(t, name);

	if (v && !json_is_boolean(v))
		tool_fail(err_row(ERR_invalid_args),
			  "%s is not true or false", name);
	return v ? json_is_true(v) : fallback;
}

int64_t tool_int(const struct tool *t, const char *name, int64_t min,
		 int64_t max, int64_t fallback)
{
	const json_t *v = arg(t, name);
	int64_t n = v ? json_integer_value(v) : fallback;

	if (!v && (n < min || n > max))
		tool_fail(err_row(ERR_invalid_args), "%s is missing", name);
	if (v && !json_is_integer(v))
		tool_fail(err_row(ERR_invalid_args),
			  "%s is not a whole number", name);
	if (n < min || n > max)
		tool_fail(err_row(ERR_invalid_args),
			  "%s is not in %lld..%lld", name, (long long)min,
			  (long long)max);
	return n;
}

int tool_choice(const struct tool *t, const char *name, const char *words)
{
	const char *text = tool_text(t, name);
	int index = 0;
	size_t n;

	if (!text)
		return 0;
	for (const char *w = words; *w; w += n + (w[n] == ' '), index++) {
		n = strcspn(w, " ");
		if (n == strlen(text) && !strncmp(w, text, n))
			return index;
	}
	tool_fail(err_row(ERR_invalid_args), "%s is none of: %s", name, words);
}

const json_t *tool_list(const struct tool *t, const char *name)
{
	const json_t *v = arg(t, name);

	if (v && !json_is_array(v))
		tool_fail(err_row(ERR_invalid_args), "%s is not a list", name);
	return v;
}

void tool_file_told(const struct tool *t, const char *name,
		    struct tool_file *out)
{
	const json_t *v = arg(t, name);

	if (!json_is_object(v))
		tool_fail(err_row(ERR_invalid_args), "%s is not a file", name);
	*out = (struct tool_file){
		.path = json_str(v, "path"), .name = json_str(v, "name"),
		.sha256 = json_str(v, "sha256"),
		.media_type = json_str(v, "media_type"),
		.size = json_int(v, "size", -1),
	};
}

void tool_file(const struct tool *t, const char *name, struct tool_file *out)
{
	tool_file_told(t, name, out);
	if (!out->path)
		tool_fail(err_row(ERR_invalid_args), "%s is not a file", name);
}

const char *tool_config(const struct tool *t, const char *key,
			const char *fallback)
{
	const char *text = json_str(t->config, key);

	return text && *text ? text : fallback;
}

const char *tool_id(const struct tool *t, const char *which)
{
	return json_str(t->request, which);
}

bool tool_reconciles(const struct tool *t, int64_t *since_s)
{
	*since_s = json_int(t->request, "since_s", 0);
	return json_is_true(json_object_get(t->request, "reconcile"));
}

void tool_keep(const char *text)
{
	struct err err = {0};

	if (fs_replace(KEPT, text, strlen(text), 0600, &err))
		tool_fail(err_row(ERR_io), "%s", err.detail);
}

bool tool_kept(const struct tool *t, const char **text)
{
	const json_t *v = json_object_get(t->request, KEPT);

	*text = json_string_value(v);
	return v != NULL;
}

int tool_cancel_fd(const struct tool *t)
{
	return t->cancel_fd;
}

bool tool_cancelled(const struct tool *t)
{
	return !tool_wait(t, 0);
}

int64_t tool_left_ms(const struct tool *t)
{
	int64_t left = (t->deadline_us - clock_mono_us()) / 1000;

	return left > 0 ? left : 0;
}

bool tool_wait(const struct tool *t, int64_t ms)
{
	int64_t until = clock_mono_us() + ms * 1000;
	struct pollfd p = {.fd = t->cancel_fd, .events = POLLIN};
	int n;

	do {
		n = poll(&p, 1, ms > 0 ? (int)ms : 0);
		ms = (until - clock_mono_us()) / 1000;
	} while (n < 0 && errno == EINTR);
	return n == 0;
}

static void write_line(const char *line, size_t len)
{
	if (fs_write_all(STDOUT_FILENO, line, len))
		_exit(1);	/* nothing goes on unseen */
}

static void write_json(json_t *value)
{
	size_t len;
	char *line = json_line(value, &len);

	json_decref(value);
	line[len] = '\n';	/* in place of the NUL */
	write_line(line, len + 1);
	free(line);
}

static void write_error(const struct err_row *why, const char *detail)
{
	write_json(json_pack("{s:{s:s, s:o, s:s, s:b}}", "error",
			     "error_code", why->code,
			     "detail", json_lossy(detail),
			     "remediation_hint", why->hint ? why->hint : "",
			     "retryable", why->retryable));
}

/*
 * The last line is written once: by whoever takes the lock on stdout, which
 * is never given back.
 */
static void be_last(void)
{
	flockfile(stdout);
}

/* Waits beside the program, which may be blocked in somebody's library. */
static void *watch(void *data)
{
	const struct tool *t = data;
	int64_t left;

	while ((left = tool_left_ms(t)) && tool_wait(t, left))
		;
	be_last();
	write_error(err_row(left ? ERR_cancelled : ERR_timed_out),
		    left ? "Cancelled." : "The time is over.");
	_exit(1);
}

void tool_end_on_cancel(const struct tool *t)
{
	/* Its own, as the caller's may be freed while it still waits. */
	struct tool *own = xmalloc(sizeof(*own));
	pthread_t thread;

	*own = (struct tool){.deadline_us = t->deadline_us,
			     .cancel_fd = dup(t->cancel_fd)};
	if (own->cancel_fd < 0 || pthread_create(&thread, NULL, watch, own))
		tool_fail(err_row(ERR_internal), "no thread: %s",
			  strerror(errno));
	pthread_detach(thread);
}

void tool_progress(double part, const char *fmt, ...)
{
	struct buf line = {0};
	char text[300], *quoted;
	json_t *message;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	part = part < 0 ? 0 : part > 1 ? 1 : part;
	message = json_lossy(text);
	quoted = json_line(message, NULL);
	buf_addf(&line, "{\"progress\":%.3f,\"message\":%s}\n", part, quoted);
	write_line(line.data, line.len);
	buf_fini(&line);
	free(quoted);
	json_decref(message);
}

void tool_artifact(const char *name, const char *media_type)
{
	write_json(json_pack("{s:{s:s, s:s}}", "artifact", "name", name,
			     "media_type", media_type));
}

int tool_result(json_t *result)
{
	be_last();
	write_json(json_pack("{s:o}", "result", result));
	return 0;
}

void tool_fail(const struct err_row *why, const char *fmt, ...)
{
	char text[480];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	be_last();
	write_error(why, text);
	_exit(1);	/* nothing is buffered, nothing needs giving back */
}

char *tool_secret(const char *path, const struct err_row *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct buf text = {0};
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		tool_fail(why, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		tool_fail(why, "%s is not a regular file", path);
	if (st.st_mode & 077)
		tool_fail(why, "%s is open to others (mode %04o); run: "
			  "chmod 600 %s", path, st.st_mode & 07777, path);
	read_all(fd, SECRET_MAX, &text);
	close(fd);
	while (text.len && strchr(" \t\r\n", text.data[text.len - 1]))
		text.data[--text.len] = 0;
	if (!text.len || text.len > SECRET_MAX || strlen(text.data) != text.len)
		tool_fail(why, "%s is empty, too long or not text", path);
	return buf_take(&text, NULL);
}
