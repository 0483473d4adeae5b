/* What a tool is, as one number: two tools with it do the same. */
#pragma once
#include "agent/ops/op.h"
#include "agent/run/tool.h"
#include "common/sha256.h"

/*
 * SHA-256 of the RFC 8785 form of {argv, config, pass_env, tool}: what its
 * manifest says, and the section of agent.conf that it is given.
 */
void tool_digest(struct agent *a, const struct tool *t, char hex[SHA256_HEX]);
