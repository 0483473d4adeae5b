/*
 * See census.h. Two lists, sorted by hash and walked side by side: the files
 * and what the records say of each hash, where the last word counts.
 */
#include "agent/store/census.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/store/record_line.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"

#define CHUNK (1u << 20)

struct file { char sha256[SHA256_HEX]; char is[SHA256_HEX]; bool bad; };
struct word { char sha256[SHA256_HEX]; bool removed; uint64_t seq; };

struct census {
	char *dir;
	struct census_options o;
	struct file *files;
	struct word *words;
	char **strays;			/* paths that are no evidence */
	size_t n_files, cap_files, n_words, cap_words, n_strays, cap_strays;
	struct census_count count;
};

/* Room for one more at the end. */
#define MORE(c, what)							      \
	((c)->n_##what == (c)->cap_##what ?				      \
	 ((c)->cap_##what = (c)->cap_##what * 2 + 64,			      \
	  (c)->what = xrealloc((c)->what, (c)->cap_##what *		      \
			       sizeof(*(c)->what))) : (c)->what,	      \
	 &(c)->what[(c)->n_##what++])

static void stray(struct census *c, const char *shelf, const char *name)
{
	*MORE(c, strays) = shelf ? xasprintf("%s/%s", shelf, name) :
				   xstrdup(name);
}

/* Its hash into is; false if it cannot be read. */
static bool hash_file(struct census *c, int fd, char is[SHA256_HEX])
{
	struct sha256 *hash = sha256_new();
	char *chunk = xmalloc(CHUNK);
	uint8_t raw[SHA256_RAW];
	ssize_t n;

	while ((n = read(fd, chunk, CHUNK)) > 0 || (n < 0 && errno == EINTR)) {
		if (n < 0)
			continue;
		sha256_add(hash, chunk, (size_t)n);
		c->count.bytes += (uint64_t)n;
		if (c->o.progress)
			c->o.progress(c->o.data, c->count.bytes);
	}
	sha256_end(hash, raw);
	hex_of(raw, sizeof(raw), is);
	free(chunk);
	return !n;
}

static void look(struct census *c, int shelf, const char *name)
{
	int fd = openat(shelf, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK |
			O_NOCTTY | O_CLOEXEC);
	struct file *f = MORE(c, files);
	struct stat st;

	memset(f, 0, sizeof(*f));
	snprintf(f->sha256, sizeof(f->sha256), "%s", name);
	f->bad = fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode);
	if (!f->bad && c->o.hash) {
		if (!hash_file(c, fd, f->is))
			*f->is = 0;
		f->bad = strcmp(f->is, f->sha256);
	}
	if (fd >= 0)
		close(fd);
}

/* Each name in a folder, but "." and ".."; -1 and errno. */
static int each_name(int at, const char *path,
		     void (*each)(struct census *c, int dir, const char *shelf,
				  const char *name), struct census *c)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
			O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d)
		return -1;
	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			each(c, fd, path, e->d_name);
	closedir(d);
	return 0;
}

static void on_file(struct census *c, int dir, const char *shelf,
		    const char *name)
{
	if (is_hex(name, SHA256_HEX - 1) && !strncmp(name, shelf, 2))
		look(c, dir, name);
	else
		stray(c, shelf, name);
}

static void on_unfinished(struct census *c, int dir, const char *shelf,
			  const char *name)
{
	(void)dir, (void)shelf, (void)name;
	c->count.unfinished++;
}

static void on_shelf(struct census *c, int dir, const char *shelf,
		     const char *name)
{
	bool ours = is_hex(name, 2), tmp = !strcmp(name, "tmp");

	(void)shelf;
	if ((!ours && !tmp) ||
	    each_name(dir, name, tmp ? on_unfinished : on_file, c))
		stray(c, NULL, name);
}

int census_take(struct census **out, const char *dir,
		const struct census_options *o, struct err *err)
{
	struct census *c = xcalloc(1, sizeof(*c));

	c->dir = xstrdup(dir);
	c->o = *o;
	if (each_name(AT_FDCWD, dir, on_shelf, c)) {
		census_free(c);
		return err_sys(err, ERR_io, "reading the evidence in %s", dir);
	}
	c->count.files = c->n_files;
	*out = c;
	return 0;
}

void census_free(struct census *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n_strays; i++)
		free(c->strays[i]);
	free(c->strays);
	free(c->files);
	free(c->words);
	free(c->dir);
	free(c);
}

static bool is_type(const struct journal_line *l, const char *quoted)
{
	const struct span *s = &l->parts->field[LINE_type];

	return s->len == strlen(quoted) && !memcmp(s->at, quoted, s->len);
}

void census_line(struct census *c, const struct journal_line *l)
{
	bool removed = is_type(l, "\"evidence_removed\"");
	struct span sha;
	struct word *w;

	if (!removed && !is_type(l, "\"evidence_added\""))
		return;
	if (!json_span_member(l->parts->data, "sha256", &sha) ||
	    sha.len != SHA256_HEX + 1)
		return;
	w = MORE(c, words);
	*w = (struct word){.removed = removed, .seq = l->seq};
	memcpy(w->sha256, sha.at + 1, SHA256_HEX - 1);
}

static int by_hash(const void *a, const void *b)
{
	return strcmp(a, b);		/* it is the first member of both */
}

static int by_hash_and_seq(const void *a, const void *b)
{
	const struct word *x = a, *y = b;
	int by = strcmp(x->sha256, y->sha256);

	return by ? by : x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* The last word on each hash. */
static void last_words(struct census *c)
{
	size_t n = 0;

	if (c->n_words)
		qsort(c->words, c->n_words, sizeof(*c->words),
		      by_hash_and_seq);
	for (size_t i = 0; i < c->n_words; i++)
		if (i + 1 == c->n_words || strcmp(c->words[i].sha256,
						  c->words[i + 1].sha256))
			c->words[n++] = c->words[i];
	c->n_words = n;
}

/* What was stored since the files were read is there now. */
static bool is_there(const struct census *c, const char *sha256)
{
	char *path = xasprintf("%s/%.2s/%s", c->dir, sha256, sha256);
	struct stat st;
	bool there = !lstat(path, &st) && S_ISREG(st.st_mode);

	free(path);
	return there;
}

static int judge(struct census *c, const struct file *f, const struct word *w,
		 census_each *each, void *data)
{
	const char *sha = f ? f->sha256 : w->sha256;
	enum census_fate fate = CENSUS_WELL;
	char path[SHA256_HEX + 3];

	c->count.removed += w && w->removed;
	if (!f && !w->removed && !is_there(c, sha))
		fate = CENSUS_MISSING;
	else if (f && !w)
		fate = CENSUS_FOREIGN;
	else if (f && w->removed)
		fate = CENSUS_LEFT;
	else if (f && f->bad)
		fate = CENSUS_CORRUPT;
	if (fate == CENSUS_WELL)
		return 0;
	snprintf(path, sizeof(path), "%.2s/%s", sha, sha);
	return each(data, fate, path, sha, w ? w->seq : 0,
		    f && *f->is ? f->is : NULL);
}

int census_end(struct census *c, census_each *each, void *data,
	       struct census_count *count)
{
	size_t i = 0, k = 0;
	int rc = 0, by;

	last_words(c);
	if (c->n_files)
		qsort(c->files, c->n_files, sizeof(*c->files), by_hash);
	while (!rc && (i < c->n_files || k < c->n_words)) {
		by = i == c->n_files ? 1 : k == c->n_words ? -1 :
		     strcmp(c->files[i].sha256, c->words[k].sha256);
		rc = judge(c, by <= 0 ? &c->files[i] : NULL,
			   by >= 0 ? &c->words[k] : NULL, each, data);
		i += by <= 0;
		k += by >= 0;
	}
	for (i = 0; !rc && i < c->n_strays; i++)
		rc = each(data, CENSUS_FOREIGN, c->strays[i], NULL, 0, NULL);
	*count = c->count;
	return rc;
}
