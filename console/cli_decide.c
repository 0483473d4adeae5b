/*
 * show, approve, reject. On a terminal the same review as in the console and
 * the same typed number; without one only for the digest that was given.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"
#include "console/cli.h"
#include "console/lines.h"
#include "console/model_review.h"
#include "console/sign.h"

#define PASTE_ON "\033[?2004h"
#define PASTE_OFF "\033[?2004l"

static bool on_terminal(void)
{
	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

static char *id_path(const char *id, const char *verb)
{
	char *safe = http_escape(id);
	char *path = xasprintf("/api/approvals/%s%s%s", safe, *verb ? "/" : "",
			       verb);

	free(safe);
	return path;
}

/* The task of a review: does it allow publishing? An exit code. */
static int add_facts(struct cli *c, struct review *r)
{
	struct task *t = NULL;
	json_t *task = NULL;
	int rc = 0;

	if (*r->task_id) {
		char *id = http_escape(r->task_id);
		char *path = xasprintf("/api/tasks/%s", id);

		rc = cli_call(c, "GET", path, NULL, &task);
		free(path);
		free(id);
	}
	if (task)
		t = (struct task *)item_decode(ITEM_TASK, task);
	r->task_known = t;
	r->allows = t && r->external && !t->allow_publish;
	review_facts(r, t);
	item_free(t ? &t->item : NULL);
	json_decref(task);
	return rc;
}

static void wait_for_page(void)
{
	int c;

	fputs("-- Enter: next page --", stdout);
	fflush(stdout);
	while ((c = getchar()) != '\n' && c != EOF)
		;
}

/* The whole review; on a terminal a page at a time. */
static void print_review(const struct review *r, bool paged)
{
	struct winsize size = {.ws_row = 24, .ws_col = 80};
	struct lines l;

	if (paged)
		ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	lines_init(&l, size.ws_col > 20 ? size.ws_col - 1 : 79, 8, false);
	for (size_t i = 0; i < r->fact_count; i++)
		lines_add(&l, r->facts[i].label, r->facts[i].style,
			  r->facts[i].quoted, r->facts[i].text);
	for (size_t i = 0; i < l.n; i++) {
		printf("%-8s%s\n", l.at[i].label ? l.at[i].label : "",
		       l.at[i].text);
		if (paged && size.ws_row > 4 && i + 1 < l.n &&
		    (i + 1) % (size_t)(size.ws_row - 2) == 0)
			wait_for_page();
	}
	lines_fini(&l);
}

int cli_show(struct cli *c)
{
	char *path = id_path(c->args[0], "");
	struct review *r;
	json_t *approval;
	int rc = cli_call(c, "GET", path, NULL, &approval);

	free(path);
	if (rc)
		return rc;
	if (cli_json(c, approval)) {
		json_decref(approval);
		return EXIT_OK;
	}
	r = review_read(c->args[0], approval, clock_mono_us());
	rc = add_facts(c, r);
	if (!rc) {
		printf("%-8s%s, %s\n", "ID", r->id, r->state->wire);
		print_review(r, false);
		rc = r->wrong ? EXIT_UNVERIFIED : EXIT_OK;
	}
	review_free(r);
	json_decref(approval);
	return rc;
}

static int stop(struct cli *c, enum err_code code, int rc, const char *fmt,
		const char *what)
{
	struct err err = {0};

	err_set(&err, code, fmt, what);
	cli_error(c, &err);
	err_fini(&err);
	return rc;
}

/* Why it cannot be approved, told; or 0. */
static int hindered(struct cli *c, const struct review *r)
{
	const char *digest = c->opt[OPT_digest];

	if (r->wrong)
		return stop(c, ERR_approval_stale, EXIT_UNVERIFIED, "%s",
			    r->wrong);
	if (r->unhashed)
		return stop(c, ERR_approval_stale, EXIT_UNVERIFIED,
			    "a file of %s has no hash", r->id);
	if (digest && strcmp(digest, r->local))
		return stop(c, ERR_approval_stale, EXIT_CONFLICT, "the digest "
			    "of this request is %s, not the one given",
			    r->local);
	if (r->allows && !on_terminal() && !c->opt[OPT_allow_publish])
		return stop(c, ERR_policy_denied, EXIT_DECLINED, "task %s "
			    "does not allow publishing: with "
			    "--allow-external-publish this decision allows it",
			    r->task_id);
	if (r->must_sign && !c->settings.signing_key)
		return stop(c, ERR_policy_denied, EXIT_DECLINED, "%s counts "
			    "only signed: give --signing-key FILE, or set "
			    "agent.signing-key in console.conf", r->id);
	return EXIT_OK;
}

/* Typed after the prompt, in one line, and not pasted. */
static int ask_number(struct cli *c, const struct review *r)
{
	char line[64] = "";
	bool right;

	printf("\nYOU APPROVE  %s  TO %s  digest %.8s\n", r->what,
	       r->to ? r->to : "see ARGS", r->local);
	if (r->allows)
		printf("and allow task %s to publish\n", r->task_id);
	if (c->settings.signing_key && r->signer)
		printf("signed by %s with %s\n", r->signer,
		       c->settings.signing_key);
	printf("Type the number %s and press Enter; anything else sends "
	       "nothing.\n" PASTE_ON "Number: ", r->number);
	tcflush(STDIN_FILENO, TCIFLUSH);	/* nothing typed ahead counts */
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		*line = 0;
	fputs(PASTE_OFF, stdout);
	fflush(stdout);
	line[strcspn(line, "\n")] = 0;
	right = strlen(r->number) == 4 && !strcmp(line, r->number);
	if (right)
		return EXIT_OK;
	(void)c;
	fputs("that was not the number: nothing was sent\n", stderr);
	return EXIT_DECLINED;
}

/* Into the body, by the key that was named; 0, or an exit code, told. */
static int add_signature(struct cli *c, const struct review *r,
			 const char *reason, json_t *body)
{
	const char *key = c->settings.signing_key;
	struct err err = {0};
	char *statement, *signature = NULL;
	int rc = EXIT_OK;

	if (!key || !r->signer)
		return rc;
	statement = review_statement(r, reason, r->allows);
	if (statement)
		signature = sign_now(key, statement, &err);
	else
		err_set(&err, ERR_io, "there is no statement to sign");
	if (signature)
		json_set_str(body, "signature", signature);
	else
		rc = cli_error(c, &err);
	err_fini(&err);
	free(statement);
	free(signature);
	return rc;
}

static int send_approval(struct cli *c, const struct review *r)
{
	const char *reason = c->opt[OPT_reason];
	json_t *body, *answer;
	char *path = id_path(r->id, "approve");
	const char *state;
	int rc;

	if (!reason)
		reason = on_terminal() ? "read and confirmed on a terminal" :
			 "its digest was given on the command line";
	body = review_approve_params(r, reason, r->allows);
	json_object_del(body, "id");		/* the path has it */
	rc = add_signature(c, r, reason, body);
	if (!rc)
		rc = cli_call(c, "POST", path, body, &answer);
	json_decref(body);
	free(path);
	if (rc)
		return rc;
	state = json_str(answer, "state");
	if (!cli_json(c, answer))
		printf("%s\t%s\t%s\n", r->id, state ? state : "?", r->local);
	rc = state && !strcmp(state, "pending") ? EXIT_PENDING : EXIT_OK;
	json_decref(answer);
	return rc;
}

static int decide(struct cli *c, struct review *r)
{
	int rc = add_facts(c, r);

	if (!rc && on_terminal())
		print_review(r, true);
	if (!rc)
		rc = hindered(c, r);
	if (!rc && on_terminal())
		rc = ask_number(c, r);
	return rc ? rc : send_approval(c, r);
}

int cli_approve(struct cli *c)
{
	char *path = id_path(c->args[0], "review");
	struct review *r;
	json_t *answer;
	int rc;

	if (!on_terminal() && !c->opt[OPT_digest]) {
		free(path);
		return cli_usage(c, "without a terminal nobody can read it: "
				 "give --digest with the 64 digits that were "
				 "read (kircerta show %s)", c->args[0]);
	}
	rc = cli_call(c, "POST", path, NULL, &answer);
	free(path);
	if (rc)
		return rc;
	r = review_read(c->args[0], answer, clock_mono_us());
	json_decref(answer);
	rc = decide(c, r);
	review_free(r);
	return rc;
}

int cli_reject(struct cli *c)
{
	const char *reason = c->opt[OPT_reason];
	char *path;
	json_t *body;
	int rc;

	if (!reason || !*reason)
		return cli_usage(c, "--reason TEXT says why; it goes on the "
				 "record");
	path = id_path(c->args[0], "reject");
	body = json_object();
	json_set_str(body, "reason", reason);
	rc = cli_change(c, path, body);
	json_decref(body);
	free(path);
	return rc;
}
