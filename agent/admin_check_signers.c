/* Whose keys sign decisions: is each file in order, and who can change it? */
#include "agent/admin_check.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/store/home.h"
#include "agent/store/policy.h"
#include "agent/store/signers.h"
#include "common/err.h"
#include "common/mem.h"

static bool inside(const char *folder, const char *path)
{
	size_t len = strlen(folder);

	return !strncmp(path, folder, len) && path[len] == '/';
}

/* A file that the agent can write is no help against who has the agent. */
static void say_who_writes(const char *file, const struct home *home)
{
	if (inside(home->dir, file))
		say_more("it lies in the home: whoever has that can add a "
			 "key; put it into /etc/kircerta");
	else if (geteuid() && !access(file, W_OK))
		say_more("the agent's own user may write it: give it to "
			 "root, chmod 644");
}

static int check_file(const char *file, const struct home *home)
{
	struct err err = {0};
	size_t keys;
	int rc = signers_check(file, &keys, &err);
	char *text = xasprintf("%s: %zu key%s", file, keys,
			       keys == 1 ? "" : "s");

	say_row("signers", rc ? "FAIL" : "ok", rc ? err.detail : text);
	if (rc)
		say_more(err_hint_of(&err));
	else
		say_who_writes(file, home);
	free(text);
	err_fini(&err);
	return rc;
}

static bool had_before(const struct policy_table *p, size_t n,
		       const char *file)
{
	const char *all = p->all.allowed_signers;

	if (all && !strcmp(all, file))
		return true;
	for (size_t i = 0; i < n; i++) {
		const char *other = p->tools[i].allowed_signers;

		if (other && !strcmp(other, file))
			return true;
	}
	return false;
}

int check_signers(const struct policy_table *p, const struct home *home)
{
	const char *file = p->all.allowed_signers;
	int rc = file && *file ? check_file(file, home) : 0;

	for (size_t i = 0; i < p->n_tools; i++) {
		file = p->tools[i].allowed_signers;
		if (file && *file && !had_before(p, i, file))
			rc |= check_file(file, home);
	}
	return rc;
}
