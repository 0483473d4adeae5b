/* agent.conf: what is in it counts, what cannot be meant is an error. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/store/policy.h"
#include "agent/store/settings.h"
#include "agent/store/settings_remote.h"
#include "common/conf.h"
#include "common/err.h"
#include "common/fs.h"

static char dir[64], path[80];

static void setup_dir(void)
{
	strcpy(dir, "/tmp/kircerta-settings-XXXXXX");
	ck_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/agent.conf", dir);
}

static int read_text(struct settings *s, const char *text, struct err *err)
{
	ck_assert_int_eq(fs_replace(path, text, strlen(text), 0600, NULL), 0);
	return settings_read(s, path, err);
}

static void policy_hash(const char *text, char hex[SHA256_HEX])
{
	struct policy_table *t;

	ck_assert_int_eq(fs_replace(path, text, strlen(text), 0600, NULL), 0);
	ck_assert_int_eq(policy_read(&t, path, NULL), 0);
	strcpy(hex, t->sha256);
	policy_unref(t);
}

START_TEST(without_a_file_everything_has_its_default)
{
	struct settings s;

	setup_dir();
	ck_assert_int_eq(settings_read(&s, path, NULL), 0);
	ck_assert_str_eq(s.listen, "127.0.0.1:8787");
	ck_assert(*s.name);
	ck_assert_str_eq(s.hosts, "");
	ck_assert_ptr_null(s.tools_dir);
	ck_assert_int_eq(s.log_debug, 0);
	ck_assert_int_eq(s.max_runs, 4);
	ck_assert_int_eq(s.max_body, 1 << 20);
	ck_assert_int_eq(s.max_upload, 4LL << 30);
	ck_assert_int_eq(s.timeouts.body, 10000000);
	ck_assert_int_eq(s.timeouts.upload, 30000000);
	ck_assert_int_eq(s.timeouts.lease, 120000000);
	ck_assert_int_eq(s.timeouts.review, 86400000000);
	ck_assert_int_eq(s.timeouts.approval, 900000000);
	ck_assert_int_eq(s.timeouts.grace, 10000000);
	ck_assert_int_eq(s.timeouts.run, 60000000);
	ck_assert_int_eq(s.timeouts.webhook, 30000000);
	ck_assert_ptr_null(s.ssot_remote);
	ck_assert_int_eq(s.ssot_mode, SSOT_MIRROR);
	ck_assert_str_eq(s.ssot_user, "kircerta");
	ck_assert_int_eq(s.ssot_interval, 1000000);
	ck_assert_int_eq(s.ssot_timeout, 30000000);
	ck_assert_str_eq(json_str(json_object_get(s.sections, "youtube"),
				  "base-url"), "https://www.googleapis.com");
	settings_fini(&s);
	fs_remove_tree(dir);
}
END_TEST

START_TEST(every_key_of_the_file_arrives)
{
	static const char text[] =
		"[agent]\n\tname = studio-1\n\tlisten = [::1]:0\n"
		"\thost = a.example b.example\n\ttools = more\n\tlog = debug\n"
		"[run]\n\tmax = 64\n[timeouts]\n\tlease = 500ms\n"
		"[limits]\n\tbody = 2m\n\tupload = 8g\n"
		"[youtube]\n\tclient-file = yt.json\n"
		"\tbase-url = http://127.0.0.1:1\n"
		"[ssot]\n\tremote = git@h:t.git\n\tmode = shared\n"
		"\ttoken-file = token\n\tuser = u\n\tkey-file = /k\n"
		"\tknown-hosts = hosts\n\tinterval = 2s\n\ttimeout = 1m\n"
		"[notify]\n\turl-file = /etc/url\n[screen]\n\tdisplay = :7\n";
	struct settings s;
	char client[96];
	json_t *youtube;

	setup_dir();
	ck_assert_int_eq(read_text(&s, text, NULL), 0);
	ck_assert_str_eq(s.name, "studio-1");
	ck_assert_str_eq(s.listen, "[::1]:0");
	ck_assert_str_eq(s.hosts, "a.example b.example");
	snprintf(client, sizeof(client), "%s/more", dir);
	ck_assert_str_eq(s.tools_dir, client);
	ck_assert_int_eq(s.log_debug, 1);
	ck_assert_int_eq(s.max_runs, 64);
	ck_assert_int_eq(s.timeouts.lease, 500000);
	ck_assert_int_eq(s.max_upload, 8LL << 30);
	ck_assert_str_eq(s.ssot_remote, "git@h:t.git");
	ck_assert_int_eq(s.ssot_mode, SSOT_SHARED);
	snprintf(client, sizeof(client), "%s/token", dir);
	ck_assert_str_eq(s.ssot_token_file, client);
	ck_assert_str_eq(s.ssot_user, "u");
	ck_assert_str_eq(s.ssot_key_file, "/k");
	snprintf(client, sizeof(client), "%s/hosts", dir);
	ck_assert_str_eq(s.ssot_known_hosts, client);
	ck_assert_int_eq(s.ssot_interval, 2000000);
	ck_assert_int_eq(s.ssot_timeout, 60000000);
	youtube = json_object_get(s.sections, "youtube");
	snprintf(client, sizeof(client), "%s/yt.json", dir);
	ck_assert_str_eq(json_str(youtube, "client-file"), client);
	ck_assert_str_eq(json_str(youtube, "base-url"), "http://127.0.0.1:1");
	ck_assert_str_eq(json_str(json_object_get(s.sections, "notify"),
				  "url-file"), "/etc/url");
	ck_assert_str_eq(json_str(json_object_get(s.sections, "screen"),
				  "display"), ":7");
	settings_fini(&s);
	fs_remove_tree(dir);
}
END_TEST

START_TEST(a_remote_is_one_of_the_known_addresses_without_a_secret)
{
	static const struct { const char *url, *wrong; } cases[] = {
		{"/srv/tasks.git", NULL}, {"/srv/a b::c@d", NULL},
		{"file:///srv/tasks.git", NULL},
		{"https://git.example/a/b.git", NULL},
		{"https://git.example:8443/a", NULL},
		{"https://[2001:db8::1]:8443/a", NULL},
		{"http://127.0.0.1:8080/a", NULL}, {"http://[::1]/a", NULL},
		{"http://localhost/a", NULL}, {"git://h:9418/a", NULL},
		{"ssh://git@h/a", NULL}, {"ssh://h:2222/a", NULL},
		{"git@git.example:a/b.git", NULL}, {"git@[::1]:a", NULL},
		{"https://u:s3cret@h/a", "has a name or password"},
		{"https://s3cret@h/a", "has a name or password"},
		{"http://u:s3cret@127.0.0.1/a", "has a name or password"},
		{"ssh://u:s3cret@h/a", "has a name or password"},
		{"git://s3cret@h/a", "has a name or password"},
		{"https://h/a?token=s3cret", "has a ? or #"},
		{"http://git.example/a", "in the clear"},
		{"http://127.0.0.1.example/a", "in the clear"},
		{"http://localhost@git.example/a", "has a name or password"},
		{"ext::sh -c s3cret", "is no absolute path"},
		{"ext::sh%20-c@h:p", "is no absolute path"},
		{"fd::3", "is no absolute path"}, {"ftp://h/a", "is no"},
		{"u:s3cret@h:a", "is no absolute path"},
		{"tasks.git", "is no absolute path"}, {"./a", "is no"},
		{"file://h/a", "is no absolute path"}, {"h:a", "is no"},
		{"--upload-pack=s3cret", "begins with -"},
		{"-oProxyCommand=s3cret", "begins with -"},
		{"ssh://-oProxyCommand=s3cret/a", "names no host"},
		{"ssh://-l@h/a", "has a user"}, {"git@-h:a", "names no host"},
		{"git@h:-a", "names no host"}, {"git@h:", "names no host"},
		{"https://h", "names no host"}, {"https:///a", "names no host"},
		{"https://h:x/a", "names no host"},
		{"https://h:123456/a", "names no host"},
		{"ssh://[::1/a", "names no host"}, {"https://h\\u/", "names no"},
		{"/srv/a\tb", "has a control"}, {"/srv/\x7f", "has a control"},
		{"https://h/a\nb", "has a control"},
	};
	char text[256];

	setup_dir();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *wrong = remote_url_wrong(cases[i].url);

		ck_assert_msg(!wrong == !cases[i].wrong, "%s: %s",
			      cases[i].url, wrong);
		ck_assert_msg(!wrong || strstr(wrong, cases[i].wrong),
			      "%s: %s", cases[i].url, wrong);
		if (strpbrk(cases[i].url, "\\\t\n\x7f#"))
			continue;
		struct err err = {0};
		struct settings s;

		snprintf(text, sizeof(text), "[ssot]\n\tremote = \"%s\"\n",
			 cases[i].url);
		ck_assert_int_eq(read_text(&s, text, &err), wrong ? -1 : 0);
		ck_assert_ptr_null(strstr(err.detail, "s3cret"));
		if (wrong)
			ck_assert_msg(strstr(err.detail, ":2: ssot.remote: ")
				      != NULL, "%s", err.detail);
		else
			settings_fini(&s);
		err_fini(&err);
	}
	fs_remove_tree(dir);
}
END_TEST

START_TEST(what_opens_the_remote_is_the_agents_alone)
{
	struct settings s;
	struct err err = {0};
	char file[96];

	setup_dir();
	snprintf(file, sizeof(file), "%s/token", dir);
	ck_assert_int_eq(read_text(&s, "[ssot]\n\ttoken-file = token\n"
				   "\tremote = /srv/x\n", NULL), 0);
	ck_assert_int_eq(remote_files_check(&s, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.detail, "No such file"));
	ck_assert_int_eq(fs_replace(file, "", 0, 0600, NULL), 0);
	ck_assert_int_eq(remote_files_check(&s, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.detail, "/token is empty"));
	ck_assert_int_eq(fs_replace(file, "t", 1, 0640, NULL), 0);
	ck_assert_int_eq(remote_files_check(&s, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.detail, "/token may be read by"));
	ck_assert_ptr_nonnull(strstr(err_hint_of(&err), "chmod 600 /"));
	ck_assert_int_eq(chmod(file, 0600), 0);
	ck_assert_int_eq(remote_files_check(&s, &err), 0);
	settings_fini(&s);
	ck_assert_int_eq(read_text(&s, "[ssot]\n\tremote = /srv/x\n"
				   "\tknown-hosts = token\n", NULL), 0);
	ck_assert_int_eq(chmod(file, 0646), 0);
	ck_assert_int_eq(remote_files_check(&s, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.detail, "/token may be written by"));
	settings_fini(&s);
	ck_assert_int_eq(read_text(&s, "[ssot]\n\tmode = shared\n", NULL), 0);
	ck_assert_int_eq(remote_files_check(&s, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.detail, "ssot.remote is not set"));
	settings_fini(&s);
	fs_remove_tree(dir);
}
END_TEST

START_TEST(what_cannot_be_meant_names_file_line_and_key)
{
	static const struct { const char *text, *says; } cases[] = {
		{"[agent]\n\tnmae = x\n", ":2: agent.nmae: unknown key"},
		{"\n[agnet]\n\tname = x\n", ":3: agnet.name: unknown key"},
		{"[agent]\n\tname = a b\n", ":2: agent.name: "},
		{"[agent]\n\tname = \"a b\"\n", ":2: agent.name: "},
		{"[agent]\n\tname =\n", ":2: agent.name: "},
		{"[agent \"x\"]\n\tname = a\n", ":2: agent \"x\".name: "},
		{"[agent]\n\tlisten = 8787\n", ":2: agent.listen: "},
		{"[agent]\n\tlisten = :8787\n", ":2: agent.listen: "},
		{"[agent]\n\tlisten = h:65536\n", ":2: agent.listen: "},
		{"[agent]\n\tlisten = h:http\n", ":2: agent.listen: "},
		{"[agent]\n\tlog = all\n", "info|debug"},
		{"[run]\n\tmax = 0\n", "out of range"},
		{"[run]\n\tmax = 65\n", "out of range"},
		{"[timeouts]\n\tlease = 120\n", ":2: timeouts.lease: "},
		{"[timeouts]\n\tbody = 99ms\n", "out of range"},
		{"[timeouts]\n\trun = 25h\n", "out of range"},
		{"[timeouts]\n\tnap = 1s\n", ":2: timeouts.nap: unknown"},
		{"[run]\n\tlease = 1s\n", ":2: run.lease: unknown"},
		{"[limits]\n\tbody = 1t\n", ":2: limits.body: "},
		{"[youtube]\n\turl = x\n", "youtube.url: unknown key"},
		{"[notify \"phone\"]\n\tkind = ntfy\n", "no url-file"},
		{"[notify \"phone\"]\n\tkind = pigeon\n", "kind"},
		{"[notify \"phone\"]\n\turl = x\n", "unknown key"},
		{"[notify \"a b\"]\n\turl-file = x\n", "no name"},
		{"[notify \"p\"]\n\tevents = degraded, request\n", "request"},
		{"[notify \"p\"]\n\tevents = notify_sent\n", "telling"},
		{"[notify \"p\"]\n\tevents = Degraded\n", "types"},
		{"[notify \"p\"]\n\turl-file = x\n\tevents = all\n",
		 "of all there is"},
		{"[notify \"p\"]\n\tevents = all, degraded\n", "beside"},
		{"[notify \"p\"]\n\turl-file = x\n\tkind = ntfy\n"
		 "\tsecret-file = y\n", "no webhook"},
		{"[notify \"p\"]\n\turl-file = x\n"
		 "\tnext-secret-file = y\n", "alone"},
		{"[notify \"p\"]\n\tgive-up = 999ms\n", "out of range"},
		{"[hook \"github\"]\n\tscheme = github\n", "unknown"},
		{"[include]\n\tpath = other\n", "include.path: unknown key"},
		{"[agent\n", "agent.conf"},
	};

	setup_dir();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = {0};
		struct settings s;

		ck_assert_msg(read_text(&s, cases[i].text, &err) == -1, "%s",
			      cases[i].text);
		ck_assert_int_eq(err.code, ERR_bad_config);
		ck_assert_msg(strstr(err.detail, cases[i].says) &&
			      strstr(err.detail, path), "%s", err.detail);
		err_fini(&err);
	}
	fs_remove_tree(dir);
}
END_TEST

START_TEST(a_file_that_everybody_may_write_is_not_taken)
{
	struct err err = {0};
	struct settings s;

	setup_dir();
	ck_assert_int_eq(read_text(&s, "", NULL), 0);
	settings_fini(&s);
	ck_assert_int_eq(chmod(path, 0666), 0);
	ck_assert_int_eq(settings_read(&s, path, &err), -1);
	ck_assert_int_eq(err.code, ERR_bad_config);
	ck_assert_ptr_nonnull(strstr(err_hint_of(&err), "chmod"));
	err_fini(&err);
	fs_remove_tree(dir);
}
END_TEST

/* The rows of the table; the sections of settings_*.c come on top. */
#define SET(...) +1
#define POLICY(...) +1
#define RETENTION(...) +1
#define TOOL(...) +1
enum { ROWS = 0
#include "agent/store/settings.def"
};
#undef SET
#undef POLICY
#undef RETENTION
#undef TOOL

START_TEST(the_list_is_a_file_that_changes_nothing)
{
	static const char *const no_default[] = {	/* set is not empty */
		"\t name =", "\t criterion =", "\t label =", "\t only =",
	};
	char *text = NULL, base[SHA256_HEX], hex[SHA256_HEX], *at;
	size_t len, keys = 0;
	FILE *out = open_memstream(&text, &len);
	struct settings s;

	setup_dir();
	settings_list(out);
	fclose(out);
	policy_hash("", base);
	policy_hash(text, hex);
	ck_assert_str_eq(base, hex);
	for (at = text; (at = strstr(at, "\t#")); at++)
		if (at[2] != ' ') {
			at[1] = ' ';		/* now it is set */
			keys++;
		}
	ck_assert_uint_ge(keys, ROWS);
	for (size_t i = 0; i < ARRAY_LEN(no_default); i++) {
		at = strstr(text, no_default[i]);
		ck_assert_ptr_nonnull(at);
		at[1] = '#';
	}
	ck_assert_int_eq(read_text(&s, text, NULL), 0);
	settings_fini(&s);
	policy_hash(text, hex);
	ck_assert_str_eq(base, hex);
	free(text);
	fs_remove_tree(dir);
}
END_TEST

START_TEST(retention_is_by_media_type_in_the_order_of_the_file)
{
	struct settings s;
	struct err err = {0};

	setup_dir();
	ck_assert_int_eq(read_text(&s, "[retention \"video/*\"]\n"
		"max-age = 30d\n[retention]\nevery = 2h\n"
		"[retention \"image/png\"]\nmax-size = 2g\n"
		"[retention \"video/*\"]\nmax-size = 20g\n", NULL), 0);
	ck_assert_uint_eq(s.n_retentions, 2);
	ck_assert_str_eq(s.retentions[0].pattern, "video/*");
	ck_assert_int_eq(s.retentions[0].max_age, 30 * 86400000000LL);
	ck_assert_int_eq(s.retentions[0].max_size, 20LL << 30);
	ck_assert_str_eq(s.retentions[1].pattern, "image/png");
	ck_assert_int_eq(s.retentions[1].max_age, 0);
	ck_assert_int_eq(s.retentions[1].max_size, 2LL << 30);
	ck_assert_int_eq(s.retention_every, 7200000000);
	settings_fini(&s);
	ck_assert_int_eq(read_text(&s, "[retention \"a b\"]\nmax-age = 1d\n",
				   &err), -1);
	ck_assert_int_eq(err.code, ERR_bad_config);
	err_fini(&err);
	err = (struct err){0};
	ck_assert_int_eq(read_text(&s, "[retention \"a/b\"]\nage = 1d\n",
				   &err), -1);
	ck_assert_int_eq(err.code, ERR_bad_config);
	err_fini(&err);
	fs_remove_tree(dir);
}
END_TEST

TESTS("settings",
      retention_is_by_media_type_in_the_order_of_the_file,
      without_a_file_everything_has_its_default,
      every_key_of_the_file_arrives,
      a_remote_is_one_of_the_known_addresses_without_a_secret,
      what_opens_the_remote_is_the_agents_alone,
      what_cannot_be_meant_names_file_line_and_key,
      a_file_that_everybody_may_write_is_not_taken,
      the_list_is_a_file_that_changes_nothing)
