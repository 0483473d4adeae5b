/*
 * Configuration in git-config syntax, read by libgit2. A table of keys says
 * what exists; a key that is not in the table is an error with file and line.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

struct conf_entry {		/* everything borrowed, for the call only */
	const char *section;	/* lower case */
	const char *sub;	/* [section "sub"], else NULL */
	const char *key;	/* lower case */
	const char *value;
	const char *file;
	int line;
};

typedef int conf_each(const struct conf_entry *entry, void *data,
		      struct err *err);

/*
 * Calls each for every entry of the file, in order; stops at the first that
 * returns non-zero. ERR_bad_config with file and line, or ERR_io.
 */
int conf_read(const char *path, conf_each *each, void *data, struct err *err);

enum conf_type {
	CONF_TEXT,		/* char *, owned */
	CONF_PATH,		/* char *, owned; relative to the file's folder */
	CONF_BOOL,		/* bool */
	CONF_INT,		/* int64_t, within min..max */
	CONF_TIME,		/* int64_t microseconds */
	CONF_SIZE,		/* int64_t bytes, with k m g */
	CONF_CHOICE,		/* int, the index in choices plus min */
};

struct conf_key {
	const char *section, *key;
	enum conf_type type;
	size_t offset;		/* in the struct that conf_set fills */
	const char *fallback;	/* text of the default, or NULL */
	const char *choices;	/* CONF_CHOICE: "allow|approve|deny" */
	int64_t min, max;	/* of a number or time; max 0: no limit */
	const char *help;
};

/* Fill all defaults of the table into *into. */
void conf_defaults(const struct conf_key *keys, size_t n, void *into);
/* Set the one key the entry names. ERR_bad_config if unknown or ill-formed. */
int conf_set(const struct conf_key *keys, size_t n,
	     const struct conf_entry *entry, void *into, struct err *err);
/* A path as it is meant in that file: relative to its folder. New. */
char *conf_beside(const char *file, const char *value);
void conf_free(const struct conf_key *keys, size_t n, void *into);

/* "file:line: section.key: " and the text, as ERR_bad_config; -1. */
int conf_error(const struct conf_entry *entry, struct err *err,
	       const char *fmt, ...) __attribute__((format(printf, 3, 4)));
bool size_parse(const char *text, int64_t *bytes);	/* "512k", "4g" */
