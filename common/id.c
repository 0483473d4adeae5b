/* See id.h. */
#include "common/id.h"

#include <openssl/rand.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

static const char alnum[] =
	"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

void random_bytes(void *out, size_t len)
{
	if (RAND_bytes(out, (int)len) != 1)
		abort();
}

void random_base62(char *out, size_t digits)
{
	for (size_t i = 0; i < digits;) {
		uint8_t b;

		random_bytes(&b, 1);
		if (b < 248)		/* 4 * 62: no digit is favoured */
			out[i++] = alnum[b % 62];
	}
	out[digits] = 0;
}

void id_make(char kind, char out[ID_MADE])
{
	static const char crockford[] = "0123456789abcdefghjkmnpqrstvwxyz";
	uint64_t ms = (uint64_t)clock_wall_us() / 1000, noise;

	random_bytes(&noise, sizeof(noise));
	out[0] = kind;
	out[1] = '-';
	for (int i = 0; i < 9; i++)
		out[2 + i] = crockford[ms >> (5 * (8 - i)) & 31];
	for (int i = 0; i < 7; i++)
		out[11 + i] = crockford[noise >> (5 * i) & 31];
	out[18] = 0;
}

static bool made_of(const char *text, const char *more)
{
	size_t n = text ? strlen(text) : 0;

	if (n < 1 || n > ID_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!strchr(alnum, text[i]) && !strchr(more, text[i]))
			return false;
	return true;
}

bool id_valid(const char *text)
{
	return made_of(text, "._-") && strchr(alnum, text[0]);
}

bool correlation_valid(const char *text)
{
	return made_of(text, "._:-");
}
