/* Processes that a tool has started and that outlive it. */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

/*
 * End what runs below work_dir were started by an agent that is no more: a
 * tool dies with its agent, but not what it had started itself. They are
 * known by the HOME or TMPDIR that they were given. Before anything runs.
 */
void orphans_end(const char *work_dir);
/*
 * From now on whoever loses its parent somewhere below this process becomes
 * a child of its first thread. That one must have started nobody.
 */
void orphans_adopt(void);
/* End those: a guard was killed, or let somebody go. Any thread. */
void orphans_end_adopted(void);
/*
 * Kill the children of this process' first thread, and reap all who ended,
 * but this one, which is not touched and need not exist (0). Were there any?
 */
bool orphans_end_children(pid_t but);
