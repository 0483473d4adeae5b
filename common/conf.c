/* See conf.h. libgit2 keeps no line numbers, so they are looked up again. */
#include "common/conf.h"

#include <ctype.h>
#include <git2.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/mem.h"
#include "common/words.h"

#define CONF_FILE_MAX (1 << 20)

/* "[policy "youtube.upload"]" into section (lower case) and sub. */
static void read_header(const char *line, char *section, char *sub, size_t max)
{
	size_t n = strcspn(line + 1, " \t\"]\n"), k = 0;
	const char *quote = line + 1 + n + strspn(line + 1 + n, " \t"), *end;

	snprintf(section, max, "%.*s", (int)n, line + 1);
	for (char *c = section; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	*sub = 0;
	if (*quote != '"')
		return;
	for (end = quote + 1; *end && *end != '"' && k + 1 < max; end++) {
		if (*end == '\\' && end[1])
			end++;
		sub[k++] = *end;
	}
	sub[k] = 0;
}

/* The line of the nth (from 0) entry with this name; 0 if it is not found. */
static int line_of(const char *text, const char *section, const char *sub,
		   const char *key, int nth)
{
	char at_section[128] = "", at_sub[256] = "";
	int line = 1;

	for (const char *p = text; p && *p; line++) {
		const char *s = p + strspn(p, " \t");
		size_t n;

		if (*s == '[') {
			read_header(s, at_section, at_sub, sizeof(at_section));
			s = strchr(s, ']');
			s = s ? s + 1 + strspn(s + 1, " \t") : p;
		}
		n = strcspn(s, " \t=\r\n#;");
		if (n == strlen(key) && !strncasecmp(s, key, n) &&
		    !strcmp(at_section, section) &&
		    !strcmp(at_sub, sub ? sub : "") && nth-- == 0)
			return line;
		p = strchr(p, '\n');
		p = p ? p + 1 : NULL;
	}
	return 0;
}

int conf_error(const struct conf_entry *e, struct err *err, const char *fmt,
	       ...)
{
	char text[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(err, ERR_bad_config, "%s:%d: %s%s%s%s.%s: %s", e->file,
		       e->line, e->section, e->sub ? " \"" : "",
		       e->sub ? e->sub : "", e->sub ? "\"" : "", e->key, text);
}

struct seen {
	char **names;
	size_t n;
};

static int seen_before(struct seen *s, const char *name)
{
	int times = 0;

	for (size_t i = 0; i < s->n; i++)
		times += !strcmp(s->names[i], name);
	s->names = xrealloc(s->names, (s->n + 1) * sizeof(*s->names));
	s->names[s->n++] = xstrdup(name);
	return times;
}

/* "a.b.c.d" is section a, sub "b.c", key d. */
static int give(const git_config_entry *e, const char *path, const char *text,
		struct seen *seen, conf_each *each, void *data,
		struct err *err)
{
	char *name = xstrdup(e->name), *first = strchr(name, '.');
	char *last = strrchr(name, '.');
	struct conf_entry out = {.section = name, .file = path,
				 .value = e->value ? e->value : "true"};
	int nth = seen_before(seen, e->name), rc = 0;

	if (first && last) {
		*first = *last = 0;
		out.sub = first == last ? NULL : first + 1;
		out.key = last + 1;
		out.line = line_of(text, name, out.sub, out.key, nth);
		rc = each(&out, data, err);
	}
	free(name);
	return rc;
}

int conf_read(const char *path, conf_each *each, void *data, struct err *err)
{
	char *text = fs_read(path, CONF_FILE_MAX, NULL, err);
	git_config_iterator *it = NULL;
	git_config *config = NULL;
	git_config_entry *e;
	struct seen seen = {0};
	int rc = -1;

	if (!text)
		return -1;
	git_libgit2_init();
	if (git_config_open_ondisk(&config, path) ||
	    git_config_iterator_new(&it, config))
		err_set(err, ERR_bad_config, "%s: %s", path,
			git_error_last() ? git_error_last()->message :
					   "cannot be parsed");
	else
		for (rc = 0; !rc && !git_config_next(&e, it);)
			rc = give(e, path, text, &seen, each, data, err);
	git_config_iterator_free(it);
	git_config_free(config);
	git_libgit2_shutdown();
	for (size_t i = 0; i < seen.n; i++)
		free(seen.names[i]);
	free(seen.names);
	free(text);
	return rc;
}

bool size_parse(const char *text, int64_t *bytes)
{
	char *end;
	unsigned long long n;
	int shift;

	if (!text || *text < '0' || *text > '9')
		return false;
	n = strtoull(text, &end, 10);
	shift = !*end ? 0 : !strcasecmp(end, "k") ? 10 :
		!strcasecmp(end, "m") ? 20 : !strcasecmp(end, "g") ? 30 : -1;
	if (shift < 0 || n > (1ULL << 53) >> shift)
		return false;
	*bytes = (int64_t)(n << shift);
	return true;
}

char *conf_beside(const char *file, const char *value)
{
	char *copy, *out;

	if (!*value || *value == '/' || !file)
		return xstrdup(value);
	copy = xstrdup(file);
	out = xasprintf("%s/%s", dirname(copy), value);
	free(copy);
	return out;
}

/* Parse value into the field; the text of what is wrong, or NULL. */
static const char *assign(const struct conf_key *k, const char *file,
			  const char *value, void *into)
{
	void *field = (char *)into + k->offset;
	int64_t n;
	char *end;
	int i;

	switch (k->type) {
	case CONF_TEXT:
	case CONF_PATH:
		free(*(char **)field);
		*(char **)field = k->type == CONF_PATH ?
			conf_beside(file, value) : xstrdup(value);
		return NULL;
	case CONF_BOOL:
		if (git_config_parse_bool(&i, value))
			return "is not true or false";
		*(bool *)field = i;
		return NULL;
	case CONF_CHOICE:
		i = words_index(k->choices, '|', value);
		if (i < 0)
			return "is not one of the choices";
		*(int *)field = i + (int)k->min;
		return NULL;
	case CONF_TIME:
		if (!duration_parse(value, &n))
			return "is not a time such as 500ms, 10s, 15m, 2h, 7d";
		break;
	case CONF_SIZE:
		if (!size_parse(value, &n))
			return "is not a size such as 4096, 512k, 48m, 4g";
		break;
	case CONF_INT:
		n = strtoll(value, &end, 10);
		if (!*value || *end)
			return "is not a whole number";
		break;
	default:
		return "has no type";
	}
	if (n < k->min || (k->max && n > k->max))
		return "is out of range";
	*(int64_t *)field = n;
	return NULL;
}

void conf_defaults(const struct conf_key *keys, size_t n, void *into)
{
	for (size_t i = 0; i < n; i++)
		if (keys[i].fallback &&
		    assign(&keys[i], NULL, keys[i].fallback, into))
			abort();	/* a wrong row in the table */
}

int conf_set(const struct conf_key *keys, size_t n,
	     const struct conf_entry *e, void *into, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		const struct conf_key *k = &keys[i];
		const char *wrong;

		if (strcmp(k->section, e->section) || strcmp(k->key, e->key))
			continue;
		wrong = assign(k, e->file, e->value, into);
		if (!wrong)
			return 0;
		if (k->choices)
			return conf_error(e, err, "\"%s\" %s: %s", e->value,
					  wrong, k->choices);
		return conf_error(e, err, "\"%s\" %s", e->value, wrong);
	}
	return conf_error(e, err, "unknown key");
}

void conf_free(const struct conf_key *keys, size_t n, void *into)
{
	for (size_t i = 0; i < n; i++)
		if (keys[i].type == CONF_TEXT || keys[i].type == CONF_PATH) {
			char **field = (void *)((char *)into + keys[i].offset);

			xfree(*field);
		}
}
