/* One pack a batch is many packs: small ones are put together. */
#pragma once
#include <stdint.h>

struct err;

/*
 * If the folder objects/pack has many packs of about one size, make one of
 * them and remove them. Copies objects as they are; packs with deltas (those
 * of `git repack`), those to be kept and those that are not newer than
 * since_ns (of a file's clock) are left alone. 1: something was
 * merged, and open handles may know packs that are gone; 0: nothing; -1.
 */
int ssot_merge_packs(const char *folder, int64_t since_ns, struct err *err);
