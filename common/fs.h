/* Files as the rest of the program wants them: whole, synced, or an error. */
#pragma once
#include <stddef.h>
#include <sys/types.h>

struct err;

/* Whole file, NUL-terminated, at most max bytes. Caller frees. NULL on error. */
char *fs_read(const char *path, size_t max, size_t *len, struct err *err);
/* Write beside, fsync, rename over, fsync the folder. 0 or -1. */
int fs_replace(const char *path, const void *data, size_t len, mode_t mode,
	       struct err *err);
int fs_mkdir(const char *path, mode_t mode, struct err *err); /* with parents */
int fs_sync_dir(const char *path, struct err *err);
int fs_write_all(int fd, const void *data, size_t len);	/* 0, or -1 and errno */
/* Remove a folder and what is in it, never following a link. */
int fs_remove_tree(const char *path);
