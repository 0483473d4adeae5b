/*
 * New git objects, gathered in memory and written as one pack with its index:
 * exactly these objects, nothing that is in the repository already.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct pack;

#define GIT_RAW 20		/* bytes of an object id */
#define PACK_NAME 46		/* with NUL */
#define PACK_TEMP "tmp_kircerta"	/* of the thread that has main */

enum pack_type { PACK_COMMIT = 1, PACK_TREE, PACK_BLOB };

/* temp: names the files that are not whole yet; one writer, one name. */
struct pack *pack_new(const char *temp);
void pack_free(struct pack *p);
/* What the name of an object is. */
void pack_id(struct pack *p, enum pack_type type, const void *data,
	     size_t len, uint8_t id[GIT_RAW]);
/* Add an object (once, however often it is given); id gets its name. */
void pack_add(struct pack *p, enum pack_type type, const void *data,
	      size_t len, uint8_t id[GIT_RAW]);
/* An object as it lies in another pack: header and deflated bytes. */
void pack_add_packed(struct pack *p, const uint8_t id[GIT_RAW],
		     const void *bytes, size_t len);
bool pack_empty(const struct pack *p);
void pack_reset(struct pack *p);		/* forget all of it */
size_t pack_bytes(const struct pack *p);	/* gathered so far */
/*
 * Write what was added into the folder objects/pack, durable, visible to git
 * as a whole or not at all; name gets "pack-<checksum>". The objects stay
 * until pack_reset. 0 or -1.
 */
int pack_write(struct pack *p, const char *folder, char name[PACK_NAME],
	       struct err *err);
