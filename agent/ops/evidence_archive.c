/*
 * See evidence_archive.h. The manifest comes last, since it has the hash of
 * everything; its own is in a note that the journal's key signs. The same
 * evidence under the same checkpoint gives the same bytes.
 */
#include "agent/ops/evidence_archive.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/ops/op.h"
#include "agent/store/checkpoint.h"
#include "agent/store/evidence.h"
#include "agent/store/journal.h"
#include "agent/store/settings.h"
#include "agent/store/tree.h"
#include "common/base64.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/sha256.h"

#define CHUNK (256u << 10)
#define SPKI_HEAD "\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21"	/* RFC 8410 */

void archive_miss(struct archive *x, const char *what, const char *id,
		  const char *how, json_t *more)
{
	json_t *v = json_pack("{s:s,s:s,s:s}", "what", what, "id", id, "how",
			      how);

	if (more)
		json_object_update_missing(v, more);
	json_decref(more);
	json_array_append_new(json_object_get(x->manifest, "missing"), v);
}

static char *in_folder(const struct archive *x, const char *path)
{
	return xasprintf("%s/%s", x->folder, path);
}

static void list_file(struct archive *x, const char *path, const char *sha256,
		      uint64_t size)
{
	json_array_append_new(json_object_get(x->manifest, "files"),
		json_pack("{s:s,s:s,s:I}", "path", path, "sha256", sha256,
			  "size", (json_int_t)size));
}

/* A small file, in the archive and, if it is to be, in the manifest. */
static int add(struct archive *x, const char *path, const void *data,
	       size_t len, bool listed, struct err *err)
{
	char *name = in_folder(x, path), sha256[SHA256_HEX];
	size_t n = strlen(path);
	bool runs = n > 3 && !strcmp(path + n - 3, ".sh");
	int rc = tar_add(&x->tar, name, data, len, runs ? 0755 : 0644, err);

	sha256_hex(data, len, sha256);
	if (listed)
		list_file(x, path, sha256, len);
	free(name);
	return rc;
}

/* All of in, hashed on its way; *same: it is what it is called. */
static int pour(struct archive *x, int in, uint64_t size, const char *sha256,
		bool *same, struct err *err)
{
	struct sha256 *hash = sha256_new();
	char *chunk = xmalloc(CHUNK), is[SHA256_HEX];
	uint8_t raw[SHA256_RAW];
	ssize_t n = 1;
	int rc = 0;

	while (!rc && size && n > 0) {
		n = read(in, chunk, size < CHUNK ? size : CHUNK);
		if (n <= 0)
			break;
		sha256_add(hash, chunk, (size_t)n);
		rc = tar_write(&x->tar, chunk, (size_t)n, err);
		size -= (uint64_t)n;
	}
	sha256_end(hash, raw);
	hex_of(raw, sizeof(raw), is);
	*same = !size && !strcmp(is, sha256);
	free(chunk);
	return rc;
}

/* 1: the file was not what it is called, and is not in the archive. */
static int add_bytes(struct archive *x, const char *sha256, int fd,
		     uint64_t size, struct err *err)
{
	char path[80], *name;
	uint64_t off = x->tar.off;
	bool same = false;
	int rc;

	snprintf(path, sizeof(path), "artifacts/%s", sha256);
	name = in_folder(x, path);
	rc = tar_begin(&x->tar, name, size, 0644, err) ||
	     pour(x, fd, size, sha256, &same, err) ? -1 : 0;
	free(name);
	if (rc)
		return -1;
	if (!same)
		return tar_rewind(&x->tar, off, err) ? -1 : 1;
	list_file(x, path, sha256, size);
	return tar_finish(&x->tar, err);
}

static void describe(struct archive *x, const json_t *artifact)
{
	static const char *const kept[] = {
		"sha256", "size", "name", "media_type", "created_at",
		"task_id", "run_id", "correlation_id",
	};
	json_t *v = json_object();

	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		json_object_set(v, kept[i],
				json_object_get(artifact, kept[i]));
	json_array_append_new(json_object_get(x->manifest, "artifacts"), v);
}

/* In the archive once, however often it was stored. */
static int add_artifact(struct archive *x, const json_t *artifact,
			json_t *seen, struct err *err)
{
	const char *sha = json_str(artifact, "sha256");
	const json_t *had = json_object_get(seen, sha);
	json_t *removed = json_object_get(artifact, "removed");
	struct err why = {0};
	uint64_t size = 0;
	int fd, rc = 1;

	if (had) {
		if (json_is_true(had))
			describe(x, artifact);
		return 0;
	}
	if (!removed && !evidence_peek(x->agent->evidence, sha, &fd, &size,
				       &why)) {
		rc = add_bytes(x, sha, fd, size, err);
		close(fd);
	}
	json_object_set_new(seen, sha, json_boolean(!rc));
	if (!rc)
		describe(x, artifact);
	else if (rc > 0)
		archive_miss(x, "artifact", sha, removed ? "removed" :
			why.code ? err_row(why.code)->code :
			"evidence_corrupt", removed ? json_pack("{s:O}",
			"removed", removed) : NULL);
	err_fini(&why);
	return rc < 0 ? -1 : 0;
}

static int add_artifacts(struct archive *x, struct err *err)
{
	json_t *seen = json_object(), *each;
	size_t i;
	int rc = 0;

	json_array_foreach (x->artifacts, i, each)
		if (!rc)
			rc = add_artifact(x, each, seen, err);
	json_decref(seen);
	return rc;
}

/*
 * The lines that the tree still has, each with its LF. One that was changed
 * would prove nothing.
 */
static int read_lines(struct archive *x, struct buf *out, struct err *err)
{
	uint8_t leaf[SHA256_RAW], known[SHA256_RAW];
	json_t *list = json_object_get(x->manifest, "records");
	char hex[SHA256_HEX], id[24];

	for (size_t i = 0; i < x->n_records; i++) {
		const struct record_place *p = &x->records[i];
		char *line = buf_room(out, p->len + 1);

		if (tree_leaf(x->agent->tree, p->seq - 1, known, err))
			return -1;
		snprintf(id, sizeof(id), "%" PRIu64, p->seq);
		if (journal_read(x->agent->journal, p->off, p->len, line,
				 NULL)) {
			archive_miss(x, "record", id, "it cannot be read",
				     NULL);
			continue;
		}
		sha256_leaf(line, p->len, leaf);
		if (memcmp(leaf, known, SHA256_RAW)) {
			archive_miss(x, "record", id, "it was changed", NULL);
			continue;
		}
		line[p->len] = '\n';
		out->len += p->len + 1;
		hex_of(leaf, sizeof(leaf), hex);
		json_array_append_new(list, json_pack("{s:I,s:s}", "seq",
			(json_int_t)p->seq, "leaf", hex));
	}
	return 0;
}

/* C2SP tlog-proof. */
static int add_proof(struct archive *x, uint64_t seq, struct buf *b,
		     struct err *err)
{
	uint8_t proof[TREE_PROOF_MAX][SHA256_RAW];
	char path[64];
	size_t n = 0;

	if (tree_inclusion(x->agent->tree, seq - 1, x->size, proof, &n, err))
		return -1;
	buf_reset(b);
	checkpoint_proof(seq - 1, proof, n, x->checkpoint.data,
			 x->checkpoint.len, b);
	snprintf(path, sizeof(path), "proofs/%" PRIu64 ".tlog-proof", seq);
	return add(x, path, b->data, b->len, true, err);
}

static int add_records(struct archive *x, struct err *err)
{
	const json_t *list = json_object_get(x->manifest, "records"), *each;
	struct buf b = {0};
	size_t i;
	int rc;

	rc = read_lines(x, &b, err);
	if (!rc)
		rc = add(x, "records.jsonl", b.data ? b.data : "", b.len, true,
			 err);
	json_array_foreach (list, i, each)
		if (!rc)
			rc = add_proof(x, (uint64_t)json_int(each, "seq", 0),
				       &b, err);
	buf_fini(&b);
	return rc;
}

/* The public key, as a vkey line and as openssl reads it. */
static int add_keys(struct archive *x, struct err *err)
{
	const struct note_key *key = note_signer_key(x->signer);
	char spki[sizeof(SPKI_HEAD) + sizeof(key->raw)];
	char text[BASE64_LEN(sizeof(spki)) + 1], vkey[NOTE_VKEY_MAX + 1], *pem;
	int rc;

	note_key_text(key, vkey);
	json_set_str(x->manifest, "key", vkey);
	strcat(vkey, "\n");
	memcpy(spki, SPKI_HEAD, sizeof(SPKI_HEAD));	/* and a zero byte */
	memcpy(spki + sizeof(SPKI_HEAD), key->raw, sizeof(key->raw));
	base64_text(spki, sizeof(spki), text);
	pem = xasprintf("-----BEGIN PUBLIC KEY-----\n%s\n"
			"-----END PUBLIC KEY-----\n", text);
	rc = add(x, "journal.vkey", vkey, strlen(vkey), true, err) ||
	     add(x, "key.pem", pem, strlen(pem), true, err) ? -1 : 0;
	free(pem);
	return rc;
}

/* The note is no checkpoint: it has two lines, and no size in it. */
static int add_manifest(struct archive *x, struct err *err)
{
	size_t len;
	char *text = json_pretty(x->manifest, &len), sha256[SHA256_HEX];
	char *what;
	struct buf note = {0};
	int rc;

	sha256_hex(text, len, sha256);
	what = xasprintf("%s/evidence\n%s\n", note_signer_key(x->signer)->name,
			 sha256);
	rc = add(x, "manifest.json", text, len, false, err) ||
	     note_sign(x->signer, what, strlen(what), &note, err) ||
	     add(x, "manifest.note", note.data, note.len, false, err) ? -1 : 0;
	buf_fini(&note);
	free(what);
	free(text);
	return rc;
}

int archive_write(struct archive *x, struct err *err)
{
	return add_artifacts(x, err) || add_records(x, err) ||
	       add(x, "checkpoint", x->checkpoint.data, x->checkpoint.len,
		   true, err) || add_keys(x, err) ||
	       add(x, "verify.sh", archive_script, (size_t)(archive_script_end -
		   archive_script), true, err) || add_manifest(x, err) ||
	       tar_end(&x->tar, err) ? -1 : 0;
}
