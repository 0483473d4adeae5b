/* See ssot_memo.h. A line a point: journal, commit, record, its hash. */
#include "agent/store/ssot_memo.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/store/ssot_git.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/mem.h"

#define NAME "kircerta.head"
#define NOTE_MAX 4096

static void add_point(struct buf *b, const char *log_id,
		      const struct ssot_point *p)
{
	char hex[SSOT_HEX];

	if (p->any)
		buf_addf(b, "%s %s %llu %s\n", log_id,
			 git_oid_tostr(hex, sizeof(hex), &p->commit),
			 (unsigned long long)p->seq, *p->leaf ? p->leaf : "-");
}

static int replace(const char *path, const struct buf *b)
{
	char *temp = xasprintf("%s.new", path);
	int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int rc = fd < 0 ? -1 : fs_write_all(fd, b->data, b->len);

	if (fd >= 0)
		close(fd);
	if (!rc)
		rc = rename(temp, path);
	if (rc)
		unlink(temp);
	free(temp);
	return rc;
}

void ssot_memo_write(const char *path, const char *log_id,
		     const struct ssot_point *old,
		     const struct ssot_point *next)
{
	char *file = xasprintf("%s/" NAME, path);
	struct buf b = {0};

	add_point(&b, log_id, next);
	add_point(&b, log_id, old);
	if (b.len && replace(file, &b))
		log_warn("%s cannot be written: %m", file);
	buf_fini(&b);
	free(file);
}

static bool read_point(const char *line, const char *log_id,
		       struct ssot_point *p)
{
	char log[SSOT_LOG], commit[SSOT_HEX], leaf[SHA256_HEX];
	unsigned long long seq;

	if (sscanf(line, "%16s %40s %llu %64s", log, commit, &seq, leaf) != 4 ||
	    strcmp(log, log_id) || !is_hex(commit, SSOT_HEX - 1) ||
	    git_oid_fromstr(&p->commit, commit))
		return false;
	p->any = true;
	p->seq = seq;
	strcpy(p->leaf, seq ? leaf : "");
	return !seq || is_hex(leaf, SHA256_HEX - 1);
}

static bool in_history(git_repository *repo, const git_oid *tip,
		       struct ssot_point *p)
{
	git_commit *commit;

	if (ssot_git_descends(repo, tip, &p->commit, NULL) <= 0 ||
	    git_commit_lookup(&commit, repo, &p->commit))
		return false;
	p->tree = *git_commit_tree_id(commit);
	git_commit_free(commit);
	return true;
}

bool ssot_memo_read(git_repository *repo, const char *path,
		    const char *log_id, const git_oid *tip,
		    struct ssot_point *out)
{
	char *file = xasprintf("%s/" NAME, path);
	char *text = fs_read(file, NOTE_MAX, NULL, NULL), *rest = text, *line;
	bool found = false;

	while (!found && (line = strsep(&rest, "\n"))) {
		memset(out, 0, sizeof(*out));
		found = read_point(line, log_id, out) &&
			in_history(repo, tip, out);
	}
	if (!found)
		memset(out, 0, sizeof(*out));
	free(text);
	free(file);
	return found;
}

size_t ssot_memo_points(const char *path, const char *log_id,
			struct ssot_point out[2])
{
	char *file = xasprintf("%s/" NAME, path);
	char *text = fs_read(file, NOTE_MAX, NULL, NULL), *rest = text, *line;
	size_t n = 0;

	while (n < 2 && (line = strsep(&rest, "\n"))) {
		memset(&out[n], 0, sizeof(out[n]));
		n += read_point(line, log_id, &out[n]);
	}
	free(text);
	free(file);
	return n;
}

/* A line begins with the journal that wrote it. */
bool ssot_memo_other(const char *path, const char *log_id)
{
	char *file = xasprintf("%s/" NAME, path);
	char *text = fs_read(file, NOTE_MAX, NULL, NULL), *rest = text, *line;
	bool any = false, own = false;

	while ((line = strsep(&rest, "\n"))) {
		any |= strcspn(line, " ") == SSOT_LOG - 1;
		own |= *log_id && !strncmp(line, log_id, SSOT_LOG - 1);
	}
	free(text);
	free(file);
	return any && !own;
}
