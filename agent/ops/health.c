/*
 * Health: one row for each thing the agent needs, with what it means and
 * what to do. Looked at when asked; a token shows more than the one word.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "agent/ops/auth.h"
#include "agent/ops/decision_sign.h"
#include "agent/ops/glass.h"
#include "agent/ops/handlers.h"
#include "agent/ops/webhook.h"
#include "agent/store/home.h"
#include "agent/store/index.h"
#include "agent/store/journal.h"
#include "agent/store/settings.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"

#define DISK_LOW (256LL << 20)

enum { UP, DEGRADED, DOWN };

static const char *const words[] = {"ok", "degraded", "down"};

struct row {
	int status;
	const char *code, *hint, *effect;
	char detail[520];
};

typedef void probe_fn(struct agent *a, const json_t *followers,
		      struct row *row);

static void probe_audit(struct agent *a, const json_t *followers,
			struct row *row)
{
	struct journal_trouble t;
	char since[CLOCK_TEXT];

	(void)followers;
	if (!journal_trouble(a->journal, &t))
		return;
	*row = (struct row){DOWN, "audit_unavailable", t.sealed ?
		"Free disk space or repair the disk, then restart the agent." :
		"Free disk space; it goes on by itself.",
		"nothing happens any more; marked reads answer", ""};
	clock_text(t.since_us, since);
	snprintf(row->detail, sizeof(row->detail), "%s, since %s", t.why,
		 since);
}

static void follower_row(const json_t *followers, const char *name,
			 const char *code, const char *effect,
			 struct row *row)
{
	const json_t *f = json_object_get(followers, name);
	const char *error = json_str(f, "error"), *hint = json_str(f, "hint");
	const char *why = json_str(f, "error_code");
	json_int_t lag = json_int(f, "lag", 0);

	if (!error && lag < 10000)
		return;
	*row = (struct row){DEGRADED, why && strcmp(why, "io") ? why : code,
		hint ? hint :
		"See detail; it catches up from the journal by itself.",
		effect, ""};
	snprintf(row->detail, sizeof(row->detail), "%lld record%s behind%s%s",
		 (long long)lag, lag == 1 ? "" : "s", error ? ": " : "", error ? error : "");
}

static void probe_index(struct agent *a, const json_t *followers,
			struct row *row)
{
	(void)a;
	follower_row(followers, "index", "index_behind",
		     "reads wait for what they ask", row);
}

static void upkeep_row(const json_t *ssot, struct row *row)
{
	const char *error = json_str(ssot, "upkeep_error");

	if (!error)
		return;
	*row = (struct row){DEGRADED, "ssot_upkeep",
		"See detail; install git if it is missing. It is tried again.",
		"the repository grows; nothing is lost", ""};
	snprintf(row->detail, sizeof(row->detail), "%s", error);
}

static void probe_ssot(struct agent *a, const json_t *followers,
		       struct row *row)
{
	(void)a;
	follower_row(followers, "ssot", "ssot_behind",
		     "git shows tasks as they were; nothing is lost", row);
	if (row->status == UP)
		upkeep_row(json_object_get(followers, "ssot"), row);
}

static void probe_checkpoint(struct agent *a, const json_t *followers,
			     struct row *row)
{
	(void)a;
	follower_row(followers, "tree", "checkpoint_failed",
		     "what is new is not signed; nothing is lost", row);
}

static void probe_evidence(struct agent *a, const json_t *followers,
			   struct row *row)
{
	(void)followers;
	if (!access(a->home->evidence, W_OK | X_OK))
		return;
	*row = (struct row){DOWN, "evidence_unwritable",
		"Give the agent's user write access to the folder.",
		"tool runs and uploads fail", ""};
	snprintf(row->detail, sizeof(row->detail), "%.180s",
		 a->home->evidence);
}

static void probe_disk(struct agent *a, const json_t *followers,
		       struct row *row)
{
	struct statvfs st;
	long long free_bytes;

	(void)followers;
	if (statvfs(a->home->dir, &st))
		return;
	free_bytes = (long long)st.f_bavail * (long long)st.f_frsize;
	if (free_bytes >= DISK_LOW)
		return;
	*row = (struct row){DEGRADED, "disk_low", "Free disk space.",
		"when it is full, nothing happens any more", ""};
	snprintf(row->detail, sizeof(row->detail), "%lld MiB are free",
		 free_bytes >> 20);
}

static void probe_display(struct agent *a, const json_t *followers,
			  struct row *row)
{
	const char *own = json_str(json_object_get(a->settings->sections,
						   "screen"), "display");

	(void)followers;
	if ((own && *own) || getenv("DISPLAY") || getenv("WAYLAND_DISPLAY"))
		return;
	*row = (struct row){DOWN, "display_unavailable",
		"Start the agent with DISPLAY set, or set screen.display.",
		"screen.* runs fail", ""};
	snprintf(row->detail, sizeof(row->detail), "no DISPLAY is set");
}

static void probe_youtube(struct agent *a, const json_t *followers,
			  struct row *row)
{
	const char *file = json_str(json_object_get(a->settings->sections,
						    "youtube"), "client-file");

	(void)followers;
	if (file && !access(file, R_OK))
		return;
	*row = (struct row){DOWN, "youtube_not_configured",
		"Set youtube.client-file to a file with client_id, "
		"client_secret and refresh_token.",
		"youtube.* runs fail", ""};
	snprintf(row->detail, sizeof(row->detail), "%.180s",
		 file ? "the client file cannot be read" :
			"no client file is set");
}

static void probe_auth(struct agent *a, const json_t *followers,
		       struct row *row)
{
	enum auth_state state = auth_state(a, row->detail,
					   sizeof(row->detail));

	(void)followers;
	row->status = state == AUTH_SHUT ? DOWN :
		      state == AUTH_FLOODED ? DEGRADED : UP;
	row->code = auth_rows[state].code;
	row->hint = auth_rows[state].hint;
	row->effect = auth_rows[state].effect;
}

static void probe_listen(struct agent *a, const json_t *followers,
			 struct row *row)
{
	(void)followers;
	if (!*a->no_socket)
		return;
	*row = (struct row){DEGRADED, "no_socket",
		"See detail; set agent.listen-unix to a path of its own.",
		"nobody is known without a token on this machine", ""};
	snprintf(row->detail, sizeof(row->detail), "%s", a->no_socket);
}

/* What could not be had, and, well or not, what was. */
static void probe_sandbox(struct agent *a, const json_t *followers,
			  struct row *row)
{
	const char *lacks = json_str(a->sandbox, "lacks");
	char *level = json_line(a->sandbox, NULL);

	(void)followers;
	if (lacks)
		*row = (struct row){DEGRADED, "sandbox_incomplete",
			"See detail; sandbox.strict = false let it start.",
			"a tool may do more than agent.conf says", ""};
	snprintf(row->detail, sizeof(row->detail), "%s",
		 lacks ? lacks : level);
	free(level);
}

static void probe_policy(struct agent *a, const json_t *followers,
			 struct row *row)
{
	const char *wrong = a->policy_wrong;

	(void)followers;
	if (!wrong)
		return;
	*row = (struct row){DEGRADED, "policy_refused",
		"Correct agent.conf, look with `kircerta-agent check`, and "
		"send SIGHUP again.",
		"the policy from before is in force", ""};
	snprintf(row->detail, sizeof(row->detail), "%s", wrong);
}

/* One damaged line is told too: somebody wanted to be let in by it. */
static void probe_signers(struct agent *a, const json_t *followers,
			  struct row *row)
{
	struct err err = {0};

	(void)followers;
	if (decision_ready(a, &err)) {
		*row = (struct row){DEGRADED, "signers_unusable",
			"Mend what detail names; see ALLOWED SIGNERS in "
			"ssh-keygen(1).",
			"decisions signed by some or all keys are refused",
			""};
		snprintf(row->detail, sizeof(row->detail), "%s", err.detail);
	}
	err_fini(&err);
}

/* No wait counts by it, so nothing is broken; but people should know. */
static void probe_clock(struct agent *a, const json_t *followers,
			struct row *row)
{
	const int64_t by = a->stepped_by_us;
	char at[CLOCK_TEXT];

	(void)followers;
	if (!by)
		return;
	clock_text(a->stepped_at_us, at);
	snprintf(row->detail, sizeof(row->detail), "it was set by %+.3f s, and "
		 "was %s then; no wait is shorter or longer for it",
		 (double)by / 1e6, at);
}

static const struct { const char *name; probe_fn *probe; bool vital; }
probes[] = {
	{"audit", probe_audit, true}, {"index", probe_index, true},
	{"ssot", probe_ssot, true}, {"checkpoint", probe_checkpoint, true},
	{"evidence", probe_evidence, true},
	{"auth", probe_auth, true}, {"policy", probe_policy, true},
	{"signers", probe_signers, true},
	{"disk", probe_disk, true}, {"display", probe_display, false},
	{"youtube", probe_youtube, false}, {"listen", probe_listen, false},
	{"sandbox", probe_sandbox, true}, {"clock", probe_clock, false},
};

static json_t *row_json(const char *name, const struct row *row)
{
	json_t *v = json_pack("{s:s,s:s}", "name", name, "status",
			      words[row->status]);

	if (row->status == UP && *row->detail)
		json_set_str(v, "detail", row->detail);
	if (row->status == UP)
		return v;
	json_set_str(v, "error_code", row->code);
	json_set_str(v, "detail", row->detail);
	json_set_str(v, "remediation_hint", row->hint);
	json_set_str(v, "effect", row->effect);
	return v;
}

static const char *current_mode(struct agent *a, struct call *c,
				char mode[32])
{
	json_t *doc = glass_broken(a) ? glass_mode(a) :
		      reader_doc(c->reader, "mode", "mode", NULL);

	snprintf(mode, 32, "%s", doc ? json_str(doc, "mode") : "normal");
	json_decref(doc);
	return mode;
}

/* What shares the tasks, or vouches for the record, is not vital: the agent works on without it. */
static int add_remote(struct agent *a, json_t *rows)
{
	json_t *row = a->remote(a->core);
	int status = UP;

	if (row && strcmp(json_str(row, "status"), words[UP]))
		status = DEGRADED;
	if (row)
		json_array_append_new(rows, row);
	return status;
}

static bool add_webhooks(struct agent *a, json_t *rows)
{
	json_t *row = webhook_health(a);

	json_array_append_new(rows, row);
	return strcmp(json_str(row, "status"), words[UP]) != 0;
}

int op_health(struct agent *a, struct call *c, struct err *err)
{
	json_t *followers, *rows = json_array();
	int worst = UP, shared;
	char mode[32];

	(void)err;
	followers = a->followers(a->core);
	for (size_t i = 0; i < ARRAY_LEN(probes); i++) {
		struct row row = {0};

		probes[i].probe(a, followers, &row);
		json_array_append_new(rows, row_json(probes[i].name, &row));
		if (probes[i].vital && row.status > worst)
			worst = row.status;
	}
	shared = add_remote(a, rows);
	if (a->seconds(a->core, rows) || add_webhooks(a, rows))
		shared = DEGRADED;
	worst = shared > worst ? shared : worst;
	if (!c->known) {
		json_decref(rows);
		json_decref(followers);
		return call_answer(c, json_pack("{s:s}", "status",
			worst == DOWN ? "failing" : words[worst]));
	}
	return call_answer(c, json_pack("{s:s,s:s,s:s,s:s,s:I,s:I,s:o,s:o}",
		"status", worst == DOWN ? "failing" : words[worst], "mode",
		current_mode(a, c, mode), "version", a->version, "agent",
		a->settings->name, "seq",
		(json_int_t)journal_head(a->journal).seq, "uptime_s",
		(json_int_t)((clock_mono_us() - a->started_us) / 1000000),
		"components", rows, "followers", followers));
}
