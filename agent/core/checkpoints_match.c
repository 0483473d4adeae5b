/*
 * At the start: is the journal still the one that was signed? The file says
 * how far it once was, the journal's own records say which checkpoints there
 * have been, and the tree, cached or made anew, what the root is.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/core/checkpoints_inner.h"
#include "agent/ops/op.h"
#include "agent/store/home.h"
#include "agent/store/index.h"
#include "agent/store/journal.h"
#include "agent/store/settings.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"

static int refuse(struct checkpoints *c, const struct err *why,
		  struct err *err)
{
	err_set(err, ERR_io, "%s: %s", c->file, why->detail);
	return err_hint(err, "It or keys/journal.key was changed. Restore "
			"both from a copy of this home.");
}

static int open_note(struct checkpoints *c, const struct buf *note,
		     struct checkpoint *out, struct err *err)
{
	struct err why = {0};
	int rc = 0;

	if (checkpoint_open(out, note->data, note->len,
			    note_signer_key(c->signer), &why))
		rc = refuse(c, &why, err);
	err_fini(&why);
	return rc;
}

/* c->newest.size stays 0 where there is no file. */
static int read_file(struct checkpoints *c, struct err *err)
{
	struct stat st;
	int64_t age;

	if (stat(c->file, &st))
		return errno == ENOENT ? 0 : err_sys(err, ERR_io, "%s",
						     c->file);
	c->note.data = fs_read(c->file, NOTE_MAX, &c->note.len, err);
	if (!c->note.data || open_note(c, &c->note, &c->newest, err))
		return -1;
	age = clock_wall_us() - (int64_t)st.st_mtime * 1000000;
	c->last_us -= age > 0 ? age : 0;
	return 0;
}

/* What a crash while it was being replaced has left beside it. */
static void sweep(const char *dir)
{
	const char name[] = "checkpoint.";
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		if (strlen(e->d_name) == sizeof(name) - 1 + 6 &&
		    !strncmp(e->d_name, name, sizeof(name) - 1))
			unlinkat(dirfd(d), e->d_name, 0);
	}
	if (d)
		closedir(d);
}

/* The note in the record at this place; false: there is none that is good. */
static bool recorded_note(struct checkpoints *c, const struct record_place *p,
			  struct buf *note, struct checkpoint *out)
{
	char *line = xmalloc(p->len);
	struct record *r = NULL;
	const char *text;

	if (!journal_read(c->core->agent->journal, p->off, p->len, line, NULL))
		r = record_parse(line, p->len, NULL, NULL);
	text = r ? json_str(r->data, "note") : NULL;
	buf_reset(note);
	buf_adds(note, text ? text : "");
	record_unref(r);
	free(line);
	return !checkpoint_open(out, note->data, note->len,
				note_signer_key(c->signer), NULL);
}

static int missing(struct checkpoints *c, uint64_t seq, struct err *err)
{
	err_set(err, ERR_io, "%s is missing, and record %llu says that there "
		"was one", c->file, (unsigned long long)seq);
	return err_hint(err, "Restore it from a copy. To go on from what the "
			"journal itself says of it: grep -h "
			"'\"type\":\"checkpoint\"' *.jsonl | tail -n1 | jq "
			"-j .data.note > checkpoint, in %s.",
			c->core->agent->home->audit);
}

static int two_roots(struct checkpoints *c, uint64_t seq, struct err *err)
{
	err_set(err, ERR_io, "%s and record %llu give the first %llu records "
		"different roots", c->file, (unsigned long long)seq,
		(unsigned long long)c->newest.size);
	return err_hint(err, "Both are signed, so the journal has been "
			"another since: restore the two that belong "
			"together.");
}

/* One record of type checkpoint behind what the file covers. */
static int take_recorded(struct checkpoints *c, const struct record_place *p,
			 struct err *err)
{
	struct checkpoint found;
	struct buf note = {0};
	int rc = 0;

	if (!c->newest.size) {
		rc = missing(c, p->seq, err);
	} else if (!recorded_note(c, p, &note, &found)) {
		rc = err_set(err, ERR_io, "record %llu holds a checkpoint "
			     "that is not signed by this key",
			     (unsigned long long)p->seq);
		err_hint(err, "The journal or keys/journal.key was changed: "
			 "restore both from a copy of this home.");
	} else if (found.size == c->newest.size) {
		c->on_record = true;
		if (memcmp(found.root, c->newest.root, SHA256_RAW))
			rc = two_roots(c, p->seq, err);
	} else if (found.size > c->newest.size) {
		c->on_record = true;
		c->newest = found;
		buf_fini(&c->note);
		c->note = note;
		return 0;
	}
	buf_fini(&note);
	return rc;
}

/*
 * A checkpoint is written to the file first, so the file is at least as new
 * as the records, unless it is an older copy of itself. That loses nothing:
 * the record has the newer one.
 */
static int compare_records(struct checkpoints *c, struct err *err)
{
	struct record_filter f = {.types = "checkpoint",
				  .after_seq = c->newest.size, .limit = 256};
	const uint64_t in_file = c->newest.size;
	struct record_place places[256];
	size_t n = f.limit;

	while (n == f.limit) {
		if (reader_records(c->core->reader, &f, places, &n, err))
			return -1;
		for (size_t i = 0; i < n; i++)
			if (take_recorded(c, &places[i], err))
				return -1;
		if (n)
			f.after_seq = places[n - 1].seq;
	}
	if (c->newest.size == in_file)
		return 0;
	log_warn("%s was an older copy; taking the newer checkpoint of %llu "
		 "records from the journal", c->file,
		 (unsigned long long)c->newest.size);
	return fs_replace(c->file, c->note.data, c->note.len, 0600, err);
}

static int older(struct checkpoints *c, struct err *err)
{
	const struct agent *a = c->core->agent;

	err_set(err, ERR_io, "%s was made of %llu records, the journal in %s "
		"has %llu", c->file, (unsigned long long)c->newest.size,
		a->home->audit, (unsigned long long)core_seq(c->core));
	return err_hint(err, "The journal is an older copy or was cut: "
			"restore it. To accept what is there, move "
			"audit/checkpoint away and say so to whoever relies "
			"on the record.");
}

static int replaced(struct checkpoints *c, struct err *err)
{
	err_set(err, ERR_io, "the first %llu records of the journal in %s are "
		"not those that %s was made of",
		(unsigned long long)c->newest.size,
		c->core->agent->home->audit, c->file);
	return err_hint(err, "The journal was changed: kircerta-agent audit "
			"verify says where. Restore it from a copy.");
}

/* Does the cached tree give the signed root, and the journal its leaf? */
static bool cache_fits(struct checkpoints *c)
{
	const uint64_t size = c->newest.size;
	uint8_t root[SHA256_RAW];

	if (tree_size(c->tree) < size || tree_cut(c->tree, size, NULL))
		return false;
	tree_head(c->tree, root);
	return !memcmp(root, c->newest.root, SHA256_RAW);
}

static int journal_fits(struct checkpoints *c, struct err *err)
{
	const uint64_t size = c->newest.size;
	char hex[SHA256_HEX], want[SHA256_HEX];
	uint8_t leaf[SHA256_RAW];

	if (tree_leaf(c->tree, size - 1, leaf, err) ||
	    core_leaf(c->core, c->core->reader, size, hex, err))
		return -1;
	hex_of(leaf, SHA256_RAW, want);
	return strcmp(hex, want) ? replaced(c, err) : 0;
}

int checkpoints_match(struct checkpoints *c, struct err *err)
{
	struct err why = {0};

	sweep(c->core->agent->home->audit);
	if (read_file(c, err) || compare_records(c, err))
		return -1;
	if (!c->newest.size)		/* nothing says that the cache is true */
		return tree_cut(c->tree, 0, err);
	if (c->newest.size > core_seq(c->core))
		return older(c, err);
	if (!cache_fits(c) &&
	    checkpoints_rebuild(c, c->newest.size, c->newest.root, &why)) {
		if (c->changed)
			replaced(c, err);
		else
			*err = why;
		return -1;
	}
	return journal_fits(c, err);
}
