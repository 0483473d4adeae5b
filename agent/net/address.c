/* See address.h. */
#include "agent/net/address.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"

static int split(struct address *a, const char *at, struct in_addr *addr,
		 struct err *err)
{
	const char *colon = strrchr(at, ':');
	char *end;
	long port;

	if (!colon || colon == at || !colon[1] ||
	    (size_t)(colon - at) >= sizeof(a->host))
		return err_set(err, ERR_bad_config, "%s is not HOST:PORT", at);
	memcpy(a->host, at, (size_t)(colon - at));
	a->host[colon - at] = '\0';
	if (!strcmp(a->host, "localhost"))
		strcpy(a->host, "127.0.0.1");
	port = strtol(colon + 1, &end, 10);
	if (*end || port < 0 || port > 65535 ||
	    inet_pton(AF_INET, a->host, addr) != 1)
		return err_set(err, ERR_bad_config, "%s is not HOST:PORT with "
			       "an IPv4 address or localhost", at);
	a->port = (int)port;
	return 0;
}

int address_parse(struct address *a, const char *at, bool tls,
		  struct err *err)
{
	struct in_addr addr;

	if (split(a, at, &addr, err))
		return -1;
	if (tls || ntohl(addr.s_addr) >> 24 == IN_LOOPBACKNET)
		return 0;
	err_set(err, ERR_bad_config, "%s is not a loopback address: without "
		"TLS, tokens and answers would cross the network in clear",
		a->host);
	return err_hint(err, "Set tls.certificate-file and tls.key-file, or "
			"listen on 127.0.0.1 and come in by ssh -L "
			"8787:127.0.0.1:8787.");
}
