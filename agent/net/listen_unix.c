/*
 * See listen_unix.h. Whoever holds the lock beside it serves the socket: the
 * kernel lets go of the lock when that agent is gone, however it went.
 */
#include "agent/net/listen_unix.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/net/listen.h"
#include "agent/net/server.h"
#include "agent/store/home.h"
#include "agent/store/token.h"
#include "common/err.h"
#include "common/log.h"
#include "common/mem.h"

#define DEFAULT_NAME "agent.sock"

static const char *set(const char *name)
{
	const char *v = getenv(name);

	return v && *v ? v : NULL;
}

/* systemd makes the folder and lists it first; else it is made. */
static char *runtime_dir(const struct net *n, struct err *err)
{
	const char *own = set("RUNTIME_DIRECTORY");
	const char *user = set("XDG_RUNTIME_DIR");
	char *dir;

	if (own)
		return xstrndup(own, strcspn(own, ":"));
	dir = user ? xasprintf("%s/kircerta", user) :
		     xasprintf("%s/run", n->agent->home->dir);
	if (mkdir(dir, 0700) && errno != EEXIST) {
		err_sys(err, ERR_io, "cannot make %s", dir);
		xfree(dir);
	}
	return dir;
}

/* Who can write there could put another socket in the place of ours. */
static int check_dir(const char *path, struct err *err)
{
	char *dir = xstrdup(path);
	struct stat st;
	int rc = 0;

	*strrchr(dir, '/') = '\0';
	if (stat(*dir ? dir : "/", &st))
		rc = err_sys(err, ERR_io, "%s", dir);
	else if ((st.st_uid && st.st_uid != geteuid()) ||
		 (st.st_mode & 022 && !(st.st_mode & S_ISVTX)))
		rc = err_set(err, ERR_bad_config, "others can write to %s, "
			     "and so replace the socket in it", dir);
	free(dir);
	return rc;
}

static char *path_of(const struct net *n, struct err *err)
{
	const char *name = n->agent->settings->listen_unix;
	char *dir, *path;

	if (!name)
		name = DEFAULT_NAME;
	if (*name == '/')
		return xstrdup(name);
	dir = runtime_dir(n, err);
	path = dir ? xasprintf("%s/%s", dir, name) : NULL;
	free(dir);
	return path;
}

static int lock(struct net *n, struct err *err)
{
	char *file = xasprintf("%s.lock", n->unix_path);

	n->unix_lock = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
			    0600);
	if (n->unix_lock < 0)
		err_sys(err, ERR_io, "%s", file);
	else if (flock(n->unix_lock, LOCK_EX | LOCK_NB))
		err_set(err, ERR_io, "another agent listens on %s",
			n->unix_path);
	free(file);
	return err->code ? -1 : 0;
}

/* Of another program, which does not know about the lock? */
static int check_dead(const struct sockaddr_un *at, struct err *err)
{
	struct stat st;
	int fd, rc;

	if (lstat(at->sun_path, &st))
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, ERR_io, "%s is there, and is no socket",
			       at->sun_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	rc = connect(fd, (const struct sockaddr *)at, sizeof(*at));
	rc = !rc || errno != ECONNREFUSED;
	close(fd);
	if (rc)
		return err_set(err, ERR_io, "somebody listens on %s",
			       at->sun_path);
	return unlink(at->sun_path) ? err_sys(err, ERR_io, "%s",
					      at->sun_path) : 0;
}

static int give_group(const struct net *n, struct err *err)
{
	const char *name = n->agent->settings->socket_group;
	const struct group *group;

	if (!name || !*name)
		return 0;
	group = getgrnam(name);
	if (!group)
		return err_set(err, ERR_bad_config, "agent.socket-group: "
			       "there is no group %.64s", name);
	return chown(n->unix_path, (uid_t)-1, group->gr_gid) ?
		       err_sys(err, ERR_io, "agent.socket-group: %s",
			       n->unix_path) : 0;
}

/* Nobody can connect before its mode is what it should be. */
static int bind_it(struct net *n, int fd, struct err *err)
{
	static const mode_t modes[] = {0600, 0660, 0666};
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	if (strlen(n->unix_path) >= sizeof(at.sun_path))
		return err_set(err, ERR_bad_config, "%s is longer than the "
			       "path of a socket may be", n->unix_path);
	strcpy(at.sun_path, n->unix_path);
	if (check_dir(n->unix_path, err) || lock(n, err) ||
	    check_dead(&at, err))
		return -1;
	if (fchmod(fd, 0600) ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)))
		return err_sys(err, ERR_io, "cannot listen on %s",
			       n->unix_path);
	n->unix_bound = true;
	if (give_group(n, err))
		return -1;
	if (chmod(n->unix_path, modes[n->agent->settings->socket_mode]) ||
	    listen(fd, SOMAXCONN))
		return err_sys(err, ERR_io, "cannot listen on %s",
			       n->unix_path);
	return 0;
}

static int give_up(struct net *n, int fd, struct err *err)
{
	if (fd >= 0)
		close(fd);
	listen_unix_close(n);
	xfree(n->unix_path);
	if (n->agent->settings->listen_unix) {
		if (!*err->hint)
			err_hint(err, "Set agent.listen-unix to another path, "
				 "or to nothing.");
		return -1;
	}
	log_warn("there is no UNIX socket: %s", err->detail);
	snprintf(n->agent->no_socket, sizeof(n->agent->no_socket), "%s",
		 err->detail);
	err_fini(err);
	return 0;
}

/* The tools run as this user. */
static void warn_of_own(const struct settings *s)
{
	for (size_t i = 0; i < s->n_peers; i++)
		if (s->peers[i].has_uid && s->peers[i].uid == geteuid() &&
		    s->peers[i].scopes & SCOPE_ADMIN)
			log_warn("[peer \"%s\"] is an admin by being this "
				 "user, as whom the tools run, too: a tool "
				 "could decide", s->peers[i].name);
}

int listen_unix_open(struct net *n, struct err *err)
{
	const char *name = n->agent->settings->listen_unix;
	struct err own = {0};
	int fd = -1, rc;

	if (name && !*name)
		return 0;
	n->unix_path = path_of(n, &own);
	rc = n->unix_path ? 0 : -1;
	if (!rc) {
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC |
			    SOCK_NONBLOCK, 0);
		rc = bind_it(n, fd, &own);
	}
	if (!rc) {
		listen_add(n, OVER_UNIX, fd);
		warn_of_own(n->agent->settings);
		return 0;
	}
	rc = give_up(n, fd, &own);
	if (rc)
		*err = own;
	return rc;
}

void listen_unix_close(struct net *n)
{
	if (n->unix_bound)
		unlink(n->unix_path);
	n->unix_bound = false;
	if (n->unix_lock >= 0)
		close(n->unix_lock);
	n->unix_lock = -1;
}
