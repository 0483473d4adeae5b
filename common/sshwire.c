/* See sshwire.h. */
#include "common/sshwire.h"

#include <string.h>

bool wire_byte(struct wire *w, uint8_t *out)
{
	if (!w->left)
		return false;
	*out = *w->at;
	*w = (struct wire){w->at + 1, w->left - 1};
	return true;
}

bool wire_u32(struct wire *w, uint32_t *out)
{
	const uint8_t *at = w->at;

	if (w->left < 4)
		return false;
	*out = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 |
	       (uint32_t)at[2] << 8 | at[3];
	*w = (struct wire){at + 4, w->left - 4};
	return true;
}

bool wire_string(struct wire *w, struct wire *out)
{
	struct wire rest = *w;
	uint32_t len;

	if (!wire_u32(&rest, &len) || len > rest.left)
		return false;
	*out = (struct wire){rest.at, len};
	*w = (struct wire){rest.at + len, rest.left - len};
	return true;
}

bool wire_positive(struct wire *w, struct wire *out)
{
	struct wire rest = *w, n;

	if (!wire_string(&rest, &n) || !n.left || n.at[0] & 0x80)
		return false;
	if (!n.at[0]) {		/* only before a byte that would be a sign */
		n = (struct wire){n.at + 1, n.left - 1};
		if (!n.left || !(n.at[0] & 0x80))
			return false;
	}
	*w = rest;
	*out = n;
	return true;
}

bool wire_is(const struct wire *w, const char *text)
{
	return w->left == strlen(text) && !memcmp(w->at, text, w->left);
}

bool wire_same(const struct wire *a, const struct wire *b)
{
	return a->left == b->left &&
	       (!a->left || !memcmp(a->at, b->at, a->left));
}
