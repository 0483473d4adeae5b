/*
 * See ssot_pack.h; formats: gitformat-pack(5), pack and index version 2. An
 * object is put there as it is, so that a batch is one write. Deflating and
 * deltas are left to upkeep.
 */
#include "agent/store/ssot_pack.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "agent/store/ssot_pack_file.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/mem.h"
#include "common/sha256.h"

#define HEAD 12			/* bytes before the first object */
#define BLOCK 65535u		/* bytes of a stored one at most */

struct object {
	uint8_t id[GIT_RAW];
	uint32_t crc, at;
};

struct pack {
	struct buf bytes;
	struct object *list;
	size_t n, room;
	uint32_t *table;	/* of index + 1 in list, by id; 0: free */
	size_t slots;		/* a power of two */
	EVP_MD *md;		/* fetched once: that takes longer than a hash */
	EVP_MD_CTX *sha1;
	char *temp;
};

struct pack *pack_new(const char *temp)
{
	struct pack *p = xcalloc(1, sizeof(*p));

	p->temp = xstrdup(temp);
	p->md = EVP_MD_fetch(NULL, "SHA1", NULL);
	p->sha1 = EVP_MD_CTX_new();
	if (!p->md || !p->sha1)
		abort();
	pack_reset(p);
	return p;
}

void pack_free(struct pack *p)
{
	if (!p)
		return;
	EVP_MD_CTX_free(p->sha1);
	EVP_MD_free(p->md);
	buf_fini(&p->bytes);
	free(p->list);
	free(p->table);
	free(p->temp);
	free(p);
}

void pack_reset(struct pack *p)
{
	const size_t keep = 1024;	/* slots; memory of a burst goes */

	p->n = p->room = 0;
	xfree(p->list);
	free(p->table);
	p->slots = keep;
	p->table = xcalloc(p->slots, sizeof(*p->table));
	buf_fini(&p->bytes);
	buf_add(&p->bytes, "PACK\0\0\0\2\0\0\0\0", HEAD);
}

bool pack_empty(const struct pack *p)
{
	return !p->n;
}

size_t pack_bytes(const struct pack *p)
{
	return p->bytes.len;
}

static void sha1(struct pack *p, const char *head, size_t head_len,
		 const void *data, size_t len, uint8_t out[GIT_RAW])
{
	if (!EVP_DigestInit_ex2(p->sha1, p->md, NULL) ||
	    !EVP_DigestUpdate(p->sha1, head, head_len) ||
	    !EVP_DigestUpdate(p->sha1, data, len) ||
	    !EVP_DigestFinal_ex(p->sha1, out, NULL))
		abort();
}

/* The slot that holds this id, or the free one where it belongs. */
static uint32_t *slot_of(struct pack *p, const uint8_t id[GIT_RAW])
{
	size_t at;

	memcpy(&at, id, sizeof(at));
	for (at &= p->slots - 1; p->table[at]; at = (at + 1) & (p->slots - 1))
		if (!memcmp(p->list[p->table[at] - 1].id, id, GIT_RAW))
			break;
	return &p->table[at];
}

static void grow(struct pack *p)
{
	if (p->n == p->room) {
		p->room = p->room ? 2 * p->room : 256;
		p->list = xrealloc(p->list, p->room * sizeof(*p->list));
	}
	if (2 * p->n < p->slots)
		return;
	p->slots *= 2;
	free(p->table);
	p->table = xcalloc(p->slots, sizeof(*p->table));
	for (size_t i = 0; i < p->n; i++)
		*slot_of(p, p->list[i].id) = (uint32_t)i + 1;
}

/* Type and size, seven bits a byte after the first four. */
static void add_header(struct buf *b, enum pack_type type, size_t len)
{
	uint8_t byte = (uint8_t)(type << 4 | (len & 15));

	for (len >>= 4; len; len >>= 7) {
		buf_add(b, &(uint8_t){byte | 0x80}, 1);
		byte = len & 0x7f;
	}
	buf_add(b, &byte, 1);
}

static void add_be32(struct buf *b, uint32_t v)
{
	uint8_t bytes[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16),
			    (uint8_t)(v >> 8), (uint8_t)v};

	buf_add(b, bytes, sizeof(bytes));
}

/*
 * RFC 1950 and 1951, stored blocks: half of the work on a commit was to
 * deflate a text that upkeep soon makes a delta of.
 */
static void add_stored(struct buf *b, const void *data, size_t len)
{
	const uint8_t *at = data, *end = at + len;

	buf_add(b, "\x78\x01", 2);
	do {
		size_t n = (size_t)(end - at) < BLOCK ? (size_t)(end - at) :
							BLOCK;
		uint8_t head[5] = {at + n == end, (uint8_t)n,
				   (uint8_t)(n >> 8), (uint8_t)~n,
				   (uint8_t)(~n >> 8)};

		buf_add(b, head, sizeof(head));
		buf_add(b, at, n);
		at += n;
	} while (at < end);
	add_be32(b, (uint32_t)adler32(1, data, (uInt)len));
}

/* What was added to the bytes since at is this object, if it is new. */
static void enter(struct pack *p, const uint8_t id[GIT_RAW], size_t at)
{
	struct object *o = &p->list[p->n];

	memcpy(o->id, id, GIT_RAW);
	o->at = (uint32_t)at;
	o->crc = (uint32_t)crc32(0, (Bytef *)p->bytes.data + at,
				 (uInt)(p->bytes.len - at));
	*slot_of(p, id) = (uint32_t)++p->n;
}

void pack_id(struct pack *p, enum pack_type type, const void *data,
	     size_t len, uint8_t id[GIT_RAW])
{
	static const char *const names[] = {"", "commit", "tree", "blob"};
	char head[32];
	int n;

	n = snprintf(head, sizeof(head), "%s %zu", names[type], len);
	sha1(p, head, (size_t)n + 1, data, len, id);
}

void pack_add(struct pack *p, enum pack_type type, const void *data,
	      size_t len, uint8_t id[GIT_RAW])
{
	size_t at = p->bytes.len;

	pack_id(p, type, data, len, id);
	grow(p);
	if (*slot_of(p, id))
		return;
	add_header(&p->bytes, type, len);
	add_stored(&p->bytes, data, len);
	enter(p, id, at);
}

void pack_add_packed(struct pack *p, const uint8_t id[GIT_RAW],
		     const void *bytes, size_t len)
{
	size_t at = p->bytes.len;

	grow(p);
	if (*slot_of(p, id))
		return;
	buf_add(&p->bytes, bytes, len);
	enter(p, id, at);
}

static int by_id(const void *a, const void *b)
{
	return memcmp(a, b, GIT_RAW);
}

/* Sorted ids behind a fan-out table, their checksums, their places. */
static void make_index(struct pack *p, const struct object *sorted,
		       const uint8_t trailer[GIT_RAW], struct buf *out)
{
	uint8_t sum[GIT_RAW];
	size_t i = 0;

	buf_add(out, "\377tOc\0\0\0\2", 8);
	for (int first = 0; first < 256; first++) {
		while (i < p->n && sorted[i].id[0] <= first)
			i++;
		add_be32(out, (uint32_t)i);
	}
	for (i = 0; i < p->n; i++)
		buf_add(out, sorted[i].id, GIT_RAW);
	for (i = 0; i < p->n; i++)
		add_be32(out, sorted[i].crc);
	for (i = 0; i < p->n; i++)
		add_be32(out, sorted[i].at);
	buf_add(out, trailer, GIT_RAW);
	sha1(p, "", 0, out->data, out->len, sum);
	buf_add(out, sum, GIT_RAW);
}

/* Count and checksum around the objects. */
static void finish(struct pack *p, uint8_t trailer[GIT_RAW], char *name)
{
	struct buf count = {0};

	if (p->bytes.len > UINT32_MAX / 2)
		abort();	/* ssot_apply stops long before */
	add_be32(&count, (uint32_t)p->n);
	memcpy(p->bytes.data + 8, count.data, 4);
	buf_fini(&count);
	sha1(p, "", 0, p->bytes.data, p->bytes.len, trailer);
	strcpy(name, "pack-");
	hex_of(trailer, GIT_RAW, name + 5);
}

int pack_write(struct pack *p, const char *folder, char name[PACK_NAME],
	       struct err *err)
{
	struct object *sorted = xmalloc((p->n + 1) * sizeof(*sorted));
	uint8_t trailer[GIT_RAW];
	struct buf index = {0};
	int rc;

	memcpy(sorted, p->list, p->n * sizeof(*sorted));
	qsort(sorted, p->n, sizeof(*sorted), by_id);
	finish(p, trailer, name);
	make_index(p, sorted, trailer, &index);
	buf_add(&p->bytes, trailer, GIT_RAW);
	rc = pack_file_write(folder, p->temp, name, &p->bytes, &index, err);
	p->bytes.len -= GIT_RAW;
	buf_fini(&index);
	free(sorted);
	return rc;
}
