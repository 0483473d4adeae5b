/*
 * The agent's home: one folder, 0700, with everything it keeps.
 *
 *   agent.conf     configuration           audit/     the journal
 *   admin.token    the first admin's       index.db   the read model
 *   tokens         who may call            evidence/  files by their hash
 *   keys/          journal.key .vkey,      ssot.git/  the tasks
 *                  redact.key              spool/     folders of runs
 *   lock           of the running agent    tools.d/   your tools
 *   tree/          the journal's hashes    tokens.used  when, each
 *   stopped        a stop that is not in the journal yet
 */
#pragma once
#include <stdint.h>
#include <stdio.h>

struct err;

/* Counts where the home has no agent.conf of its own. */
#define HOME_CONF_ELSE "/etc/kircerta/agent.conf"

struct home {			/* paths, all owned, all absolute */
	char *dir, *conf, *admin_token, *tokens, *lock_file;
	char *keys, *journal_key, *journal_vkey, *redact_key;
	char *audit, *checkpoint, *tree, *index, *evidence, *ssot, *spool, *tools_d;
	char *stopped;
	int lock;		/* descriptor, or -1 */
};

/*
 * Where the home is: option (may be NULL), else $KIRCERTA_HOME, else
 * $XDG_STATE_HOME/kircerta, else ~/.local/state/kircerta. Absolute; caller
 * frees. NULL if none of them is set.
 */
char *home_path(const char *option, struct err *err);

/*
 * The paths of a home that home_init has made; conf is the one that counts,
 * whether it is there or not. ERR_io with what to do if it
 * is not there, not ours to use, or open to others. On -1 *h needs no fini.
 */
int home_open(struct home *h, const char *dir, struct err *err);
/* One agent at a time: -1 names the pid of the one that runs. */
int home_lock(struct home *h, struct err *err);
void home_fini(struct home *h);		/* unlocks */
/* The key that makes equal secrets equal marks in the record. */
int home_redact_key(const struct home *h, uint8_t key[32], struct err *err);

/*
 * Make everything that is missing and leave what is there as it is; name is
 * the agent's in its verifier key (NULL: the host's). Says what it made, a
 * line each, on out (may be NULL). No agent.conf where HOME_CONF_ELSE is.
 */
int home_init(const char *dir, const char *name, FILE *out, struct err *err);

/* For home_init only: fill in the paths, look at nothing. */
void home_paths(struct home *h, const char *dir);
