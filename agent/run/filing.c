/*
 * See filing.h. The tool had its folder to itself and may have put anything
 * there, so names are opened below the folder's descriptor, never following
 * a link and never waiting for a pipe.
 */
#include "agent/run/filing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/run/run.h"
#include "agent/run/secrets.h"
#include "agent/store/evidence.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"

#define CHUNK (256u << 10)
#define HEAD 512		/* bytes that tell a media type */
#define LAST_WORDS 200

static json_t *artifact_json(const char *name, const char *media_type,
			     uint64_t size, const char *sha256)
{
	json_t *o = json_object();
	char now[CLOCK_TEXT];

	clock_text(clock_wall_us(), now);
	json_set_str(o, "name", name);
	json_set_str(o, "media_type", media_type);
	json_set_int(o, "size", (json_int_t)size);
	json_set_str(o, "sha256", sha256);
	json_set_str(o, "created_at", now);
	return o;
}

/* The first chunk stays in head, to tell the media type by. */
static int copy(struct run *r, int fd, struct evidence_file *to, char *head,
		size_t *head_len, struct err *err)
{
	char *chunk = xmalloc(CHUNK);
	ssize_t n;
	int rc = 0;

	*head_len = 0;
	while (!rc && (n = read(fd, chunk, CHUNK)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			rc = err_sys(err, ERR_io, "reading an artifact");
		else if (atomic_load(&r->hurry))
			rc = err_set(err, ERR_stopping, "the agent stopped while an artifact was stored");
		else
			rc = evidence_write(to, chunk, (size_t)n, err);
		if (!*head_len && n > 0) {
			*head_len = n < HEAD ? (size_t)n : HEAD;
			memcpy(head, chunk, *head_len);
		}
	}
	free(chunk);
	return rc;
}

static int store_fd(struct run *r, const json_t *declared, int fd,
		    struct filed *f)
{
	const char *type = json_str(declared, "media_type");
	struct evidence_file *to = evidence_begin(r->evidence, &f->err);
	char head[HEAD], sha256[SHA256_HEX], *name;
	size_t head_len;
	uint64_t size;

	if (!to)
		return -1;
	if (copy(r, fd, to, head, &head_len, &f->err)) {
		evidence_abort(to);
		return -1;
	}
	if (evidence_commit(to, sha256, &size, &f->err))
		return -1;
	name = secrets_cut(r->secrets, json_str(declared, "name"),
			   strlen(json_str(declared, "name")), NULL);
	json_array_append_new(f->artifacts, artifact_json(name,
		type ? type : media_type_of(name, head, head_len), size,
		sha256));
	free(name);
	return 0;
}

/* Why the artifact cannot be taken, in the log and as a breach. */
static void refuse(struct run *r, const char *name, const char *why)
{
	char *line = xasprintf("artifact %s: %s\n", name, why);

	keep_add(&r->said.noise, line, strlen(line));
	if (r->said.result)
		said_wrong(&r->said, "artifact %s: %s", name, why);
	free(line);
}

static void store_artifact(struct run *r, const json_t *declared,
			   struct filed *f)
{
	const char *name = json_str(declared, "name");
	int fd = openat(r->out, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK |
			O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		refuse(r, name, errno == ELOOP ? "is a symbolic link" :
						 strerror(errno));
	else if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		refuse(r, name, "is not a regular file");
	else
		store_fd(r, declared, fd, f);
	if (fd >= 0)
		close(fd);
}

/*
 * The text of what was kept, secrets cut. Where the middle is missing, a
 * secret may have lost its other half, so as much goes at either edge.
 */
static void keep_text(const struct run *r, const struct keep *k,
		      struct buf *out)
{
	size_t edge = secrets_longest(r->secrets), len;
	struct buf all = {0}, tail = {0};
	char *text;

	edge -= edge > 0;
	buf_add(&all, k->head.data, k->head.len);
	keep_tail(k, k->lost ? &tail : &all);
	text = secrets_cut(r->secrets, all.data, all.len, &len);
	if (k->lost)
		len -= len < edge ? len : edge;
	buf_add(out, text, len);
	free(text);
	if (k->lost) {
		text = secrets_cut(r->secrets, tail.data, tail.len, &len);
		edge = len < edge ? len : edge;
		buf_addf(out, "\n[%zu bytes left out]\n", k->lost);
		buf_add(out, text + edge, len - edge);
		free(text);
	}
	buf_fini(&all);
	buf_fini(&tail);
}

/* The last line that is not empty, cut to size. */
static char *last_line(const struct buf *text)
{
	size_t end = text->len, at;

	while (end && strchr(" \t\r\n", text->data[end - 1]))
		end--;
	for (at = end; at && text->data[at - 1] != '\n'; at--)
		;
	if (end - at > LAST_WORDS)
		for (end = at + LAST_WORDS;
		     end > at && (text->data[end] & 0xc0) == 0x80;)
			end--;
	return end > at ? xstrndup(text->data + at, end - at) : NULL;
}

static const char *log_name(const struct filed *f)
{
	json_t *each;
	size_t i;

	json_array_foreach (f->artifacts, i, each)
		if (!strcmp(json_str(each, "name"), "log.txt"))
			return "output.txt";
	return "log.txt";
}

static void store_log(struct run *r, struct filed *f)
{
	struct buf noise = {0}, text = {0};
	bool both = r->said.noise.head.len && r->said.rest.head.len;
	char sha256[SHA256_HEX];

	keep_text(r, &r->said.noise, &noise);
	f->last_words = last_line(&noise);
	buf_adds(&text, both ? "== stderr ==\n" : "");
	buf_add(&text, noise.data, noise.len);
	buf_adds(&text, both ? "\n== stdout, outside the protocol ==\n" : "");
	keep_text(r, &r->said.rest, &text);
	if (text.len && !evidence_store(r->evidence, text.data, text.len,
					sha256, &f->err))
		json_array_append_new(f->artifacts, artifact_json(log_name(f),
			"text/plain", text.len, sha256));
	buf_fini(&noise);
	buf_fini(&text);
}

void filing_store(struct run *r, struct filed *f)
{
	json_t *each;
	size_t i;

	*f = (struct filed){.artifacts = json_array()};
	json_array_foreach (r->said.artifacts, i, each)
		store_artifact(r, each, f);
	store_log(r, f);
}

int filing_read_back(struct run *r, struct run_report *end, struct err *err)
{
	char sha256[SHA256_HEX], *text;
	size_t len;
	int rc;

	if (!end->result)
		return 0;
	text = json_pretty(end->result, &len);
	rc = evidence_store(r->evidence, text, len, sha256, err);
	free(text);
	if (!rc)
		json_array_append_new(end->artifacts, artifact_json(
			"read-back.json", "application/json", len, sha256));
	return rc;
}

/* A link to what a member names, where the package has one. */
static void add_link(json_t *links, const char *name, const char *before,
		     const json_t *from, const char *member)
{
	const char *id = json_str(from, member);
	char *text = id ? xasprintf("%s%s", before, id) : NULL;

	if (text)
		json_set_str(links, name, text);
	free(text);
}

/* Where all that the package speaks of is to be had. */
static json_t *package_links(const json_t *p)
{
	json_t *links = json_object();

	add_link(links, "run", "/api/runs/", p, "run_id");
	add_link(links, "task", "/api/tasks/", p, "task_id");
	add_link(links, "approval", "/api/approvals/", p, "approval_id");
	add_link(links, "chain", "/api/audit/", p, "correlation_id");
	add_link(links, "export", "/api/evidence/export?run_id=", p,
		 "run_id");
	return links;
}

/* The manifest: each file with its hash, and where to fetch it. */
static json_t *package_artifacts(const json_t *artifacts)
{
	json_t *out = json_array(), *each;
	size_t i;

	json_array_foreach (artifacts, i, each) {
		json_t *v = json_copy(each);

		add_link(v, "link", "/api/evidence/", each, "sha256");
		json_array_append_new(out, v);
	}
	return out;
}

static json_t *package_json(const struct run *r, const struct run_report *end)
{
	json_t *p = json_copy(r->package);
	char now[CLOCK_TEXT];

	clock_text(clock_wall_us(), now);
	json_set_int(p, "v", 1);
	json_set_str(p, "run_id", r->spec->id);
	json_set_str(p, "state", end->state);
	json_object_set(p, "result", end->result);
	json_object_set_new(p, "error", end->error ? json_incref(end->error) :
						     json_null());
	json_object_set_new(p, "artifacts",
			    package_artifacts(end->artifacts));
	json_object_set(p, "files", r->files);
	json_set_str(p, "finished_at", now);
	json_object_set_new(p, "links", package_links(p));
	return p;
}

int filing_package(struct run *r, struct run_report *end, struct err *err)
{
	json_t *p = package_json(r, end);
	size_t len;
	char *text = json_pretty(p, &len);
	int rc = evidence_store(r->evidence, text, len, end->package_sha256,
				err);

	free(text);
	if (!rc) {
		end->package = p;
		return 0;
	}
	*end->package_sha256 = 0;
	json_decref(p);
	return -1;
}
