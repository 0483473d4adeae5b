/* [notify "NAME"]: who is told that something happened, and of what. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct conf_entry;
struct err;
struct settings;

#define NOTIFIES_MAX 8

struct notify_conf {
	char *name;		/* of the section, as id_valid() */
	int kind;		/* of notify_kind_name() */
	char *url_file;		/* holds the URL, a secret; "": nobody */
	char *events;		/* types, each behind one space or the first */
	bool escalate;		/* of approvals only when it gets late */
	char *secret_file, *next_secret_file;	/* of a signed one */
	int64_t give_up;	/* us */
};

#define NOTIFY_ALL "all"	/* the events of every type */

/* The records themselves, signed, for a program; else words for people. */
bool notify_is_signed(const struct notify_conf *n);

const char *notify_kind_name(int kind);
/* One entry of such a section. ERR_bad_config. */
int settings_notify(struct settings *s, const struct conf_entry *e,
		    struct err *err);
/* Is each of them whole? Fills in what was not said. ERR_bad_config. */
int settings_notify_check(struct settings *s, struct err *err);
void settings_notify_fini(struct settings *s);
void settings_notify_list(FILE *out);
