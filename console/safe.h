/*
 * Text from an agent, made safe once, where JSON becomes the console's own
 * data. What these return may reach a terminal; what they take may not.
 */
#pragma once
#include <stddef.h>

/* One line: everything that does not show becomes <U+XXXX>. Caller frees. */
char *safe_line(const char *text);
/* The same, but line feeds stay line feeds. Caller frees. */
char *safe_block(const char *text);

/*
 * The hosts of the http(s) links in text, one a line, each as a resolver
 * would be asked for it: a name that is not ASCII is given in Punycode (RFC
 * 3492) as well, so that look-alikes show. Caller frees; empty without links.
 */
char *safe_hosts(const char *text);
