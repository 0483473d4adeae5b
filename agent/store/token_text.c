/* Scopes, and how a token is spelled: see token.h. */
#include "agent/store/token_file.h"

#include <string.h>
#include <zlib.h>

#include "common/id.h"
#include "common/mem.h"

#define DIGITS 30		/* of the secret, base62 */
#define LIKE_DIGITS 20		/* so many in a row are told by nobody */

static const char alnum[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			    "abcdefghijklmnopqrstuvwxyz";

static const char *const scopes[] = {"admin", "observer", "tool_runner"};

unsigned scope_of(const char *name)
{
	for (size_t i = 0; name && i < ARRAY_LEN(scopes); i++)
		if (!strcmp(scopes[i], name))
			return 1u << i;
	return 0;
}

const char *scope_name(unsigned one)
{
	for (size_t i = 0; i < ARRAY_LEN(scopes); i++)
		if (one == 1u << i)
			return scopes[i];
	return NULL;
}

void scope_text(unsigned set, char out[48])
{
	*out = 0;
	for (size_t i = 0; i < ARRAY_LEN(scopes); i++)
		if (set & 1u << i) {
			strcat(out, *out ? "," : "");
			strcat(out, scopes[i]);
		}
}

/* The last six digits: they find a typo, they protect nothing. */
static void checksum(const char *digits, char out[7])
{
	unsigned long crc = crc32(0, (const Bytef *)digits, DIGITS);

	out[6] = 0;
	for (int i = 5; i >= 0; i--, crc /= 62)
		out[i] = alnum[crc % 62];
}

void token_text_make(unsigned set, char text[TOKEN_TEXT])
{
	memcpy(text, "kco_", 4);
	if (set & (SCOPE_ADMIN | SCOPE_RUNNER))
		text[2] = set & SCOPE_ADMIN ? 'a' : 'r';
	random_base62(text + 4, DIGITS);
	checksum(text + 4, text + 4 + DIGITS);
}

/* Length of what is spelled like a token here; most of one is enough. */
static size_t like_token(const char *at)
{
	size_t digits;

	if (at[0] != 'k' || at[1] != 'c' || !at[2] || !strchr("aor", at[2]) ||
	    at[3] != '_')
		return 0;
	digits = strspn(at + 4, alnum);
	return digits >= LIKE_DIGITS ? 4 + digits : 0;
}

/* The first in the text; *len gets its length. NULL: none. */
static char *find_token(const char *text, size_t *len)
{
	for (; text && (text = strstr(text, "kc")); text++) {
		*len = like_token(text);
		if (*len)
			return (char *)text;
	}
	return NULL;
}

bool token_in(const char *text)
{
	size_t len;

	return find_token(text, &len) != NULL;
}

void token_hide(char *text)
{
	static const char hidden[] = "[redacted]";
	const size_t n = sizeof(hidden) - 1;
	size_t len;

	while ((text = find_token(text, &len))) {
		memcpy(text, hidden, n);
		memmove(text + n, text + len, strlen(text + len) + 1);
	}
}

bool token_in_json(const json_t *v)
{
	const char *key;
	json_t *each;
	size_t i;

	if (json_is_array(v))
		json_array_foreach (v, i, each)
			if (token_in_json(each))
				return true;
	if (json_is_object(v))
		json_object_foreach ((json_t *)v, key, each)
			if (token_in(key) || token_in_json(each))
				return true;
	return json_is_string(v) && token_in(json_string_value(v));
}

bool token_text_ok(const char *text)
{
	char sum[7];

	if (!text || strnlen(text, TOKEN_TEXT) != TOKEN_TEXT - 1 ||
	    strncmp(text, "kc", 2) || !strchr("aor", text[2]) ||
	    text[3] != '_')
		return false;
	checksum(text + 4, sum);
	return !strcmp(sum, text + 4 + DIGITS);
}
