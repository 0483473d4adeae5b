/* Scopes, and how a token is spelled: see token.h. */
#include "agent/store/token_file.h"

#include <string.h>
#include <zlib.h>

#include "common/id.h"
#include "common/mem.h"

#define DIGITS 30		/* of the secret, base62 */

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
	static const char alnum[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz";
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
