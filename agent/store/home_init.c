/*
 * Makes a home, each step only if what it makes is missing: run again it
 * changes nothing, and after a crash it goes on. The tokens come last and
 * tell that all is there.
 */
#include "agent/store/home.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/store/settings.h"
#include "agent/store/ssot.h"
#include "agent/store/token.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/id.h"
#include "common/mem.h"
#include "common/sha256.h"

#define ED25519_RAW 32

struct making {
	struct home home;
	const char *name;
	FILE *out;
};

static bool missing(const char *path)
{
	return access(path, F_OK) && errno == ENOENT;
}

static int made(const struct making *m, const char *path, int rc)
{
	if (!rc && m->out)
		fprintf(m->out, "made %s\n", path);
	return rc;
}

static int make_dir(const struct making *m, const char *path, struct err *err)
{
	if (!missing(path))
		return 0;
	if (fs_mkdir(path, 0700, err))
		return err_hint(err, "Give a folder that you may write: "
				"kircerta-agent --home DIR init");
	return made(m, path, 0);
}

/* A folder full of something else is nobody's home. */
static int may_be_home(const struct home *h, struct err *err)
{
	DIR *d = opendir(h->dir);
	const struct dirent *e;
	bool empty = true;
	struct stat st;

	while (d && (e = readdir(d)))
		empty &= !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..");
	if (d)
		closedir(d);
	else if (errno != ENOENT)
		return err_sys(err, ERR_io, "%s", h->dir);
	if (!empty && missing(h->keys) && missing(h->conf) &&
	    missing(h->tools_d)) {
		err_set(err, ERR_io, "%s is not empty, and no home of an agent",
			h->dir);
		return err_hint(err, "Give a new folder with --home DIR.");
	}
	if (d && !stat(h->dir, &st) && st.st_mode & 077 &&
	    chmod(h->dir, 0700))
		return err_sys(err, ERR_io, "chmod 700 %s", h->dir);
	return 0;
}

static int make_folders(struct making *m, struct err *err)
{
	struct home *h = &m->home;
	const char *const folders[] = {h->dir, h->keys, h->audit, h->evidence,
				       h->spool, h->tools_d};

	for (size_t i = 0; i < ARRAY_LEN(folders); i++)
		if (make_dir(m, folders[i], err))
			return -1;
	return 0;
}

static int make_conf(struct making *m, struct err *err)
{
	char *text = NULL;
	size_t len;
	FILE *out;
	int rc;

	if (!missing(m->home.conf) || !missing(HOME_CONF_ELSE))
		return 0;
	out = open_memstream(&text, &len);
	if (!out)
		abort();
	settings_list(out);
	fclose(out);
	rc = fs_replace(m->home.conf, text, len, 0600, err);
	free(text);
	return made(m, m->home.conf, rc);
}

static int openssl_failed(const char *path, struct err *err)
{
	return err_set(err, ERR_internal, "%s: the key cannot be made or read",
		       path);
}

static int make_journal_key(struct making *m, struct err *err)
{
	const char *path = m->home.journal_key;
	EVP_PKEY *key = NULL;
	BIO *pem = NULL;
	char *text;
	long len;
	int rc;

	if (!missing(path))
		return 0;
	key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	pem = BIO_new(BIO_s_secmem());
	if (!key || !pem ||
	    !PEM_write_bio_PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL)) {
		rc = openssl_failed(path, err);
	} else {
		len = BIO_get_mem_data(pem, &text);
		rc = fs_replace(path, text, (size_t)len, 0600, err);
	}
	BIO_free(pem);
	EVP_PKEY_free(key);
	return made(m, path, rc);
}

static int read_public(const char *path, uint8_t raw[ED25519_RAW],
		       struct err *err)
{
	BIO *pem = BIO_new_file(path, "r");
	EVP_PKEY *key = pem ? PEM_read_bio_PrivateKey(pem, NULL, NULL, NULL) :
			      NULL;
	size_t len = ED25519_RAW;
	int rc = 0;

	if (!key || !EVP_PKEY_get_raw_public_key(key, raw, &len) ||
	    len != ED25519_RAW)
		rc = openssl_failed(path, err);
	EVP_PKEY_free(key);
	BIO_free(pem);
	return rc;
}

/*
 * The verifier key of C2SP's signed notes: name, the first four bytes of
 * SHA-256(name, LF, type, key) in hex, base64 of type and key; type 1.
 */
static int make_journal_vkey(struct making *m, struct err *err)
{
	uint8_t typed[1 + ED25519_RAW] = {1}, id[SHA256_RAW];
	struct sha256 *hash;
	char base64[64], hex[9], *line;
	int rc;

	if (!missing(m->home.journal_vkey))
		return 0;
	if (read_public(m->home.journal_key, typed + 1, err))
		return -1;
	hash = sha256_new();
	sha256_add(hash, m->name, strlen(m->name));
	sha256_add(hash, "\n", 1);
	sha256_add(hash, typed, sizeof(typed));
	sha256_end(hash, id);
	hex_of(id, 4, hex);
	EVP_EncodeBlock((unsigned char *)base64, typed, sizeof(typed));
	line = xasprintf("%s+%s+%s\n", m->name, hex, base64);
	rc = fs_replace(m->home.journal_vkey, line, strlen(line), 0600, err);
	free(line);
	return made(m, m->home.journal_vkey, rc);
}

static int make_redact_key(struct making *m, struct err *err)
{
	uint8_t key[32];
	int rc;

	if (!missing(m->home.redact_key))
		return 0;
	random_bytes(key, sizeof(key));
	rc = fs_replace(m->home.redact_key, key, sizeof(key), 0600, err);
	mem_wipe(key, sizeof(key));
	return made(m, m->home.redact_key, rc);
}

static int make_ssot(struct making *m, struct err *err)
{
	bool is_new = missing(m->home.ssot);
	struct ssot *s = NULL;
	int rc;

	if (!is_new)
		return 0;
	rc = ssot_open(&s, m->home.ssot, &(struct ssot_options){0}, err);
	ssot_close(s);
	return made(m, m->home.ssot, rc);
}

/*
 * The token is written before the file that makes it good appears under its
 * name: a crash in between leaves a home that init completes.
 */
static int make_tokens(struct making *m, struct err *err)
{
	char *beside, text[TOKEN_TEXT + 1];
	int rc;

	if (!missing(m->home.tokens))
		return 0;
	beside = xasprintf("%s.new", m->home.tokens);
	unlink(beside);
	rc = token_create(beside, "admin", SCOPE_ADMIN, 0, text, err);
	if (!rc) {
		strcat(text, "\n");
		rc = fs_replace(m->home.admin_token, text, strlen(text), 0600,
				err);
		mem_wipe(text, sizeof(text));
	}
	if (!rc && rename(beside, m->home.tokens))
		rc = err_sys(err, ERR_io, "%s", m->home.tokens);
	if (!rc)
		rc = fs_sync_dir(m->home.dir, err);
	free(beside);
	made(m, m->home.admin_token, rc);
	return made(m, m->home.tokens, rc);
}

static int make_all(struct making *m, struct err *err)
{
	typedef int make(struct making *, struct err *);
	static make *const steps[] = {
		make_conf, make_journal_key, make_journal_vkey,
		make_redact_key, make_ssot, make_tokens,
	};

	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		if (steps[i](m, err))
			return -1;
	return 0;
}

/* One init at a time; an agent that runs there is not in the way. */
static int make_locked(struct making *m, struct err *err)
{
	int lock = open(m->home.keys, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	if (lock < 0 || flock(lock, LOCK_EX))
		rc = err_sys(err, ERR_io, "locking %s", m->home.keys);
	else
		rc = make_all(m, err);
	if (lock >= 0)
		close(lock);
	return rc;
}

int home_init(const char *dir, const char *name, FILE *out, struct err *err)
{
	struct making m = {.name = name, .out = out};
	char host[256] = "";
	int rc;

	gethostname(host, sizeof(host) - 1);
	if (!name)
		m.name = id_valid(host) ? host : "kircerta";
	home_paths(&m.home, dir);
	rc = may_be_home(&m.home, err) || make_folders(&m, err) ||
	     make_locked(&m, err);
	home_fini(&m.home);
	return rc ? -1 : 0;
}
