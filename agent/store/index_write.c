/* See index_write.h: names as numbers, and the row of a record. */
#include "agent/store/index_write.h"

#include "common/err.h"
#include "common/mem.h"

int index_load_names(struct index *x, struct err *err)
{
	sqlite3_stmt *s = db_stmt(&x->db, "SELECT text,id FROM name", err);
	int got;

	if (!s)
		return -1;
	json_object_clear(x->names);
	while ((got = db_step(&x->db, s, err)) == 1)
		json_object_set_new(x->names,
				    (const char *)sqlite3_column_text(s, 0),
				    json_integer(sqlite3_column_int64(s, 1)));
	return got;
}

int64_t index_name(struct index *x, const char *text, struct err *err)
{
	const json_t *known = text ? json_object_get(x->names, text) : NULL;
	sqlite3_stmt *s;
	int64_t id;

	if (!text || known)
		return json_integer_value(known);
	s = db_stmt(&x->db, "INSERT INTO name(text) VALUES(?1)", err);
	if (!s)
		return -1;
	db_bind_text(s, 1, text);
	if (db_step(&x->db, s, err) < 0)
		return -1;
	id = sqlite3_last_insert_rowid(x->db.handle);
	json_object_set_new(x->names, text, json_integer(id));
	return id;
}

void index_bind_name(sqlite3_stmt *s, int at, int64_t id)
{
	if (id)
		sqlite3_bind_int64(s, at, id);
	else
		sqlite3_bind_null(s, at);
}

static void bind_id(sqlite3_stmt *s, int at, const struct id_hash *id)
{
	if (id->there)
		sqlite3_bind_int64(s, at, id->hash);
	else
		sqlite3_bind_null(s, at);
}

int index_add_record(struct index *x, const struct record *r,
		     struct err *err)
{
	int64_t type = index_name(x, r->type, err);
	int64_t actor = index_name(x, r->actor, err);
	const char *const texts[POST_IDS] = {r->correlation_id, r->task_id,
					     r->run_id};
	struct id_hash ids[POST_IDS] = {0};
	sqlite3_stmt *s;

	if (type < 0 || actor < 0)
		return -1;
	s = db_stmt(&x->db, type == NAME_REQUEST ?
		    "INSERT INTO request VALUES(?,?,?,?,?,?,?,?,?,?)" :
		    "INSERT INTO event VALUES(?,?,?,?,?,?,?,?,?,?)", err);
	if (!s)
		return -1;
	sqlite3_bind_int64(s, 1, (int64_t)r->seq);
	sqlite3_bind_int64(s, 2, (int64_t)r->off);
	sqlite3_bind_int64(s, 3, (int64_t)r->len);
	sqlite3_bind_int64(s, 4, r->ts_us);
	sqlite3_bind_int64(s, 5, type);
	index_bind_name(s, 6, actor);
	for (int i = 0; i < POST_IDS; i++) {
		if (texts[i])
			ids[i] = (struct id_hash){true, hash64(texts[i])};
		bind_id(s, 7 + i, &ids[i]);
	}
	index_bind_name(s, 10, r->status);
	post_add(&x->post, r, ids, type, actor);
	return db_step(&x->db, s, err);
}
