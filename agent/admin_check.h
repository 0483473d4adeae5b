/* The rows of `kircerta-agent check`, for its files alone. */
#pragma once

struct home;
struct policy_table;
struct settings;

/* FAIL: the agent does not start, or not safely; lacks: some tool fails. */
void say_row(const char *what, const char *state, const char *text);
void say_more(const char *text);

/* The tokens, and which of them end within a week; -1: nobody gets in. */
int check_tokens(const struct home *home);
/* A row for each allowed-signers file; -1 if one is not in order. */
int check_signers(const struct policy_table *p, const struct home *home);
/* A row for each receiver of signed events; -1: the key of one is no good. */
int check_notifies(const struct settings *s);
/* A row for each source of webhooks; -1 if one's events would be refused. */
int check_webhooks(const struct settings *s);
