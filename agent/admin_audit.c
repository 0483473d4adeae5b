/* `kircerta-agent audit`: a table of what there is to do with the record. */
#include "agent/admin_audit.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/admin.h"
#include "agent/store/home.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/mem.h"

#define SHOW_US 200000

static const struct command commands[] = {
	{"verify", AUDIT_VERIFY, "", cmd_audit_verify},
	{"checkpoint", AUDIT_CHECKPOINT, "", cmd_audit_checkpoint},
	{"export", AUDIT_EXPORT, "", cmd_audit_export},
	{"compress", AUDIT_COMPRESS, "", cmd_audit_compress},
	{"reindex", "", "", cmd_audit_reindex},
};

int cmd_audit(const struct globals *g, int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < ARRAY_LEN(commands); i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(g, argc - 1, argv + 1);
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		fprintf(stderr, "%s kircerta-agent audit %s %s\n",
			i ? "      " : "usage:", commands[i].name,
			commands[i].usage);
	return EXIT_USAGE;
}

static bool ends(const char *text, const char *with)
{
	const size_t n = strlen(text), m = strlen(with);

	return n > m && !strcmp(text + n - m, with);
}

/* Does the folder have files of a journal in it? */
static bool holds_journal(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	bool found = false;

	while (d && !found && (e = readdir(d)))
		found = ends(e->d_name, ".jsonl") ||
			ends(e->d_name, ".jsonl.zst");
	if (d)
		closedir(d);
	return found;
}

/* A folder "audit" has the home around it; another one has all there is. */
static void where_files(char *dir, struct home *h)
{
	char *slash = strrchr(dir, '/');

	if (slash && slash > dir && !strcmp(slash, "/audit")) {
		*slash = 0;
		home_paths(h, dir);
		return;
	}
	home_paths(h, dir);
	free(h->audit);
	h->audit = xstrdup(dir);
}

int audit_where(const struct globals *g, const char *dir, struct home *h)
{
	struct err err = {0};
	char *real;

	if (!dir)
		return home_of(g, h);
	real = realpath(dir, NULL);
	if (!real) {
		err_sys(&err, ERR_io, "%s", dir);
		return say_error(&err);
	}
	if (holds_journal(real)) {
		where_files(real, h);
		free(real);
		return 0;
	}
	home_paths(h, real);
	free(real);
	if (holds_journal(h->audit))
		return 0;
	err_set(&err, ERR_io, "%s has no journal: no *.jsonl in it or in its "
		"audit/", dir);
	err_hint(&err, "Name a home, its audit folder, or a copy of one.");
	home_fini(h);
	return say_error(&err);
}

void audit_progress(struct audit_progress *p, const char *what, uint64_t n)
{
	int64_t now;

	if (!p->show)
		return;
	now = clock_mono_us();
	if (now - p->shown_us < SHOW_US)
		return;
	p->shown_us = now;
	fprintf(stderr, "\r\033[K%" PRIu64 " %s read", n, what);
}

void audit_progress_end(struct audit_progress *p)
{
	if (p->shown_us)
		fputs("\r\033[K", stderr);
	p->shown_us = 0;
}
