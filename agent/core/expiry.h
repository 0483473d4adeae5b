/*
 * A thread that looks for evidence whose retention is over and has it
 * removed, through the writer like everything; that finishes at a start what
 * a crash left; that frees the bytes of what was removed; and that has
 * webhooks forgotten whose window is over.
 */
#pragma once

struct core;
struct expiry;

struct expiry *expiry_start(struct core *k);
void expiry_stop(struct expiry *x);	/* while the writer runs */
void expiry_free(struct expiry *x);	/* both: NULL is fine */
/* Something was removed: free its bytes soon. Any thread. */
void expiry_wake(struct expiry *x);
