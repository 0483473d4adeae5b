/*
 * Break glass: the stop of an admin where the journal takes no record. It
 * holds from that moment on, also over a restart, by a note in the home; it
 * is recorded, and only then the note is cleared, once the journal is back.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>

struct agent;
struct call;
struct err;

/* Before anything runs: the room for a note, and a stop that was kept. */
void glass_open(struct agent *a);
void glass_close(struct agent *a);
/* Is it stopped by a note? Any thread. */
bool glass_broken(const struct agent *a);
/* The mode as it is shown then: new; NULL where there is no note. Any thread. */
json_t *glass_mode(const struct agent *a);
/*
 * Stop: nothing of any run is alive a second later. -1 ERR_audit_unavailable
 * if it could not be kept: then it holds until this agent ends. Writer.
 */
int glass_break(struct agent *a, struct call *c, struct err *err);
/* Record it: what a recorded stop ends is ended too. Writer. */
int glass_settle(struct agent *a, const struct call *c, struct err *err);
