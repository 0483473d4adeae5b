/* [witness "NAME"]: who is shown the checkpoints, so as to vouch for them. */
#pragma once
#include <stdint.h>
#include <stdio.h>

struct conf_entry;
struct err;
struct settings;

#define WITNESSES_MAX 8

struct witness_conf {
	char *name;		/* of the section, as id_valid() */
	char *url;		/* its add-checkpoint is below this */
	char *vkey;		/* of type cosignature; both or neither */
	int64_t timeout;	/* us */
};

/* One entry of such a section. ERR_bad_config. */
int settings_witness(struct settings *s, const struct conf_entry *e,
		     struct err *err);
/* Is each of them whole, and [timestamp] too? ERR_bad_config. */
int settings_witness_check(const struct settings *s, struct err *err);
void settings_witness_fini(struct settings *s);
void settings_witness_list(FILE *out);
