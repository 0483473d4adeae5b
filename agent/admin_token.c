/* `kircerta-agent token`: make, list and revoke what lets callers in. */
#include "agent/admin.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "agent/store/home.h"
#include "agent/store/token.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"

static int token_make(const struct home *home, int argc, char **argv)
{
	static const struct option options[] = {
		{"name", required_argument, NULL, 'n'},
		{"scope", required_argument, NULL, 's'},
		{"expires", required_argument, NULL, 'e'}, {0},
	};
	const char *name = NULL;
	char text[TOKEN_TEXT];
	struct err err = {0};
	unsigned scopes = 0, one;
	int64_t ttl = 0;
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'n')
			name = optarg;
		else if (opt == 's' && (one = scope_of(optarg)))
			scopes |= one;
		else if (opt == 's')
			return say_usage("token create: scope is admin, observer "
				     "or tool_runner");
		else if (opt != 'e' || !duration_parse(optarg, &ttl))
			return say_usage("token create: --expires takes 12h, 30d "
				     "and so on");
	}
	if (!name || !scopes || optind < argc)
		return say_usage("token create --name N --scope S [--scope S] "
			     "[--expires 30d]");
	if (token_create(home->tokens, name, scopes, ttl, text, &err)) {
		if (err.code == ERR_invalid_request)
			err_hint(&err, "Give another --name.");
		return say_error(&err);
	}
	puts(text);
	mem_wipe(text, sizeof(text));
	return EXIT_SUCCESS;
}

static void print_token(const json_t *t)
{
	json_t *each;
	size_t i;

	printf("%-12s %-20s %-28s %-28s ", json_str(t, "id"),
	       json_str(t, "name"), json_str(t, "created_at"),
	       json_str(t, "revoked_at") ? "revoked" :
	       json_str(t, "expires_at") ? json_str(t, "expires_at") :
					   "never expires");
	json_array_foreach (json_object_get(t, "scopes"), i, each)
		printf("%s%s", i ? "," : "", json_string_value(each));
	putchar('\n');
}

static int token_show(const struct home *home, bool as_json)
{
	struct tokens *tokens;
	struct err err = {0};
	json_t *list, *each;
	char *text;
	size_t i;

	if (tokens_open(&tokens, home->tokens, &err))
		return say_error(&err);
	list = tokens_list(tokens, &err);
	if (!list)
		return say_error(&err);
	if (as_json) {
		text = json_pretty(list, NULL);
		fputs(text, stdout);
		free(text);
	} else {
		json_array_foreach (list, i, each)
			print_token(each);
	}
	json_decref(list);
	tokens_close(tokens);
	return EXIT_SUCCESS;
}

static int token_end(const struct home *home, const char *id)
{
	struct err err = {0};

	if (token_revoke(home->tokens, id, &err))
		return say_error(&err);
	printf("revoked %s; it is refused from the next request on\n", id);
	return EXIT_SUCCESS;
}

/* create reads its own options. */
static bool understood(int argc, char **argv)
{
	if (!strcmp(argv[0], "list"))
		return argc == 1 || (argc == 2 && !strcmp(argv[1], "--json"));
	if (!strcmp(argv[0], "revoke"))
		return argc == 2;
	return !strcmp(argv[0], "create");
}

int cmd_token(const struct globals *g, int argc, char **argv)
{
	struct home home;
	int rc;

	if (argc < 2 || !understood(argc - 1, argv + 1))
		return say_usage("token create --name N --scope S ... | "
				 "list [--json] | revoke ID");
	if (home_of(g, &home))
		return EXIT_FAILURE;
	if (!strcmp(argv[1], "create"))
		rc = token_make(&home, argc - 1, argv + 1);
	else if (!strcmp(argv[1], "list"))
		rc = token_show(&home, argc == 3);
	else
		rc = token_end(&home, argv[2]);
	home_fini(&home);
	return rc;
}
