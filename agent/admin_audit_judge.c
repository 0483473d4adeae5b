/* What follows from the checkpoints once all lines are read, and its telling. */
#include "agent/admin_audit_tree.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/store/journal.h"
#include "common/base64.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"

#define ROOT_TEXT (BASE64_LEN(SHA256_RAW) + 1)

/*
 * The file is written before the record, so that it is never behind; it is
 * read again because the agent may have gone on since.
 */
static void judge_newest(struct audit_tree *t)
{
	const struct point *p = &t->points[NEWEST];
	struct point again = {.file = p->file};
	struct err ignored = {0};

	if (!t->newest_seq || !t->is_home ||
	    (p->there && p->c.size >= t->newest_size))
		return;
	if (access(p->file, F_OK))
		audit_problem(t, "checkpoint_missing", t->newest_seq,
			      t->newest_seq, "%s is missing, though record %"
			      PRIu64 " has one: nothing here says how many "
			      "records there were", p->file, t->newest_seq);
	else if (!audit_point_read(t, &again, &ignored) && again.there &&
		 again.c.size < t->newest_size)
		audit_problem(t, "checkpoint_old", t->newest_seq,
			      t->newest_seq, "%s covers %" PRIu64 " records, "
			      "the one on record %" PRIu64 " %" PRIu64 ": an "
			      "older one was put there", p->file,
			      again.c.size, t->newest_seq, t->newest_size);
}

/* Records that were signed for, or are in the agent's tree, and are gone. */
static void judge_length(struct audit_tree *t)
{
	const uint64_t size = past_size(t->past);
	const uint64_t known = past_witness(t->past).known;
	bool missing = false;

	if (t->broken)
		return;
	for (struct point *p = t->points; p < t->points + POINTS; p++) {
		if (!p->there || p->c.size <= size)
			continue;
		missing = true;
		audit_problem(t, "records_missing", size + 1, p->c.size,
			      "%s covers %" PRIu64 " records: records %" PRIu64
			      " to %" PRIu64 " are missing", p->file,
			      p->c.size, size + 1, p->c.size);
	}
	if (!missing && known > size)
		audit_problem(t, "records_missing", size + 1, known,
			      "tree/0 has %" PRIu64 " records: records %"
			      PRIu64 " to %" PRIu64 " are missing", known,
			      size + 1, known);
}

static void judge_root(struct audit_tree *t)
{
	const uint64_t differs = past_witness(t->past).differs;
	char on[32] = "", known[64] = "", which[96] = "";

	if (t->bad_seq)
		snprintf(on, sizeof(on), " %" PRIu64, t->bad_seq);
	if (t->good)
		snprintf(known, sizeof(known), "records 1 to %" PRIu64
			 " are as signed, ", t->good);
	if (differs > t->good && differs <= t->bad)
		snprintf(which, sizeof(which), "; record %" PRIu64 " is not "
			 "the one that tree/0 has", differs);
	if (t->bad)
		audit_problem(t, "root_differs", *which ? differs :
			      t->good + 1, *which ? differs : t->bad,
			      "%s%s signs another tree of %" PRIu64 " records:"
			      " %sof records %" PRIu64 " to %" PRIu64 " one or"
			      " more were changed, with all links made to fit"
			      "%s", t->bad_what, on, t->bad, known,
			      t->good + 1, t->bad, which);
	if (!differs || *which)
		return;
	if (differs <= t->good)
		audit_problem(t, "tree_damaged", differs, differs,
			      "tree/0 has another hash for record %" PRIu64
			      ", which is as signed: the tree is damaged; "
			      "remove the folder tree while the agent is "
			      "stopped, it is made anew", differs);
	else
		audit_problem(t, "record_changed", differs, differs,
			      "record %" PRIu64 " is not the one that tree/0 "
			      "has, and no checkpoint covers it", differs);
}

/* Who names a key wants to be told where nothing is signed by it. */
static void judge_signed(struct audit_tree *t)
{
	const uint64_t size = past_size(t->past);

	if (t->key_given && size && !t->broken && !t->good && !t->n_problems)
		audit_problem(t, "unsigned", 1, size, "no checkpoint here is "
			      "signed by the key that was given: anybody can "
			      "have written records 1 to %" PRIu64, size);
}

bool audit_tree_end(struct audit_tree *t, const struct journal_report *r)
{
	t->broken = !r->ok;
	if (!past_size(t->past))
		audit_compare_points(t);
	judge_newest(t);
	judge_length(t);
	judge_root(t);
	judge_signed(t);
	return !t->n_problems;
}

static void root_text(const struct audit_tree *t, char out[ROOT_TEXT])
{
	uint8_t root[SHA256_RAW];

	past_root(t->past, past_size(t->past), root);
	base64_text(root, sizeof(root), out);
}

static void say_point(const struct audit_tree *t, const struct point *p)
{
	if (!p->there)
		return;
	printf("%s %s: of %" PRIu64 " records, %s%s, %s\n", p->what, p->file,
	       p->c.size, p->signed_by_key ? "signed by " :
	       "its signature was not checked", p->signed_by_key ?
	       t->key.name : "", p->agrees ? "agrees" : p->reached ?
	       "does not agree" : "covers more than could be read");
}

static void say_key(const struct audit_tree *t)
{
	if (!t->has_key)
		puts("key: none, so that no signature was checked; name one "
		     "with --key");
	else if (t->key_given)
		printf("key %s: as given\n", t->key.name);
	else
		printf("key %s: found in %s; it vouches for nothing against "
		       "who can change both, --key names one that you keep\n",
		       t->key.name, t->key_file);
}

void audit_tree_say(const struct audit_tree *t)
{
	char root[ROOT_TEXT];

	root_text(t, root);
	if (!t->broken)
		printf("tree of %" PRIu64 " records, root %s\n",
		       past_size(t->past), root);
	for (size_t i = 0; i < POINTS; i++)
		say_point(t, &t->points[i]);
	if (t->recorded)
		printf("checkpoints on the record: %" PRIu64 ", of which %"
		       PRIu64 " agree%s\n", t->recorded, t->recorded_good,
		       t->recorded_old ? " and some are of too long before "
		       "to tell" : "");
	if (!t->broken && t->good < past_size(t->past))
		printf("under no checkpoint: records %" PRIu64 " to %" PRIu64
		       "\n", t->good + 1, past_size(t->past));
	say_key(t);
	for (size_t i = 0; i < t->n_problems && i < PROBLEMS; i++)
		printf("NOT OK: %s: %s\n", t->problems[i].what,
		       t->problems[i].text);
	if (t->n_problems > PROBLEMS)
		printf("NOT OK: and %zu more\n", t->n_problems - PROBLEMS);
}

static json_t *point_json(const struct point *p)
{
	char root[ROOT_TEXT];

	if (!p->there)
		return json_null();
	base64_text(p->c.root, SHA256_RAW, root);
	return json_pack("{s:o,s:o,s:I,s:s,s:b,s:b}", "file",
			 json_lossy(p->file), "origin",
			 json_lossy(p->c.origin), "size",
			 (json_int_t)p->c.size, "root", root, "signed",
			 p->signed_by_key, "agrees", p->agrees);
}

static json_t *key_json(const struct audit_tree *t)
{
	char text[NOTE_VKEY_MAX];

	if (!t->has_key)
		return json_null();
	note_key_text(&t->key, text);
	return json_pack("{s:s,s:o,s:b}", "vkey", text, "file", t->key_file ?
			 json_lossy(t->key_file) : json_null(), "given",
			 t->key_given);
}

void audit_tree_json(const struct audit_tree *t, json_t *into)
{
	json_t *problems = json_array();
	char root[ROOT_TEXT];

	root_text(t, root);
	for (size_t i = 0; i < t->n_problems && i < PROBLEMS; i++)
		json_array_append_new(problems, json_pack(
			"{s:s,s:o,s:I,s:I}", "what", t->problems[i].what,
			"detail", json_lossy(t->problems[i].text),
			"from", (json_int_t)t->problems[i].from,
			"to", (json_int_t)t->problems[i].to));
	json_object_set_new(into, "root", t->broken ? json_null() :
			    json_string(root));
	for (size_t i = 0; i < POINTS; i++)
		json_object_set_new(into, t->points[i].what,
				    point_json(&t->points[i]));
	json_object_set_new(into, "key", key_json(t));
	json_object_set_new(into, "recorded", json_pack(
		"{s:I,s:I}", "count", (json_int_t)t->recorded, "agree",
		(json_int_t)t->recorded_good));
	json_object_set_new(into, "uncovered", t->broken ||
			    t->good == past_size(t->past) ? json_null() :
			    json_pack("{s:I,s:I}", "from",
				      (json_int_t)t->good + 1, "to",
				      (json_int_t)past_size(t->past)));
	json_object_set_new(into, "problems", problems);
	json_set_int(into, "problem_count", (json_int_t)t->n_problems);
}
