/*
 * See files.h. What was hashed is what the tool gets: a path is opened once,
 * never through a link in its last part, and its bytes are hashed on the way
 * into the run's own folder.
 */
#include "agent/run/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/run/run.h"
#include "agent/run/tool_args.h"
#include "agent/store/evidence.h"
#include "agent/store/guard.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/sha256.h"

#define CHUNK (256u << 10)
#define HEAD 512		/* bytes that tell a media type */

struct input {
	const char *arg;	/* borrowed, as value */
	const char *value;	/* an absolute path, or a hash */
	const char *name;	/* the last part of value */
	char sha256[SHA256_HEX];
	char path[PATH_MAX];	/* where it was found; empty: evidence */
	bool secret;
	uint64_t size;
};

static int input_init(struct input *in, const struct tool_arg *a,
		      const json_t *given, struct err *err)
{
	const char *value = json_string_value(given), *slash;

	if (arg_check(a, given, err))
		return -1;
	slash = strrchr(value, '/');
	*in = (struct input){.arg = a->name, .value = value,
			     .secret = a->secret,
			     .name = slash ? slash + 1 : value};
	return 0;
}

static bool is_evidence(const struct input *in)
{
	return *in->value != '/';
}

static json_t *input_json(const struct input *in)
{
	json_t *o = json_object();

	json_set_str(o, "arg", in->arg);
	json_set_str(o, "name", in->name);
	json_set_str(o, "sha256", in->sha256);
	json_set_int(o, "size", (json_int_t)in->size);
	if (*in->path && !in->secret)
		json_object_set_new(o, "path", json_lossy(in->path));
	return o;
}

/* The store's word for it, in the words of a request that cites it. */
static int evidence_problem(const struct input *in, struct err *err)
{
	if (err && err->code == ERR_not_found)
		err_set(err, ERR_unknown_evidence, "%s: nothing is stored as %s",
			in->arg, in->value);
	return -1;
}

static int path_problem(const struct input *in, struct err *err)
{
	if (errno == ELOOP)
		err_set(err, ERR_invalid_args, "%s: %s is a symbolic link",
			in->arg, in->value);
	else if (errno == EINVAL)
		err_set(err, ERR_invalid_args, "%s: %s is not a regular file",
			in->arg, in->value);
	else
		err_sys(err, ERR_invalid_args, "%s: %s", in->arg, in->value);
	return err_hint(err, "Give the absolute path of a regular file that the agent can read, or the sha256 of stored evidence.");
}

/* Whatever links led there: the path of the very file that is open. */
static int find_path(struct input *in, int fd)
{
	char link[32];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, in->path, sizeof(in->path) - 1);
	in->path[n > 0 ? n : 0] = 0;
	return n > 0 ? 0 : -1;
}

static int path_open(struct input *in, const struct evidence *ev,
		     struct err *err)
{
	int fd = open(in->value, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY |
		      O_CLOEXEC);
	struct stat st = {0};
	bool real = fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) &&
		    !guard_made_up(fd);

	if (real && !evidence_guards(ev, fd) && !find_path(in, fd))
		return fd;
	if (fd >= 0) {
		errno = real ? EACCES : EINVAL;
		close(fd);
	}
	return path_problem(in, err);
}

static int input_hash(struct input *in, struct evidence *ev, struct err *err)
{
	int fd, rc;

	if (is_evidence(in)) {
		strcpy(in->sha256, in->value);
		if (evidence_get(ev, in->value, &fd, &in->size, err))
			return evidence_problem(in, err);
		close(fd);
		return 0;
	}
	fd = path_open(in, ev, err);
	if (fd < 0)
		return -1;
	rc = sha256_fd(fd, in->sha256, &in->size, err);
	close(fd);
	return rc;
}

/* Read all of from into to, hashing; ends early when the run is cancelled. */
static int copy_hashed(struct run *r, struct input *in, int from, int to,
		       struct err *err)
{
	struct sha256 *hash = sha256_new();
	uint8_t raw[SHA256_RAW];
	char *chunk = xmalloc(CHUNK);
	ssize_t n;
	int rc = 0;

	while (!rc && (n = read(from, chunk, CHUNK)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (atomic_load(&r->cancelled)) {
			rc = err_set(err, ERR_cancelled, "%s", r->why);
		} else if (n < 0) {
			rc = path_problem(in, err);
		} else if (fs_write_all(to, chunk, (size_t)n)) {
			rc = err_sys(err, ERR_io, "copying %s", in->value);
		} else {
			sha256_add(hash, chunk, (size_t)n);
			in->size += (uint64_t)n;
		}
	}
	free(chunk);
	sha256_end(hash, raw);
	hex_of(raw, sizeof(raw), in->sha256);
	return rc;
}

static int copy_path(struct run *r, struct input *in, const char *to,
		     struct err *err)
{
	int from = path_open(in, r->evidence, err), fd, rc;

	if (from < 0)
		return -1;
	fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		rc = err_sys(err, ERR_io, "%s", to);
	else
		rc = copy_hashed(r, in, from, fd, err);
	if (fd >= 0)
		close(fd);
	close(from);
	return rc;
}

static int copy_evidence(struct run *r, struct input *in, const char *to,
			 struct err *err)
{
	struct stat st;

	strcpy(in->sha256, in->value);
	if (evidence_copy_out(r->evidence, in->value, to, err))
		return evidence_problem(in, err);
	if (stat(to, &st))
		return err_sys(err, ERR_io, "%s", to);
	in->size = (uint64_t)st.st_size;
	return 0;
}

static const char *media_type(const char *path, const char *name)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char head[HEAD];
	ssize_t n = fd < 0 ? 0 : read(fd, head, sizeof(head));

	if (fd >= 0)
		close(fd);
	return media_type_of(name, head, n > 0 ? (size_t)n : 0);
}

static json_t *given_json(const struct input *in, const char *path)
{
	json_t *o = input_json(in);

	json_object_del(o, "arg");
	json_set_str(o, "path", path);
	json_set_str(o, "media_type", media_type(path, in->name));
	return o;
}

static int take_one(struct run *r, struct input *in, struct err *err)
{
	char *dir = xasprintf("%s/in/%s", r->dir, in->arg);
	char *path = xasprintf("%s/%s", dir, in->name);
	int rc = fs_mkdir(dir, 0700, err);

	if (!rc)
		rc = is_evidence(in) ? copy_evidence(r, in, path, err) :
				       copy_path(r, in, path, err);
	if (!rc && chmod(path, 0400))
		rc = err_sys(err, ERR_io, "%s", path);
	if (!rc) {
		json_array_append_new(r->files, input_json(in));
		json_object_set_new(r->given, in->arg, given_json(in, path));
	}
	free(path);
	free(dir);
	return rc;
}

/* The value of a file argument that is given; NULL for all others. */
static const json_t *file_value(const struct tool_arg *a, const json_t *args)
{
	return a->type == TOOL_FILE ? json_object_get(args, a->name) : NULL;
}

int files_take(struct run *r, struct err *err)
{
	const struct tool *t = r->spec->tool;

	r->files = json_array();
	r->given = r->spec->args ? json_copy(r->spec->args) : json_object();
	for (size_t i = 0; i < t->n_args; i++) {
		const json_t *given = file_value(&t->args[i], r->spec->args);
		struct input in;

		if (given && (input_init(&in, &t->args[i], given, err) ||
			      take_one(r, &in, err)))
			return -1;
	}
	return 0;
}

json_t *run_hash_files(struct evidence *ev, const struct tool *tool,
		       const json_t *args, struct err *err)
{
	json_t *out = json_array();

	for (size_t i = 0; i < tool->n_args; i++) {
		const json_t *given = file_value(&tool->args[i], args);
		struct input in;

		if (!given)
			continue;
		if (input_init(&in, &tool->args[i], given, err) ||
		    input_hash(&in, ev, err)) {
			json_decref(out);
			return NULL;
		}
		json_array_append_new(out, input_json(&in));
	}
	return out;
}
