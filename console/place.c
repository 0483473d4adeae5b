/* See place.h. */
#include "console/place.h"

#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/mem.h"

static const char *set(const char *name)
{
	const char *v = getenv(name);

	return v && *v ? v : NULL;
}

static char *below_home(const char *variable, const char *fallback,
			const char *name)
{
	const char *dir = set(variable), *home = set("HOME");

	if (dir)
		return xasprintf("%s/kircerta/%s", dir, name);
	return xasprintf("%s/%s/kircerta/%s", home ? home : "", fallback,
			 name);
}

char *place_config(const char *name)
{
	return below_home("XDG_CONFIG_HOME", ".config", name);
}

char *place_home(const char *name)
{
	if (set("KIRCERTA_HOME"))
		return xasprintf("%s/%s", set("KIRCERTA_HOME"), name);
	return below_home("XDG_STATE_HOME", ".local/state", name);
}

/* There is somebody behind it, and not only what is left of one. */
static bool answers(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd, rc = -1;

	if (strlen(path) >= sizeof(at.sun_path))
		return false;
	strcpy(at.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0)
		rc = connect(fd, (struct sockaddr *)&at, sizeof(at));
	if (fd >= 0)
		close(fd);
	return !rc;
}

char *place_socket(bool *service)
{
	char *tries[] = {
		set("XDG_RUNTIME_DIR") ? xasprintf("%s/kircerta/agent.sock",
			set("XDG_RUNTIME_DIR")) : xstrdup(""),
		place_home("run/agent.sock"),
		xstrdup("/run/kircerta/agent.sock"),
	};
	char *found = NULL;

	for (size_t i = 0; i < ARRAY_LEN(tries); i++) {
		if (!found && answers(tries[i])) {
			found = tries[i];
			*service = i == ARRAY_LEN(tries) - 1;
		} else {
			free(tries[i]);
		}
	}
	return found;
}

char *place_self(void)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	return xstrndup(path, n > 0 ? (size_t)n : 0);
}

char *place_find(const char *name, enum place_kind kind)
{
	char *self = place_self(), *dir = dirname(self);
	char *tries[] = {
		kind == PLACE_DATA ? place_config(name) :
				     xasprintf("%s/%s", dir, name),
		xasprintf("%s/../%s/%s", dir, kind == PLACE_DATA ?
			  "share/kircerta" : "libexec/kircerta", name),
		xasprintf("%s/../%s", dir, name),	/* a build's folder */
		xasprintf("%s/../../%s", dir, name),
		xasprintf("%s/%s/%s", KIRCERTA_PREFIX, kind == PLACE_DATA ?
			  "share/kircerta" : "libexec/kircerta", name),
	};
	char *found = NULL;

	for (size_t i = 0; i < ARRAY_LEN(tries); i++) {
		if (!found && !access(tries[i], R_OK))
			found = tries[i];
		else
			free(tries[i]);
	}
	free(self);
	return found;
}
