/*
 * Evidence: immutable files named by their SHA-256. Hashed while they are
 * copied, synced, renamed into place; hashed again whenever they are read.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/sha256.h"

struct err;
struct evidence;		/* the store; any thread */
struct evidence_file;		/* one being written; one thread */

int evidence_open(struct evidence **out, const char *dir, struct err *err);
/* The same beside one that is at work: only to read, it removes nothing. */
int evidence_look(struct evidence **out, const char *dir, struct err *err);
void evidence_close(struct evidence *e);
/*
 * Nothing below dir, which holds our keys and tokens, is to be read because
 * somebody names its path, or a hard link's. Set once, before any thread.
 */
void evidence_guard(struct evidence *e, const char *dir);
/* Nor this file, whatever it is by then. */
void evidence_guard_file(struct evidence *e, const char *path);
bool evidence_guards(const struct evidence *e, int fd);

/* Write in pieces, then commit; abort forgets it. */
struct evidence_file *evidence_begin(struct evidence *e, struct err *err);
int evidence_write(struct evidence_file *f, const void *data, size_t len,
		   struct err *err);
/* The first bytes so far, at most len, for media_type_of; how many. */
size_t evidence_head(const struct evidence_file *f, void *out, size_t len);
/* Frees f in any case. 0: stored under sha256, durable. */
int evidence_commit(struct evidence_file *f, char sha256[SHA256_HEX],
		    uint64_t *size, struct err *err);
void evidence_abort(struct evidence_file *f);

/* Copy everything that fd gives into the store. */
int evidence_store_fd(struct evidence *e, int fd, char sha256[SHA256_HEX],
		      uint64_t *size, struct err *err);
int evidence_store(struct evidence *e, const void *data, size_t len,
		   char sha256[SHA256_HEX], struct err *err);

/*
 * What is committed is held until it is on the record, so that nobody removes
 * it in between: each commit or store is followed by one evidence_recorded,
 * or never if the record failed.
 */
void evidence_recorded(struct evidence *e, const char *sha256);
bool evidence_held(struct evidence *e, const char *sha256);
/*
 * Take the file away; what reads it goes on. Its removal has to be on the
 * record by now. 0: it is gone, or was; 1: it is held; -1: *err. Not synced:
 * after a crash it may be there again, and is taken away again. Quick, for
 * the bytes go with evidence_sweep.
 */
int evidence_remove(struct evidence *e, const char *sha256, struct err *err);
/* Free what was taken away and what a crash left half written. */
void evidence_sweep(struct evidence *e);

bool evidence_has(struct evidence *e, const char *sha256);
/*
 * Open for reading, after hashing all of it: *fd (caller closes) and *size.
 * -1: ERR_not_found, ERR_evidence_corrupt or ERR_io.
 */
int evidence_get(struct evidence *e, const char *sha256, int *fd,
		 uint64_t *size, struct err *err);
/* The same, unread: who hashes it on the way. */
int evidence_peek(struct evidence *e, const char *sha256, int *fd,
		  uint64_t *size, struct err *err);
/* A file without a name, beside the store; -1 and *err. Caller closes. */
int evidence_scratch(struct evidence *e, struct err *err);
/*
 * Copy the bytes named by sha256 to path (new file, 0600), hashing what is
 * copied. -1 as evidence_get.
 */
int evidence_copy_out(struct evidence *e, const char *sha256,
		      const char *path, struct err *err);
/* Media type by file name and first bytes; never NULL. */
const char *media_type_of(const char *name, const void *head, size_t len);
