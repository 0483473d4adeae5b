/* What an item's lists and objects say, as safe text. Callers free. */
#pragma once
#include <jansson.h>

/* Criteria or issues: "AC-1: text", a line each. */
char *item_said(const json_t *list);
/* The fields that a commit changed: "/state: from -> to", a line each. */
char *item_changes(const json_t *list);
/* The documents that came with it: "attempts/1-ack, ...". */
char *item_names(const json_t *list);
/* What a record carries, in one line: what says most comes first. */
char *item_summary(const json_t *data);
