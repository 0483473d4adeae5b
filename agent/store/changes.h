/*
 * What changed between two versions of a document: [{"path","from","to"}],
 * path being an RFC 6901 pointer. What came has no from, what went no to.
 * Any thread.
 */
#pragma once
#include <jansson.h>

#define CHANGES_MAX 200		/* listed of one document */
#define CHANGES_VALUE 1024	/* bytes of JSON that are shown as they are */
#define CHANGES_PATH 512	/* bytes; what lies deeper changes as a whole */

/*
 * New. Either may be NULL: there was none. Objects and arrays are gone into,
 * arrays by index. A value that is longer is {"sha256","bytes"}, of its JSON
 * on one line with sorted keys. *more gets how many are not listed.
 */
json_t *changes_between(const json_t *from, const json_t *to, int *more);
