/* The system calls that are refused; see sandbox.def. */
#pragma once

struct err;

/* From here on, for this process and all that it starts. ERR_bad_config. */
int sandbox_calls(struct err *err);
/* How many there are. */
int sandbox_calls_count(void);
