/*
 * What the kernel knows of a connection and libwebsockets does not say: how
 * much of it has come, and how it ended.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct traffic {
	uint64_t received;	/* bytes from there; a FIN counts as one */
	uint64_t unread;	/* of these, still in the kernel */
	uint32_t segments;	/* that brought bytes */
	bool fin;		/* they are done sending */
	bool reset;		/* nothing is left of it; maybe with a FIN */
	bool open;		/* and neither side has ended it */
};

/* false: fd is no TCP socket. */
bool socket_traffic(int fd, struct traffic *t);
