/* See webhook_secret.h. No more of the file is read than a secret may have. */
#include "agent/store/webhook_secret.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/err.h"
#include "common/mem.h"

#define LINE (2 * WEBHOOK_KEY_MAX)
#define WRITE_IT "Write the secret into this file, on its first line, mode " \
		 "0600; it is read at once."

static int look(int fd, const char *file, struct err *err)
{
	struct stat st;

	if (fd < 0 || fstat(fd, &st)) {
		err_sys(err, ERR_webhook_not_configured, "%s", file);
		return err_hint(err, WRITE_IT);
	}
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_webhook_not_configured,
			       "%s is not a regular file", file);
	if (!(st.st_mode & 077))
		return 0;
	err_set(err, ERR_webhook_not_configured, "%s is open to others (mode "
		"%04o)", file, st.st_mode & 07777u);
	return err_hint(err, "chmod 600 %s", file);
}

/* How much there is, at most LINE. */
static ssize_t take(int fd, char *line)
{
	size_t len = 0;
	ssize_t n;

	do {
		n = read(fd, line + len, LINE - len);
		len += n > 0 ? (size_t)n : 0;
	} while ((n > 0 && len < LINE) || (n < 0 && errno == EINTR));
	return n < 0 ? -1 : (ssize_t)len;
}

static int parse(enum webhook_scheme scheme, const char *file,
		 const char *line, size_t n, struct webhook_key *key,
		 struct err *err)
{
	const char *end = memchr(line, '\n', n);
	size_t len = end ? (size_t)(end - line) : n;
	struct err why = {0};
	int rc;

	len -= len && line[len - 1] == '\r';
	rc = webhook_key(scheme, line, len, key, &why);
	if (rc)
		err_set(err, ERR_webhook_not_configured, "%s: %s", file,
			len ? why.detail : "the first line is empty");
	if (rc)
		err_hint(err, WRITE_IT);
	err_fini(&why);
	return rc;
}

int webhook_secret_read(enum webhook_scheme scheme, const char *file,
			struct webhook_key *key, struct err *err)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc;
	char line[LINE];
	ssize_t n = 0;

	rc = look(fd, file, err);
	if (!rc) {
		n = take(fd, line);
		rc = n < 0 ? err_sys(err, ERR_webhook_not_configured, "%s",
				     file) :
			     parse(scheme, file, line, (size_t)n, key, err);
		mem_wipe(line, sizeof(line));
	}
	if (fd >= 0)
		close(fd);
	return rc;
}

bool webhook_secret_there(const char *file)
{
	return file && *file && (!access(file, F_OK) || errno != ENOENT);
}
