/*
 * One Check program per file: TESTS(name, fn, fn, ...) makes its main. A
 * test's name is a sentence; cases live in a table that it walks.
 */
#pragma once
#include <check.h>
#include <stdlib.h>

#include "common/json.h"
#include "common/mem.h"

/* Seconds one test may take; sanitizers are slow. */
#define UNIT_TIMEOUT 60

#define TESTS(name, ...)						\
	int main(void)							\
	{								\
		const TTest *const tests[] = {__VA_ARGS__};		\
		Suite *s = suite_create(name);				\
		TCase *c = tcase_create(name);				\
		SRunner *r;						\
		int failed;						\
									\
		json_setup();						\
		tcase_set_timeout(c, UNIT_TIMEOUT);			\
		for (size_t i = 0; i < ARRAY_LEN(tests); i++)		\
			tcase_add_test(c, tests[i]);			\
		suite_add_tcase(s, c);					\
		r = srunner_create(s);					\
		srunner_run_all(r, CK_ENV);				\
		failed = srunner_ntests_failed(r);			\
		srunner_free(r);					\
		return failed ? EXIT_FAILURE : EXIT_SUCCESS;		\
	}
