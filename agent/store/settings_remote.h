/*
 * Where the tasks are shared: which addresses a remote may have, and what
 * the files that open it must be like. A secret is never part of an address.
 */
#pragma once

struct err;
struct settings;

/*
 * What is wrong with this address, in words that do not quote it; NULL: it
 * is an absolute path, or file://, https://, http:// to loopback, ssh://,
 * git://, or USER@HOST:PATH, with no secret in it.
 */
const char *remote_url_wrong(const char *url);
/*
 * The same for what is asked over HTTP: https://, or http:// to loopback,
 * without a name, password, ? or # in it.
 */
const char *web_url_wrong(const char *url);
/*
 * The files that [ssot] names: there, readable, and those with a secret in
 * them not empty and nobody else's to read; and with mode shared a remote.
 * ERR_bad_config names the file or the key.
 */
int remote_files_check(const struct settings *s, struct err *err);
