/*
 * Who is asking? The one place where what a request shows becomes an actor. A
 * bearer that is sent counts, whatever else is known of who sent it.
 */
#pragma once
#include "agent/store/token.h"

struct agent;
struct call;

/*
 * Who is it, by what the transport has put into c? Only with TOKEN_GOOD is
 * it them. Leaves no trace. Any thread.
 */
enum token_state authn_who(struct agent *a, const struct call *c,
			   struct actor *who);
/*
 * Fill c->who and c->known, or c->fault, and c->err unless it says something
 * already. A call that has failed is named all the same where it can be. Any
 * thread.
 */
void authn(struct agent *a, struct call *c);
/*
 * Of who came in before: would they still, and with all of those scopes? Any
 * thread.
 */
enum token_state authn_still(struct agent *a, const struct actor *who);
/*
 * Before c changes something: it was let in, and may have waited since. 0, or
 * -1 and it is refused as if it came now.
 */
int authn_again(struct agent *a, struct call *c);
/* The bearer has served: no trace of it is left in memory. */
void authn_wipe(struct call *c);
