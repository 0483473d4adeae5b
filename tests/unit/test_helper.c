/* A program of ours gets all that it is told, however long that is. */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "agent/run/helper.h"
#include "agent/run/spawn.h"
#include "common/fs.h"
#include "tests/unit/unit.h"

/* /proc/self/exe is this test, so it has to be the helper when asked. */
__attribute__((constructor)) static void be_helper(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], SPAWN_HELPER))
		_exit(spawn_helper_main(argc, argv));
}

static json_t *run(const char *script, size_t bytes, struct helper_said *said)
{
	char program[] = "/tmp/kircerta-helper-XXXXXX";
	char *text = xmalloc(bytes + 1);
	json_t *args, *result;

	memset(text, 'x', bytes);
	text[bytes] = 0;
	close(mkstemp(program));
	ck_assert(!fs_replace(program, script, strlen(script), 0700, NULL));
	args = json_pack("{s:s}", "text", text);
	result = helper_run(args, &(struct helper_options){
		program, "post", 20000000, 0}, said);
	unlink(program);
	json_decref(args);
	free(text);
	return result;
}

START_TEST(all_of_a_long_request_arrives)
{
	static const size_t sizes[] = {0, 1000, 65536, 1 << 20, 3 << 20};
	const size_t around = strlen("{\"v\":1,\"timeout_s\":20,\"args\":"
				     "{\"text\":\"\"}}");
	struct helper_said said;
	json_t *result;

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		result = run("#!/bin/sh\necho \"{\\\"result\\\":{\\\"n\\\":"
			     "$(wc -c)}}\"\n", sizes[i], &said);
		ck_assert_msg(result, "%s", said.detail);
		ck_assert_int_eq(json_int(result, "n", 0),
				 (json_int_t)(sizes[i] + around));
		json_decref(result);
	}
}
END_TEST

START_TEST(one_that_does_not_read_it_may_answer_all_the_same)
{
	struct helper_said said;
	json_t *result;

	signal(SIGPIPE, SIG_IGN);	/* as in the agent */
	result = run("#!/bin/sh\nexec <&-\n"
		     "echo '{\"result\":{\"done\":true}}'\n", 1 << 20, &said);
	ck_assert_msg(result, "%s", said.detail);
	ck_assert(json_is_set(result, "done"));
	json_decref(result);
}
END_TEST

TESTS("helper", all_of_a_long_request_arrives,
      one_that_does_not_read_it_may_answer_all_the_same)
