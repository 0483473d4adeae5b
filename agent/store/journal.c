/*
 * See journal.h. The head is what was synced and checked; it is the one thing
 * that threads share. What is being added belongs to the appending thread.
 */
#include "agent/store/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/store/journal_lines.h"
#include "agent/store/journal_segments.h"
#include "agent/store/journal_tail.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/mem.h"

struct journal {
	char *path;
	int fd;
	pthread_mutex_t mutex;
	struct journal_head head;	/* behind the mutex */
	atomic_bool sealed;

	struct link last;		/* of what was added */
	struct record **added;
	size_t n_added, cap;
	struct buf bytes;		/* of what was added, for one write */
	char why[256];			/* it was sealed */
	void (*hook)(void *);
	void *hook_data;
};

static uint64_t committed(const struct journal *j)
{
	return j->head.off;	/* only the appending thread changes it */
}

/* One agent per journal: a second one would break the chain. */
static int open_file(struct journal *j, const char *dir, struct err *err)
{
	if (fs_mkdir(dir, 0700, err) || segment_alone(dir, err))
		return -1;
	j->fd = open(j->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC |
			      O_NOFOLLOW, 0600);
	if (j->fd < 0)
		return err_sys(err, ERR_audit_unavailable, "%s", j->path);
	if (flock(j->fd, LOCK_EX | LOCK_NB)) {
		err_sys(err, ERR_audit_unavailable, "%s is in use", j->path);
		return err_hint(err, "Another agent runs on this home; stop "
				"it, or give this one another --home.");
	}
	if (fsync(j->fd))
		return err_sys(err, ERR_audit_unavailable, "syncing %s",
			       j->path);
	return fs_sync_dir(dir, err);
}

static int cut(struct journal *j, const struct tail *t,
	       struct journal_repair *repair, struct err *err)
{
	*repair = (struct journal_repair){.done = true, .off = t->end,
					  .len = t->torn};
	memcpy(repair->sha256, t->torn_sha256, SHA256_HEX);
	if (ftruncate(j->fd, (off_t)t->end) || fsync(j->fd))
		return err_sys(err, ERR_audit_unavailable,
			       "cutting the torn end off %s", j->path);
	return 0;
}

static int read_tail(struct journal *j, struct journal_repair *repair,
		     struct err *err)
{
	struct stat st;
	struct tail t;

	if (fstat(j->fd, &st))
		return err_sys(err, ERR_audit_unavailable, "%s", j->path);
	if (tail_read(j->fd, (uint64_t)st.st_size, &t, err) ||
	    (t.torn && cut(j, &t, repair, err)))
		return -1;
	j->last = t.last;
	j->head = (struct journal_head){.seq = t.last.seq, .off = t.end};
	memcpy(j->head.leaf, t.last.leaf, SHA256_RAW);
	return 0;
}

int journal_open(struct journal **out, const char *dir,
		 struct journal_repair *repair, struct err *err)
{
	struct journal *j = xcalloc(1, sizeof(*j));

	*repair = (struct journal_repair){0};
	j->path = segment_path(dir, 1, false);
	j->fd = -1;
	pthread_mutex_init(&j->mutex, NULL);
	if (open_file(j, dir, err) || read_tail(j, repair, err)) {
		journal_close(j);
		return -1;
	}
	*out = j;
	return 0;
}

static void drop_added(struct journal *j)
{
	for (size_t i = 0; i < j->n_added; i++)
		record_unref(j->added[i]);
	xfree(j->added);
	j->n_added = j->cap = 0;
	buf_reset(&j->bytes);
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	drop_added(j);
	buf_fini(&j->bytes);
	if (j->fd >= 0)
		close(j->fd);
	pthread_mutex_destroy(&j->mutex);
	free(j->path);
	free(j);
}

bool journal_sealed(const struct journal *j)
{
	return atomic_load(&j->sealed);
}

static int refuse(const struct journal *j, struct err *err)
{
	return err_set(err, ERR_audit_unavailable, "%s", j->why);
}

struct record *journal_append(struct journal *j, const struct entry *e,
			      struct err *err)
{
	int64_t now = clock_wall_us();
	struct record *r;

	if (journal_sealed(j)) {
		refuse(j, err);
		return NULL;
	}
	r = record_make(e, j->last.seq + 1,
			now > j->last.ts_us ? now : j->last.ts_us,
			j->last.leaf, err);
	if (!r)
		return NULL;
	r->off = committed(j) + j->bytes.len;
	j->last = (struct link){true, r->seq, r->ts_us, {0}};
	memcpy(j->last.leaf, r->leaf, SHA256_RAW);
	buf_add(&j->bytes, r->line, r->len);
	buf_add(&j->bytes, "\n", 1);
	if (j->n_added == j->cap) {
		j->cap = j->cap ? 2 * j->cap : 64;
		j->added = xrealloc(j->added, j->cap * sizeof(*j->added));
	}
	return j->added[j->n_added++] = r;
}

/* The file we hold is the one on the path, and as long as we made it. */
static int still_ours(struct journal *j, struct err *err)
{
	const uint64_t size = committed(j) + j->bytes.len;
	struct stat own, path;

	if (fstat(j->fd, &own))
		return err_sys(err, ERR_audit_unavailable, "%s", j->path);
	if (!own.st_nlink)
		return err_set(err, ERR_audit_unavailable,
			       "%s was deleted", j->path);
	if (stat(j->path, &path))
		return err_sys(err, ERR_audit_unavailable, "%s", j->path);
	if (path.st_ino != own.st_ino || path.st_dev != own.st_dev)
		return err_set(err, ERR_audit_unavailable,
			       "another file was put at %s", j->path);
	if ((uint64_t)own.st_size != size)
		return err_set(err, ERR_audit_unavailable, "%s has %lld bytes"
			       " where %llu were written", j->path,
			       (long long)own.st_size,
			       (unsigned long long)size);
	return 0;
}

static int write_added(struct journal *j, struct err *err)
{
	if (fs_write_all(j->fd, j->bytes.data, j->bytes.len))
		return err_sys(err, ERR_audit_unavailable, "writing %s",
			       j->path);
	if (j->hook)
		j->hook(j->hook_data);
	if (fdatasync(j->fd))
		return err_sys(err, ERR_audit_unavailable, "syncing %s",
			       j->path);
	return still_ours(j, err);
}

/*
 * Nothing was acknowledged of what is behind the head, so it should not be
 * found there after a restart either. That is tried, never relied upon, and
 * only where nobody else has touched the file.
 */
static void take_back(struct journal *j)
{
	const uint64_t most = committed(j) + j->bytes.len;
	struct stat own, path;

	if (!fstat(j->fd, &own) && !stat(j->path, &path) &&
	    own.st_ino == path.st_ino && own.st_dev == path.st_dev &&
	    (uint64_t)own.st_size > committed(j) &&
	    (uint64_t)own.st_size <= most &&
	    !ftruncate(j->fd, (off_t)committed(j)))
		fsync(j->fd);
}

static void seal(struct journal *j, const struct err *why)
{
	atomic_store(&j->sealed, true);
	memccpy(j->why, why->detail, 0, sizeof(j->why) - 1);
	take_back(j);
	drop_added(j);
}

int journal_commit(struct journal *j, struct record ***batch, size_t *n,
		   struct err *err)
{
	struct err why = {0};

	*batch = NULL;
	*n = 0;
	if (journal_sealed(j))
		return refuse(j, err);
	if (!j->n_added)
		return 0;
	if (write_added(j, &why)) {
		seal(j, &why);
		return refuse(j, err);
	}
	pthread_mutex_lock(&j->mutex);
	j->head.seq = j->last.seq;
	j->head.off += j->bytes.len;
	memcpy(j->head.leaf, j->last.leaf, SHA256_RAW);
	pthread_mutex_unlock(&j->mutex);
	*batch = j->added;
	*n = j->n_added;
	j->added = NULL;
	j->n_added = j->cap = 0;
	buf_reset(&j->bytes);
	return 0;
}

struct journal_head journal_head(struct journal *j)
{
	struct journal_head head;

	pthread_mutex_lock(&j->mutex);
	head = j->head;
	pthread_mutex_unlock(&j->mutex);
	return head;
}

int journal_read(struct journal *j, uint64_t off, size_t len, char *out,
		 struct err *err)
{
	const uint64_t end = journal_head(j).off;

	if (off > end || len > end - off)
		return err_set(err, ERR_io, "byte %llu of the journal is not "
			       "committed", (unsigned long long)(off + len));
	while (len) {
		ssize_t n = pread(j->fd, out, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, ERR_io, "reading %s", j->path);
		if (!n)
			return err_set(err, ERR_io, "%s was cut at byte %llu",
				       j->path, (unsigned long long)off);
		out += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int journal_has(struct journal *j, const struct journal_head *point,
		struct err *err)
{
	char window[RECORD_LINE_MAX + 2];
	const size_t len = point->off < sizeof(window) ?
				   (size_t)point->off : sizeof(window);
	const char *lf;
	struct record *r;
	int rc;

	if (!point->off || point->off > journal_head(j).off)
		return !point->off && !point->seq;
	if (journal_read(j, point->off - len, len, window, err))
		return -1;
	lf = memrchr(window, '\n', len - 1);
	lf = lf ? lf + 1 : window;
	r = record_parse(lf, len - 1 - (size_t)(lf - window), NULL, NULL);
	rc = r && window[len - 1] == '\n' && r->seq == point->seq &&
	     !memcmp(r->leaf, point->leaf, SHA256_RAW);
	record_unref(r);
	return rc;
}

int journal_replay(struct journal *j, uint64_t off, journal_each *each,
		   void *data, struct err *err)
{
	const uint64_t end = journal_head(j).off;
	struct link at = link_first;
	char before = '\n';

	if (off > end)
		return err_set(err, ERR_io, "byte %llu is behind the end of "
			       "the journal", (unsigned long long)off);
	if (off && journal_read(j, off - 1, 1, &before, err))
		return -1;
	if (before != '\n')
		return err_set(err, ERR_io, "no record of the journal starts "
			       "at byte %llu", (unsigned long long)off);
	at.known = off == 0;
	return link_walk(&at, j->fd, off, end, each, data, err);
}

void journal_on_sync(struct journal *j, void (*hook)(void *), void *data)
{
	j->hook = hook;
	j->hook_data = data;
}
