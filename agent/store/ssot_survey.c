/* See ssot_survey.h. Breadth first; 40 bytes of memory a commit of others. */
#include "agent/store/ssot_survey.h"

#include <stdlib.h>
#include <string.h>

#include "agent/store/ssot_git.h"
#include "common/err.h"
#include "common/mem.h"

#define MOST 2000000

/* What was met, in the order in which it was; and a table to find it. */
struct met {
	git_oid *list;
	size_t n, next, room;
	uint32_t *table;	/* of index + 1 in list; 0: free */
	size_t slots;		/* a power of two */
};

static uint32_t *slot_of(struct met *m, const git_oid *id)
{
	size_t at;

	memcpy(&at, id->id, sizeof(at));
	for (at &= m->slots - 1; m->table[at]; at = (at + 1) & (m->slots - 1))
		if (git_oid_equal(&m->list[m->table[at] - 1], id))
			break;
	return &m->table[at];
}

static void grow(struct met *m)
{
	if (m->n < m->room)
		return;
	m->room = m->room ? 2 * m->room : 64;
	m->list = xrealloc(m->list, m->room * sizeof(*m->list));
	m->slots = 2 * m->room;
	free(m->table);
	m->table = xcalloc(m->slots, sizeof(*m->table));
	for (size_t i = 0; i < m->n; i++)
		*slot_of(m, &m->list[i]) = (uint32_t)i + 1;
}

static void meet(struct met *m, const git_oid *id)
{
	grow(m);
	if (*slot_of(m, id))
		return;
	m->list[m->n] = *id;
	*slot_of(m, id) = (uint32_t)++m->n;
}

/* 1: it is ours, and *out is it if it is the newest so far. */
static int look_at(git_repository *repo, const git_oid *id,
		   const char *log_id, struct met *m, struct ssot_point *out,
		   struct err *err)
{
	struct ssot_point p = {.any = true, .commit = *id};
	git_commit *commit;
	bool ours;

	if (git_commit_lookup(&commit, repo, id))
		return ssot_git_unread(repo, err);
	ours = ssot_commit_ours(git_commit_message(commit), log_id, &p.seq,
				p.leaf);
	p.tree = *git_commit_tree_id(commit);
	for (unsigned i = 0; !ours && i < git_commit_parentcount(commit); i++)
		meet(m, git_commit_parent_id(commit, i));
	git_commit_free(commit);
	if (ours && (!out->any || p.seq > out->seq))
		*out = p;
	return ours;
}

int ssot_survey(git_repository *repo, const git_oid *tip, const char *log_id,
		size_t limit, struct ssot_point *out, size_t *foreign,
		struct err *err)
{
	struct met m = {0};
	int rc = 0;

	memset(out, 0, sizeof(*out));
	*foreign = 0;
	meet(&m, tip);
	while (rc >= 0 && m.next < m.n && (!limit || *foreign <= limit)) {
		git_oid id = m.list[m.next++];

		rc = look_at(repo, &id, log_id, &m, out, err);
		*foreign += rc == 0;
		if (m.n > MOST)
			rc = err_set(err, ERR_io, "more than %d commits of "
				     "others since ours", MOST);
	}
	free(m.list);
	free(m.table);
	return rc < 0 ? -1 : 0;
}
