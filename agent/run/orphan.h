/* Processes that a killed agent left behind. */
#pragma once

/*
 * End what runs below work_dir were started by an agent that is no more: a
 * tool dies with its agent, but not what it had started itself. They are
 * known by the HOME or TMPDIR that they were given. Before anything runs.
 */
void orphans_end(const char *work_dir);
