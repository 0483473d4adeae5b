/*
 * The tree of ten million records: what it costs to keep, and a root, a
 * proof of each kind and a signed checkpoint out of it, each checked as it
 * is before it is given out. One line a figure: name value unit.
 *
 *   proofs [DIR]        a folder on the disk to measure; default: here
 */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/checkpoint.h"
#include "agent/store/tree.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/id.h"
#include "common/mem.h"

enum { LEAVES = 10000000, BATCH = 2048, ASKED = 2000 };

static _Noreturn void die(const struct err *err)
{
	fprintf(stderr, "proofs: %s\n", err->detail);
	exit(1);
}

static void fill(struct tree *t)
{
	uint8_t (*leaves)[SHA256_RAW] = xcalloc(BATCH, sizeof(*leaves));
	const int64_t from = clock_mono_us();
	struct err err = {0};
	uint64_t n = 0;

	random_bytes(leaves, BATCH * sizeof(*leaves));
	for (; n < LEAVES; n += BATCH) {
		for (size_t i = 0; i < BATCH; i++)
			memcpy(leaves[i], &n, sizeof(n));
		if (tree_add(t, (const uint8_t (*)[SHA256_RAW])leaves, BATCH,
			     &err))
			die(&err);
	}
	printf("tree_add %.2f us/record\n",
	       (double)(clock_mono_us() - from) / (double)n);
	free(leaves);
}

static int earlier(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

typedef int ask_fn(struct tree *t, uint64_t at, uint64_t size,
		   struct err *err);

static int root(struct tree *t, uint64_t at, uint64_t size, struct err *err)
{
	uint8_t out[SHA256_RAW];

	(void)size;
	return tree_root(t, at, out, err);
}

static int inclusion(struct tree *t, uint64_t at, uint64_t size,
		     struct err *err)
{
	uint8_t proof[TREE_PROOF_MAX][SHA256_RAW];
	size_t n;

	return tree_inclusion(t, at, size, proof, &n, err);
}

static int consistency(struct tree *t, uint64_t at, uint64_t size,
		       struct err *err)
{
	uint8_t proof[TREE_PROOF_MAX][SHA256_RAW];
	size_t n;

	return tree_consistency(t, at, size, proof, &n, err);
}

static void ask(struct tree *t, const char *name, ask_fn *fn)
{
	int64_t *took = xcalloc(ASKED, sizeof(*took));
	struct err err = {0};

	for (size_t i = 0; i < ASKED; i++) {
		const uint64_t size = tree_size(t) - i;
		uint64_t at;

		random_bytes(&at, sizeof(at));
		took[i] = clock_mono_us();
		if (fn(t, at % size, size, &err))
			die(&err);
		took[i] = clock_mono_us() - took[i];
	}
	qsort(took, ASKED, sizeof(*took), earlier);
	printf("%s_p50 %lld us\n%s_p99 %lld us\n", name,
	       (long long)took[ASKED / 2], name,
	       (long long)took[ASKED * 99 / 100]);
	free(took);
}

static struct note_signer *signer(const char *dir)
{
	char *pem = xasprintf("%s/key", dir), *vkey = xasprintf("%s/vkey", dir);
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	FILE *out = fopen(pem, "w");
	char line[NOTE_VKEY_MAX];
	struct note_signer *s;
	struct note_key k;
	struct err err = {0};
	uint8_t raw[32];
	size_t len = 32;

	if (!key || !out ||
	    !PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) ||
	    fclose(out) || !EVP_PKEY_get_raw_public_key(key, raw, &len))
		abort();
	if (note_key_make(&k, "bench", NOTE_ED25519, raw, &err))
		die(&err);
	note_key_text(&k, line);
	if (fs_replace(vkey, line, strlen(line), 0600, &err) ||
	    note_signer_open(&s, pem, vkey, &err))
		die(&err);
	EVP_PKEY_free(key);
	free(pem);
	free(vkey);
	return s;
}

static void sign(struct tree *t, const char *dir)
{
	struct note_signer *s = signer(dir);
	const int64_t from = clock_mono_us();
	struct err err = {0};

	for (int i = 0; i < ASKED; i++) {
		uint8_t hash[SHA256_RAW];
		struct buf note = {0};
		uint64_t size = tree_head(t, hash);

		if (checkpoint_sign(s, size, hash, &note, &err))
			die(&err);
		buf_fini(&note);
	}
	printf("checkpoint_sign %.1f us\n",
	       (double)(clock_mono_us() - from) / ASKED);
	note_signer_close(s);
}

int main(int argc, char **argv)
{
	char *dir = xasprintf("%s/proofs.XXXXXX", argc > 1 ? argv[1] : ".");
	struct err err = {0};
	struct tree *t;
	int64_t from;

	if (!mkdtemp(dir) || tree_open(&t, dir, &err))
		die(&err);
	fill(t);
	tree_close(t);
	from = clock_mono_us();
	if (tree_open(&t, dir, &err))
		die(&err);
	printf("tree_open %lld us\n", (long long)(clock_mono_us() - from));
	ask(t, "root", root);
	ask(t, "inclusion", inclusion);
	ask(t, "consistency", consistency);
	sign(t, dir);
	tree_close(t);
	fs_remove_tree(dir);
	free(dir);
	return 0;
}
