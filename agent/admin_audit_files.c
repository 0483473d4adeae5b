/* `audit checkpoint` and `audit compress`: what is done to the files. */
#include "agent/admin_audit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/admin.h"
#include "agent/store/checkpoint.h"
#include "agent/store/home.h"
#include "agent/store/journal.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/mem.h"

static int say_checkpoint(const struct home *home, struct err *err)
{
	char *path = xasprintf("%s/checkpoint", home->audit), *text;
	struct checkpoint c;
	struct note n;
	size_t len;
	int rc = -1;

	text = fs_read(path, NOTE_MAX, &len, err);
	if (!text && errno == ENOENT)
		err_hint(err, "The agent signs one while it runs, and when "
			 "it stops.");
	if (text && !note_parse(&n, text, len, err) &&
	    !checkpoint_parse(&c, n.text, n.text_len, err))
		rc = fwrite(text, 1, len, stdout) < len || fflush(stdout) ?
			     err_sys(err, ERR_io, "writing it") : 0;
	free(text);
	free(path);
	return rc;
}

int cmd_audit_checkpoint(const struct globals *g, int argc, char **argv)
{
	struct err err = {0};
	struct home home;
	int rc;

	if (argc > 2 || (argc == 2 && argv[1][0] == '-'))
		return say_usage("audit checkpoint " AUDIT_CHECKPOINT);
	if (audit_where(g, argc == 2 ? argv[1] : NULL, &home))
		return EXIT_FAILURE;
	rc = say_checkpoint(&home, &err);
	home_fini(&home);
	return rc ? say_error(&err) : EXIT_SUCCESS;
}

struct sum { uint64_t files, plain, packed; };

static void say_one(void *data, const char *path, uint64_t plain,
		    uint64_t packed)
{
	struct sum *sum = data;

	sum->files++;
	sum->plain += plain;
	sum->packed += packed;
	printf("%s: %" PRIu64 " of %" PRIu64 " bytes\n", path, packed, plain);
	fflush(stdout);
}

/* 0 to 999999; -1: it is no such number. */
static int number(const char *text)
{
	const size_t n = strspn(text, "0123456789");

	return n && n < 7 && !text[n] ? atoi(text) : -1;
}

int cmd_audit_compress(const struct globals *g, int argc, char **argv)
{
	const char *dir = NULL;
	struct err err = {0};
	struct sum sum = {0};
	struct home home;
	int keep = 0, rc;

	for (int i = 1; i < argc && keep >= 0; i++)
		if (!strcmp(argv[i], "--keep"))
			keep = i + 1 < argc ? number(argv[++i]) : -1;
		else if (argv[i][0] != '-' && !dir)
			dir = argv[i];
		else
			keep = -1;
	if (keep < 0)
		return say_usage("audit compress " AUDIT_COMPRESS);
	if (audit_where(g, dir, &home))
		return EXIT_FAILURE;
	rc = journal_compress(home.audit, (uint64_t)keep, say_one, &sum, &err);
	home_fini(&home);
	if (rc)
		return say_error(&err);
	printf("%" PRIu64 " segments compressed, %" PRIu64 " of %" PRIu64
	       " bytes\n", sum.files, sum.packed, sum.plain);
	return EXIT_SUCCESS;
}
