/* Memory that is always there: out of memory aborts, so no caller checks. */
#pragma once
#include <stdarg.h>
#include <stddef.h>

void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *old, size_t size);
void *mem_have(void *p);	/* p, which out of memory would be NULL */
char *xstrdup(const char *text);	/* NULL stays NULL */
char *xstrndup(const char *text, size_t len);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
char *xvasprintf(const char *fmt, va_list ap)
	__attribute__((format(printf, 1, 0)));

/* Free and NULL in one word. */
#define xfree(ptr) (free(ptr), (ptr) = NULL)

/* Overwrite a secret so that the compiler cannot leave it behind. */
void mem_wipe(void *at, size_t len);

#define ARRAY_LEN(a) (sizeof(a) / sizeof(*(a)))
