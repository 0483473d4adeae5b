/*
 * See ssot_pack.h; formats: gitformat-pack(5), pack and index version 2. An
 * object is deflated when it is added, so that a batch is one write. Deltas
 * are left to `git repack`.
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
#define WINDOW_BITS 13		/* objects are small; so is this state */
#define MEM_LEVEL 6

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
	z_stream text, ids;	/* trees are ids mostly: not worth the time */
	EVP_MD_CTX *sha1;
	char *temp;
};

static void deflate_init(z_stream *z, int level)
{
	if (deflateInit2(z, level, Z_DEFLATED, WINDOW_BITS, MEM_LEVEL,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		abort();
}

struct pack *pack_new(const char *temp)
{
	struct pack *p = xcalloc(1, sizeof(*p));

	p->temp = xstrdup(temp);
	p->sha1 = EVP_MD_CTX_new();
	if (!p->sha1)
		abort();
	deflate_init(&p->text, 1);
	deflate_init(&p->ids, 0);
	pack_reset(p);
	return p;
}

void pack_free(struct pack *p)
{
	if (!p)
		return;
	deflateEnd(&p->text);
	deflateEnd(&p->ids);
	EVP_MD_CTX_free(p->sha1);
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
	if (!EVP_DigestInit_ex(p->sha1, EVP_sha1(), NULL) ||
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

static void add_deflated(struct buf *b, z_stream *z, const void *data,
			 size_t len)
{
	size_t most = deflateBound(z, len);

	deflateReset(z);
	z->next_in = (Bytef *)data;
	z->avail_in = (uInt)len;
	z->next_out = (Bytef *)buf_room(b, most);
	z->avail_out = (uInt)most;
	if (deflate(z, Z_FINISH) != Z_STREAM_END)
		abort();
	b->len += z->total_out;
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
	add_deflated(&p->bytes, type == PACK_TREE ? &p->ids : &p->text, data,
		     len);
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

static void add_be32(struct buf *b, uint32_t v)
{
	uint8_t bytes[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16),
			    (uint8_t)(v >> 8), (uint8_t)v};

	buf_add(b, bytes, sizeof(bytes));
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
