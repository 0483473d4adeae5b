/* `kircerta-agent token`: make and change what lets callers in. */
#include "agent/admin.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/home.h"
#include "agent/store/token.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/mem.h"

#define HOUR 3600000000LL

struct wanted {			/* the words of one command line */
	const char *id, *name;
	unsigned scopes;
	int64_t expires, overlap;
	bool as_json;
};

static int token_print(char text[TOKEN_TEXT])
{
	puts(text);
	mem_wipe(text, TOKEN_TEXT);
	return EXIT_SUCCESS;
}

static int token_make(const struct home *home, const struct wanted *w)
{
	char text[TOKEN_TEXT];
	struct err err = {0};

	if (token_create(home->tokens, w->name, w->scopes, w->expires, text,
			 &err)) {
		if (err.code == ERR_invalid_request)
			err_hint(&err, "Give another --name.");
		return say_error(&err);
	}
	return token_print(text);
}

/* Whose text is in admin.token? The console takes it from there. */
static bool is_admins(const struct home *home, const char *id)
{
	char *text = fs_read(home->admin_token, 4096, NULL, NULL);
	struct tokens *tokens = NULL;
	struct actor who = {0};

	if (text)
		text[strcspn(text, "\r\n")] = 0;
	if (text && !tokens_open(&tokens, home->tokens, NULL))
		tokens_look(tokens, text, &who);
	tokens_close(tokens);
	if (text)
		mem_wipe(text, strlen(text));
	free(text);
	return !strcmp(who.token_id, id);
}

static int keep_admins(const struct home *home, const char *text,
		       struct err *err)
{
	char line[TOKEN_TEXT + 1];
	int rc;

	snprintf(line, sizeof(line), "%s\n", text);
	rc = fs_replace(home->admin_token, line, strlen(line), 0600, err);
	mem_wipe(line, sizeof(line));
	if (!rc)
		fprintf(stderr, "%s has the new one\n", home->admin_token);
	return rc;
}

static int token_turn(const struct home *home, const struct wanted *w)
{
	bool admins = is_admins(home, w->id);
	char text[TOKEN_TEXT];
	struct err err = {0};
	int rc;

	if (token_rotate(home->tokens, w->id, w->overlap, w->expires, text,
			 &err))
		return say_error(&err);
	rc = admins ? keep_admins(home, text, &err) : 0;
	token_print(text);
	return rc ? say_error(&err) : EXIT_SUCCESS;
}

static int token_less(const struct home *home, const struct wanted *w)
{
	struct err err = {0};

	if (token_narrow(home->tokens, w->id, w->scopes, w->expires, &err))
		return say_error(&err);
	printf("narrowed %s; what is open with more than that ends\n", w->id);
	return EXIT_SUCCESS;
}

static int token_end(const struct home *home, const struct wanted *w)
{
	struct err err = {0};

	if (token_revoke(home->tokens, w->id, &err))
		return say_error(&err);
	printf("revoked %s; it is refused from the next request on\n", w->id);
	return EXIT_SUCCESS;
}

/* Borrowed: when it ends, in a word or as a time. */
static const char *end_text(const json_t *t)
{
	const char *expires = json_str(t, "expires_at");
	int64_t end;

	if (json_str(t, "revoked_at"))
		return "revoked";
	if (!expires)
		return "never expires";
	return clock_parse(expires, 0, &end) && end > clock_wall_us() ?
	       expires : "expired";
}

static void print_token(const json_t *t)
{
	const char *used = json_str(t, "last_used_at");
	json_t *each;
	size_t i;

	printf("%-19s %-20s %-28s %-28s %-20.19s ", json_str(t, "id"),
	       json_str(t, "name"), json_str(t, "created_at"), end_text(t),
	       used ? used : "-");
	json_array_foreach (json_object_get(t, "scopes"), i, each)
		printf("%s%s", i ? "," : "", json_string_value(each));
	putchar('\n');
}

static json_t *list_used(const struct home *home, struct err *err)
{
	struct tokens *tokens;
	json_t *list, *used, *each;
	size_t i;

	if (tokens_open(&tokens, home->tokens, err))
		return NULL;
	list = tokens_list(tokens, err);
	used = tokens_used(tokens);
	json_array_foreach (list, i, each)
		json_set_str(each, "last_used_at",
			     json_str(used, json_str(each, "id")));
	json_decref(used);
	tokens_close(tokens);
	return list;
}

static int token_show(const struct home *home, const struct wanted *w)
{
	struct err err = {0};
	json_t *list = list_used(home, &err), *each;
	char *text;
	size_t i;

	if (!list)
		return say_error(&err);
	if (w->as_json) {
		text = json_pretty(list, NULL);
		fputs(text, stdout);
		free(text);
	} else {
		json_array_foreach (list, i, each)
			print_token(each);
	}
	json_decref(list);
	return EXIT_SUCCESS;
}

/* What can be done, with which options (letters of getopt below). */
static const struct verb {
	const char *name, *options;
	bool id;
	int (*run)(const struct home *home, const struct wanted *w);
	const char *usage;
} verbs[] = {
	{"create", "nse", false, token_make,
	 "create --name N --scope S [--scope S] [--expires 30d]"},
	{"list", "j", false, token_show, "list [--json]"},
	{"rotate", "oe", true, token_turn,
	 "rotate ID [--overlap 1h] [--expires 30d]"},
	{"narrow", "se", true, token_less,
	 "narrow ID [--scope S]... [--expires 1h]"},
	{"revoke", "", true, token_end, "revoke ID"},
};

static bool take_option(const struct verb *v, int opt, struct wanted *w)
{
	unsigned one;

	if (opt == '?' || !strchr(v->options, opt))
		return false;
	switch (opt) {
	case 'n':
		w->name = optarg;
		return true;
	case 's':
		one = scope_of(optarg);
		w->scopes |= one;
		return one;
	case 'j':
		w->as_json = true;
		return true;
	case 'o':	/* nothing: the old one ends at once */
		return !strcmp(optarg, "0") ? !(w->overlap = 0) :
		       duration_parse(optarg, &w->overlap);
	default:
		return duration_parse(optarg, &w->expires) && w->expires > 0;
	}
}

static bool understood(const struct verb *v, int argc, char **argv,
		       struct wanted *w)
{
	static const struct option options[] = {
		{"name", required_argument, NULL, 'n'},
		{"scope", required_argument, NULL, 's'},
		{"expires", required_argument, NULL, 'e'},
		{"overlap", required_argument, NULL, 'o'},
		{"json", no_argument, NULL, 'j'}, {0},
	};
	int opt;

	*w = (struct wanted){.overlap = HOUR};
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (!take_option(v, opt, w))
			return false;
	if (v->id && optind < argc)
		w->id = argv[optind++];
	return optind == argc && (!v->id || w->id) &&
	       (v->run != token_make || (w->name && w->scopes)) &&
	       (v->run != token_less || w->scopes || w->expires);
}

static int usage_of(const struct verb *v)
{
	char text[160];

	snprintf(text, sizeof(text), "token %s; S is admin, observer or "
		 "tool_runner; times are 12h, 30d and so on", v->usage);
	return say_usage(text);
}

int cmd_token(const struct globals *g, int argc, char **argv)
{
	const struct verb *v = NULL;
	struct wanted w;
	struct home home;
	int rc;

	for (size_t i = 0; argc > 1 && i < ARRAY_LEN(verbs); i++)
		if (!strcmp(argv[1], verbs[i].name))
			v = &verbs[i];
	if (!v)
		return say_usage("token create --name N --scope S ... | "
				 "list [--json] | rotate ID | narrow ID | "
				 "revoke ID");
	if (!understood(v, argc - 1, argv + 1, &w))
		return usage_of(v);
	if (home_of(g, &home))
		return EXIT_FAILURE;
	rc = v->run(&home, &w);
	home_fini(&home);
	return rc;
}
