/*
 * Whose keys may sign: an allowed-signers file as OpenSSH has it (ALLOWED
 * SIGNERS in ssh-keygen(1)), read anew each time, so that a line that was
 * taken out counts at once. A line decides as `ssh-keygen -Y verify` would;
 * cert-authority lines let nobody in.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct err;
struct sshkey;

/*
 * May this key sign for principal in this name space at this time (us since
 * 1970)? ERR_policy_denied says why not, ERR_bad_config that the file cannot
 * be trusted: a line in it, or who may write it.
 */
int signers_allow(const char *file, const struct sshkey *key,
		  const char *principal, const char *name_space,
		  int64_t wall_us, struct err *err);
/* The same of a text; file is what errors call it. */
int signers_allow_in(const char *text, const char *file,
		     const struct sshkey *key, const char *principal,
		     const char *name_space, int64_t wall_us,
		     struct err *err);

/*
 * Is every line of the file in order, and nobody else able to write it?
 * *keys gets how many there are. The first that is not is the error.
 */
int signers_check(const char *file, size_t *keys, struct err *err);
