/*
 * See record_time.h. The calendar is computed, not asked of the C library:
 * it is done twice for every record. Dates as in Hinnant's chrono-compatible
 * low-level date algorithms, where a year starts in March.
 */
#include "agent/store/record_time.h"

struct date { unsigned y, m, d; };

static struct date date_of(unsigned day)	/* since 1970 */
{
	const unsigned z = day + 719468, era = z / 146097, doe = z % 146097;
	const unsigned yoe = (doe - doe / 1460 + doe / 36524 -
			      doe / 146096) / 365;
	const unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	const unsigned mp = (5 * doy + 2) / 153;
	const unsigned m = mp < 10 ? mp + 3 : mp - 9;

	return (struct date){yoe + era * 400 + (m <= 2), m,
			     doy - (153 * mp + 2) / 5 + 1};
}

static unsigned day_of(struct date t)		/* of a date since 1970 */
{
	const unsigned y = t.y - (t.m <= 2), yoe = y % 400;
	const unsigned doy = (153 * (t.m > 2 ? t.m - 3 : t.m + 9) + 2) / 5 +
			     t.d - 1;

	return y / 400 * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy -
	       719468;
}

static char *put(char *out, unsigned n, int width, char after)
{
	for (int i = width; i-- > 0; n /= 10)
		out[i] = (char)('0' + n % 10);
	out[width] = after;
	return out + width + 1;
}

void record_time_write(char *out, int64_t us)
{
	const uint64_t second = (uint64_t)us / 1000000;
	const unsigned left = (unsigned)(second % 86400);
	const struct date t = date_of((unsigned)(second / 86400));

	out = put(out, t.y, 4, '-');
	out = put(out, t.m, 2, '-');
	out = put(out, t.d, 2, 'T');
	out = put(out, left / 3600, 2, ':');
	out = put(out, left / 60 % 60, 2, ':');
	out = put(out, left % 60, 2, '.');
	put(out, (unsigned)((uint64_t)us % 1000000), 6, 'Z');
}

/* Reads digits and the byte after them; *ok turns false if they are none. */
static unsigned get(const char **at, int width, char after, bool *ok)
{
	unsigned n = 0;

	while (width--) {
		const unsigned digit = (unsigned char)*(*at)++ - '0';

		*ok &= digit < 10;
		n = n * 10 + digit;
	}
	*ok &= *(*at)++ == after;
	return n;
}

bool record_time_read(const char *text, int64_t *us)
{
	bool ok = true;
	struct date t, same;
	unsigned hour, minute, second, micro, day;

	t.y = get(&text, 4, '-', &ok);
	t.m = get(&text, 2, '-', &ok);
	t.d = get(&text, 2, 'T', &ok);
	hour = get(&text, 2, ':', &ok);
	minute = get(&text, 2, ':', &ok);
	second = get(&text, 2, '.', &ok);
	micro = get(&text, 6, 'Z', &ok);
	if (!ok || t.y < 1970 || !t.m || t.m > 12 || !t.d || hour > 23 ||
	    minute > 59 || second > 59)
		return false;
	day = day_of(t);
	same = date_of(day);	/* of February 30th that is another one */
	*us = ((int64_t)day * 86400 + hour * 3600 + minute * 60 + second) *
	      1000000 + micro;
	return same.d == t.d && same.m == t.m;
}
