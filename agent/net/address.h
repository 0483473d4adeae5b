/* Where to listen on TCP, and whether that may be in clear. */
#pragma once
#include <stdbool.h>

struct err;

struct address {
	char host[64];		/* IPv4, as text */
	int port;		/* 0: any free one */
};

/*
 * "HOST:PORT" with an IPv4 address or localhost. ERR_bad_config with what to
 * do, also where others could read along: not loopback, and no TLS.
 */
int address_parse(struct address *a, const char *at, bool tls,
		  struct err *err);
