/*
 * OpenSSH's signatures of any text (PROTOCOL.sshsig), as `ssh-keygen -Y sign`
 * writes them. One way to write each: what OpenSSH would not have written is
 * refused.
 */
#pragma once
#include <stddef.h>

struct err;
struct sshkey;
struct sshsig;

#define SSHSIG_ARMORED_MAX 8192

/*
 * Take the armored text apart; nothing is verified yet. ERR_invalid_request
 * says what is wrong with it.
 */
int sshsig_read(struct sshsig **out, const char *armored, size_t len,
		struct err *err);
void sshsig_free(struct sshsig *s);
const struct sshkey *sshsig_key(const struct sshsig *s);	/* borrowed */
/* Is it one of this text, made for this purpose? As sshsig_read. */
int sshsig_verify(const struct sshsig *s, const char *name_space,
		  const void *text, size_t len, struct err *err);
