/* What the channel's answers mean, and whom a URL reaches. */
#include "tests/unit/unit.h"

#include <string.h>

/* A tool is a program and in no archive; its plain parts are taken as text. */
#include "agent/tools/youtube_reply.c"

START_TEST(a_range_is_what_is_stored_or_is_refused)
{
	static const struct {
		const char *range;
		bool ok;
		int64_t stored;
	} cases[] = {
		{NULL, true, 0}, {"bytes=0--1", true, 0},
		{"bytes=0-0", true, 1}, {"bytes=0-999", true, 1000},
		{"bytes=0-1000", false, 0}, {"bytes=1-5", false, 0},
		{"bytes=0-", false, 0}, {"bytes=0-5x", false, 0},
		{"bytes=0- 5", false, 0}, {"bytes=0--2", false, 0},
		{"bytes=0-+5", false, 0}, {"bytes 0-5", false, 0},
		{"bytes=0-5,7-9", false, 0}, {"", false, 0},
		{"bytes=0-18446744073709551616", false, 0},
		{"bytes=0-999999999999999999", false, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t stored = -1;
		bool ok = range_stored(cases[i].range, 1000, &stored);

		ck_assert_msg(ok == cases[i].ok, "%s", cases[i].range);
		ck_assert_int_eq(stored, cases[i].stored);
	}
}
END_TEST

static struct web_reply reply(long status, const char *body)
{
	struct web_reply r = {.status = status, .why = "none"};

	r.body.data = (char *)body;
	r.body.len = body ? strlen(body) : 0;
	return r;
}

#define COMPLAINT(reason, text) \
	"{\"error\":{\"code\":1,\"message\":\"" text "\",\"errors\":" \
	"[{\"domain\":\"d\",\"reason\":\"" reason "\",\"message\":\"m\"}]}}"

START_TEST(every_status_has_its_meaning)
{
	static const struct {
		long status;
		const char *body;
		enum reply_kind kind;
	} cases[] = {
		{0, NULL, REPLY_AGAIN}, {200, NULL, REPLY_DONE},
		{201, "{}", REPLY_DONE}, {204, NULL, REPLY_REFUSED},
		{301, NULL, REPLY_REFUSED}, {307, NULL, REPLY_REFUSED},
		{308, NULL, REPLY_MORE}, {400, NULL, REPLY_REFUSED},
		{401, NULL, REPLY_AUTH}, {404, NULL, REPLY_GONE},
		{401, COMPLAINT("youtubeSignupRequired", ""), REPLY_REFUSED},
		{403, COMPLAINT("quotaExceeded", ""), REPLY_REFUSED},
		{403, COMPLAINT("rateLimitExceeded", ""), REPLY_AGAIN},
		{403, "not JSON", REPLY_REFUSED}, {408, NULL, REPLY_AGAIN},
		{410, NULL, REPLY_GONE}, {429, NULL, REPLY_AGAIN},
		{500, NULL, REPLY_AGAIN}, {599, NULL, REPLY_AGAIN},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct web_reply r = reply(cases[i].status, cases[i].body);

		ck_assert_msg(reply_kind(&r) == cases[i].kind, "%ld %s",
			      cases[i].status, cases[i].body);
	}
}
END_TEST

START_TEST(a_refusal_carries_its_reason_and_a_next_step)
{
	static const struct {
		long status;
		const char *body, *code, *word;
	} cases[] = {
		{403, COMPLAINT("quotaExceeded", "over"), "youtube_quota",
		 "403 quotaExceeded: over"},
		{400, COMPLAINT("uploadLimitExceeded", ""),
		 "youtube_channel_limit", "uploadLimitExceeded"},
		{401, "", "youtube_auth", "401"},
		{401, COMPLAINT("youtubeSignupRequired", ""),
		 "youtube_no_channel", "401"},
		{400, "{\"error\":\"invalid_grant\",\"error_description\":"
		 "\"Bad Request\"}", "youtube_auth",
		 "invalid_grant: Bad Request"},
		{400, COMPLAINT("invalidTitle", ""), "invalid_args", "400"},
		{418, COMPLAINT("somethingNew", "tea"), "youtube_refused",
		 "somethingNew: tea"},
		{400, "{\"error\":[1]}", "youtube_refused", "400"},
		{400, "{\"error\":{\"errors\":{}}}", "youtube_refused", "400"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct web_reply r = reply(cases[i].status, cases[i].body);
		struct failure f = {0};

		ck_assert_int_eq(reply_failure(&r, "Trying", &f), -1);
		ck_assert_str_eq(f.why->code, cases[i].code);
		ck_assert_ptr_nonnull(strstr(f.detail, cases[i].word));
		ck_assert_uint_gt(strlen(f.why->hint), 20);
	}
}
END_TEST

TESTS("tools_youtube",
      a_range_is_what_is_stored_or_is_refused,
      every_status_has_its_meaning,
      a_refusal_carries_its_reason_and_a_next_step)
