/*
 * A tool is a program with a manifest. The registry is read at start and
 * again on request; a set that is in use stays as it was.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

enum level { LEVEL_READ_ONLY, LEVEL_LOCAL_WRITE, LEVEL_EXTERNAL_PUBLISH };

/* Can what it does be taken back? From the manifest alone: nobody claims it. */
enum reversibility {
	REVERSIBILITY_OF_LEVEL,		/* not said: what its level has */
	REVERSIBLE,			/* as if it had not been */
	COMPENSABLE,			/* by something else that is done */
	IRREVERSIBLE,
};

enum arg_type { TOOL_STRING, TOOL_INTEGER, TOOL_NUMBER, TOOL_BOOLEAN,
		TOOL_FILE, TOOL_SHA256, TOOL_ENUM };

struct tool_arg {
	char *name, *summary, *values, *fallback;
	int type;
	bool required, secret, has_min, has_max;
	int64_t min, max, max_length;
};

/*
 * [stage]: it can publish in two steps. First with argument = value, so that
 * nobody sees it; then the tool promote is given what the result has under
 * result, and argument as it was approved.
 */
struct tool_stage {		/* all of it, or promote is NULL */
	char *argument, *value, *promote, *result;
};

struct tool {
	char *name, *summary, *file;	/* file: the manifest's path */
	int level;			/* enum level */
	int reversibility;		/* enum reversibility, not the first */
	char **argv;			/* NULL-terminated; argv[0] absolute,
					   or a name to look up in PATH */
	int64_t timeout_us;		/* never 0 */
	struct tool_stage stage;
	bool promotes;			/* it is the second step of another */
	bool reconcile;			/* it can tell what came of a run */
	char *config;			/* section of agent.conf it is given */
	char **pass_env;		/* NULL-terminated names */
	struct tool_arg *args;
	size_t n_args;
};

struct tools;				/* an immutable, counted set */

/*
 * Read every *.conf of the folders (NULL-terminated); a later folder does not
 * replace a name of an earlier one (that is an error, with the file). Missing
 * folders are fine. A tool that says no time gets timeout_us for a run.
 * ERR_bad_config names file, line and key.
 */
int tools_load(struct tools **out, const char *const *dirs,
	       int64_t timeout_us, struct err *err);
struct tools *tools_ref(struct tools *t);
void tools_unref(struct tools *t);
const struct tool *tools_find(const struct tools *t, const char *name);
json_t *tools_json(const struct tools *t);	/* array, sorted by name */
json_t *tool_json(const struct tool *t);

const char *level_name(int level);
int level_of(const char *name);			/* -1 if there is none */
const char *reversibility_name(int reversibility);
int reversibility_of_level(int level);

/*
 * Check args (NULL: none) against the manifest and fill defaults in. *out is
 * new. ERR_invalid_args naming the member, never quoting a value.
 */
int tool_args_check(const struct tool *t, const json_t *args, json_t **out,
		    struct err *err);
/* args with secret values replaced by "[redacted]". New reference. */
json_t *tool_args_redacted(const struct tool *t, const json_t *args);
bool tool_has_secret(const struct tool *t, const json_t *args);
