/*
 * See outbox_judge.h. A status about the place, its address or its keys,
 * skips nothing: while somebody is mending that, events wait.
 */
#include "agent/core/outbox_judge.h"

#include "agent/core/second.h"

#define LATER "It is tried again; see whether the receiver is well."

static const struct row {
	int from, to;
	enum outbox_fate fate;
	const char *code, *hint;
} rows[] = {
	{100, 299, OUTBOX_AGAIN, "notify_unreachable", LATER},
	{300, 399, OUTBOX_AGAIN, "notify_refused",
	 "No redirect is followed: write the address that counts into "
	 "url-file."},
	{401, 401, OUTBOX_AGAIN, "notify_refused",
	 "See that the receiver has the same whsec_ key, and that both "
	 "clocks are right."},
	{403, 403, OUTBOX_AGAIN, "notify_refused",
	 "See that the receiver has the same whsec_ key, and lets this "
	 "machine in."},
	{404, 405, OUTBOX_AGAIN, "notify_refused",
	 "See whether the address in url-file is still right."},
	{407, 407, OUTBOX_AGAIN, "notify_unreachable",
	 "A proxy refuses it: see https_proxy of the agent."},
	{408, 408, OUTBOX_AGAIN, "notify_unreachable", LATER},
	{410, 410, OUTBOX_GONE, "notify_gone",
	 "The receiver wants no more events: take the section out, or write "
	 "another address into url-file."},
	{425, 425, OUTBOX_AGAIN, "notify_unreachable", LATER},
	{429, 429, OUTBOX_AGAIN, "notify_unreachable",
	 "The receiver asks for fewer at a time: it is told later."},
	{400, 499, OUTBOX_SKIP, "notify_refused",
	 "The receiver did not want this event: see its log, or list only "
	 "the types in events that it knows."},
	{500, 999, OUTBOX_AGAIN, "notify_unreachable", LATER},
};

enum outbox_fate outbox_judge(int status, const char *why,
			      struct second_said *said)
{
	const struct row *r = rows;

	if (!status) {
		second_trouble(said, false, "notify_unreachable", "Check the "
			       "network and the proxy of this machine, and "
			       "that the receiver is up.", "no answer: %s",
			       why ? why : "");
		return OUTBOX_AGAIN;
	}
	while (r < rows + sizeof(rows) / sizeof(*rows) - 1 &&
	       (status < r->from || status > r->to))
		r++;
	second_trouble(said, r->fate == OUTBOX_GONE || status < 408, r->code,
		       r->hint, "the receiver answered %d", status);
	return r->fate;
}
