/* See settings_remote.h. What is not known to be harmless is refused. */
#include "agent/store/settings_remote.h"

#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/store/settings.h"
#include "common/err.h"
#include "common/mem.h"

#define URL_MAX 1000
#define NAME "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" \
	     "0123456789._-"

static const char password[] =
	"has a name or password in it: set ssot.user and ssot.token-file",
	no_host[] = "names no host and path";

/* HOST, HOST:PORT or [V6]:PORT, all of at[0..len). */
static bool is_host(const char *at, size_t len)
{
	size_t n;

	if (!len || *at == '-')
		return false;
	if (*at == '[') {
		n = strspn(at + 1, "0123456789abcdefABCDEF:.");
		if (!n || n + 2 > len || at[n + 1] != ']')
			return false;
		n += 2;
	} else {
		n = strspn(at, NAME);
		if (!n)
			return false;
	}
	if (n == len)
		return true;
	return n < len && at[n] == ':' && len - n > 1 && len - n <= 6 &&
	       strspn(at + n + 1, "0123456789") == len - n - 1;
}

static bool is_loopback(const char *host, size_t len)
{
	static const char *const names[] = {"127.0.0.1", "localhost", "[::1]"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		size_t n = strlen(names[i]);

		if (len >= n && !strncmp(host, names[i], n) &&
		    (len == n || host[n] == ':'))
			return true;
	}
	return false;
}

enum { USER = 1, LOOPBACK = 2, WEB = 4 };

/* What follows "scheme://". */
static const char *authority_wrong(const char *at, unsigned may)
{
	size_t len = strcspn(at, "/");
	const char *name = memchr(at, '@', len);

	if (name) {
		size_t n = (size_t)(name - at);

		if (!(may & USER) || memchr(at, ':', n))
			return password;
		if (*at == '-' || !n || strspn(at, NAME) != n)
			return "has a user that is no name";
		at += n + 1;
		len -= n + 1;
	}
	if (!is_host(at, len) || !at[len] || !at[len + 1])
		return no_host;
	if ((may & LOOPBACK) && !is_loopback(at, len))
		return "sends secrets in the clear: http:// is for loopback, "
		       "use https://";
	if ((may & WEB) && strpbrk(at, "?#"))
		return "has a ? or # in it";
	return NULL;
}

/* USER@HOST:PATH, as ssh has it. */
static const char *short_wrong(const char *url)
{
	size_t user = strspn(url, NAME), host;
	const char *at = url + user + 1;

	if (!user || url[user] != '@')
		return "is no absolute path and none of file://, https://, "
		       "http://, ssh://, git:// and USER@HOST:PATH";
	host = *at == '[' ? strcspn(at, "]") + 1 : strcspn(at, ":");
	return host < strlen(at) && is_host(at, host) && at[host] == ':' &&
	       at[host + 1] && at[host + 1] != '-' ? NULL : no_host;
}

const char *remote_url_wrong(const char *url)
{
	static const struct { const char *scheme; unsigned may; } known[] = {
		{"https://", WEB}, {"http://", WEB | LOOPBACK},
		{"ssh://", USER}, {"git://", 0},
	};
	static const char file[] = "file:///";

	if (strlen(url) > URL_MAX)
		return "is too long";
	for (const char *c = url; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return "has a control character in it";
	if (*url == '-')
		return "begins with -";
	if (*url == '/' || !strncmp(url, file, sizeof(file) - 1))
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		size_t n = strlen(known[i].scheme);

		if (!strncmp(url, known[i].scheme, n))
			return authority_wrong(url + n, known[i].may);
	}
	return short_wrong(url);
}

const char *web_url_wrong(const char *url)
{
	bool clear = !strncmp(url, "http://", 7);
	const char *at = url + (clear ? 7 : 8);
	size_t len;

	if (!clear && strncmp(url, "https://", 8))
		return "is no https:// address";
	if (strlen(url) > URL_MAX || strpbrk(url, "?#@"))
		return "is too long, or has a ?, # or @ in it";
	for (const char *c = url; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f)
			return "has a space or control character in it";
	len = strcspn(at, "/");
	if (!is_host(at, len))
		return no_host;
	return clear && !is_loopback(at, len) ?
	       "is in the clear: http:// is for loopback, use https://" : NULL;
}

/* A secret is the agent's alone; what only has to be true is not changed. */
static int file_check(const char *key, const char *file, mode_t others,
		      struct err *err)
{
	struct stat st;

	if (!file)
		return 0;
	if (stat(file, &st) || access(file, R_OK)) {
		err_sys(err, ERR_bad_config, "ssot.%s: %s", key, file);
		return err_hint(err, "Put the file there, readable to the "
				"agent's user.");
	}
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_bad_config, "ssot.%s: %s is no file",
			       key, file);
	if (strpbrk(file, "\"\n"))
		return err_set(err, ERR_bad_config, "ssot.%s: the path has a "
			       "quote or line feed in it", key);
	if (others != S_IWOTH && !st.st_size) {
		err_set(err, ERR_bad_config, "ssot.%s: %s is empty", key,
			file);
		return err_hint(err, "Put the secret there, alone on a line.");
	}
	if (!(st.st_mode & others))
		return 0;
	err_set(err, ERR_bad_config, "ssot.%s: %s may be %s by others", key,
		file, others == S_IWOTH ? "written" : "read");
	return err_hint(err, "chmod %s %s", others == S_IWOTH ? "o-w" :
			"600", file);
}

/* An agent that was to ask the others must not decide alone. */
static int alone_check(const struct settings *s, struct err *err)
{
	if (s->ssot_mode != SSOT_SHARED)
		return 0;
	err_set(err, ERR_bad_config, "ssot.mode is shared, and ssot.remote is "
		"not set");
	return err_hint(err, "Set ssot.remote, or take ssot.mode out: then "
			"this agent decides alone.");
}

int remote_files_check(const struct settings *s, struct err *err)
{
	if (!s->ssot_remote || !*s->ssot_remote)
		return alone_check(s, err);
	return file_check("token-file", s->ssot_token_file, 077, err) ||
	       file_check("key-file", s->ssot_key_file, 077, err) ||
	       file_check("known-hosts", s->ssot_known_hosts, S_IWOTH, err) ?
	       -1 : 0;
}
