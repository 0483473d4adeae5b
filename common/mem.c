/* The one place where running out of memory ends the program. */
#include "common/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *got)
{
	if (!got) {
		fputs("kircerta: out of memory\n", stderr);
		abort();
	}
	return got;
}

void *xmalloc(size_t size)
{
	return must(malloc(size ? size : 1));
}

void *xcalloc(size_t count, size_t size)
{
	return must(calloc(count ? count : 1, size ? size : 1));
}

void *xrealloc(void *old, size_t size)
{
	return must(realloc(old, size ? size : 1));
}

void *mem_have(void *p)
{
	return must(p);
}

char *xstrdup(const char *text)
{
	return text ? must(strdup(text)) : NULL;
}

char *xstrndup(const char *text, size_t len)
{
	return must(strndup(text, len));
}

char *xvasprintf(const char *fmt, va_list ap)
{
	char *out;

	if (vasprintf(&out, fmt, ap) < 0)
		must(NULL);
	return out;
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *out;

	va_start(ap, fmt);
	out = xvasprintf(fmt, ap);
	va_end(ap);
	return out;
}

void mem_wipe(void *at, size_t len)
{
	if (at)
		explicit_bzero(at, len);
}
