/* What is left when the journal cannot be written. */
#pragma once
#include <stdbool.h>

struct agent;
struct call;

/*
 * The journal is sealed or full: marked reads answer, and say so, and an
 * admin can stop everything; nothing else. What the agent does itself goes on
 * as long as it can be recorded. True: the call is answered. Writer.
 */
bool gate_sealed(struct agent *a, struct call *c);
