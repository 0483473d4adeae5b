/* evidence and verify: bytes are hashed here before anybody gets them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fs.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/sha256.h"
#include "console/cli.h"
#include "console/filter.h"

/* The bytes in an unnamed file; EXIT_UNVERIFIED if they are not these. */
static int fetch(struct cli *c, const char *sha, FILE **out)
{
	char *path = xasprintf("/api/evidence/%s", sha), hex[SHA256_HEX];
	struct http_answer answer = {0};
	struct err err = {0};
	uint64_t size;
	int rc = EXIT_OK;

	*out = tmpfile();
	if (!*out) {
		err_sys(&err, ERR_io, "a temporary file");
		rc = cli_error(c, &err);
	} else if (http_download(&c->to, path, *out, &answer, &err)) {
		rc = cli_error(c, &err);
	} else if (answer.status != 200) {
		rc = cli_problem(c, &answer);
	} else if (fflush(*out) ||
		   sha256_fd(fileno(*out), hex, &size, &err)) {
		rc = cli_error(c, &err);
	} else if (strcmp(hex, sha)) {
		err_set(&err, ERR_evidence_corrupt, "the bytes that came have "
			"the hash %s, not %s", hex, sha);
		rc = cli_error(c, &err);
	}
	if (rc && *out) {
		fclose(*out);
		*out = NULL;
	}
	http_answer_fini(&answer);
	err_fini(&err);
	free(path);
	return rc;
}

static int copy_out(struct cli *c, FILE *from, const char *to)
{
	bool standard = !strcmp(to, "-");
	int fd = standard ? STDOUT_FILENO :
		 open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	struct err err = {0};
	char buf[65536];
	size_t n;
	int rc = fd < 0 ? -1 : 0;

	rewind(from);
	while (!rc && (n = fread(buf, 1, sizeof(buf), from)) > 0)
		rc = fs_write_all(fd, buf, n);
	if (fd >= 0 && !standard && close(fd))
		rc = -1;
	if (!rc)
		return EXIT_OK;
	err_sys(&err, ERR_io, "%s", to);
	rc = cli_error(c, &err);
	err_fini(&err);
	return rc;
}

static int evidence_get(struct cli *c)
{
	const char *sha = c->count > 1 ? c->args[1] : "";
	const char *to = c->opt[OPT_output];
	FILE *file;
	int rc;

	if (c->count != 2 || !is_hex(sha, SHA256_HEX - 1))
		return cli_usage(c, "usage: kircerta evidence get SHA256 "
				 "[-o FILE], with all 64 digits");
	if (!to && isatty(STDOUT_FILENO))
		return cli_usage(c, "-o FILE says where; these bytes do not "
				 "go to a terminal");
	rc = fetch(c, sha, &file);
	if (rc)
		return rc;
	rc = copy_out(c, file, to ? to : "-");
	fclose(file);
	return rc;
}

/* "evidence-ID.tar", where the id may be one of anybody's making. */
static char *archive_name(const char *id)
{
	char *name = xasprintf("evidence-%s.tar", id);

	for (char *at = name; *at; at++)
		if (*at == '/' || *at == ':' || (unsigned char)*at <= ' ')
			*at = '_';
	return name;
}

/* The archive as it is: what is in it is verified by its own script. */
static int download(struct cli *c, const char *id, FILE **out)
{
	char *escaped = http_escape(id);
	char *path = xasprintf("/api/evidence/export?id=%s", escaped);
	struct http_answer answer = {0};
	struct err err = {0};
	int rc = EXIT_OK;

	*out = tmpfile();
	if (!*out) {
		err_sys(&err, ERR_io, "a temporary file");
		rc = cli_error(c, &err);
	} else if (http_download(&c->to, path, *out, &answer, &err)) {
		rc = cli_error(c, &err);
	} else if (answer.status != 200) {
		rc = cli_problem(c, &answer);
	} else if (fflush(*out)) {
		err_sys(&err, ERR_io, "a temporary file");
		rc = cli_error(c, &err);
	}
	if (rc && *out)
		fclose(*out);
	http_answer_fini(&answer);
	err_fini(&err);
	free(path);
	free(escaped);
	return rc;
}

static int say_exported(struct cli *c, const char *to, FILE *file)
{
	json_t *out = json_object();

	json_set_str(out, "file", to);
	json_set_int(out, "size", (json_int_t)ftello(file));
	if (!cli_json(c, out))
		printf("%s\nunpack it with tar, here or elsewhere, and run its "
		       "verify.sh; --key VKEY|FILE if you\nknow the journal's "
		       "key\n", to);
	json_decref(out);
	return EXIT_OK;
}

static int evidence_export(struct cli *c)
{
	const char *to = c->opt[OPT_output];
	char *own;
	FILE *file;
	int rc;

	if (c->count != 2)
		return cli_usage(c, "usage: kircerta evidence export "
				 "TASK|RUN|CORRELATION [-o FILE]");
	rc = download(c, c->args[1], &file);
	if (rc)
		return rc;
	own = archive_name(c->args[1]);
	to = to ? to : own;
	rc = copy_out(c, file, to);
	if (!rc && strcmp(to, "-"))
		rc = say_exported(c, to, file);
	fclose(file);
	free(own);
	return rc;
}

static int evidence_ls(struct cli *c)
{
	static const char *const titles[] = {"SHA256", "SIZE", "TYPE", "TASK",
					     "CREATED", "NAME"};
	static const char *const members[] = {"sha256", "size", "media_type",
					      "task_id", "created_at",
					      "name"};
	char *filter = cli_filter(c, 1), *query, *path;
	struct cli_table *t;
	struct err err = {0};
	json_t *items, *each;
	size_t i;
	int rc;

	query = filter_query(filter, &err);
	free(filter);
	if (!query) {
		rc = cli_error(c, &err);
		err_fini(&err);
		return rc;
	}
	path = xasprintf("/api/evidence%s%s", *query ? "?" : "", query);
	rc = cli_list(c, path, &items);
	free(path);
	free(query);
	if (rc)
		return rc;
	if (!cli_json(c, items)) {
		t = table_new(titles, ARRAY_LEN(titles));
		json_array_foreach (items, i, each) {
			const char *cells[ARRAY_LEN(members)];
			char size[24];

			for (size_t k = 0; k < ARRAY_LEN(members); k++)
				cells[k] = json_str(each, members[k]);
			snprintf(size, sizeof(size), "%lld",
				 (long long)json_int(each, "size", 0));
			cells[1] = size;
			table_add(t, cells);
		}
		table_print(t);
	}
	json_decref(items);
	return EXIT_OK;
}

int cli_evidence(struct cli *c)
{
	if (!strcmp(c->args[0], "get"))
		return evidence_get(c);
	if (!strcmp(c->args[0], "ls"))
		return evidence_ls(c);
	if (!strcmp(c->args[0], "export"))
		return evidence_export(c);
	return cli_usage(c, "usage: kircerta evidence ls [FILTER] | get "
			 "SHA256 [-o FILE] | export TASK|RUN|CORRELATION "
			 "[-o FILE]");
}

/* Hash what is at the path, then ask whether that hash is recorded. */
static int hash_path(struct cli *c, const char *path, char hex[SHA256_HEX])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc = EXIT_OK;
	struct err err = {0};
	uint64_t size;

	if (fd < 0)
		err_sys(&err, ERR_io, "%s", path);
	if (fd < 0 || sha256_fd(fd, hex, &size, &err))
		rc = cli_error(c, &err);
	if (fd >= 0)
		close(fd);
	err_fini(&err);
	return rc;
}

static int say_verified(struct cli *c, const char *hex, const char *what)
{
	json_t *out = json_object();

	json_set_str(out, "sha256", hex);
	json_set_str(out, "verified", what);
	if (!cli_json(c, out))
		printf("%s  %s\n", hex, what);
	json_decref(out);
	return EXIT_OK;
}

int cli_verify(struct cli *c)
{
	const char *what = c->args[0];
	bool file = !access(what, F_OK);
	char hex[SHA256_HEX];
	FILE *bytes;
	int rc;

	if (!file && !is_hex(what, SHA256_HEX - 1))
		return cli_usage(c, "%s is neither a file nor a SHA-256 of 64 "
				 "digits", what);
	snprintf(hex, sizeof(hex), "%s", what);
	rc = file ? hash_path(c, what, hex) : 0;
	if (rc)
		return rc;
	rc = fetch(c, hex, &bytes);
	if (rc) {
		if (file && rc == EXIT_FAILED)
			rc = EXIT_UNVERIFIED;	/* not what was recorded */
		return rc;
	}
	fclose(bytes);
	return say_verified(c, hex, file ? "the agent has these bytes" :
					   "the bytes have this hash");
}
