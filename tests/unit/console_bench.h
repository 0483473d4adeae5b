/*
 * The console without terminal, network or clock: a model, views, a frame, and
 * an agent of a few lines that answers the calls at once.
 */
#pragma once
#include <string.h>

#include "common/jcs.h"
#include "common/sha256.h"
#include "console/model_review.h"
#include "console/view_ui.h"
#include "tests/unit/unit.h"

#define ID "a-01jd3k9x7m2q0009"
#define TASK "t-01jd3k9x7m2q0003"

struct bench {
	struct model *m;
	struct ui *ui;
	struct frame f;
	int approvals;		/* how often approval.approve went out */
	json_t *sent;		/* its last params */
	int nonces;
	const char *text;	/* an argument of what is reviewed, or NULL */
	const char *signer;	/* whose signature a review asks for */
	bool must_sign;
};

static inline json_t *request(const char *id)
{
	return json_pack("{s:i, s:s, s:s, s:{s:s, s:s}, s:s, s:n, s:[], s:s, "
			 "s:s, s:s}", "v", 1, "agent", "studio-1", "tool",
			 "youtube.upload", "args", "title", "x", "privacy",
			 "public", "task_id", TASK, "criterion_ref",
			 "artifacts", "policy_sha256", "00", "requester",
			 "coordinator", "approval_id", id);
}

static inline json_t *approval(const char *id, const char *state)
{
	json_t *r = request(id);
	char *text = jcs_text(r, NULL, NULL), hex[SHA256_HEX];
	json_t *a;

	sha256_hex(text, strlen(text), hex);
	a = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:o, s:s, s:i, "
		      "s:[]}", "id", id, "state", state, "kind",
		      "external_publish", "task_id", TASK, "tool",
		      "youtube.upload", "requester", "coordinator",
		      "expires_in_s", 900, "request", r, "request_sha256",
		      hex, "required", 1, "decisions");
	free(text);
	return a;
}

static inline json_t *review(struct bench *b, const char *id)
{
	json_t *a = approval(id, "pending"), *out;
	json_t *r = json_object_get(a, "request");
	char *text, nonce[16], hex[SHA256_HEX];

	if (b->text)
		json_set_str(json_object_get(r, "args"), "text", b->text);
	text = jcs_text(r, NULL, NULL);
	sha256_hex(text, strlen(text), hex);
	json_set_str(a, "request_sha256", hex);
	snprintf(nonce, sizeof(nonce), "n%d", b->nonces++);
	out = json_pack("{s:s, s:s, s:s, s:i, s:o}", "canonical", text,
			"request_sha256", json_str(a, "request_sha256"),
			"nonce", nonce, "expires_in_s", 900, "approval", a);
	free(text);
	json_set_str(a, "expires_at", "2026-01-02T03:04:05.000000Z");
	if (b->signer)
		json_object_set_new(out, "statement", json_pack(
			"{s:s, s:b, s:{s:s}}", "namespace",
			"approval@kircerta", "required", b->must_sign,
			"fields", "by", b->signer));
	return out;
}

static inline json_t *task(bool allows)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:b}", "id", TASK, "title",
			 "t", "state", "running", "correlation_id", "c-1",
			 "allow_external_publish", allows);
}

/* Answer every call that is waiting, as an agent would. */
static inline void serve(struct bench *b)
{
	struct ask *a;

	while ((a = model_next_ask(b->m))) {
		json_t *result = NULL, *problem = NULL, *items;

		if (a->kind == ASK_approve) {
			b->approvals++;
			json_decref(b->sent);
			b->sent = json_incref(a->params);
		}
		if (a->kind == ASK_review)
			result = review(b, a->id);
		else if (a->kind == ASK_approve)
			result = approval(a->id, "approved");
		else if (a->kind == ASK_task)
			result = task(false);
		else if (a->kind == ASK_approvals) {
			items = json_pack("[o]", approval(ID, "pending"));
			result = json_pack("{s:o, s:n}", "items", items,
					   "next_cursor");
		} else
			problem = json_pack("{s:s, s:s}", "error_code",
					    "not_found", "detail", "no");
		model_answer(b->m, a, result, problem);
		json_decref(result);
		json_decref(problem);
	}
}

static inline void hello(struct bench *b)
{
	json_t *h = json_pack("{s:s, s:s, s:[s], s:s, s:i}", "agent",
			      "studio-1", "actor", "ana", "scopes", "admin",
			      "mode", "normal", "seq", 7);

	model_hello(b->m, h);
	json_decref(h);
	serve(b);
}

static inline void draw(struct bench *b)
{
	ui_draw(b->ui, &b->f);
}

static inline void key(struct bench *b, uint32_t k)
{
	ui_key(b->ui, k, false);
	serve(b);
	draw(b);
}

static inline void later(struct bench *b, int64_t us)
{
	b->m->now_us += us;
	b->m->stamp++;
	draw(b);
}

static inline void bench_init(struct bench *b, int rows)
{
	*b = (struct bench){.m = model_new()};
	b->m->now_us = b->m->wall_us = 1000000000;
	b->ui = ui_new(b->m, "approvals");
	frame_init(&b->f, rows, 80, true);
	hello(b);
	draw(b);
}

static inline void bench_fini(struct bench *b)
{
	ui_free(b->ui);
	model_free(b->m);
	frame_fini(&b->f);
	json_decref(b->sent);
}

static inline void read_to_end(struct bench *b)
{
	key(b, UI_ENTER);
	for (int i = 0; i < 20; i++)
		key(b, ' ');
	later(b, REVIEW_GATE_US);
}

static inline void type(struct bench *b, const char *text)
{
	for (; *text; text++)
		key(b, (uint32_t)*text);
}
