/*
 * What is said of a record to who is told of it: what happened, to which ids,
 * and the title of its task. Arguments, results and reasons stay here.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>

struct notify_conf;
struct record;

/* Is this record for them? name: who they are in records of trouble. */
bool notify_wants(const struct notify_conf *conf, const char *name,
		  const struct record *r);
/*
 * {event, title, text, priority, agent, and ids}: the args of a message. New.
 * task: the document it is about, or NULL.
 */
json_t *notify_words(const char *agent, const struct record *r,
		     const json_t *task);
