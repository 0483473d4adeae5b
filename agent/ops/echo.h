/* How an echo of acceptance criteria differs from what it should be. */
#pragma once
#include <jansson.h>

struct err;

/*
 * What sets got apart from want, as members of ERR_ack_mismatch: "missing",
 * "unexpected" (also what is there twice), "differing" [{"id", "expected",
 * "got", "at"}] and, of the same criteria in another order, "order". Texts
 * are compared as they are: at {"byte", "character", "expected", "got"} is
 * where the first code points differ, null is the end of a text. Returns -1.
 */
int echo_differs(const json_t *want, const json_t *got, struct err *err);
