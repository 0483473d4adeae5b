/*
 * One approval being decided: what was hashed, whether it is what is shown,
 * and how far the operator has come. The only place that makes the call
 * approval.approve, and it makes it for one way of getting here: every page
 * shown, A, the number typed, Enter; live, unexpired, digest equal.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/sha256.h"
#include "console/model.h"

enum review_phase {
	REVIEW_LOADING,
	REVIEW_READING,
	REVIEW_CONFIRM,		/* the number is being typed */
	REVIEW_SIGNING,		/* it was; the operator's key is at work */
	REVIEW_SENT,
	REVIEW_ACCEPTED,	/* recorded by the agent; grace runs */
	REVIEW_OVER,		/* nothing more can be decided here */
};

/* A fact to be read: safe text, broken to lines by whoever shows it. */
struct fact {
	const char *label;	/* "WHAT", or "" for more of the same */
	char *text;
	enum style style;
	bool quoted;		/* an agent's words: shown behind a gutter */
};

struct review {
	char *id;
	enum review_phase phase;
	char *mark;		/* digest, state, decisions: to see changes */
	json_t *request;	/* parsed from the canonical bytes */
	char *digest;		/* as the agent says */
	char local[SHA256_HEX];	/* of the canonical bytes, computed here */
	char *wrong;		/* why it does not match; NULL: it does */
	char *nonce;
	char number[5];		/* four digits */
	/* safe text, from the request and what the agent says beside it */
	char *task_id, *requester, *chain, *asked, *criterion, *what, *to;
	char *rule;		/* the line of the policy that asks for it */
	char *undo;		/* reversible, compensable, irreversible */
	json_t *decisions, *last_no;
	int64_t required;
	const struct state *state;
	bool external;		/* kind external_publish */
	bool allows;		/* approving also allows the task to publish */
	bool task_known;
	bool unhashed;		/* a file without a hash */
	int64_t until_us;	/* expiry, monotonic; 0 unknown */
	int64_t warned_us;	/* the last of its warnings that rang */
	int64_t half_us;	/* half of the time that was left is gone */

	struct fact *facts;
	size_t fact_count;

	char *signer;		/* whose name it is signed in; NULL: nobody's */
	char *expires_at;	/* as the agent wrote it */
	bool must_sign;		/* or it does not count */
	char *to_sign;		/* a statement for the loop to sign, or NULL */

	int pages;		/* of the present geometry */
	bool *seen;
	int64_t last_page_us;	/* since when the last page is shown, or 0 */
	bool gate;		/* everything was shown, the end for 1 s */

	int64_t armed_us;	/* when typing starts to count */
	char typed[5];
	int misses;
	int64_t sent_us, accepted_us;
	bool silent;		/* and nothing was heard for too long */
	int64_t seq;		/* of the record that granted it */
	char *run_id;
	char *said;		/* what happened last, safe */
	enum style said_style;
};

#define REVIEW_GATE_US 1000000
#define REVIEW_ARM_US 500000
#define REVIEW_LATE_US (120 * 1000000LL)
#define REVIEW_SILENT_US 10000000	/* no receipt: the outcome is unknown */

void review_open(struct model *m, const char *id);	/* into m->review */
void review_close(struct model *m);
void review_free(struct review *r);

/* From the link. result: an approval object. */
void review_answer(struct model *m, const json_t *result,
		   const json_t *problem);
void review_approval(struct model *m, const json_t *approval);
void review_decided(struct model *m, const struct ask *ask,
		    const json_t *result, const json_t *problem);
void review_event(struct model *m, const struct record *record);
void review_changed(struct model *m);		/* its task or run did */
void review_live(struct model *m);
void review_lost(struct model *m);

/* Page (from 0) of pages is on the screen now. */
void review_shown(struct model *m, int page, int pages);
/* Why approving (or rejecting) cannot begin now; NULL: it can. */
const char *review_hindered(const struct model *m, bool approve);
/* A: begin the confirm step. False: hindered. */
bool review_begin(struct model *m);
void review_digit(struct model *m, char digit);
void review_erase(struct model *m);
void review_enter(struct model *m);	/* sends if the number is right */
void review_leave_confirm(struct model *m, const char *why);
void review_reject(struct model *m, const char *reason);
void review_cancel(struct model *m);	/* u, inside the grace period */
bool review_may_cancel(const struct model *m);
/* To be called when time has passed; when next (monotonic), or 0. */
int64_t review_tick(struct model *m);

/*
 * The four digits for a digest and a nonce: the first four bytes (big-endian)
 * of SHA-256(digest || nonce), both as text, mod 10,000.
 */
void review_number(const char *digest, const char *nonce, char out[5]);
/*
 * Take a review's answer apart: digest computed over the canonical bytes,
 * facts made. Without a link; used by the command line too.
 */
struct review *review_read(const char *id, const json_t *answer,
			   int64_t now_us);
/* Make the facts again; task may be NULL. */
void review_facts(struct review *r, const struct task *task);
void review_drop_facts(struct review *r);
/* Back to its first page, nothing counted as read, with a remark. */
void review_again(struct review *r, const char *why);
/* The body of approval.approve. Caller owns it. */
json_t *review_approve_params(const struct review *r, const char *reason,
			      bool allow_external_publish);

/* The bytes that say this decision, to be signed; owned. NULL: none can. */
char *review_statement(const struct review *r, const char *reason,
		       bool allow_external_publish);
bool review_signs(const struct model *m);	/* the key is there to sign */
/* The key has signed the statement with this nonce; or NULL, and why not. */
void review_signed(struct model *m, const char *nonce, const char *signature,
		   const char *why);

/* Between the files of the review. */
void review_read_sign(struct review *r, const json_t *answer,
		      const json_t *approval);
void review_sign(struct model *m, const char *reason);
void review_send(struct model *m, const char *signature);
void review_say(struct model *m, enum style style, char *text);
