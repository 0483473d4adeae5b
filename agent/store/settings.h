/*
 * agent.conf as a struct; what exists is in settings.def, with its help.
 * Its policy is apart: policy.h.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "agent/store/peers.h"
#include "agent/store/settings_notify.h"
#include "agent/store/settings_webhook.h"
#include "agent/store/settings_witness.h"

struct conf_key;
struct err;

enum tls_client { TLS_CLIENT_NONE, TLS_CLIENT_OPTIONAL, TLS_CLIENT_REQUIRED };

enum ssot_mode { SSOT_MIRROR, SSOT_SHARED };

struct retention {		/* [retention "PATTERN"]; 0: no limit */
	char *pattern;		/* of media types, as for fnmatch */
	int64_t max_age, max_size;
};

struct timeouts {		/* every wait that can be set, us */
	int64_t body, upload, lease, review, approval, grace, run, webhook;
};

struct settings {
	char *file;		/* absolute, whether it exists or not */
	char *name, *listen;
	char *hosts;		/* separated by spaces; never NULL */
	char *listen_unix;	/* NULL: the default; "": none */
	char *socket_group;	/* or NULL */
	int socket_mode;	/* 0: 0600, 1: 0660, 2: 0666 */
	char *tls_certificate, *tls_key, *tls_client_ca;	/* or NULL */
	int tls_client;		/* enum tls_client */
	struct peer_conf *peers;	/* who needs no token */
	size_t n_peers;
	char *tools_dir;	/* or NULL */
	int64_t auth_failures;	/* a minute */
	int log_debug;		/* 0 or 1 */
	int64_t max_per_executor;	/* running tasks; 0: any number */
	int64_t max_runs, max_body, max_upload;
	char *sandbox_user, *sandbox_write;	/* "": none */
	bool require_fidelity;		/* before a task is approved */
	bool sandbox_nnp, sandbox_seccomp, sandbox_landlock, sandbox_strict;
	struct timeouts timeouts;
	int64_t reconcile_pause, reconcile_timeout; /* us, as all times */
	char *ssot_remote;	/* NULL or "": none. Nothing secret in it */
	int ssot_mode;		/* enum ssot_mode */
	char *ssot_token_file, *ssot_key_file, *ssot_known_hosts; /* or NULL */
	char *ssot_user;
	int64_t ssot_interval, ssot_timeout;
	int64_t ssot_repack;	/* bytes */
	char *stamp_url, *stamp_ca, *stamp_policy;	/* or NULL */
	int64_t stamp_every, stamp_timeout;
	struct witness_conf *witnesses;
	size_t n_witnesses;
	struct notify_conf *notifies;
	size_t n_notifies;
	struct webhook_conf *webhooks;
	size_t n_webhooks;
	int64_t segment_size;	/* bytes */
	int64_t checkpoint_records, checkpoint_interval;
	int64_t retention_every;
	struct retention *retentions;	/* in the order of the file */
	size_t n_retentions;
	json_t *sections;	/* {"youtube": {"key": "value"}}: for tools;
				   each that exists, with its defaults */
	json_t *said;		/* {"section": {"key": "value"}}, as written */
};

/*
 * Read file; a missing one gives the defaults. On -1 *s needs no fini.
 * ERR_bad_config names file, line and key; ERR_io if it cannot be read or
 * everybody may write it.
 */
int settings_read(struct settings *s, const char *file, struct err *err);
void settings_fini(struct settings *s);
/*
 * Call each with every file that the configuration names (keys that end in
 * -file): tokens, keys, passwords, and what goes with them.
 */
void settings_files(const struct settings *s,
		    void (*each)(void *data, const char *path), void *data);
/* Names of the sections that are not the same in both, policy apart. New. */
json_t *settings_differ(const struct settings *a, const struct settings *b);
/*
 * Every key with its default and one line of help, in the syntax of the file
 * itself, all of it as comments.
 */
void settings_list(FILE *out);

/* For who reads sections of the same file. The path of it: absolute. */
char *settings_path(const char *file);
/* Whoever may write it decides what may be published: nobody but us? */
int settings_file_check(const char *file, struct err *err);
/* Those keys as settings_list has them; sub: [section "sub"], or NULL. */
void settings_list_keys(FILE *out, const struct conf_key *keys, size_t n,
			const char *sub);
