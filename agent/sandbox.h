/*
 * What the agent gives up before it begins, for itself and its tools: the
 * rights of root, new rights, calls that take over machines, writing
 * elsewhere. In the order of these functions, and before any thread.
 */
#pragma once
#include <jansson.h>
#include <stdio.h>

struct err;
struct home;
struct settings;

/* Become sandbox.user, for good, if we are root; else we must be it. */
int sandbox_drop(const struct settings *s, struct err *err);
/* Nobody may attach, and a core is empty. Again after sandbox_drop. */
void sandbox_keep_secrets(void);
/*
 * All the rest. *level is what was reached, new: {user, no_new_privs,
 * landlock, seccomp, core, dumpable, signals, lacks}; lacks, with
 * sandbox.strict false, says what could not be had. ERR_bad_config.
 */
int sandbox_enter(const struct settings *s, const struct home *h,
		  json_t **level, struct err *err);
/* What would be reached, in words; -1 with what is in the way. *said is owned. */
int sandbox_would(const struct settings *s, char **said, struct err *err);
