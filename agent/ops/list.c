/* See list.h. The cursor is the last id that was given. */
#include "agent/ops/list.h"

#include "common/json.h"

int list_docs(struct agent *a, struct call *c, struct doc_filter *f,
	      doc_shown *shown, struct err *err)
{
	size_t limit = (size_t)call_int(c, "limit", 100), n, i;
	json_t *items, *each, *next = json_null();

	if (a->read_wait(a->core, false, err))
		return -1;
	f->limit = limit + 1;		/* one more tells whether more come */
	f->after_id = call_str(c, "cursor");
	items = reader_docs(c->reader, f, err);
	if (!items)
		return -1;
	n = json_array_size(items);
	if (n > limit) {
		json_array_remove(items, n - 1);
		next = json_incref(json_object_get(
			json_array_get(items, limit - 1), "id"));
	}
	json_array_foreach (items, i, each)
		json_array_set_new(items, i, shown(each));
	return call_answer(c, json_pack("{s:o,s:o}", "items", items,
					"next_cursor", next));
}

int answer_doc(struct call *c, const char *kind, doc_shown *shown,
	       struct err *err)
{
	const char *id = call_str(c, "id");
	json_t *doc = reader_doc(c->reader, kind, id, err);

	if (!doc)
		return err->code ? -1 :
			err_set(err, ERR_not_found, "no %s %s", kind, id);
	call_answer(c, shown(doc));
	json_decref(doc);
	return 0;
}
