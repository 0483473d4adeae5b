/* What went out in the last day, counted from the record. */
#pragma once
#include "common/err.h"

struct core;

/* Fill the agent's quota at the start, from the read model and journal. */
int quotas_fill(struct core *k, struct err *err);
