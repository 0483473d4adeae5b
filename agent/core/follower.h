/*
 * A follower makes something of what is durable: the read model, the git
 * history. It has a thread and a cursor of its own, may lag, and catches up
 * from the journal whatever happened to it.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "agent/store/record.h"

struct err;
struct follower;
struct journal;

struct follower_kind {
	const char *name;
	/* With no records too, after idle_us (0: never) without any. */
	int64_t idle_us;
	int (*apply)(void *ctx, struct record *const *records, size_t n,
		     struct err *err);
	/* Byte offset of the first record after seq, for catching up. */
	uint64_t (*place)(void *ctx, uint64_t seq);
	/* It fails now (why), or works again (NULL); on its own thread. */
	void (*changed)(void *ctx, const char *why);
	void *ctx;
	/*
	 * At least so long from one apply to the next, so that what comes in
	 * a flood goes in few large ones; not while somebody waits for it.
	 */
	int64_t pause_us;
	int nice;		/* as nice(1): below who answers */
	/*
	 * Instead of apply while it catches up, where many at once cost less:
	 * take some, again and again, and commit after at_once of them. Who
	 * fails has forgotten what was taken. NULL: apply.
	 */
	int (*take)(void *ctx, struct record *const *records, size_t n,
		    struct err *err);
	int (*commit)(void *ctx, struct err *err);
	size_t at_once;
};

/* seq: what it has already. Starts the thread, which catches up first. */
struct follower *follower_start(const struct follower_kind *kind,
				struct journal *j, uint64_t seq);
/* Give it a durable batch; it takes references of its own. */
void follower_feed(struct follower *f, struct record *const *records,
		   size_t n);
/* 0 once it has seq; -1 after timeout_us. Any thread. */
int follower_wait(struct follower *f, uint64_t seq, int64_t timeout_us);
uint64_t follower_seq(struct follower *f);
/* {"seq","lag"} and, if it fails, {"error","error_code"}, maybe "hint". */
json_t *follower_json(struct follower *f, uint64_t head);
/* Let it finish what it has for at most timeout_us, then end it. */
void follower_stop(struct follower *f, int64_t timeout_us);
