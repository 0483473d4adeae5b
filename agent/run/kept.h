/*
 * What a tool kept for the question what came of its run: the file `kept` of
 * its folder, moved beside the folder when that goes. It may be secret, so it
 * is neither evidence nor recorded, and removed once the outcome is known.
 */
#pragma once
#include <jansson.h>

#define KEPT_MAX 4096

/* Before the folder of a run is removed. Where nothing is kept, says so. */
void kept_move(const char *dir);
/* A string; null: nothing was kept; NULL: nobody looked. New. */
json_t *kept_read(const char *dir);
/* The names of the folders below work_dir; NULL-terminated, all owned. */
char **kept_list(const char *work_dir);
void kept_remove(const char *dir);
