/*
 * New git objects, gathered in memory and written as one pack with its index:
 * exactly these objects, nothing that is in the repository already.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct err;
struct pack;

#define GIT_RAW 20		/* bytes of an object id */
#define PACK_NAME 46		/* with NUL */

enum pack_type { PACK_COMMIT = 1, PACK_TREE, PACK_BLOB };

struct pack *pack_new(void);
void pack_free(struct pack *p);
/* Add an object (once, however often it is given); id gets its name. */
void pack_add(struct pack *p, enum pack_type type, const void *data,
	      size_t len, uint8_t id[GIT_RAW]);
/* An object as it lies in another pack: header and deflated bytes. */
void pack_add_packed(struct pack *p, const uint8_t id[GIT_RAW],
		     const void *bytes, size_t len);
void pack_reset(struct pack *p);		/* forget all of it */
size_t pack_bytes(const struct pack *p);	/* gathered so far */
/*
 * Write what was added into the folder objects/pack, durable, visible to git
 * as a whole or not at all; name gets "pack-<checksum>". The objects stay
 * until pack_reset. 0 or -1.
 */
int pack_write(struct pack *p, const char *folder, char name[PACK_NAME],
	       struct err *err);
