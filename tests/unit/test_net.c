/* The network's parts that need no network: routes, filters, ring, heads. */
#include "tests/unit/unit.h"

#include <string.h>

#include "agent/net/filter.h"
#include "agent/net/head.h"
#include "agent/net/ring.h"
#include "agent/net/route.h"
#include "agent/ops/op.h"
#include "agent/store/record.h"
#include "common/buf.h"

static const struct {
	const char *method, *path;
	const char *name;		/* of the operation; NULL: none */
	int status;			/* then */
	const char *allow;
} routes[] = {
	{"GET", "/api/tasks", "task.list", 0, NULL},
	{"HEAD", "/api/tasks", "task.list", 0, NULL},
	{"POST", "/api/tasks", "task.create", 0, NULL},
	{"GET", "/api/tasks/t-1", "task.get", 0, NULL},
	{"PATCH", "/api/tasks/t-1", "task.update", 0, NULL},
	{"POST", "/api/tasks/t-1/ack", "task.ack", 0, NULL},
	{"POST", "/api/tools/execute", "tool.execute", 0, NULL},
	{"GET", "/api/audit/checkpoint-like", "audit.chain", 0, NULL},
	{"GET", "/", NULL, 404, NULL},
	{"GET", "", NULL, 404, NULL},
	{"GET", "/api", NULL, 404, NULL},
	{"GET", "/api/tasks/", NULL, 404, NULL},
	{"GET", "/api/tasks//ack", NULL, 404, NULL},
	{"GET", "/api/tasks/t-1/ack/", NULL, 404, NULL},
	{"GET", "/api/tasks/t-1/nosuch", NULL, 404, NULL},
	{"OPTIONS", "/nowhere", NULL, 404, NULL},
	{"DELETE", "/api/tasks", NULL, 405, "GET, HEAD, POST, OPTIONS"},
	{"GET", "/api/tasks/t-1/ack", NULL, 405, "POST, OPTIONS"},
	{"OPTIONS", "/api/tasks/t-1", NULL, 204,
	 "GET, HEAD, PATCH, OPTIONS"},
};

START_TEST(a_route_is_found_by_method_and_path)
{
	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		struct call *c = call_new(VIA_HTTP, NULL);
		const struct op *op = route_find(c, routes[i].method,
						 routes[i].path);

		ck_assert_pstr_eq(op ? op->name : NULL, routes[i].name);
		if (!op)
			ck_assert_int_eq(c->err.code ?
					 err_row(c->err.code)->status :
					 c->status, routes[i].status);
		ck_assert_pstr_eq(c->allow, routes[i].allow);
		call_free(c);
	}
}
END_TEST

START_TEST(names_in_a_route_become_params)
{
	struct call *c = call_new(VIA_HTTP, NULL);

	ck_assert_ptr_nonnull(route_find(c, "POST", "/api/tasks/a.b-c/ack"));
	ck_assert_uint_eq(c->n_params, 1);
	ck_assert_str_eq(c->params[0].name, "id");
	ck_assert_str_eq(c->params[0].value, "a.b-c");
	call_free(c);
}
END_TEST

static struct record *make(uint64_t seq, const char *type, const char *task)
{
	static const uint8_t prev[SHA256_RAW];
	struct entry e = {.type = type, .actor = "me", .task_id = task};
	struct record *r = record_make(&e, seq, 1700000000000000, prev, NULL);

	ck_assert_ptr_nonnull(r);
	return r;
}

static const struct {
	const char *types, *task;
	const char *type, *of;
	bool wants;
} wishes[] = {
	{NULL, NULL, "task_created", NULL, true},
	{NULL, NULL, "request", NULL, false},
	{"", NULL, "request", NULL, false},
	{"request", NULL, "request", NULL, true},
	{"request", NULL, "task_created", NULL, false},
	{"a,task_created", NULL, "task_created", NULL, true},
	{"task_created,a", NULL, "task_created", NULL, true},
	{"task", NULL, "task_created", NULL, false},
	{"task_created_too", NULL, "task_created", NULL, false},
	{NULL, "t-1", "task_created", "t-1", true},
	{NULL, "t-1", "task_created", "t-12", false},
	{NULL, "t-1", "task_created", NULL, false},
	{"request", "t-1", "request", "t-1", true},
	{NULL, "t-1", "request", "t-1", false},
};

START_TEST(a_filter_lets_through_what_was_asked_for)
{
	for (size_t i = 0; i < ARRAY_LEN(wishes); i++) {
		struct record *r = make(1, wishes[i].type, wishes[i].of);
		struct filter f;

		filter_init(&f, wishes[i].types, wishes[i].task);
		ck_assert_msg(filter_wants(&f, r) == wishes[i].wants,
			      "row %zu", i);
		filter_fini(&f);
		record_unref(r);
	}
}
END_TEST

static void fill(struct ring *g, uint64_t from, uint64_t to, unsigned step)
{
	for (uint64_t seq = from; seq <= to; seq += step) {
		struct record *r = make(seq, "task_created", NULL);

		ring_add(g, r);
		record_unref(r);
	}
}

START_TEST(the_ring_gives_what_is_newer_and_knows_what_it_lost)
{
	struct ring *g = ring_new(10);
	const struct event *e;
	uint64_t pos = 0;

	ck_assert_uint_eq(ring_floor(g), 10);
	ck_assert_ptr_null(ring_after(g, 10, &pos));
	fill(g, 5, 10, 1);			/* older: not taken */
	ck_assert_ptr_null(ring_after(g, 0, &pos));
	fill(g, 12, 40, 4);
	for (uint64_t seq = 0; seq < 40; seq++) {
		e = ring_after(g, seq, &pos);
		ck_assert_uint_eq(e->record->seq,
				  seq < 12 ? 12 : seq / 4 * 4 + 4);
	}
	ck_assert_ptr_null(ring_after(g, 40, &pos));
	ck_assert_uint_eq(ring_after(g, 13, &pos)->record->seq, 16);
	fill(g, 41, 20000, 1);
	ck_assert_uint_eq(ring_floor(g), 20000 - 16384);
	ck_assert_uint_eq(ring_after(g, 0, &pos)->record->seq,
			  20000 - 16384 + 1);
	ck_assert_uint_eq(ring_after(g, 19998, &pos)->record->seq, 19999);
	ck_assert_ptr_null(ring_after(g, 20000, &pos));
	ring_free(g);
}
END_TEST

START_TEST(an_event_has_id_and_type_before_its_data)
{
	struct record *r = make(7, "task_created", NULL);
	struct event e;

	event_init(&e, r);
	ck_assert_uint_eq(e.head_len, strlen(e.head));
	ck_assert_str_eq(e.head, "id: 7\nevent: task_created\ndata: ");
	event_fini(&e);
	record_unref(r);
}
END_TEST

START_TEST(a_head_never_carries_a_line_break_of_somebody_elses)
{
	struct call *c = call_new(VIA_HTTP, NULL);
	struct buf b = {0};

	c->status = 201;
	c->location = xstrdup("/api/x\r\nSet-Cookie: a=b");
	c->etag = xstrdup("abc\nX: y");
	c->allow = xstrdup("GET\rX: y");
	head_write(&b, c, false);
	ck_assert_ptr_null(strstr(b.data, "Set-Cookie"));
	ck_assert_ptr_null(strstr(b.data, "X: y"));
	ck_assert_ptr_nonnull(strstr(b.data, "HTTP/1.1 201 Created\r\n"));
	ck_assert_str_eq(b.data + b.len - 4, "\r\n\r\n");
	buf_fini(&b);
	call_free(c);
}
END_TEST

START_TEST(a_part_of_a_file_says_which)
{
	struct call *c = call_new(VIA_HTTP, NULL);
	struct buf b = {0};

	c->status = 206;
	c->fd = 0;
	c->fd_off = 10;
	c->fd_len = 5;
	c->fd_size = 100;
	head_write(&b, c, true);
	c->fd = -1;
	ck_assert_ptr_nonnull(strstr(b.data,
				     "Content-Range: bytes 10-14/100\r\n"));
	ck_assert_ptr_nonnull(strstr(b.data, "Content-Length: 5\r\n"));
	ck_assert_ptr_nonnull(strstr(b.data, "Connection: close\r\n"));
	buf_fini(&b);
	call_free(c);
}
END_TEST

TESTS("net", a_route_is_found_by_method_and_path,
      names_in_a_route_become_params,
      a_filter_lets_through_what_was_asked_for,
      the_ring_gives_what_is_newer_and_knows_what_it_lost,
      an_event_has_id_and_type_before_its_data,
      a_head_never_carries_a_line_break_of_somebody_elses,
      a_part_of_a_file_says_which)
