/* See sandbox.h. */
#include "agent/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent/run/landlock.h"
#include "agent/sandbox_calls.h"
#include "agent/store/home.h"
#include "agent/store/settings.h"
#include "common/compat.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/mem.h"

#define PATHS_MAX 64

static const struct passwd *wanted(const struct settings *s, struct err *err)
{
	const struct passwd *user = getpwnam(s->sandbox_user);

	if (user)
		return user;
	err_set(err, ERR_bad_config, "sandbox.user: there is no user %s",
		s->sandbox_user);
	err_hint(err, "useradd --system %s, or correct the name.",
		 s->sandbox_user);
	return NULL;
}

static int not_root(const struct settings *s, struct err *err)
{
	err_set(err, ERR_bad_config, "sandbox.user is %s, and only root can "
		"become another user", s->sandbox_user);
	return err_hint(err, "Start it as root or as %s, or take the key out.",
			s->sandbox_user);
}

int sandbox_drop(const struct settings *s, struct err *err)
{
	const struct passwd *user;
	gid_t gid;
	uid_t uid;

	if (!s->sandbox_user || !*s->sandbox_user)
		return 0;
	user = wanted(s, err);
	if (!user)
		return -1;
	uid = user->pw_uid;
	gid = user->pw_gid;
	if (geteuid() == uid && getuid() == uid)
		return 0;
	if (geteuid())
		return not_root(s, err);
	if (initgroups(s->sandbox_user, gid) || setresgid(gid, gid, gid) ||
	    setresuid(uid, uid, uid))
		return err_sys(err, ERR_bad_config, "becoming %s",
			       s->sandbox_user);
	if (uid && (!setuid(0) || !geteuid()))
		return err_set(err, ERR_bad_config, "%s can become root again",
			       s->sandbox_user);
	return 0;
}

/* Of one byte: with 0, a pipe in core_pattern gets all of it. */
void sandbox_keep_secrets(void)
{
	struct rlimit none = {1, 1};

	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
}

/* Where the sockets of this machine's people are; made if it can be. */
static char *runtime_folder(void)
{
	const char *own = getenv("RUNTIME_DIRECTORY");
	const char *user = getenv("XDG_RUNTIME_DIR");
	char *path = own && *own ? xstrdup(own) : user && *user ?
		     xasprintf("%s/kircerta", user) : NULL;

	if (path)
		path[strcspn(path, ":")] = 0;	/* of several the first */
	if (path && access(path, F_OK))
		fs_mkdir(path, 0700, NULL);
	if (path && access(path, F_OK))
		xfree(path);
	return path;
}

/* The home, the runtime folder, /tmp, /dev and what sandbox.write has. */
static int keep_writes(const struct settings *s, const struct home *h,
		       struct err *err)
{
	char *runtime = runtime_folder(), *list = xstrdup(s->sandbox_write);
	const char *paths[PATHS_MAX] = {h->dir, "/tmp", "/dev", runtime};
	size_t n = runtime ? 4 : 3;
	char *rest = list, *each;
	int rc = 0;

	while (!rc && (each = strsep(&rest, " \t")))
		if (*each && n == PATHS_MAX)
			rc = err_set(err, ERR_bad_config, "sandbox.write has "
				     "more than %d paths", PATHS_MAX - 4);
		else if (*each)
			paths[n++] = each;
	if (!rc)
		rc = landlock_writes(paths, n, err);
	free(runtime);
	free(list);
	return rc;
}

static int no_landlock(struct err *err)
{
	err_set(err, ERR_bad_config, "sandbox.landlock: this kernel has none");
	return err_hint(err, "Linux 5.13 with landlock among its LSMs has it; "
			"sandbox.strict = false goes on without.");
}

static int no_calls(struct err *err)
{
	err_set(err, ERR_bad_config, "sandbox.seccomp needs "
		"sandbox.no-new-privileges, or root");
	return err_hint(err, "Set both or none; sandbox.strict = false goes "
			"on without.");
}

static int try_landlock(const struct settings *s, const struct home *h,
			struct err *err)
{
	return landlock_abi() ? keep_writes(s, h, err) : no_landlock(err);
}

static int try_calls(const struct settings *s, struct err *err)
{
	if (!s->sandbox_nnp && geteuid())
		return no_calls(err);
	return sandbox_calls(err);
}

/* It could not be had: an error, or noted in the level. */
static int without(const struct settings *s, json_t *level,
		   const char *name, struct err *err)
{
	if (s->sandbox_strict)
		return -1;
	json_set_str(level, name, "off");
	json_set_str(level, "lacks", err->detail);
	err_fini(err);
	return 0;
}

static void put_user(json_t *level)
{
	const struct passwd *user = getpwuid(geteuid());
	char number[24];

	snprintf(number, sizeof(number), "%u", (unsigned)geteuid());
	json_set_str(level, "user", user ? user->pw_name : number);
}

static void put_process(json_t *level)
{
	struct rlimit core = {0};

	getrlimit(RLIMIT_CORE, &core);
	put_user(level);
	json_object_set_new(level, "no_new_privs", json_boolean(
		prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1));
	json_set_int(level, "core", (int64_t)core.rlim_cur);
	json_object_set_new(level, "dumpable",
			    json_boolean(prctl(PR_GET_DUMPABLE) != 0));
	json_set_str(level, "signals", landlock_abi() >= LANDLOCK_SIGNALS ?
		     "own" : "any");
}

int sandbox_enter(const struct settings *s, const struct home *h,
		  json_t **level, struct err *err)
{
	json_t *v = json_object();
	int rc = 0;

	if (s->sandbox_nnp && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		rc = err_sys(err, ERR_bad_config, "no_new_privs");
	json_set_str(v, "landlock", "off");
	json_set_str(v, "seccomp", SANITIZED ? "off: a sanitizer watches" :
					      "off");
	if (!rc && s->sandbox_landlock) {
		if (try_landlock(s, h, err))
			rc = without(s, v, "landlock", err);
		else
			json_set_int(v, "landlock", landlock_abi());
	}
	if (!rc && s->sandbox_seccomp && !SANITIZED) {
		if (try_calls(s, err))
			rc = without(s, v, "seccomp", err);
		else
			json_set_str(v, "seccomp", "on");
	}
	put_process(v);
	if (rc)
		json_decref(v);
	else
		*level = v;
	return rc;
}

int sandbox_would(const struct settings *s, char **said, struct err *err)
{
	bool named = s->sandbox_user && *s->sandbox_user;
	const struct passwd *user = named ? wanted(s, err) :
				    getpwuid(geteuid());
	char landlock[24] = "off";

	if (named && !user)
		return -1;
	if (named && geteuid() && geteuid() != user->pw_uid)
		return not_root(s, err);
	if (s->sandbox_landlock && !landlock_abi() && s->sandbox_strict)
		return no_landlock(err);
	if (s->sandbox_seccomp && !s->sandbox_nnp && s->sandbox_strict &&
	    (user ? user->pw_uid : geteuid()))
		return no_calls(err);
	if (s->sandbox_landlock && landlock_abi())
		snprintf(landlock, sizeof(landlock), "ABI %d", landlock_abi());
	*said = xasprintf("user %s, no new privileges %s, landlock %s, "
			  "seccomp %s", user ? user->pw_name : "?",
			  s->sandbox_nnp ? "on" : "off", landlock,
			  SANITIZED ? "off: a sanitizer watches" :
			  s->sandbox_seccomp ? "on" : "off");
	return 0;
}
