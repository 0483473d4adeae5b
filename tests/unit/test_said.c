/* What is kept of a tool's words does not depend on how they arrive. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "agent/run/said.h"
#include "agent/run/secrets.h"
#include "agent/run/tool.h"

/* The same numbers in every run: tests do not roll dice. */
static unsigned next_number(unsigned *seed)
{
	*seed = *seed * 1103515245u + 12345u;
	return *seed >> 8;
}

static void text_of(const struct keep *k, struct buf *out)
{
	buf_reset(out);
	buf_add(out, k->head.data, k->head.len);
	keep_tail(k, out);
}

START_TEST(both_ends_are_kept_whatever_the_pieces)
{
	static const size_t totals[] = {0, 1, KEEP_HALF - 1, KEEP_HALF,
					KEEP_HALF + 1, 2 * KEEP_HALF - 1,
					2 * KEEP_HALF, 2 * KEEP_HALF + 1,
					5 * KEEP_HALF + 77};
	char *all = xmalloc(6 * KEEP_HALF);
	struct buf kept = {0};
	unsigned seed = 1;

	for (size_t i = 0; i < 6 * KEEP_HALF; i++)
		all[i] = (char)next_number(&seed);
	for (size_t i = 0; i < ARRAY_LEN(totals); i++) {
		size_t total = totals[i], most = 2 * KEEP_HALF;
		size_t lost = total > most ? total - most : 0;
		size_t head = total < KEEP_HALF ? total : KEEP_HALF;
		struct keep k = {0};

		for (size_t at = 0, n; at < total; at += n) {
			n = next_number(&seed) % (2 * KEEP_HALF + 9);
			n = n < total - at ? n : total - at;
			keep_add(&k, all + at, n);
		}
		text_of(&k, &kept);
		ck_assert_uint_eq(k.lost, lost);
		ck_assert_uint_eq(kept.len, total - lost);
		if (total)
			ck_assert(!memcmp(kept.data, all, head));
		if (total > head)
			ck_assert(!memcmp(kept.data + head, all + head + lost,
					  total - head - lost));
		keep_fini(&k);
	}
	buf_fini(&kept);
	free(all);
}
END_TEST

static const char spoken[] =
	"{\"progress\":0.25,\"message\":\"a\"}\r\n"
	"\n  {\"progress\":1}\n"
	"{\"progress\":7}\n"
	"{\"progress\":\"x\",\"message\":\"\xc3\xa4\"}\n"
	"noise\n"
	"{\"artifact\":{\"name\":\"a.png\",\"media_type\":\"image/png\"}}\n"
	"{\"artifact\":{\"name\":\"b\",\"media_type\":\"x/\xc3\xa4\"}}\n"
	"{\"result\":{},\"result\":{}}\n"
	"{\"result\":{\"deep\":[1,2,{}]}}\n"
	"{\"unfinished\":";

START_TEST(lines_may_arrive_in_any_pieces)
{
	for (size_t piece = 1; piece <= sizeof(spoken); piece++) {
		size_t len = sizeof(spoken) - 1;
		struct said s = {0};
		struct buf rest = {0};
		json_t *names;

		for (size_t at = 0, n; at < len; at += n) {
			n = piece < len - at ? piece : len - at;
			said_hear(&s, spoken + at, n);
		}
		said_end(&s);
		text_of(&s.rest, &rest);
		ck_assert_str_eq(rest.data, "\nnoise\n"
				 "{\"result\":{},\"result\":{}}\n"
				 "{\"unfinished\":");
		ck_assert(s.progress == -1);
		ck_assert_str_eq(json_string_value(s.message), "\xc3\xa4");
		names = json_pack("[{s:s,s:s},{s:s}]", "name", "a.png",
				  "media_type", "image/png", "name", "b");
		ck_assert(json_equal(s.artifacts, names));
		ck_assert_uint_eq(json_array_size(json_object_get(s.result,
								  "deep")), 3);
		ck_assert_str_eq(s.wrong, "");
		json_decref(names);
		buf_fini(&rest);
		said_fini(&s);
	}
}
END_TEST

START_TEST(a_line_that_does_not_end_takes_no_more_than_its_limit)
{
	char chunk[4096];
	struct said s = {0};

	memset(chunk, '{', sizeof(chunk));
	for (int i = 0; i < 4096; i++) {
		said_hear(&s, chunk, sizeof(chunk));
		ck_assert_uint_le(s.line.cap, 3 * SAID_LINE_MAX);
	}
	said_hear(&s, "\n{\"result\":{}}\n", 15);
	ck_assert_ptr_nonnull(s.result);
	ck_assert_uint_eq(s.rest.lost + 2 * KEEP_HALF, 4096u * 4096 + 1);
	said_fini(&s);
}
END_TEST

START_TEST(secrets_are_cut_out_of_texts_and_values)
{
	struct tool_arg args[] = {
		{.name = "a", .secret = true}, {.name = "b", .secret = true},
		{.name = "c", .secret = true}, {.name = "open"},
		{.name = "n", .secret = true, .type = TOOL_INTEGER},
	};
	const struct tool tool = {.args = args, .n_args = ARRAY_LEN(args)};
	static const struct { const char *in, *out; } cases[] = {
		{"", ""}, {"hunter", "[redacted]"},
		{"xhunter2x", "x[redacted]x"},		/* the longer first */
		{"hunterhunter", "[redacted][redacted]"},
		{"hunte", "hunte"}, {"abc", "abc"}, {"plainly", "plainly"},
		{"pin 471199!", "pin [redacted]!"},
	};
	json_t *given = json_pack("{s:s,s:s,s:s,s:s,s:i}", "a", "hunter", "b",
				  "hunter2", "c", "abc", "open", "plainly",
				  "n", 471199);
	struct secrets *s = secrets_new(&tool, given);
	json_t *in, *out, *clean;
	char small[8];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *text = secrets_cut(s, cases[i].in, strlen(cases[i].in),
					 NULL);

		ck_assert_str_eq(text, cases[i].out);
		free(text);
	}
	secrets_copy(s, "123456\xc3\xa4", 8, small, sizeof(small));
	ck_assert_str_eq(small, "123456");
	in = json_pack("{s:[s,i,i,b]}", "a hunter", "hunter2", 471199, 4711, 1);
	out = json_pack("{s:[s,s,i,b]}", "a [redacted]", "[redacted]",
			"[redacted]", 4711, 1);
	clean = secrets_cut_json(s, in);
	ck_assert(json_equal(clean, out));
	json_decref(in);
	json_decref(out);
	json_decref(clean);
	json_decref(given);
	secrets_free(s);
}
END_TEST

TESTS("said", both_ends_are_kept_whatever_the_pieces,
      lines_may_arrive_in_any_pieces,
      a_line_that_does_not_end_takes_no_more_than_its_limit,
      secrets_are_cut_out_of_texts_and_values)
