/* A pack and its index as files, so that a crash leaves no half of them. */
#pragma once

struct buf;
struct err;

/*
 * Write FOLDER/NAME.pack and NAME.idx, durable. temp is a name to work under,
 * which nobody else uses; what a crash left of it is cleared first. 0 or -1.
 */
int pack_file_write(const char *folder, const char *temp, const char *name,
		    const struct buf *pack, const struct buf *index,
		    struct err *err);
