/* A checkpoint was time stamped: two artifacts, from the agent itself. */
#include "agent/ops/evidence.h"
#include "agent/ops/handlers.h"
#include "agent/store/evidence.h"
#include "common/clock.h"
#include "common/id.h"
#include "common/json.h"

static json_t *document(const struct call *c, const json_t *file)
{
	const char *name = json_str(file, "name");
	char id[ID_MADE], now[CLOCK_TEXT];

	id_make('e', id);
	clock_text(clock_wall_us(), now);
	return json_pack("{s:s,s:s,s:s,s:I,s:s,s:s,s:n,s:n,s:s}", "id", id,
		"name", name, "media_type", media_type_of(name, NULL, 0),
		"size", json_int(file, "size", 0), "sha256",
		json_str(file, "sha256"), "created_at", now, "task_id",
		"run_id", "correlation_id", c->correlation_id);
}

/*
 * args: {"files": [{name, sha256, size}], "records", "time", "serial",
 * "policy"}: what is stored already, and what the authority said.
 */
int op_stamped(struct agent *a, struct call *c, struct err *err)
{
	const json_t *files = json_object_get(c->args, "files");
	json_t *file;
	size_t i;

	json_array_foreach (files, i, file) {
		struct fact fact = {.type = "evidence_added"};

		fact.data = json_pack("{s:O,s:O,s:O,s:s,s:O,s:O,s:O,s:O}",
			"name", json_object_get(file, "name"),
			"sha256", json_object_get(file, "sha256"),
			"size", json_object_get(file, "size"), "media_type",
			media_type_of(json_str(file, "name"), NULL, 0),
			"checkpoint", json_object_get(c->args, "records"),
			"time", json_object_get(c->args, "time"),
			"serial", json_object_get(c->args, "serial"),
			"policy", json_object_get(c->args, "policy"));
		fact.put = json_pack("{s:o}", "artifact", document(c, file));
		if (evidence_record_added(a, c, c->correlation_id, &fact,
					  json_str(file, "sha256"), err))
			return -1;
	}
	return 0;
}
