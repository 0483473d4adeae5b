/* See home.h; what makes one is in home_init.c. */
#include "agent/store/home.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/err.h"
#include "common/fs.h"
#include "common/mem.h"

static const struct { size_t offset; const char *name; } parts[] = {
	{offsetof(struct home, conf), "agent.conf"},
	{offsetof(struct home, admin_token), "admin.token"},
	{offsetof(struct home, tokens), "tokens"},
	{offsetof(struct home, lock_file), "lock"},
	{offsetof(struct home, keys), "keys"},
	{offsetof(struct home, journal_key), "keys/journal.key"},
	{offsetof(struct home, journal_vkey), "keys/journal.vkey"},
	{offsetof(struct home, redact_key), "keys/redact.key"},
	{offsetof(struct home, audit), "audit"},
	{offsetof(struct home, checkpoint), "audit/checkpoint"},
	{offsetof(struct home, tree), "tree"},
	{offsetof(struct home, index), "index.db"},
	{offsetof(struct home, evidence), "evidence"},
	{offsetof(struct home, ssot), "ssot.git"},
	{offsetof(struct home, spool), "spool"},
	{offsetof(struct home, tools_d), "tools.d"},
	{offsetof(struct home, stopped), "stopped"},
};

static char **part(struct home *h, size_t i)
{
	return (char **)(void *)((char *)h + parts[i].offset);
}

static char *absolute(const char *path)
{
	char cwd[PATH_MAX];

	if (*path == '/' || !getcwd(cwd, sizeof(cwd)))
		return xstrdup(path);
	return xasprintf("%s/%s", cwd, path);
}

static char *below(const char *variable, const char *rest)
{
	const char *value = getenv(variable);

	if (!value || !*value)
		return NULL;
	return xasprintf("%s%s", value, rest);
}

char *home_path(const char *option, struct err *err)
{
	char *path = option && *option ? xstrdup(option) : NULL, *out;

	if (!path)
		path = below("KIRCERTA_HOME", "");
	if (!path)
		path = below("XDG_STATE_HOME", "/kircerta");
	if (!path)
		path = below("HOME", "/.local/state/kircerta");
	if (!path) {
		err_set(err, ERR_bad_config, "there is no home");
		err_hint(err, "Give --home DIR or set KIRCERTA_HOME.");
		return NULL;
	}
	out = absolute(path);
	free(path);
	return out;
}

void home_paths(struct home *h, const char *dir)
{
	memset(h, 0, sizeof(*h));
	h->lock = -1;
	h->dir = absolute(dir);
	for (size_t n = strlen(h->dir); n > 1 && h->dir[n - 1] == '/'; n--)
		h->dir[n - 1] = 0;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		*part(h, i) = xasprintf("%s/%s", h->dir, parts[i].name);
}

void home_fini(struct home *h)
{
	if (!h->dir)
		return;
	if (h->lock >= 0)
		close(h->lock);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		free(*part(h, i));
	free(h->dir);
	memset(h, 0, sizeof(*h));
	h->lock = -1;
}

static const char *user_name(uid_t uid, char *out, size_t size)
{
	const struct passwd *user = getpwuid(uid);

	if (user)
		snprintf(out, size, "%s", user->pw_name);
	else
		snprintf(out, size, "#%u", (unsigned)uid);
	return out;
}

static int usable(const struct home *h, struct err *err)
{
	struct stat st;
	char user[64];

	if (stat(h->dir, &st) || access(h->tokens, F_OK)) {
		if (errno == EACCES) {
			err_sys(err, ERR_io, "%s", h->dir);
			return err_hint(err, "Run it as the user whose home "
					"it is, or as root.");
		}
		err_sys(err, ERR_io, "%s is no home of an agent", h->dir);
		return err_hint(err, "kircerta-agent --home %s init", h->dir);
	}
	if (st.st_uid != geteuid()) {
		user_name(st.st_uid, user, sizeof(user));
		err_set(err, ERR_io, "%s belongs to %s", h->dir, user);
		return err_hint(err, "sudo -u %s kircerta-agent ...", user);
	}
	if (!S_ISDIR(st.st_mode) || st.st_mode & 077) {
		err_set(err, ERR_io, "%s is open to others (mode %03o)",
			h->dir, st.st_mode & 0777);
		return err_hint(err, "chmod 700 %s", h->dir);
	}
	return 0;
}

int home_open(struct home *h, const char *dir, struct err *err)
{
	home_paths(h, dir);
	if (usable(h, err)) {
		home_fini(h);
		return -1;
	}
	if (access(h->conf, F_OK) && !access(HOME_CONF_ELSE, F_OK)) {
		free(h->conf);
		h->conf = xstrdup(HOME_CONF_ELSE);
	}
	return 0;
}

static int held(const struct home *h, int fd, struct err *err)
{
	char pid[24] = "";
	ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);

	pid[n > 0 ? n : 0] = 0;
	pid[strspn(pid, "0123456789")] = 0;
	err_set(err, ERR_io, "an agent runs in %s already, as process %s",
		h->dir, *pid ? pid : "unknown");
	err_hint(err, "Use that one, stop it (kill %s) or give another --home.",
		 *pid ? pid : "PID");
	close(fd);
	return -1;
}

int home_lock(struct home *h, struct err *err)
{
	int fd = open(h->lock_file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(err, ERR_io, "%s", h->lock_file);
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		if (errno == EWOULDBLOCK)
			return held(h, fd, err);
		err_sys(err, ERR_io, "locking %s", h->lock_file);
	} else if (ftruncate(fd, 0) || dprintf(fd, "%d\n", getpid()) < 0) {
		err_sys(err, ERR_io, "writing %s", h->lock_file);
	} else {
		h->lock = fd;
		return 0;
	}
	close(fd);
	return -1;
}

int home_redact_key(const struct home *h, uint8_t key[32], struct err *err)
{
	size_t len;
	char *bytes = fs_read(h->redact_key, 32, &len, err);

	if (!bytes)
		return -1;
	if (len == 32)
		memcpy(key, bytes, 32);
	else
		err_set(err, ERR_io, "%s has %zu bytes instead of 32",
			h->redact_key, len);
	mem_wipe(bytes, len);
	free(bytes);
	return len == 32 ? 0 : -1;
}
