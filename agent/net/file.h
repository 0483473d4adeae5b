/*
 * A file on its way out: read by a worker, written when the peer takes it.
 * A peer that takes nothing for 30 s is cut.
 */
#pragma once

struct call;
struct peer;

/* The head is out; takes c->fd over. */
void file_begin(struct peer *p, struct call *c);
int file_writeable(struct peer *p);
void file_close(struct peer *p);
