/*
 * Files that nobody gets by naming a path: those of the agent's own home, and
 * the secrets that its configuration names.
 */
#pragma once
#include <stdbool.h>

/*
 * Is the open regular file below the folder home (a real path), or a further
 * name of one of its own or of its keys? Also true if that cannot be told.
 */
bool guard_covers(const char *home, int fd);
/* Is it what lies at this path now? */
bool guard_is(const char *path, int fd);
/* Is it one that the kernel makes up as it is read, as below /proc? */
bool guard_made_up(int fd);
