/* One line of an allowed-signers file, for signers.c alone. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct err;
struct sshkey;

struct signer {
	char *principals;	/* patterns, with commas; of the line */
	bool authority;		/* cert-authority */
	char *name_spaces;	/* patterns, owned; NULL: all */
	int64_t valid_after, valid_before;	/* s since 1970; 0: none */
	struct sshkey *key;	/* NULL: of a type that is not taken here */
};

/*
 * Take a line (which is written to, and borrowed) apart. 1: it is one; 0:
 * empty, a comment, or, where a principal is given, another's; -1: neither.
 * *s is to be ended whatever is returned.
 */
int signer_read(struct signer *s, char *line, const char *principal,
		struct err *err);
void signer_fini(struct signer *s);

/*
 * Patterns with * and ?, separated by commas: 1 one matches, 0 none, -1 one
 * that begins with ! does.
 */
int pattern_list(const char *text, const char *patterns);
