/*
 * Stands between us and a tool, one for each: everything that the tool starts
 * stays below it, whatever process group or session that moves to, and ends
 * when the tool does, when it is told, or when the agent is gone.
 */
#pragma once

#define GUARD_TERM SIGTERM	/* to the guard: ask the tool to end */
#define GUARD_KILL SIGHUP	/* to the guard: end all of it now */

/*
 * Become the guard of one more process. Returns in that one, in a process
 * group of its own and dying with its guard, with all signals blocked, and,
 * from Linux 6.12 on, unable to signal anybody but its own; -1 if it could
 * not be made. In the guard this does not return: it ends as the
 * other did, by the same code or signal, when nothing of it is left.
 */
int guard_begin(void);
