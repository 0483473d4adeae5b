/*
 * The review as facts to read, made from the canonical request and nothing
 * else: every member of it is shown, known or not, none shortened.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/json.h"
#include "common/mem.h"
#include "console/model_review.h"
#include "console/safe.h"

void review_drop_facts(struct review *r)
{
	for (size_t i = 0; i < r->fact_count; i++)
		free(r->facts[i].text);
	xfree(r->facts);
	r->fact_count = 0;
}

/* Takes text. */
static void add(struct review *r, const char *label, enum style style,
		bool quoted, char *text)
{
	r->facts = xrealloc(r->facts,
			    (r->fact_count + 1) * sizeof(*r->facts));
	r->facts[r->fact_count++] = (struct fact){label, text, style, quoted};
}

static void addf(struct review *r, const char *label, enum style style,
		 const char *fmt, ...) __attribute__((format(printf, 4, 5)));
static void addf(struct review *r, const char *label, enum style style,
		 const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(r, label, style, false, xvasprintf(fmt, ap));
	va_end(ap);
}

/* The first of several names that the args have as text; safe, or NULL. */
static char *arg_text(const json_t *args, const char *const *names)
{
	for (; *names; names++)
		if (json_str(args, *names))
			return safe_line(json_str(args, *names));
	return NULL;
}

/* As the agent's registry has it; what nobody says is taken to be the worst. */
static const char *undo_words(const char *undo)
{
	static const struct { const char *undo, *words; } all[] = {
		{"reversible", "reversible: it can be taken back"},
		{"compensable", "compensable: another step makes it good"},
	};

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (!strcmp(all[i].undo, undo))
			return all[i].words;
	return "irreversible";
}

static void add_what(struct review *r, const json_t *args)
{
	static const char *const open[] = {"privacy", "visibility", NULL};
	static const char *const where[] = {"channel", "channel_id",
					    "destination", "to", "target",
					    "url", "host", NULL};
	char *tool = safe_line(json_str(r->request, "tool"));
	char *privacy = arg_text(args, open);

	for (char *c = privacy; c && *c; c++)
		if (*c >= 'a' && *c <= 'z')
			*c = (char)(*c - 'a' + 'A');
	free(r->what);
	free(r->to);
	r->what = xasprintf("%s%s%s", tool, privacy ? ", " : "",
			    privacy ? privacy : "");
	r->to = arg_text(args, where);
	addf(r, "WHAT", STYLE_strong, "%s: %s, %s", r->what, r->external ?
	     "leaves this machine" : "changes the agent's machine",
	     undo_words(r->undo));
	addf(r, "TO", STYLE_strong, "%s", r->to ? r->to :
	     "where this tool is configured to; see ARGS");
	free(tool);
	free(privacy);
}

static void add_who(struct review *r, const struct task *task)
{
	char *agent = safe_line(json_str(r->request, "agent"));

	addf(r, "WHO", STYLE_normal, "%s asked agent %s%s%s", r->requester,
	     agent, *r->asked ? " at " : "", r->asked);
	if (*r->task_id)
		addf(r, "", STYLE_normal, "for task %s", r->task_id);
	if (task)
		add(r, "", STYLE_untrusted, true, xstrdup(task->title));
	if (*r->chain)
		addf(r, "", STYLE_muted, "chain %s", r->chain);
	else if (task && *task->item.chain)
		addf(r, "", STYLE_muted, "chain %s", task->item.chain);
	free(agent);
}

static void add_decision(struct review *r, const char *when,
			 const json_t *said)
{
	char *by = safe_line(json_str(said, "by"));
	char *what = safe_line(json_str(said, "decision"));
	char *why = safe_line(json_str(said, "reason"));
	char *key = safe_line(json_str(said, "key"));

	addf(r, "", STYLE_normal, "%s%s by %s%s%s%s: %s", when, what, by,
	     *key ? " (signed, " : "", key, *key ? ")" : "", why);
	free(key);
	free(by);
	free(what);
	free(why);
}

static void add_why(struct review *r)
{
	char *criterion = safe_line(json_str(r->request, "criterion_ref"));
	const json_t *each;
	size_t i;

	addf(r, "WHY", STYLE_normal, "%s needs %lld approval%s (%zu/%lld)",
	     r->external ? "an external publish" : "this tool, in this mode,",
	     (long long)r->required, r->required == 1 ? "" : "s",
	     json_array_size(r->decisions), (long long)r->required);
	if (*r->rule)
		addf(r, "", STYLE_normal, "as of %s", r->rule);
	if (json_is_object(r->last_no))
		add_decision(r, "before, ", r->last_no);
	json_array_foreach (r->decisions, i, each)
		add_decision(r, "", each);
	if (*criterion)
		addf(r, "", STYLE_normal, "cites criterion %s", criterion);
	if (*r->criterion)
		add(r, "", STYLE_untrusted, true, xstrdup(r->criterion));
	free(criterion);
}

static char *value_text(const json_t *v)
{
	char *raw, *safe;

	if (json_is_string(v))
		return safe_block(json_string_value(v));
	raw = json_line(v, NULL);
	safe = safe_line(raw);
	free(raw);
	return safe;
}

/* One member with its value, whatever it is; hosts of links spelled out. */
static void add_member(struct review *r, const char *label, const char *key,
		       const json_t *v, enum style style)
{
	char *name = safe_line(key), *text = value_text(v);
	char *hosts = safe_hosts(json_string_value(v));

	addf(r, label, style, "%s", name);
	add(r, "", STYLE_untrusted, true, text);
	for (char *at = strtok(hosts, "\n"); at; at = strtok(NULL, "\n"))
		addf(r, "", STYLE_attention, "link to host: %s", at);
	free(name);
	free(hosts);
}

static void add_args(struct review *r, const json_t *args)
{
	const char *label = "ARGS", *key;
	json_t *v;

	if (!json_object_size(args))
		addf(r, label, STYLE_normal, "none");
	json_object_foreach ((json_t *)args, key, v) {
		add_member(r, label, key, v, STYLE_normal);
		label = "";
	}
}

/* What runs first, where that is not what was asked for; what comes then. */
static void add_steps(struct review *r, const json_t *args)
{
	const json_t *first = json_object_get(r->request, "effective_args");
	char *then = safe_line(json_str(r->request, "second_step"));
	char *of = safe_line(json_str(r->request, "staged_run"));
	const char *label = "RUNS AS", *key;
	bool whole = json_object_size(first) == json_object_size(args);
	json_t *v;

	if (first && !whole)	/* never so of an agent of ours: all of it */
		add_member(r, label, "effective_args", first, STYLE_danger);
	json_object_foreach ((json_t *)first, key, v)
		if (whole && !json_equal(v, json_object_get(args, key))) {
			add_member(r, label, key, v, STYLE_attention);
			label = "";
		}
	if (*then)
		addf(r, *label ? "THEN" : "", STYLE_normal, "then %s as it "
		     "was asked for, with an approval of its own", then);
	if (*of)
		addf(r, "THIS IS", STYLE_normal, "the second step of %s, "
		     "which was read back as it was to be", of);
	free(then);
	free(of);
}

static char *grouped(const char *hex)
{
	struct buf b = {0};

	for (size_t i = 0; hex[i]; i++) {
		if (i && i % 8 == 0)
			buf_adds(&b, " ");
		buf_add(&b, &hex[i], 1);
	}
	buf_adds(&b, "");
	return buf_take(&b, NULL);
}

static void add_file(struct review *r, size_t i, const json_t *file)
{
	char *name = safe_line(json_str(file, "name"));
	char *sha = safe_line(json_str(file, "sha256"));
	bool whole = is_hex(sha, SHA256_HEX - 1);

	addf(r, i ? "" : "FILES", STYLE_normal, "%zu %s  %lld bytes  %s",
	     i + 1, *name ? name : "(no name)",
	     (long long)json_int(file, "size", -1),
	     whole ? "+ hashed by the agent" : "x no hash: not verified");
	add(r, "", STYLE_digest, false, grouped(sha));
	r->unhashed |= !whole;
	free(name);
	free(sha);
}

static void add_files(struct review *r)
{
	const json_t *files = json_object_get(r->request, "artifacts"), *each;
	size_t i;

	r->unhashed = false;
	if (!json_array_size(files))
		addf(r, "FILES", STYLE_normal, "none");
	json_array_foreach ((json_t *)files, i, each)
		add_file(r, i, each);
}

/* A member that this console does not know is shown all the louder. */
static void add_rest(struct review *r)
{
	static const char *const known[] = {
		"agent", "tool", "args", "task_id", "criterion_ref",
		"artifacts", "requester", "effective_args",
	};
	static const char *const texts[] = {"second_step", "staged_run"};
	json_t *rest = json_copy(r->request), *v;
	const char *label = "BOUND", *key;

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		json_object_del(rest, known[i]);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (json_str(rest, texts[i]))
			json_object_del(rest, texts[i]);
	json_object_foreach (rest, key, v) {
		char *name = safe_line(key), *text = value_text(v);

		addf(r, label, STYLE_muted, "%s %s", name, text);
		label = "";
		free(name);
		free(text);
	}
	json_decref(rest);
}

static void add_digest(struct review *r)
{
	if (r->wrong)
		addf(r, "DIGEST", STYLE_danger, "x MISMATCH: %s", r->wrong);
	else
		addf(r, "DIGEST", STYLE_ok, "computed here from the bytes "
		     "shown, equals the agent's: + MATCH");
	add(r, "", STYLE_digest, false, grouped(r->local));
	if (r->wrong && *r->digest)
		addf(r, "", STYLE_danger, "the agent says %s", r->digest);
}

void review_facts(struct review *r, const struct task *task)
{
	const json_t *args = json_object_get(r->request, "args");

	review_drop_facts(r);
	if (r->wrong)
		addf(r, "STOP", STYLE_danger, "this cannot be approved: %s",
		     r->wrong);
	if (!r->request) {
		add_digest(r);
		return;
	}
	add_what(r, args);
	if (r->allows)
		addf(r, "ALLOWS", STYLE_attention, "approving also sets "
		     "allow_external_publish on task %s, which does not allow "
		     "publishing yet", r->task_id);
	add_who(r, task);
	add_why(r);
	add_args(r, args);
	add_steps(r, args);
	add_files(r);
	add_rest(r);
	add_digest(r);
}
