/*
 * The things the console knows, each decoded once from the agent's JSON. All
 * text in them is safe to show (safe.h); ids are as the agent wrote them where
 * they are valid ids, and made safe too.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "console/style.h"

enum item_kind {
	ITEM_TASK,
	ITEM_APPROVAL,
	ITEM_RUN,
	ITEM_RECORD,
	ITEM_ARTIFACT,
	ITEM_COMPONENT,		/* a row of the agent's health */
	ITEM_GAP,		/* records that were never received */
	ITEM_REVISION,		/* of a task: what one commit changed */
	ITEM_KINDS
};

struct state {
	enum item_kind kind;
	const char *wire;
	char glyph;
	const char *word;
	enum style style;
	int rank;		/* 0 wants a person now .. 5 is over */
};

#define RANK_OVER 5

struct item {			/* what every one of them starts with */
	enum item_kind kind;
	char *id;		/* sorts in the order of the list it is in */
	const struct state *state;
	char *chain;		/* correlation id; may be empty */
	int64_t at_us;		/* made, wall time; 0 unknown */
};

struct task {
	struct item item;
	char *title, *holder, *assignee, *creator, *level, *text;
	char *criteria, *issues;	/* a line each: "AC-1: text" */
	char *labels;			/* "a=1, b=2" */
	char *message;			/* the holder's last word */
	int64_t changed_us, lease_us;	/* lease: its end; 0: none */
	int64_t attempt, percent;	/* -1: not said */
	bool allow_publish, admin_approved;
};

struct approval {
	struct item item;
	char *kind, *task_id, *criterion, *criterion_text, *tool, *requester;
	char *digest;
	int64_t left_s, until_us, required, decided;	/* until: monotonic */
};

struct run {
	struct item item;
	char *tool, *task_id, *actor, *fault, *fault_hint;
	int64_t percent, ended_us;
};

struct record {
	struct item item;
	char *type, *actor, *task_id, *run_id, *approval_id, *summary;
	int64_t seq, status, to;	/* to: last of a gap */
	int64_t starts_us;		/* of a run that was queued; wall time */
};

struct artifact {
	struct item item;	/* id: its own, or the hash where it has none */
	char *sha256, *name, *media, *task_id, *run_id;
	int64_t size;
	bool verified, broken;
};

struct revision {
	struct item item;	/* id: the commit */
	char *operation, *actor, *reason, *sha;
	char *documents;	/* of its attempts, that came or changed */
	char *changes;		/* a line each: "/state: from -> to" */
	int64_t seq;
};

struct component {
	struct item item;	/* id: its name */
	char *detail, *hint, *effect;
};

const struct state *state_find(enum item_kind kind, const char *wire);

/*
 * Decode one JSON object; NULL when it has no usable id. Unknown members are
 * ignored, missing ones are empty: another version of the agent must not
 * blind the operator. The caller owns the item.
 */
struct item *item_decode(enum item_kind kind, const json_t *object);
struct item *item_gap(int64_t from, int64_t to);
void item_free(struct item *item);

/* A list that owns its items, sorted by id. Zeroed memory is an empty one. */
struct items {
	struct item **at;
	size_t n, cap;
};

struct item *items_find(const struct items *list, const char *id);
/* Takes the item, frees the one of the same id that was there. */
void items_put(struct items *list, struct item *item);
/* Behind the last, whatever its id: items_find knows no such list. */
void items_add(struct items *list, struct item *item);
void items_drop_first(struct items *list, size_t n);
void items_fini(struct items *list);
