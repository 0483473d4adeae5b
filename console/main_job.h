/*
 * Work beside the loop: fetching and decoding a picture, hashing a file,
 * filling tmux's clipboard. Each is this very program or the sandboxed
 * decoder as a child; its output comes back through the link's loop.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct buf;
struct link;
struct settings;

/* Output, and how both children ended (exit code, or 128 + signal). */
typedef void job_done(void *data, const char *sha256, const struct buf *out,
		      int first_exit, int last_exit);

/* -1 if it cannot be started. */
int job_picture(struct link *link, const struct settings *settings,
		const char *sha256, int cols, int rows, bool mono,
		job_done *done, void *data);
int job_verify(struct link *link, const struct settings *settings,
	       const char *sha256, job_done *done, void *data);
/*
 * Have this key sign the text; id is handed to done in the sha256's place. It
 * has no terminal: a passphrase is asked for by $SSH_ASKPASS or nobody.
 */
int job_sign(struct link *link, const char *key, const char *text,
	     const char *id, job_done *done, void *data);
/* Hand text to tmux's clipboard; false where there is no tmux. */
bool job_tmux_copy(const char *text);
