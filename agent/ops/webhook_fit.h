/* Before the first event comes: could any of a source become a task? */
#pragma once

struct err;
struct settings;

/*
 * Makes a task of an empty event of each source, as webhook_parts() does of
 * every one. ERR_bad_config with file, line and the words in which each event
 * would be refused.
 */
int webhooks_fit(const struct settings *s, struct err *err);
