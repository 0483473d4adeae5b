/* [webhook "NAME"]: who may send events, and what becomes of them. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/webhook.h"

struct conf_entry;
struct err;
struct settings;

#define WEBHOOKS_MAX 32
#define WEBHOOK_NAME_MAX 56		/* bytes: a task says webhook:NAME */
#define WEBHOOK_WINDOW_MAX (365 * 86400000000LL)	/* us */
#define WEBHOOK_LIST_MAX 200		/* entries of a key that may repeat */

struct webhook_conf {
	char *name;		/* of the section, as id_valid() */
	int scheme;		/* enum webhook_scheme */
	char *secret_file, *next_secret_file;	/* NULL: none */
	bool task;		/* an accepted event makes a task */
	int64_t window;		/* us: an event seen before is known again */
	int64_t tolerance;	/* us that a signed time may be away */
	char *subject, *sequence;	/* JSON pointers, both or none (NULL) */
	char *event_id;		/* pointer, where the scheme signs no id */
	int64_t max_body;	/* bytes */
	int64_t max_per_minute;	/* accepted; 0: no limit */
	char *title, *text;	/* templates; title NULL: the default */
	char **criteria;	/* templates, in order */
	char **labels;		/* "name=TEMPLATE" */
	char **only;		/* "POINTER=a,b", or "POINTER": it is there;
				   of what does not fit comes no task */
	size_t n_criteria, n_labels, n_only;
	char *assignee;		/* of the task, or NULL */
	int side_effect_level;	/* of the task, as webhook_level_name() */
};

const char *webhook_level_name(int level);
/* The source of this name, or NULL. */
const struct webhook_conf *settings_webhook_find(const struct settings *s,
						 const char *name);
/* One entry of such a section. ERR_bad_config. */
int settings_webhook(struct settings *s, const struct conf_entry *e,
		     struct err *err);
/* Is each of them whole? Fills in what was not said. ERR_bad_config. */
int settings_webhook_check(struct settings *s, struct err *err);
void settings_webhook_fini(struct settings *s);
void settings_webhook_list(FILE *out);
