/* See signers_line.h. */
#include "agent/store/signers_line.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "common/err.h"
#include "common/mem.h"
#include "common/sshkey.h"

#define BLANK " \t"
#define PATTERN_MAX 1022	/* OpenSSH's own limit of one pattern */

static int bad(struct err *err, const char *why)
{
	return err_set(err, ERR_bad_config, "%s", why);
}

/* * and ?; remembers the last * only, so it takes no more than n * m. */
static bool matches(const char *text, const char *p, size_t len)
{
	const char *end = p + len, *star = NULL, *from = NULL;

	while (*text) {
		if (p < end && *p == '*') {
			star = ++p;
			from = text;
		} else if (p < end && (*p == '?' || *p == *text)) {
			p++;
			text++;
		} else if (star) {
			p = star;
			text = ++from;
		} else {
			return false;
		}
	}
	while (p < end && *p == '*')
		p++;
	return p == end;
}

int pattern_list(const char *text, const char *patterns)
{
	int found = 0;

	while (*patterns) {
		bool negated = *patterns == '!';
		const char *p = patterns + negated;
		size_t len = strcspn(p, ",");

		if (len > PATTERN_MAX)
			return 0;
		if (matches(text, p, len) && negated)
			return -1;
		else if (!negated)
			found |= matches(text, p, len);
		patterns = p + len;
		patterns += *patterns == ',';
	}
	return found;
}

/*
 * The first word; where a quote is met the rest of it goes to the next quote.
 * *at gets what follows, or NULL where nothing does. NULL: no second quote.
 */
static char *first_word(char **at)
{
	char *word = *at, *end = strpbrk(word, BLANK "\r\"");

	if (end && *end == '"') {
		memmove(end, end + 1, strlen(end));
		end = strchr(end, '"');
		if (!end)
			return NULL;
	}
	if (end) {
		*end++ = 0;
		end += strspn(end, BLANK "\r");
	}
	*at = end;
	return word;
}

/* Is this option next? Goes behind it and its "=", if it has a value. */
static bool option(char **at, const char *name, bool value)
{
	size_t len = strlen(name);

	if (strncasecmp(*at, name, len) || (value && (*at)[len] != '='))
		return false;
	*at += len + value;
	return true;
}

/* A value in quotes, owned, \" being one of its bytes. NULL: it is none. */
static char *quoted(char **at)
{
	char *in = *at, *out, *to;

	if (*in++ != '"')
		return NULL;
	out = to = xmalloc(strlen(in) + 1);
	while (*in && *in != '"') {
		in += *in == '\\' && in[1] == '"';
		*to++ = *in++;
	}
	*to = 0;
	if (*in != '"') {
		free(out);
		return NULL;
	}
	*at = in + 1;
	return out;
}

/* YYYYMMDD[HHMM[SS]][Z|UTC] in seconds; without a zone in the local one. */
static bool time_of(const char *text, int64_t *out)
{
	size_t len = strspn(text, "0123456789");
	const char *zone = text + len;
	char parts[32], *end;
	struct tm tm = {0};
	bool utc = !strcasecmp(zone, "Z") || !strcasecmp(zone, "UTC");

	if ((*zone && !utc) || (len != 8 && len != 12 && len != 14))
		return false;
	/* blanks between, or strptime would take more digits for one */
	for (size_t i = 0, n = 0; i <= len; i++) {
		if (i >= 4 && i < len && !(i % 2))
			parts[n++] = ' ';
		parts[n++] = i < len ? text[i] : 0;
	}
	end = strptime(parts, len == 8 ? "%Y %m %d" : len == 12 ?
		       "%Y %m %d %H %M" : "%Y %m %d %H %M %S", &tm);
	if (!end || *end)
		return false;
	*out = utc ? timegm(&tm) : mktime(&tm);
	return *out >= 0;
}

static int option_time(char **at, int64_t *into, struct err *err)
{
	char *text = *into ? NULL : quoted(at);
	bool ok = text && time_of(text, into) && *into;

	free(text);
	return ok ? 0 : bad(err, "valid-after and valid-before take one time "
			    "each, \"YYYYMMDD[HHMM[SS]][Z]\"");
}

static int one_option(struct signer *s, char **at, struct err *err)
{
	if (option(at, "cert-authority", false)) {
		s->authority = true;
		return 0;
	}
	if (option(at, "namespaces", true)) {
		char *text = s->name_spaces ? NULL : quoted(at);

		if (text)
			s->name_spaces = text;
		return text ? 0 : bad(err, "namespaces takes one \"LIST\"");
	}
	if (option(at, "valid-after", true))
		return option_time(at, &s->valid_after, err);
	if (option(at, "valid-before", true))
		return option_time(at, &s->valid_before, err);
	return bad(err, "an unknown option, or an unknown type of key");
}

static int options(struct signer *s, char *at, struct err *err)
{
	while (*at) {
		if (one_option(s, &at, err))
			return -1;
		if (*at && *at != ',')
			return bad(err, "an unknown option");
		if (*at && !*++at)
			return bad(err, "an option is missing");
	}
	if (s->valid_after && s->valid_before &&
	    s->valid_before <= s->valid_after)
		return bad(err, "valid-before is before valid-after");
	return 0;
}

/* The options' end: the first blank that is in no quotes. NULL: none. */
static char *options_end(char *at)
{
	bool in = false;

	for (; *at && (in || !strchr(BLANK, *at)); at++)
		if (*at == '\\' && at[1] == '"')
			at++;
		else if (*at == '"')
			in = !in;
	return *at ? at : NULL;
}

/* Types that OpenSSH knows and that let nobody in here. */
static bool foreign_type(const char *type, size_t len)
{
	static const char *const names[] = {"ssh-dss", "ssh-xmss@openssh.com"};
	static const char cert[] = "-cert-v01@openssh.com";

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strlen(names[i]) == len && !memcmp(names[i], type, len))
			return true;
	return len > strlen(cert) &&
	       !memcmp(type + len - strlen(cert), cert, strlen(cert));
}

/* 1: a key; 0: these words are none; -1: one that is damaged. */
static int read_key(struct signer *s, char *at, struct err *err)
{
	size_t type = strcspn(at, BLANK), len;
	char *base64 = at + type + strspn(at + type, BLANK);

	if (foreign_type(at, type))
		return 1;
	if (!sshkey_type_known(at, type))
		return 0;
	if (!at[type])
		return bad(err, "the key is missing");
	at[type] = 0;
	len = strcspn(base64, BLANK "\r");
	return sshkey_read_text(&s->key, at, base64, len, err) ? -1 : 1;
}

int signer_read(struct signer *s, char *line, const char *principal,
		struct err *err)
{
	char *at = line + strspn(line, BLANK), *end;
	int rc;

	if (!*at || *at == '#' || !strcmp(at, "\r"))
		return 0;
	s->principals = first_word(&at);
	if (!s->principals || !at)
		return bad(err, "names and a key are needed");
	if (principal && pattern_list(principal, s->principals) != 1)
		return 0;
	rc = read_key(s, at, err);
	if (rc)
		return rc;
	end = options_end(at);
	if (!end)
		return bad(err, "the key is missing");
	*end++ = 0;
	if (options(s, at, err))
		return -1;
	rc = read_key(s, end + strspn(end, BLANK), err);
	return rc ? rc : bad(err, "the type of the key is not known");
}

void signer_fini(struct signer *s)
{
	free(s->name_spaces);
	sshkey_free(s->key);
	*s = (struct signer){0};
}
