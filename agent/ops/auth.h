/* How it stands with letting people in: for health, and for the record. */
#pragma once
#include <stddef.h>

struct agent;

enum auth_state {
	AUTH_WELL,
	AUTH_FLOODED,		/* somebody fails more often than allowed */
	AUTH_SHUT,		/* the tokens cannot be read */
	AUTH_count
};

/* A row for each, but for AUTH_WELL. */
struct auth_row { const char *code, *hint, *effect; };

extern const struct auth_row auth_rows[AUTH_count];

/* What it is now; detail gets the particulars. Any thread. */
enum auth_state auth_state(struct agent *a, char *detail, size_t size);
