/* What `audit verify` says of the task repository. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct err;
struct home;
struct record;
struct audit_ssot;

/*
 * Read the repository, before the journal, if it is to be compared; -1: *err.
 * quiet: show no progress.
 */
int audit_ssot_open(struct audit_ssot **out, const struct home *home,
		    bool quiet, struct err *err);
int audit_ssot_record(struct audit_ssot *s, struct record *r, struct err *err);
/* After the last record. *ok: nothing is wrong. -1: it cannot be read. */
int audit_ssot_end(struct audit_ssot *s, const struct home *home, bool *ok,
		   struct err *err);
void audit_ssot_say(const struct audit_ssot *s);	/* lines for people */
void audit_ssot_say_json(const struct audit_ssot *s);	/* an object */
void audit_ssot_close(struct audit_ssot *s);		/* NULL is fine */
