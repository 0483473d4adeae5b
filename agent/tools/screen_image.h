/* A frame as a picture file. Errors end the program. */
#pragma once
#include <stddef.h>

struct frame;

/* Both write the file whole and return its size in bytes. */
size_t image_png(const struct frame *f, const char *path);
size_t image_jpeg(const struct frame *f, const char *path, int quality);
