/*
 * Second places of the checkpoints: whoever is shown them so that an older or
 * changed journal does not go unnoticed, witnesses and a time stamping
 * authority. Each has a thread that exists only where one is configured, and
 * a child that does the talking, so that nobody ever waits for an answer.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct checkpoint;
struct core;
struct err;
struct helper_said;
struct second;
struct seconds;

/* Starts the threads, core.seconds; none where nothing is configured. */
int seconds_open(struct core *k, struct err *err);
/* There is a new checkpoint, or do not wait. Any thread; never blocks. */
void seconds_new(struct seconds *s);
/* Ends who is talking; no more turns. */
void seconds_halt(struct seconds *s);
/* Waits for the turns that are taken: after it nobody asks who signs. */
void seconds_rest(struct seconds *s);
void seconds_close(struct seconds *s);	/* NULL is fine for all of these */
/* Adds a row of health for each to the array; is one not well? */
bool seconds_rows(struct seconds *s, json_t *rows);

/* What follows is for the kinds, on the place's own thread. */

#define SECOND_LATER (-1)		/* when there is a new checkpoint */

struct second_said {			/* why it is not well */
	bool down;			/* something is wrong; else it lags */
	bool stopped;			/* by seconds_halt */
	char code[64], hint[320], detail[480];
};

struct second_kind {
	const char *effect;		/* of its not being well */
	/*
	 * Do what there is to do: 0 and *next_us, when to be called again;
	 * or -1 and *said.
	 */
	int (*turn)(struct second *s, int64_t *next_us,
		    struct second_said *said);
};
extern const struct second_kind witness_kind, stamp_kind;

struct core *second_core(struct second *s);
const void *second_conf(struct second *s);	/* a struct witness_conf */
/*
 * The newest checkpoint: the note with the journal's own signature alone, and
 * what it says.
 */
int second_checkpoint(struct second *s, struct buf *note,
		      struct checkpoint *c, struct second_said *said);
/* A child of build/tools with these args (taken over); NULL and *said. */
json_t *second_ask(struct second *s, const char *program, const char *verb,
		   json_t *args, int64_t timeout_us,
		   struct second_said *said);
/* Two numbers that outlive a crash; zeros where there are none yet. */
void second_recall(struct second *s, uint64_t *a, uint64_t *b);
int second_note(struct second *s, uint64_t a, uint64_t b,
		struct second_said *said);
/* A text beside them, for people: NAME.ext in the same folder. */
int second_keep(struct second *s, const char *ext, const void *data,
		size_t len, struct second_said *said);
/* For health: up to which size all is well. */
void second_reached(struct second *s, uint64_t size);
/* Fill *said; -1. */
int second_trouble(struct second_said *said, bool down, const char *code,
		   const char *hint, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
