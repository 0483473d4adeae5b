/*
 * Landlock: what a process gives up for itself and all that it starts, and
 * cannot take back. By system calls, as libc has none; no_new_privs first.
 */
#pragma once
#include <stddef.h>

struct err;

/* The version that this kernel has; 0: none. From 6 on signals are scoped. */
int landlock_abi(void);
#define LANDLOCK_SIGNALS 6
/*
 * Write nowhere but to and below these paths (files or folders); reading and
 * executing stay as they are. ERR_bad_config names a path that is not there.
 */
int landlock_writes(const char *const paths[], size_t n, struct err *err);
/* Send signals to nobody but what is started from here on. 0 or -1. */
int landlock_signals(void);
