/* What an item's lists and objects say, as safe text. Callers free. */
#pragma once
#include <jansson.h>
#include <stdbool.h>

struct buf;

/* Adds what one of a list says; false: nothing. */
typedef bool item_part(struct buf *b, const json_t *each);
/* What they say, in order. */
char *item_list(const json_t *list, const char *between, item_part *part);
/* Adds text, safe: a line feed in it shows and makes no line of its own. */
void item_add(struct buf *b, const char *text);

/* Criteria or issues: "AC-1: text", a line each. */
char *item_said(const json_t *list);
/* A task's labels: "a=1, b=2". */
char *item_labels(const json_t *labels);
/* The fields that a commit changed: "/state: from -> to", a line each. */
char *item_changes(const json_t *list);
/* The documents that came with it: "attempts/1-ack, ...". */
char *item_names(const json_t *list);
/* What a record carries, in one line: what says most comes first. */
char *item_summary(const json_t *data);
