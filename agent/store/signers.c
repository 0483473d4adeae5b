/* See signers.h. Kept as close to OpenSSH's own reading as it says there. */
#include "agent/store/signers.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/store/signers_line.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/mem.h"
#include "common/sshkey.h"

#define FILE_MAX (1024 * 1024)

/* What was found out about lines that name the principal; 0: no such line. */
struct seen {
	int authority;
	int damaged;		/* the first, and what is wrong with it: */
	struct err wrong;
	int refused;		/* one with this very key, and why: */
	const char *why;
};

/* The key's own line: do its options allow this? NULL, or why not. */
static const char *options_refuse(const struct signer *s,
				  const char *name_space, int64_t now)
{
	if (s->name_spaces && pattern_list(name_space, s->name_spaces) != 1)
		return "is not for signatures of this kind";
	if (s->valid_after && now < s->valid_after)
		return "is not valid yet";
	if (s->valid_before && now > s->valid_before)
		return "is not valid any more";
	return NULL;
}

/* Does this line allow it? One that cannot be read does not. */
static bool line_allows(char *line, int number, const struct sshkey *key,
			const char *principal, const char *name_space,
			int64_t now, struct seen *seen)
{
	struct signer s = {0};
	struct err *wrong = seen->damaged ? NULL : &seen->wrong;
	int rc = signer_read(&s, line, principal, wrong);
	bool ours = rc == 1 && !s.authority && s.key &&
		    sshkey_same(s.key, key);
	const char *why = ours ? options_refuse(&s, name_space, now) : NULL;

	if (rc < 0 && wrong)
		seen->damaged = number;
	if (rc == 1 && s.authority)
		seen->authority = number;
	if (why) {
		seen->refused = number;
		seen->why = why;
	}
	signer_fini(&s);
	return ours && !why;
}

static int nobody(const char *file, const struct sshkey *key,
		  const char *principal, const struct seen *seen,
		  struct err *err)
{
	char print[SSHKEY_PRINT];

	sshkey_print(key, print);
	if (seen->refused)
		return err_set(err, ERR_policy_denied, "%s:%d: the key %s %s",
			       file, seen->refused, print, seen->why);
	if (seen->authority)
		return err_set(err, ERR_policy_denied, "%s:%d: cert-authority "
			       "lets nobody in here; list the key %s itself "
			       "for %s", file, seen->authority, print,
			       principal);
	err_set(err, ERR_policy_denied, "%s does not list the key %s for %s",
		file, print, principal);
	if (!seen->damaged)
		return -1;
	return err_hint(err, "Line %d cannot be read: %s.", seen->damaged,
			seen->wrong.detail);
}

/* One line after the other, as strsep would, of a copy. */
static char *next_line(char **at)
{
	return *at && **at ? strsep(at, "\n") : NULL;
}

int signers_allow_in(const char *text, const char *file,
		     const struct sshkey *key, const char *principal,
		     const char *name_space, int64_t wall_us,
		     struct err *err)
{
	char *copy = xstrdup(text), *at = copy, *line;
	struct seen seen = {0};
	bool allowed = false;
	int number = 0, rc = 0;

	while (!allowed && (line = next_line(&at)))
		allowed = line_allows(line, ++number, key, principal,
				      name_space, wall_us / 1000000, &seen);
	free(copy);
	if (!allowed)
		rc = nobody(file, key, principal, &seen, err);
	err_fini(&seen.wrong);
	return rc;
}

/* Whoever may write it, or put another in its place, signs for anybody. */
static int others_write(const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st))
		return err_sys(err, ERR_bad_config, "%s", path);
	if (st.st_uid && st.st_uid != geteuid())
		return err_set(err, ERR_bad_config, "%s belongs to somebody "
			       "else", path);
	if (!(st.st_mode & (S_IWGRP | S_IWOTH)) ||
	    (S_ISDIR(st.st_mode) && st.st_mode & S_ISVTX))
		return 0;
	err_set(err, ERR_bad_config, "%s may be written by others", path);
	return err_hint(err, "chmod go-w %s", path);
}

static char *trusted_text(const char *file, struct err *err)
{
	char *folder = xasprintf("%s", file), *slash = strrchr(folder, '/');
	char *text = NULL;
	size_t len;

	if (slash)
		slash[slash == folder] = 0;
	if (!others_write(slash ? folder : ".", err) &&
	    !others_write(file, err))
		text = fs_read(file, FILE_MAX, &len, err);
	free(folder);
	if (text && strlen(text) != len) {
		err_set(err, ERR_bad_config, "%s has NULs in it", file);
		xfree(text);
	}
	if (!text && err)
		err->code = ERR_bad_config;
	return text;
}

int signers_allow(const char *file, const struct sshkey *key,
		  const char *principal, const char *name_space,
		  int64_t wall_us, struct err *err)
{
	char *text = trusted_text(file, err);
	int rc = text ? signers_allow_in(text, file, key, principal,
					 name_space, wall_us, err) : -1;

	free(text);
	return rc;
}

static int named(struct err *err, const char *file, int number,
		 struct err *why)
{
	err_set(err, ERR_bad_config, "%s:%d: %s", file, number, why->detail);
	err_fini(why);
	return err_hint(err, "A line is: NAMES OPTIONS KEYTYPE KEY, as "
			"ALLOWED SIGNERS in ssh-keygen(1) has it.");
}

int signers_check(const char *file, size_t *keys, struct err *err)
{
	char *text = trusted_text(file, err), *at = text, *line;
	struct err why = {0};
	int number = 0, rc = text ? 0 : -1;

	*keys = 0;
	while (rc >= 0 && (line = next_line(&at))) {
		struct signer s = {0};

		number++;
		rc = signer_read(&s, line, NULL, &why);
		if (rc == 1 && (s.authority || !s.key))
			rc = err_set(&why, ERR_bad_config, s.authority ?
				     "cert-authority lets nobody in here; "
				     "list the key itself" :
				     "this type of key is not taken");
		*keys += rc == 1;
		signer_fini(&s);
	}
	free(text);
	return rc < 0 && text ? named(err, file, number, &why) :
	       rc < 0 ? -1 : 0;
}
