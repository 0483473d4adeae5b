/*
 * A stop that the journal could not take, kept in one small file until it
 * can. Its room is taken beforehand and written over in place, so that it
 * needs none on a full disk. Blank: there is nothing to be kept.
 */
#pragma once
#include <jansson.h>

struct err;

#define STOP_NOTE 4096		/* bytes of the file, whatever it says */

/* Take the room, if it is not taken; what the file says stays. ERR_io. */
int stop_note_prepare(const char *path, struct err *err);
/*
 * What it says: an object, owned; NULL: nothing. What cannot be read counts
 * as a stop that nobody is named for, as nobody knows better.
 */
json_t *stop_note_read(const char *path);
/* Write note, or nothing (NULL); it is on the disk when this returns 0. */
int stop_note_write(const char *path, const json_t *note, struct err *err);
