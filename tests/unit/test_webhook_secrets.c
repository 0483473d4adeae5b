/* The files of webhooks' secrets: what is in them now is what counts. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/store/settings.h"
#include "agent/store/webhook_secrets.h"
#include "common/fs.h"

static char dir[64], one[80], two[80];

static void setup_dir(void)
{
	strcpy(dir, "/tmp/kircerta-secret-XXXXXX");
	ck_assert(mkdtemp(dir));
	snprintf(one, sizeof(one), "%s/one", dir);
	snprintf(two, sizeof(two), "%s/two", dir);
}

static void put(const char *path, const char *text, mode_t mode)
{
	ck_assert_int_eq(fs_replace(path, text, strlen(text), mode, NULL), 0);
	ck_assert_int_eq(chmod(path, mode), 0);
}

static enum webhook_secret_state state(struct webhook_secrets *all,
				       const struct settings *s,
				       const char *says)
{
	char detail[480];
	enum webhook_secret_state is;

	webhook_secrets_reload(all);
	is = webhook_secrets_state(all, s->webhooks, detail, sizeof(detail));
	ck_assert_msg(says ? strstr(detail, says) != NULL : !*detail, "%s",
		      detail);
	return is;
}

START_TEST(a_rotation_goes_through_both_files)
{
	struct webhook_conf w = {.name = (char *)"x", .secret_file = one,
				 .next_secret_file = two};
	struct settings s = {.webhooks = &w, .n_webhooks = 1};
	struct webhook_key keys[WEBHOOK_SECRETS];
	struct webhook_secrets *all;

	setup_dir();
	all = webhook_secrets_new(&s);
	ck_assert_int_eq(state(all, &s, one), WEBHOOK_SECRET_NONE);
	put(one, "the first secret\n", 0600);
	ck_assert_int_eq(state(all, &s, NULL), WEBHOOK_SECRET_GOOD);
	put(two, "short\n", 0600);
	ck_assert_int_eq(state(all, &s, two), WEBHOOK_SECRET_PARTLY);
	put(two, "the second secret\n", 0600);
	ck_assert_int_eq(state(all, &s, NULL), WEBHOOK_SECRET_GOOD);
	ck_assert_int_eq(webhook_secrets_keys(all, &w, keys),
			 WEBHOOK_SECRET_GOOD);
	ck_assert_mem_eq(keys[0].bytes, "the first secret", keys[0].len);
	ck_assert_mem_eq(keys[1].bytes, "the second secret", keys[1].len);
	unlink(one);
	ck_assert_int_eq(state(all, &s, one), WEBHOOK_SECRET_PARTLY);
	webhook_secrets_keys(all, &w, keys);
	ck_assert_uint_eq(keys[0].len, 0);
	ck_assert_uint_eq(keys[1].len, strlen("the second secret"));
	chmod(two, 0644);
	ck_assert_int_eq(state(all, &s, one), WEBHOOK_SECRET_NONE);
	rename(two, one);
	chmod(one, 0600);
	ck_assert_int_eq(state(all, &s, NULL), WEBHOOK_SECRET_GOOD);
	webhook_secrets_free(all);
	w.secret_file = w.next_secret_file = NULL;
	all = webhook_secrets_new(&s);
	ck_assert_int_eq(state(all, &s, "no secret-file"),
			 WEBHOOK_SECRET_NONE);
	webhook_secrets_free(all);
	webhook_secrets_free(NULL);
	fs_remove_tree(dir);
}
END_TEST

TESTS("webhook_secrets", a_rotation_goes_through_both_files)
