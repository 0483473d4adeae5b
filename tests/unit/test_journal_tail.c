/*
 * The end of a segment, all in memory: what a write that was cut short can
 * leave, tails longer than what is read at once, lines that are none.
 */
#include "tests/unit/journals.h"

#include "agent/store/journal_lines.h"
#include "agent/store/journal_tail.h"
#include "agent/store/journal_torn.h"

#define MIB (1u << 20)

/* What can be left of a write, and what cannot. R: a record. */
static const struct torn_case {
	const char *text;
	size_t len;
	uint64_t off;
	bool cut;
	int rc;
} torn[] = {
#define T(text, ...) {text, sizeof(text) - 1, __VA_ARGS__}
	T("{ab", 0, false, -1),
	T("{\"a\":\"\xf0\x9f\x98", 0, false, 0),
	T("{\"a\":{}", 505, false, 0),
	T("{\"a\":{}", 504, false, -1),
	T("\0\nR", 510, false, -1),
	T("\nR", 0, false, -1),
	T("\n\nR", 510, false, 0),
	T("\n\nR", 511, false, 0),
	T("\n\n\nR", 0, false, -1),
	T("{\"a\nR", 0, false, -1),
	T("{\"a\nxyz", 0, false, 0),
	T("R", 0, true, 0),
	T("R", 0, false, -1),
};

static struct record *record(uint64_t seq)
{
	struct entry e = {.type = "heartbeat", .actor = "tester"};
	struct record *r = record_make(&e, seq, 1600000000000000, zeros, NULL);

	ck_assert_ptr_nonnull(r);
	return r;
}

START_TEST(what_a_write_can_leave_is_told_from_damage)
{
	struct record *r = record(1);

	for (size_t i = 0; i < ARRAY_LEN(torn); i++) {
		const struct torn_case *c = &torn[i];
		const char *at = memchr(c->text, 'R', c->len);
		struct buf b = {0};
		struct err err = {0};

		buf_add(&b, c->text, c->len - !!at);
		if (at)
			buf_add(&b, r->line, r->len);
		ck_assert_msg(torn_judge(&(struct torn_text){
			.at = b.data, .len = b.len, .off = c->off,
			.cut = c->cut}, &link_first, &err) == c->rc,
			"case %zu: %s", i, err.detail);
		buf_fini(&b);
	}
	record_unref(r);
}
END_TEST

struct memory { struct buf b; unsigned calls, fail_at; };

static int from_memory(void *from, uint64_t off, size_t len, char *out,
		       struct err *err)
{
	struct memory *m = from;

	if (++m->calls == m->fail_at)
		return err_set(err, ERR_io, "it fails here");
	ck_assert(off <= m->b.len && len <= m->b.len - off);
	memcpy(out, m->b.data + off, len);
	return 0;
}

static void add_many(struct buf *b, char c, size_t n)
{
	char *text = xmalloc(n);

	memset(text, c, n);
	buf_add(b, text, n);
	free(text);
}

START_TEST(a_tail_longer_than_is_read_at_once_is_read_in_parts)
{
	static const struct {
		char with, then;
		bool record;
		uint64_t torn;
		const char *says;
	} cases[] = {
		{'\n', 0, true, 0, NULL},
		{'\n', 0, false, 0, NULL},
		{0, 0, true, 2 * MIB, NULL},
		{'x', 0, false, 0, "hold no record"},
		{'x', '\n', false, 0, "hold no record"},
	};
	struct record *r = record(1);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct memory m = {0};
		struct tail t;
		struct err err = {0};
		int rc;

		if (cases[i].record) {
			buf_add(&m.b, r->line, r->len);
			buf_add(&m.b, "\n", 1);
		}
		add_many(&m.b, cases[i].with, 2 * MIB);
		if (cases[i].then)
			buf_add(&m.b, &cases[i].then, 1);
		rc = tail_read(from_memory, &m, m.b.len, 0, &link_first, &t,
			       &err);
		ck_assert_msg(rc == (cases[i].says ? -1 : 0), "%zu: %s", i,
			      err.detail);
		ck_assert(!rc || strstr(err.detail, cases[i].says));
		if (!rc)
			ck_assert_uint_eq(t.torn, cases[i].torn);
		for (unsigned n = m.calls; !rc && n; n--) {
			m.calls = 0;
			m.fail_at = n;
			ck_assert_int_eq(tail_read(from_memory, &m, m.b.len,
						   0, &link_first, &t, &err),
					 -1);
			ck_assert_str_eq(err.detail, "it fails here");
		}
		buf_fini(&m.b);
	}
	record_unref(r);
}
END_TEST

START_TEST(a_walk_stops_where_a_line_is_none)
{
	static const struct { const char *text; unsigned fail_at; int rc;
			      const char *says; } cases[] = {
		{"", 0, 0, ""}, {"", 1, -1, "it fails here"},
		{"{}\n", 0, -1, "is no record"}, {"{}", 0, -1, "has no end"},
		{"long", 0, -1, "has no end"},
		{"same", 0, -1, "has the number of another"},
	};

	for (size_t i = 0; i < 2 * ARRAY_LEN(cases); i++) {
		struct link at = {.known = i % 2};
		struct memory m = {.fail_at = cases[i / 2].fail_at};
		struct record *r = record(1);
		struct err err = {0};

		for (int n = 0; n <= !strcmp(cases[i / 2].text, "same"); n++) {
			buf_add(&m.b, r->line, r->len);
			buf_add(&m.b, "\n", 1);
		}
		if (!strcmp(cases[i / 2].text, "long"))
			add_many(&m.b, 'x', RECORD_LINE_MAX + 1);
		else if (strcmp(cases[i / 2].text, "same"))
			buf_adds(&m.b, cases[i / 2].text);
		ck_assert_int_eq(link_walk(&at, lines_new(from_memory, &m, 0,
							  m.b.len), NULL, NULL,
					   &err), cases[i / 2].rc);
		ck_assert_msg(strstr(err.detail, cases[i / 2].says) != NULL,
			      "%s", err.detail);
		record_unref(r);
		buf_fini(&m.b);
	}
	ck_assert_int_eq(link_broken(&(struct link){0}, 0, "is gone", NULL),
			 -1);
}
END_TEST

TESTS("journal tail",
      what_a_write_can_leave_is_told_from_damage,
      a_tail_longer_than_is_read_at_once_is_read_in_parts,
      a_walk_stops_where_a_line_is_none)
